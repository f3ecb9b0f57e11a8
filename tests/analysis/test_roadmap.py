"""Levers that change keys of the scenario: what the engine makes of them, beside what is stated."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmcost.analysis.estimate import Estimate
from llmcost.analysis.milestones import waterfall
from llmcost.analysis.project import project, with_samples
from llmcost.analysis.roadmap import DIVIDED, pulled, together
from llmcost.analysis.sampling import Sampling
from llmcost.analysis.stages import estimate_any
from llmcost.analysis.uncertainty import with_uncertainty
from llmcost.errors import InputError
from llmcost.scenario import load_scenario, parse_scenario
from tests.analysis.years import CATALOG
from tests.conftest import Run

#: Changes that may be made one after the other in any order.
CHANGES: dict[str, dict[str, Any]] = {
    "data": {"data": {"tokens": 4e12}},
    "format": {"training": {"precision": "fp8"}},
    "experts": {
        "model": {"experts": 8, "experts_per_token": 2, "expert_ffn_hidden_size": 4096},
        "parallelism": {"ep": 8},
    },
    "layout": {"parallelism": {"pp": 4, "vpp": 2, "dp": 32}},
    "place": {"carbon": {"grid": "FRA"}, "energy": {"pue": 1.05}},
    "hardware": {"cluster": {"accelerator": "b200-sxm"}},
}
#: Nothing moves but what levers do.
STILL = {
    "until": 2027, "hardware_price_performance_ooms_per_year": 0, "energy_efficiency_growth_per_year": 1,
    "electricity_growth_per_year": 1, "grid_carbon_growth_per_year": 1,
}  # fmt: skip


def _base(levers: Sequence[dict[str, Any]], *merged: str, **more: Any) -> Estimate:
    """A dense 70B model under levers, or with the changes of some of them made in its own keys."""
    table: dict[str, Any] = {
        "name": "x", "start_date": "2025-06-01",
        "model": {"preset": "llama-2-70b", "seq_len": 4096}, "data": {"tokens": 8e12},
        "training": {"precision": "bf16"}, "cluster": {"accelerator": "h100-sxm", "devices": 1024},
        "parallelism": {"tp": 8, "pp": 8, "vpp": 1, "dp": 16, "micro_batch": 1, "global_batch_seqs": 1024},
        "projection": dict(STILL), "levers": list(levers), **more,
    }  # fmt: skip
    for name in merged:
        for section, keys in CHANGES[name].items():
            table[section] = {**table.get(section, {}), **keys}
    return estimate_any(parse_scenario(table, catalog=CATALOG), CATALOG)


def _levers(names: Sequence[str]) -> list[dict[str, Any]]:
    return [{"name": name, "year": 2026, **CHANGES[name]} for name in names]


orders = st.lists(st.sampled_from(sorted(CHANGES)), unique=True, min_size=1)


@settings(max_examples=10, deadline=None)
@given(orders)
def test_the_product_of_the_factors_is_the_whole_ratio(names: list[str]) -> None:
    base, alone = _base(_levers(names)), _base([], *names)
    levers = pulled(base, CATALOG)
    assert [lever.name for lever in levers] == names
    for key in DIVIDED:
        before, after = base.result(key), alone.result(key)
        assert before is not None
        assert after is not None
        assert together(levers, key) == pytest.approx(before / after, rel=1e-9), key


@settings(max_examples=10, deadline=None)
@given(orders)
def test_a_projection_and_its_waterfall_end_where_the_levers_do(names: list[str]) -> None:
    alone = _base([], *names)
    found = project(_base(_levers(names)), CATALOG)
    for key in (*DIVIDED, "cost_cloud_usd", "cost_purchase_usd", "water_m3", "days", "params"):
        value, years = alone.result(key), found.result(key)
        assert (value is None) == (years is None), key
        if value is not None and years is not None:
            assert years[1:] == pytest.approx([value] * 2, rel=1e-9), key
    steps = waterfall(found, "cost_total_usd")
    levers = pulled(found.base, CATALOG)
    factors = [before.value / after.value for before, after in pairwise(steps)]
    assert factors == pytest.approx([lever.factors["cost_total_usd"] for lever in levers], rel=1e-9)
    assert all(step.shapley is None for step in steps)


def test_samples_of_a_projection_are_those_of_the_changed_scenario() -> None:
    names, sampling = ["data", "format", "place"], Sampling(200, defaults=True)
    spread = {"staff": {"fte": 10, "months": 3, "usd_per_fte_year": {"low": 2e5, "high": 4e5}}}
    alone = with_uncertainty(_base([], *names, **spread), sampling, CATALOG)
    trends = {f"projection.{key}": value for key, value in STILL.items()}
    assert trends  # given, so that no trend is sampled
    found = with_samples(project(_base(_levers(names), **spread), CATALOG), sampling, CATALOG)
    for key in ("cost_total_usd", "total_tco2e", "energy_mwh"):
        band, wanted = found.band(key), alone.intervals[key]
        for name, value in wanted.items():
            assert band[name][-1] == pytest.approx(value, rel=1e-9), (key, name)
            assert band[name][0] != pytest.approx(value, rel=1e-3)


def test_what_a_trend_contains_of_a_device_is_not_counted_twice() -> None:
    """The trend has brought the new device's gain by then: what is left is its lower MFU."""
    lever = {"name": "new", "year": 2026, "in_trend": 1, **CHANGES["hardware"]}
    moving = {
        "projection": {**STILL, "until": 2045, "hardware_price_performance_ooms_per_year": 0.14}
    }
    bare, found = (project(_base(levers, **moving), CATALOG) for levers in ([], [lever]))
    hours, with_it = bare.result("device_hours"), found.result("device_hours")
    assert hours is not None
    assert with_it is not None
    new = next(iter(found.levers))
    assert new.flops_per_device > 2
    assert with_it[-1] / hours[-1] == pytest.approx(1 / new.mfu, rel=1e-9)


