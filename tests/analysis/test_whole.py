"""A model of one stage is that stage: in estimates, samples, projections, explanations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from llmcost.analysis.estimate import Estimate
from llmcost.analysis.project import project, with_samples
from llmcost.analysis.sampling import Sampling
from llmcost.analysis.stages import estimate_any
from llmcost.analysis.tornado import tornado
from llmcost.analysis.uncertainty import estimate_uncertain, with_uncertainty
from llmcost.engine.results import RESULTS
from llmcost.scenario import load_scenario, parse_scenario
from tests.analysis.years import CATALOG
from tests.conftest import Run

TABLE: dict[str, Any] = {
    "name": "x", "start_date": "2025-06-01", "model": {"preset": "llama-3.1-8b"}, "data": {"tokens": 1e12},
    "training": {"mfu": {"low": 0.3, "high": 0.45}}, "cluster": {"accelerator": "h100-sxm", "devices": 1024},
    "staff": {"fte": 10, "months": 3, "usd_per_fte_year": 3e5},
    "cost": {"items": [{"name": "a", "usd_per_month": 1000}, {"name": "b", "share": 0.1}], "experiments_ratio": 0.5},
    "inference": {"output_tokens_per_day": 1e9, "prompt_tokens_per_day": 1e9, "days": 365},
    "projection": {"until": 2029, "electricity_growth_per_year": 1.1},
    "levers": [{"name": "l", "year": 2027, "flops": 0.5}, {"name": "k", "year": 2026, "energy": {"pue": 1.05}}],
}  # fmt: skip
SAMPLING = Sampling(100, defaults=True)
#: What one run has and several stages have not, together.
OF_A_RUN = {
    "devices", "mfu", "goodput", "peak_power_mw", "cost_purchase_usd",
}  # fmt: skip


def _both() -> tuple[Estimate, Estimate]:
    staged = {**TABLE, "stages": [{"name": "all", "kind": "pretrain"}]}
    one, other = (
        estimate_any(parse_scenario(t, catalog=CATALOG), CATALOG) for t in (TABLE, staged)
    )
    return one, other


def _same(one: Callable[[str], Any], other: Callable[[str], Any]) -> None:
    compared = 0
    for key in set(RESULTS) - OF_A_RUN:
        left, right = one(key), other(key)
        assert (left is None) == (right is None), key
        if left is not None:
            assert np.asarray(right, float) == pytest.approx(np.asarray(left, float), rel=1e-9), key
            compared += 1
    assert compared > 30


def test_one_stage_is_the_run() -> None:
    one, other = _both()
    _same(one.result, other.result)
    years, staged = project(one, CATALOG), project(other, CATALOG)
    assert staged.years[-1] == 2029
    _same(years.result, staged.result)
    _same(
        lambda key: list(with_samples(years, SAMPLING, CATALOG).band(key).values()) or None,
        lambda key: list(with_samples(staged, SAMPLING, CATALOG).band(key).values()) or None,
    )
    sampled, drawn = (with_uncertainty(item, SAMPLING, CATALOG) for item in (one, other))
    _same(
        lambda key: list(sampled.intervals.get(key, {}).values()) or None,
        lambda key: list(drawn.intervals.get(key, {}).values()) or None,
    )
    bars, parts = (
        {bar.key: bar.high for bar in tornado(item, SAMPLING, CATALOG, "lifetime_cost_usd")}
        for item in (one, other)
    )
    assert bars == pytest.approx(parts, rel=1e-9)


@pytest.mark.parametrize("name", ["olmo-2-13b-stages", "deepseek-v3-stages"])
def test_the_total_has_the_range_of_its_method(name: str) -> None:
    found = with_uncertainty(estimate_any(load_scenario(name, (), CATALOG)), SAMPLING, CATALOG)
    method = "amortized" if name.startswith("olmo") else "cloud"
    assert found.intervals["cost_total_usd"] == found.intervals[f"cost_{method}_usd"]
    years = with_samples(project(found, CATALOG, until=2026), SAMPLING, CATALOG)
    for share, value in found.intervals["total_tco2e"].items():
        assert years.band("total_tco2e")[share][0] == pytest.approx(value, rel=1e-9)


def test_an_explanation_names_the_parts_of_a_sum(llmcost: Run) -> None:
    done = llmcost("estimate", "deepseek-v3-stages", "--explain", "device_hours")
    assert "= the sum of the stages: pretraining 2,664,000 + context to 128K 119,000" in done.stdout
    done = llmcost("estimate", "deepseek-v3-stages", "--explain")
    assert "cost_total_usd" in done.stdout
    assert "set by the scenario's words" not in done.stdout


def test_a_range_of_training_reaches_the_hours_of_every_stage() -> None:
    """A stage whose passes train nothing takes as long as its training says, in every sample."""
    scenario = load_scenario("llama-3.1-8b-reasoner", ["training.mfu={low=0.3, high=0.4}"])
    found = estimate_uncertain(scenario, CATALOG, SAMPLING)
    for stage in found.stages:
        samples = stage.estimate.samples
        hours = stage.estimate.result("device_hours")
        assert hours is not None
        assert np.ptp(samples["device_hours"]) > 0.1 * hours, stage.name
        assert samples["tokens"] == pytest.approx(stage.estimate.result("tokens"))
    only = estimate_uncertain(scenario, CATALOG, Sampling(2, quantiles=(0.5,)))
    assert only.result("device_hours") == found.result("device_hours")
