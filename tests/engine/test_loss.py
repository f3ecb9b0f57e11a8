"""The loss of a scaling law: monotone, bounded, repeats at their worth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmcost.catalog import load_catalog
from llmcost.catalog.load import LAW_CONSTANTS, LAW_ERRORS
from llmcost.engine.evaluate import evaluate
from llmcost.engine.loss import effective_tokens

LAWS = load_catalog().kind("scaling_laws")
DECAY = 15.39
amounts = st.floats(1e6, 1e15)
more = st.floats(1.001, 100)


def _loss(law: str, params: float, tokens: float) -> float:
    known = {f"loss_{name}": LAWS[law][name] for name in LAW_CONSTANTS}
    known |= {"active_params": params, "effective_tokens": tokens}
    return float(evaluate(known, ["loss"])[0]["loss"])


#: Of a law, as its errors are named: ln E, ln A, ln B, alpha, beta.
ESTIMATES = ("e", "a", "b", "alpha", "beta")
LAW = LAWS["besiroglu-2024"]
MEANS = np.array(
    [
        np.log(LAW["floor"]), np.log(LAW["params_constant"]), np.log(LAW["tokens_constant"]),
        LAW["params_exponent"], LAW["tokens_exponent"],
    ]
)  # fmt: skip


def _covariance() -> np.ndarray:
    found = np.zeros((5, 5))
    for i, left in enumerate(ESTIMATES):
        for j, right in enumerate(ESTIMATES[i:], i):
            found[i, j] = found[j, i] = LAW[f"cov_{left}_{right}"]
    return found


def _shift(params: float, tokens: float, scatter: float) -> float:
    """One standard error of the loss."""
    known = {f"loss_{name}": LAW[name] for name in (*LAW_CONSTANTS, *LAW_ERRORS)}
    known |= {"active_params": params, "effective_tokens": tokens, "loss_deviation": 1.0}
    known["loss_scatter"] = scatter
    return float(evaluate(known, ["loss_shift"])[0]["loss_shift"])


def test_the_errors_are_those_that_the_paper_prints() -> None:
    """Table 1: 124.58 of A, 1293.23 of B, 0.03 of E, 0.02 of both exponents, of the bootstrap's estimates."""
    drawn = np.random.default_rng(0).multivariate_normal(MEANS, _covariance(), 100_000)
    e, a, b = np.exp(drawn[:, :3]).T.std(axis=1)
    assert (round(e, 2), round(drawn[:, 3].std(), 2), round(drawn[:, 4].std(), 2)) == (
        0.03,
        0.02,
        0.02,
    )
    # A lognormal has more of a tail than the bootstrap's 4,000 estimates.
    assert a == pytest.approx(124.58, rel=0.1)
    assert b == pytest.approx(1293.23, rel=0.3)


@pytest.mark.parametrize(
    ("params", "tokens"), [(1e9, 20e9), (7e9, 140e9), (70e9, 1.4e12), (1e12, 2e13), (7e9, 1.5e13)]
)
def test_the_error_of_a_loss_is_that_of_drawn_laws(params: float, tokens: float) -> None:
    e, a, b, alpha, beta = (
        np.random.default_rng(1).multivariate_normal(MEANS, _covariance(), 100_000).T
    )
    losses = np.exp(e) + np.exp(a) / params**alpha + np.exp(b) / tokens**beta
    drawn = float(np.diff(np.quantile(losses, (0.158655, 0.841345)))[0]) / 2
    # Of the first order: where the errors nearly cancel, the second order is a tenth of what is left.
    assert _shift(params, tokens, 0.0) == pytest.approx(drawn, rel=0.15)


def test_the_error_grows_beyond_what_the_law_is_fitted_to() -> None:
    inside = max(_shift(n, d, 0.0) for n, d in ((1e9, 2e10), (3e9, 6e10), (10e9, 2e11)))
    for params, tokens in ((100e9, 2e12), (1e12, 2e13), (7e9, 1.5e13), (1e12, 1e11), (10e6, 1e9)):
        assert _shift(params, tokens, 0.0) > 1.4 * inside
    # Together they are far better known than one by one.
    assert inside < np.sqrt(_covariance()[0, 0]) * LAW["floor"] / 3


@given(params=amounts, tokens=amounts)
def test_no_error_is_less_than_the_scatter_of_runs(params: float, tokens: float) -> None:
    law, both = _shift(params, tokens, 0.0), _shift(params, tokens, 0.0075)
    assert both == pytest.approx(np.hypot(law, 0.0075 * _loss("besiroglu-2024", params, tokens)))


@pytest.mark.parametrize("law", list(LAWS))
@given(params=amounts, tokens=amounts, factor=more)
def test_loss_falls_with_parameters_and_with_tokens(
    law: str, params: float, tokens: float, factor: float
) -> None:
    here = _loss(law, params, tokens)
    assert LAWS[law]["floor"] < _loss(law, params * factor, tokens) < here
    assert LAWS[law]["floor"] < _loss(law, params, tokens * factor) < here


@given(tokens=amounts, epochs=st.floats(1, 1e4), factor=more)
def test_repeats_are_worth_less_than_fresh_tokens_and_more_than_none(
    tokens: float, epochs: float, factor: float
) -> None:
    unique = np.asarray(tokens)

    def worth(passes: float) -> float:
        return float(
            effective_tokens(unique * passes, np.asarray(passes), np.asarray(DECAY)) / unique
        )

    assert worth(1.0) == 1.0
    assert 1 - 1e-12 <= worth(epochs) <= min(epochs, 1 + DECAY) * (1 + 1e-12)
    assert worth(epochs) <= worth(epochs * factor) * (1 + 1e-12)
    assert worth(1 + DECAY) == pytest.approx(1 + DECAY * (1 - np.exp(-1)), rel=1e-12)


@given(tokens=amounts, epochs=st.floats(0.01, 1))
def test_a_part_of_a_pass_repeats_nothing(tokens: float, epochs: float) -> None:
    found = effective_tokens(np.asarray(tokens * epochs), np.asarray(epochs), np.asarray(DECAY))
    assert float(found) == tokens * epochs
