"""What papers compute with their scaling laws, against the same laws here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import llmcost
from tests.conftest import of

#: Coefficients and examples of Sardana et al. 2023, arXiv:2401.00448, section 1, and of its authors' script.
SARDANA = """
[scaling_laws.sardana-2023]
floor = 1.69
params_constant = 406.4
params_exponent = 0.336
tokens_constant = 410.7
tokens_exponent = 0.283
fitted_params_low = 70e6
fitted_params_high = 16e9
fitted_tokens_low = 5e9
fitted_tokens_high = 500e9
source = "Sardana et al. 2023, arXiv:2401.00448"
"""
SERVED = 2e12


@pytest.mark.parametrize(
    ("law", "params", "tokens", "expected"),
    [
        ("besiroglu-2024", 70e9, 1.4e12, 1.97),  # Chinchilla
        ("hoffmann-2022", 70e9, 1.4e12, 1.94),
        ("hoffmann-2022", 280e9, 300e9, 1.99),  # Gopher
    ],
)
def test_losses_of_published_models(
    law: str, params: float, tokens: float, expected: float
) -> None:
    found = of(model={"params": params, "scaling_law": law}, data={"tokens": tokens})
    assert found.result("loss") == pytest.approx(expected, abs=5e-3)


def _law(folder: Path) -> list[str]:
    file = folder / "laws.toml"
    file.write_text(SARDANA)
    return [str(file)]


def _trained_to(folder: Path, params: str, target: float) -> llmcost.Table:
    """Sizes with the tokens that they need for a loss."""
    return llmcost.sweep(
        {"name": "x", "model": {"scaling_law": "sardana-2023"}},
        axis=[f"model.params={params}"],
        solve="data.tokens",
        target=[f"loss={target!r}"],
        select=["model.params", "data.tokens", "flops"],
        catalog=_law(folder),
    )


def test_a_served_model_is_smaller_as_sardana_says(tmp_path: Path) -> None:
    """Two trillion tokens served by a model as good as a 13B: 7B saves 1.7e22 FLOPs, 17 %."""
    large = 13e9
    tokens = (0.283 * 410.7 / (0.336 * 406.4) * large**0.336) ** (1 / 0.283)  # least training
    model = {"params": large, "scaling_law": "sardana-2023"}
    equal = llmcost.estimate(
        {"name": "x", "model": model, "data": {"tokens": tokens}}, catalog=_law(tmp_path)
    ).result("loss")
    assert equal is not None
    found = _trained_to(tmp_path, "7B,12.9B,13B,13.1B", equal)
    assert np.argmin(found["flops"]) == 2
    small, _, both, _ = found["flops"] + 2 * found["model.params"] * SERVED
    assert both - small == pytest.approx(1.7e22, rel=0.02)
    assert 1 - small / both == pytest.approx(0.17, abs=0.01)


def test_the_best_size_of_the_authors_script(tmp_path: Path) -> None:
    found = _trained_to(tmp_path, "15B:40B:log:400", 1.947)
    best = int(np.argmin(found["flops"] + 2 * found["model.params"] * SERVED))
    assert found["model.params"][best] == pytest.approx(2.418e10, rel=0.01)
    assert found["data.tokens"][best] == pytest.approx(2.657e12, rel=0.01)
