"""The loss of a scaling law: monotone, bounded, repeats at their worth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmcost.catalog import load_catalog
from llmcost.engine.loss import effective_tokens, loss

LAWS = load_catalog().kind("scaling_laws")
DECAY = 15.39
amounts = st.floats(1e6, 1e15)
more = st.floats(1.001, 100)


def _loss(law: str, params: float, tokens: float) -> float:
    fields = (
        "floor", "params_constant", "params_exponent", "tokens_constant", "tokens_exponent",
    )  # fmt: skip
    constants = [np.asarray(LAWS[law][name]) for name in fields]
    return float(loss(*constants, np.asarray(params), np.asarray(tokens)))


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
