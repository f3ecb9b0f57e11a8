"""Shares of staff in the development of four models (Cottier et al. 2024, arXiv:2405.21015).

The paper's shares are those of medians: the staff's over the sum of the components' medians,
experiments within each component. They are no shares of the total's median, which is another sum.
"""

from __future__ import annotations

import numpy as np
import pytest

from llmcost.analysis.estimate import estimate
from llmcost.analysis.sampling import Sampling
from llmcost.analysis.uncertainty import with_uncertainty
from llmcost.catalog import load_catalog
from llmcost.engine.results import COST_COMPONENTS
from llmcost.scenario import load_scenario

CATALOG = load_catalog()
#: Median cost of Gemini's energy in Epoch AI's development_cost.ipynb [USD of 2023].
_GEMINI_ENERGY = 5_728_322


def medians(name: str) -> dict[str, float]:
    """Median cost of the staff, and of each component with its experiments [USD]."""
    base = estimate(load_scenario(name), CATALOG)
    found = with_uncertainty(base, Sampling(20000, 0, defaults=True), CATALOG).samples
    ratio = 1 + found["cost_experiments_usd"] / found["cost_amortized_usd"]
    parts = {key: float(np.median(found[key] * ratio)) for key in COST_COMPONENTS if key in found}
    return {"staff": float(np.median(found["cost_staff_usd"])), **parts}


@pytest.mark.parametrize(
    ("name", "share"),
    [("gpt-3-development", 0.3276), ("opt-175b", 0.4280), ("gpt-4-development", 0.2862)],
)
def test_the_share_of_staff_is_the_papers(name: str, share: float) -> None:
    found = medians(name)
    assert found["staff"] / sum(found.values()) == pytest.approx(share, abs=0.01)


def test_gemini_differs_by_its_energy_alone() -> None:
    """Our TPU v4 draws what PaLM and GLaM measured, above the range that Epoch AI assumes."""
    found = medians("gemini-1.0-ultra-development")
    assert found["cost_energy_usd"] > _GEMINI_ENERGY
    found["cost_energy_usd"] = _GEMINI_ENERGY
    assert found["staff"] / sum(found.values()) == pytest.approx(0.4877, abs=0.01)