def test_what_cannot_be_computed_has_the_stated_figure_alone() -> None:
    base = estimate_any(load_scenario("roadmap-tied", (), CATALOG), CATALOG)
    levers = {lever.name: lever for lever in pulled(base, CATALOG)}
    for name in ("analog-in-memory-computing", "energy-based-models"):
        assert (levers[name].factors, levers[name].after, levers[name].stated) == ({}, None, 2.0)
    tied = [lever for lever in levers.values() if lever.changes]
    assert len(tied) == 5
    cost = together(tuple(levers.values()), "cost_total_usd")
    assert cost == pytest.approx(np.prod([lever.factors["cost_total_usd"] for lever in tied]))
    assert levers["data-reduction"].factors["flops"] == pytest.approx(2, rel=1e-9)
    assert levers["data-formats"].factors["flops"] == pytest.approx(1, rel=1e-9)
    # Half of the weights are used, but tokens have to reach their experts.
    assert levers["model-partitioning"].factors["flops"] > 2
    assert 1 < levers["model-partitioning"].factors["device_hours"] < 2  # type: ignore[operator]


def test_a_lever_works_on_every_stage_that_does_not_say_otherwise() -> None:
    stages = [
        {"name": "a", "kind": "pretrain"},
        {"name": "b", "kind": "continue", "data": {"tokens": 1e11}},
    ]
    base = _base(_levers(["data", "place"]), stages=stages)
    alone = _base([], "data", "place", stages=stages)
    assert together(pulled(base, CATALOG), "flops") == pytest.approx(
        base.results["flops"] / alone.results["flops"]  # type: ignore[operator]
    )
    years = project(base, CATALOG).result("cost_total_usd")
    assert years is not None
    assert years[-1] == pytest.approx(alone.result("cost_total_usd"), rel=1e-9)
    for stage in stages:
        stage["data"] = {"tokens": 1e11}
    with pytest.raises(InputError, match=r"\(data\) data\.tokens: every stage gives it itself"):
        pulled(_base(_levers(["data"]), stages=stages), CATALOG)


@pytest.mark.parametrize(
    ("lever", "said"),
    [
        ({"data": {"tokens": 1e12}, "flops": 0.5}, "flops: follows from the keys"),
        ({"data": {"tokens": {"low": 1e12, "high": 2e12}}}, "is a range; a lever takes a number"),
        ({"data": {"tokenz": 1e12}}, 'did you mean "tokens"'),
        ({"cluster": {"accelerator": "h200-sxn"}}, r"\(x\).*h200-sxm"),
        ({"description": "better"}, "description: unknown key"),
        ({"cost": {"items": [{"name": "a", "usd": 1}]}}, "is of the whole file"),
    ],
)
def test_a_wrong_lever_is_named(lever: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        _base([{"name": "x", **lever}])


def test_a_layout_that_cannot_be_names_the_lever(llmcost: Run, tmp_path: Path) -> None:
    text = Path(__file__).parents[2].joinpath("scenarios", "roadmap-tied.toml").read_text()
    (tmp_path / "bad.toml").write_text(text.replace("parallelism.dp = 32", "parallelism.dp = 33"))
    for command in ("estimate", "project"):
        done = llmcost(command, "bad.toml")
        assert (done.returncode, done.stdout) == (2, "")
        assert "[[levers]] 1 (supercomputing-optimisation)" in done.stderr


def test_levers_are_in_every_output(llmcost: Run) -> None:
    found = json.loads(llmcost("estimate", "roadmap-tied", "--json").stdout)
    by_name = {lever["name"]: lever for lever in found["levers"]}
    cost = found["levers_together"]["factors"]["cost_total_usd"]
    last = by_name["efficient-hardware"]["results"]["cost_total_usd"]
    assert found["results"]["cost_total_usd"] / last == pytest.approx(cost)
    assert by_name["data-formats"]["changes"] == {"training.precision": "fp8"}
    assert by_name["energy-based-models"]["factors"] is None
    years = json.loads(
        llmcost("project", "roadmap-tied", "--waterfall", "cost_total_usd", "--json").stdout
    )
    steps = years["waterfall"]["cost_total_usd"]
    assert {step["stated"] for step in steps[1:]} == {2.0}
    assert years["levers"][3]["changes"] == {"training.precision": "fp8"}
    for arguments in (("estimate", "--format", "markdown"), ("report", "-o", "-")):
        command, *rest = arguments
        done = llmcost(command, "roadmap-tied", *rest)
        assert done.returncode == 0, done.stderr
        assert "Together" in done.stdout
        assert "÷2.00" in done.stdout
    plain = json.loads(llmcost("estimate", "gpt-3", "--json").stdout)
    assert "levers" not in plain
