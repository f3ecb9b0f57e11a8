"""What owning a cluster costs beside its hardware, and where it meets the rent."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from llmcost.analysis.project import project
from llmcost.analysis.sampling import Sampling
from llmcost.analysis.uncertainty import estimate_uncertain
from llmcost.catalog import load_catalog
from llmcost.engine.evaluate import evaluate
from llmcost.engine.results import COST_COMPONENTS, OWNERSHIP_PARTS
from llmcost.errors import InputError
from llmcost.render.cost import cost_parts, undetermined
from llmcost.scenario import parse_scenario
from tests.conftest import Run, of, rows_of_csv

CATALOG = load_catalog()
RUN = {
    "start_date": "2026-06-01",
    "model": {"params": "7B"},
    "data": {"tokens": "2T"},
    "training": {"mfu": 0.4},
    "cluster": {"accelerator": "h100-sxm", "devices": 64},
}
SERVICE = {"model": {"preset": "llama-3.1-8b"}, "inference": {"output_tokens_per_day": "1B"}}
OWN = {
    "colocation_usd_per_kw_month": 180.0, "storage_tb_per_device": 10.0, "storage_usd_per_tb_month": 4.0,
    "support_share_per_year": 0.06, "capital_rate_per_year": 0.1, "setup_weeks": 6.0,
}  # fmt: skip

owned = st.fixed_dictionaries(
    {},
    optional={
        "colocation_usd_per_kw_month": st.floats(0, 1000),
        "storage_tb_per_device": st.floats(0, 100),
        "storage_usd_per_tb_month": st.floats(0, 200),
        "support_share_per_year": st.floats(0, 0.5),
        "capital_rate_per_year": st.floats(0, 0.5),
        "setup_weeks": st.floats(0, 104),
    },
)


def value(found: Any, key: str) -> float:
    amount = found.result(key)
    assert amount is not None, key
    return float(amount)


@given(owned, st.floats(0.05, 1), st.floats(0, 3))
def test_parts_add_up_to_the_amortized_cost(
    own: dict[str, float], use: float, experiments: float
) -> None:
    cost = {**own, "owner_utilisation": use, "experiments_ratio": experiments}
    found = of(**RUN, cost=cost)
    parts = math.fsum(found.result(key) or 0.0 for key in COST_COMPONENTS)
    assert parts == pytest.approx(value(found, "cost_amortized_usd"), rel=1e-12)
    total = value(found, "cost_total_usd")
    assert math.fsum(part.usd for part in cost_parts(found)) == pytest.approx(total, rel=1e-12)
    keys = {
        "cost_colocation_usd": "colocation_usd_per_kw_month",
        "cost_support_usd": "support_share_per_year",
        "cost_capital_usd": "capital_rate_per_year",
        "cost_setup_usd": "setup_weeks",
    }
    for part, key in keys.items():
        assert (found.result(part) is None) == (key not in own), part
    assert (found.result("cost_storage_usd") is None) == (not any("storage" in key for key in own))
    plain = of(**RUN, cost={"owner_utilisation": use, "experiments_ratio": experiments})
    assert value(found, "cost_amortized_usd") >= value(plain, "cost_amortized_usd")


@given(
    owned, st.floats(0.05, 1), st.floats(0, 3), st.sampled_from(["h100-sxm", "b200-sxm", "mi300x"]),
    st.sampled_from(["on-demand", "spot"]),
)  # fmt: skip
def test_totals_of_renting_and_owning_meet_at_the_break_even(
    own: dict[str, float], use: float, experiments: float, device: str, term: str
) -> None:
    cluster = {"accelerator": device, "devices": 64}
    items = [{"name": "fixed", "usd": 5e4}, {"name": "contingency", "share": 0.1}]
    common = {**own, "experiments_ratio": experiments, "cloud_commitment": term, "items": items}
    at = of(**{**RUN, "cluster": cluster}, cost={**common, "owner_utilisation": use})
    share = value(at, "breakeven_utilisation")
    assume(0 < share <= 1)
    there = {**RUN, "cluster": cluster}
    totals = [
        value(of(**there, cost={**common, "owner_utilisation": share, "method": method}), "cost_total_usd")
        for method in ("amortized", "cloud")
    ]  # fmt: skip
    assert totals[0] == pytest.approx(totals[1], rel=1e-9)
    again = of(**there, cost={**common, "owner_utilisation": share})
    assert value(again, "breakeven_utilisation") == pytest.approx(share, rel=1e-9)


def test_the_formulas_by_hand() -> None:
    found = of(**RUN, cost={**OWN, "owner_utilisation": 0.5})
    years = value(found, "device_hours") / 8766 / 0.5
    worth = float(found.values["start_value_usd"]) / (1 - 0.19)
    assert value(found, "cost_colocation_usd") == pytest.approx(
        years * 12 * 0.7 * float(found.values["server_power_ratio"]) * 180
    )
    assert value(found, "cost_storage_usd") == pytest.approx(years * 12 * 40)
    assert value(found, "cost_support_usd") == pytest.approx(years * worth * 0.06)
    assert value(found, "cost_capital_usd") == pytest.approx(years * worth * 0.1)
    # Jorgenson's user cost: what the hardware loses and its interest, of one value
    hardware = value(found, "cost_interconnect_usd") + float(found.values["cost_hardware_usd"])
    pace = 0.14 * math.log(10)
    assert value(found, "cost_capital_usd") / hardware == pytest.approx(0.1 / pace)


@given(st.floats(0, 104), st.floats(0.05, 0.5))
def test_what_is_lost_in_set_up_is_recovered_by_the_hours_after_it(
    weeks: float, ooms: float
) -> None:
    """The charges of all hours after the set-up, each by its value, are the whole price."""
    cost = {"setup_weeks": weeks, "depreciation_ooms_per_year": ooms}
    share = float(of(**RUN, cost=cost).values["setup_share"])
    pace = ooms * math.log(10)
    times = weeks / (365.25 / 7) + np.linspace(0, 40 / pace, 400_001)
    charges = np.exp(-pace * times) * pace * (1 + share)
    recovered = float(np.sum((charges[1:] + charges[:-1]) / 2 * np.diff(times)))
    assert recovered == pytest.approx(1.0, rel=1e-5)


def test_nothing_is_counted_unless_it_is_asked_for() -> None:
    plain, named = of(**RUN), of(**RUN, cost={"ownership": "hardware"})
    for found in (plain, named):
        assert all(found.result(key) is None for key in OWNERSHIP_PARTS)
        assert not {"colocation", "storage", "set-up"} & set(undetermined(found))
    assert plain.results == named.results
    none = of(**RUN, cost=dict.fromkeys(OWN, 0.0))
    assert none.result("cost_amortized_usd") == plain.result("cost_amortized_usd")
    assert none.result("cost_setup_usd") == 0


def test_full_ownership_takes_every_default_with_its_source() -> None:
    found = of(**RUN, cost={"ownership": "full", "setup_weeks": 0})
    for key in OWN:
        name = f"cost.{key}"
        if key == "setup_weeks":
            assert found.inputs.sources[name] == "file"
            continue
        entry = CATALOG.entry("defaults", name)
        assert entry["source"] in found.inputs.sources[name]
        assert name in found.inputs.intervals
        assert entry["low"] < entry["value"] < entry["high"]
    assert found.result("cost_setup_usd") == 0
    assert value(found, "cost_amortized_usd") > 1.5 * value(of(**RUN), "cost_amortized_usd")
    one = of(**RUN, cost={"capital_rate_per_year": "default"})
    assert one.inputs.shown["cost.capital_rate_per_year"] == 0.1
    assert [key for key in OWNERSHIP_PARTS if one.result(key)] == ["cost_capital_usd"]
    half = of(**RUN, cost={"storage_tb_per_device": 3})
    assert half.inputs.shown["cost.storage_usd_per_tb_month"] == 4.17
    with pytest.raises(InputError, match='or "default"'):
        of(**RUN, cost={"setup_weeks": "some"})


def test_the_rent_of_the_floor_is_that_of_the_runs_date() -> None:
    key = "cost.colocation_usd_per_kw_month"

    def rent(day: str) -> Any:
        return of(**{**RUN, "start_date": day}, cost={"ownership": "full"})

    assert rent("2024-06-30").inputs.shown[key] == 174.06
    assert 174.06 < rent("2024-09-30").inputs.shown[key] < 184.06
    assert rent("2026-06-01").inputs.shown[key] == 194.95
    for day in ("2021-01-01", "2028-06-01"):
        assert any(key in note and "than the run" in note for note in rent(day).warnings)
    assert not any(key in note for note in rent("2026-06-01").warnings)


def test_a_device_without_a_known_power_has_no_rent_of_the_floor() -> None:
    known = of(**RUN, energy={"device_power_w": 900}, cost={"ownership": "full"})
    assert known.result("cost_colocation_usd") is not None
    values, _ = evaluate({k: v for k, v in known.inputs.known.items() if k != "tdp_w"})
    assert values["cost_energy_usd"] > 0
    assert np.isnan(values["cost_colocation_usd"])
    assert np.isnan(values["cost_amortized_usd"])


def test_a_purchase_says_that_it_counts_the_price_alone() -> None:
    found = of(**RUN, cost={"ownership": "full", "method": "purchase"})
    assert any("cost.setup_weeks" in note and "purchase" in note for note in found.warnings)
    assert found.result("cost_total_usd") == of(**RUN).result("cost_purchase_usd")
    quiet = of(**RUN, cost={"ownership": "full"})
    assert not any("purchase" in note for note in quiet.warnings)


def test_a_service_bears_what_a_run_of_its_hours_does() -> None:
    """The same device-hours on the same hardware cost the same, whoever uses them."""
    plain, full = (of(**RUN | SERVICE, cost=cost) for cost in ({}, OWN))
    hours = float(full.values["service_device_hours"])
    run = {**RUN | SERVICE, "cluster": {"accelerator": "h100-sxm", "device_hours": hours}}
    alone = of(
        **{key: item for key, item in run.items() if key not in ("training", "data", "inference")},
        cost=OWN,
    )
    parts = math.fsum(value(alone, key) for key in OWNERSHIP_PARTS)
    more = value(full, "inference_cost_usd") - value(plain, "inference_cost_usd")
    assert more == pytest.approx(parts, rel=1e-9)


def test_years_and_samples_count_it_as_an_estimate_does() -> None:
    scenario = parse_scenario({"name": "x", **RUN, "cost": OWN})
    base = of(**RUN, cost=OWN)
    found = project(base, CATALOG, "model", 2030)
    for key in (*COST_COMPONENTS, "cost_amortized_usd", "cost_total_usd"):
        assert found.values[key][0] == base.result(key), key
    parts = sum(np.broadcast_to(found.values[key], found.years.shape) for key in COST_COMPONENTS)
    np.testing.assert_allclose(parts, found.values["cost_amortized_usd"], rtol=1e-12)
    frontier = project(base, CATALOG, "frontier", 2030).values["cost_amortized_usd"]
    np.testing.assert_allclose(frontier[1:] / frontier[:-1], 2.4, rtol=1e-12)
    defaults = parse_scenario({"name": "x", **RUN, "cost": {"ownership": "full"}})
    for one in (scenario, defaults):
        drawn = estimate_uncertain(one, CATALOG, Sampling(200, defaults=True))
        total = sum(np.asarray(drawn.samples[key]) for key in COST_COMPONENTS)
        np.testing.assert_allclose(total, drawn.samples["cost_amortized_usd"], rtol=1e-12)
    assert drawn.intervals["cost_setup_usd"]["p5"] < drawn.intervals["cost_setup_usd"]["p95"]  # type: ignore[operator]


def test_every_command_names_the_parts(llmcost: Run, tmp_path: Any) -> None:
    (tmp_path / "own.toml").write_text(
        'name = "own"\nstart_date = 2026-06-01\nmodel.params = "7B"\ndata.tokens = "2T"\ntraining.mfu = 0.4\n'
        'cluster = { accelerator = "h100-sxm", devices = 64 }\ncost = { ownership = "full" }\n'
    )
    labels = ("Colocation", "Storage", "Vendor support", "Capital", "Set-up")
    outputs = [
        llmcost("estimate", "own.toml").stdout,
        llmcost("estimate", "own.toml", "--format", "markdown").stdout,
        llmcost("compare", "own.toml", "--set-b", "cost.ownership=hardware").stdout,
        llmcost("report", "own.toml", "--output", "-").stdout,
    ]
    for text in outputs:
        assert all(label in text for label in labels)
    assert "Break-even use" in outputs[2]
    explained = llmcost("estimate", "own.toml", "--explain", "cost_amortized_usd").stdout
    assert "Jorgenson" in explained
    assert "setup_share" in explained
    line = (
        "sweep", "own.toml", "--axis", "cost.ownership=hardware,full",
        "--axis", "start_date=2024-06-30,2026-06-01", "--format", "csv",
        "--select", ",".join([*COST_COMPONENTS, "cost_amortized_usd"]),
    )  # fmt: skip
    rows = [
        {k: float(v or 0) for k, v in row.items()} for row in rows_of_csv(llmcost(*line).stdout)
    ]
    for row in rows:
        assert math.fsum(row[key] for key in COST_COMPONENTS) == pytest.approx(
            row["cost_amortized_usd"], rel=1e-12
        )
    cells = [("hardware", "2024-06-30"), ("hardware", "2026-06-01"), ("full", "2024-06-30"), ("full", "2026-06-01")]  # fmt: skip
    for row, (ownership, day) in zip(rows, cells, strict=True):
        found = of(**{**RUN, "start_date": day}, cost={"ownership": ownership})
        assert row["cost_amortized_usd"] == found.result("cost_amortized_usd")
