"""Prices of the run's date, places, staff by headcount, currency, price lists."""

from __future__ import annotations

import json
import math
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llmcost.analysis.axes import parse_axes
from llmcost.analysis.estimate import Estimate, estimate
from llmcost.analysis.sweep import Sweep
from llmcost.catalog import load_catalog
from llmcost.columns import records
from llmcost.errors import InputError
from llmcost.scenario import Scenario, parse_scenario
from tests.conftest import Run

CATALOG = load_catalog()
DEVICES = ("h100-sxm", "h200-sxm", "b200-sxm", "gb200-nvl72", "mi300x", "tpu-v5p", "tpu-v6e")


def made(accelerator: str = "h100-sxm", start: str = "2026-06-01", **more: Any) -> Estimate:
    table = {
        "name": "x", "start_date": start, "model": {"params": 7e9}, "data": {"tokens": 2e12}, "training": {"mfu": 0.4},
        "cluster": {"accelerator": accelerator, "devices": 64}, **more,
    }  # fmt: skip
    return estimate(parse_scenario(table), CATALOG)


@pytest.mark.parametrize("accelerator", DEVICES)
def test_what_people_rent_has_a_price_and_a_power_in_2026(accelerator: str) -> None:
    found = made(accelerator)
    assert 1 < (found.result("cost_cloud_usd") or 0) / (found.result("device_hours") or 1) < 16
    assert (found.result("energy_mwh") or 0) > 0
    sold = not accelerator.startswith("tpu")
    assert (found.result("cost_purchase_usd") is not None) == sold
    assert any("cannot be bought" in note for note in found.warnings) != sold


def test_beside_what_cannot_be_bought_a_price_still_has_its_server() -> None:
    def table(accelerator: str) -> Scenario:
        return parse_scenario({
            "name": "x", "model": {"preset": "qwen2.5-0.5b"}, "cost": {"price_includes_server": False},
            "cluster": {"accelerator": accelerator, "devices": 64},
        })  # fmt: skip

    axes = parse_axes(["cluster.accelerator=tpu-v5p,a100-sxm-80gb"], [], CATALOG)
    rows = Sweep(table("h100-sxm"), axes, CATALOG).block(0).columns["cost_purchase_usd"]
    alone = estimate(table("a100-sxm-80gb"), CATALOG).result("cost_purchase_usd")
    assert np.isnan(rows[0])
    assert rows[1] == pytest.approx(alone)


def test_a_price_follows_the_date_and_an_old_one_warns() -> None:
    early, late = made(start="2023-09-01"), made(start="2026-06-01")
    assert (late.result("cost_cloud_usd") or 9e9) < (early.result("cost_cloud_usd") or 0)
    assert (late.result("cost_purchase_usd") or 9e9) != early.result("cost_purchase_usd")
    far = made("p100-sxm", start="2026-06-01")
    assert any("older than the run" in note for note in far.warnings)


@pytest.mark.parametrize("accelerator", [*CATALOG.kind("accelerators")])
def test_the_value_of_every_device_falls_from_a_dated_price(accelerator: str) -> None:
    found = [made(accelerator, f"{year}-10-01") for year in (2026, 2027)]
    first, second = (item.result("cost_accelerator_usd") for item in found)
    price = found[0].inputs.shown.get("cost.device_price_usd")
    assert (first is None) == (price is None)
    if first is None or second is None:
        return
    assert second / first == pytest.approx(10 ** (-0.14 * 365 / 365.25))
    known = found[0].inputs.shown["cost.available_date"]
    assert known >= CATALOG.entry("accelerators", accelerator)["available"]
    assert known < date(2026, 10, 1)


def test_h200_and_h100_are_depreciated_alike() -> None:
    one, other = made("h100-sxm", "2026-01-01"), made("h200-sxm", "2026-01-01")
    assert other.inputs.shown["cost.device_price_usd"] == 39083.38
    assert other.inputs.shown["cost.available_date"] == date(2025, 1, 31)
    value = 39083.38 * 10 ** (-0.14 * 335 / 365.25) / (44489.88 * 10 ** (-0.14 * 1109 / 365.25))
    ratio = (other.result("cost_accelerator_usd") or 0) / (one.result("cost_accelerator_usd") or 1)
    assert ratio == pytest.approx(value, rel=1e-9)
    early = made("h200-sxm", "2024-12-01")
    assert any(
        "before the first known price of the hardware (2025-01-31)" in note
        for note in early.warnings
    )
    own = made("h200-sxm", "2026-01-01", cost={"available_date": "2025-06-01"})
    assert own.inputs.sources["cost.available_date"] == "file"


@pytest.mark.parametrize("server", [True, False])
@pytest.mark.parametrize("start", [date(2026, 10, 1), None])
def test_a_sweep_over_devices_values_them_as_an_estimate_does(
    start: date | None, server: bool
) -> None:
    # one of no quoted price, one of no ratio of its own, one that is not sold
    devices = ("h100-sxm", "h200-sxm", "mi250x", "rtx-3090", "b300-sxm", "tpu-v7")

    def scenario(device: str) -> Scenario:
        table = {
            "name": "x", "model": {"params": 7e9}, "data": {"tokens": 2e12}, "training": {"mfu": 0.4},
            "cluster": {"accelerator": device, "devices": 64}, "cost": {"price_includes_server": server},
        }  # fmt: skip
        return parse_scenario(table | ({"start_date": start} if start else {}))

    axes = parse_axes([f"cluster.accelerator={','.join(devices)}"], [], CATALOG)
    keys = ("cost_amortized_usd", "cost_purchase_usd")
    found = Sweep(scenario(devices[0]), axes, CATALOG, select=keys).block(0).columns
    for place, device in enumerate(devices):
        single = estimate(scenario(device), CATALOG)
        for key in keys:
            swept = float(found[key][place])
            assert (None if math.isnan(swept) else swept) == single.result(key), (device, key)


def test_a_vendor_is_found_however_it_is_spelt_and_an_unknown_one_names_the_nearest() -> None:
    names = ("lambda", "Lambda", "LAMBDA")
    found = [made(cost={"cloud_vendor": name}).result("cost_cloud_usd") for name in names]
    assert len(set(found)) == 1
    with pytest.raises(InputError, match="lambda"):
        made(cost={"cloud_vendor": "lamdba"})


def test_six_countries_have_six_prices_and_waters() -> None:
    six = [made(carbon={"grid": name}) for name in ("USA", "FRA", "DEU", "NOR", "IND", "JPN")]
    for key in ("cost_energy_usd", "water_m3", "operational_tco2e"):
        assert len({round(item.result(key) or 0, 3) for item in six}) == 6, key
    texas = made(carbon={"grid": "USA"}, energy={"region": "USA-TX"})
    assert texas.result("cost_energy_usd") != six[0].result("cost_energy_usd")
    assert texas.result("operational_tco2e") == six[0].result("operational_tco2e")


def test_the_grant_adds_up(llmcost: Run, tmp_path: Path) -> None:
    (tmp_path / "grant.toml").write_text(
        """name = "grant"
start_date = 2026-06-01
[model]
params = "7B"
[data]
tokens = "2T"
[training]
mfu = 0.4
[cluster]
accelerator = "h100-sxm"
devices = 64
[cost]
method = "cloud"
experiments_ratio = 0.5
[staff]
fte = 3
months = 12
usd_per_fte_year = 150000
[[cost.items]]
name = "contingency"
share = 0.1
"""
    )
    found = json.loads(llmcost("estimate", "grant.toml", "--json").stdout)["results"]
    run = found["cost_cloud_usd"]
    assert found["cost_development_usd"] == pytest.approx(1.5 * run + 450_000)
    assert found["cost_total_usd"] == pytest.approx(1.1 * (1.5 * run + 450_000))
    assert found["development_energy_mwh"] == pytest.approx(1.5 * found["energy_mwh"])
    assert found["development_tco2e"] == pytest.approx(1.5 * found["total_tco2e"])
    table = llmcost(
        "estimate",
        "grant.toml",
        "--set",
        "cost.currency=EUR",
        "--set",
        "cost.usd_per_currency=1.25",
    ).stdout
    assert "€" in table
    assert "$" not in table.partition("Defaults taken")[0]
    budget = llmcost("project", "grant.toml", "--budget", "1e6", "--until", "2030")
    assert budget.returncode == 0, budget.stderr


def test_staff_by_headcount_is_epochs_and_narrows() -> None:
    few, many = (made(staff={"people": count, "months": 12}) for count in (10, 1000))
    for found, count in ((few, 10), (many, 1000)):
        low, high = (
            found.inputs.intervals["staff.fte_share"][1].low,
            found.inputs.intervals["staff.fte_share"][1].high,
        )
        assert low < 0.285 < high
        assert (found.result("cost_staff_usd") or 0) == pytest.approx(
            count * 0.285 * 445e3, rel=0.05
        )
    with pytest.raises(InputError, match=r"staff\.fte"):
        made(staff={"people": 3, "fte": 3, "months": 12})


def test_life_cycle_adds_building_and_end_of_life() -> None:
    plain, whole = made(), made(carbon={"scope": "life-cycle"})
    assert (whole.result("embodied_tco2e") or 0) > (plain.result("embodied_tco2e") or 0)
    own = made(carbon={"construction_kgco2e_per_kw": 0.0, "end_of_life_share": 0.5})
    assert own.result("embodied_tco2e") == pytest.approx(
        1.5 * (plain.result("embodied_tco2e") or 0)
    )


def test_a_price_list_of_skypilot_is_taken(llmcost: Run, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "vms.csv").write_text(
        "InstanceType,AcceleratorName,AcceleratorCount,Price,SpotPrice,Region\nbig,H100,8,16,8,x\n"
    )
    line = ["estimate", "llama-3.1-405b", "--catalog", "mine/vms.csv", "--json"]
    found = json.loads(llmcost(*line).stdout)["results"]
    assert found["cost_cloud_usd"] / found["device_hours"] == pytest.approx(2.0)
    spot = json.loads(llmcost(*line, "--set", "cost.cloud_commitment=spot").stdout)["results"]
    assert spot["cost_cloud_usd"] == pytest.approx(found["cost_cloud_usd"] / 2)


def test_owning_and_renting_meet_at_the_break_even() -> None:
    found = made()
    share = found.result("breakeven_utilisation") or 0
    there = made(cost={"owner_utilisation": share})
    assert there.result("cost_amortized_usd") == pytest.approx(there.result("cost_cloud_usd"))


def test_places_side_by_side(llmcost: Run) -> None:
    done = llmcost("compare", "llama-3.1-405b", "--places", "France,Sweden,USA,India", "--json")
    found = json.loads(done.stdout)
    assert [item["scenario"] for item in found["scenarios"]] == ["France", "Sweden", "USA", "India"]
    assert llmcost("compare", "llama-3.1-405b", "--places", "France,Swedn").returncode == 2
    assert llmcost("compare", "bloom-176b", "--places", "France,USA").returncode == 2


def test_the_overhead_is_the_operators_at_the_place(llmcost: Run, tmp_path: Path) -> None:
    def pue(operator: str, **more: str) -> tuple[Any, str]:
        energy = {"operator": operator, **({"region": more["region"]} if "region" in more else {})}
        carbon = {"grid": more["grid"]} if "grid" in more else {}
        found = made(energy=energy, carbon=carbon).inputs
        return found.shown["energy.pue"], found.sources["energy.pue"]

    assert pue("amazon")[0] == CATALOG.entry("operators", "amazon")["pue"]
    assert pue("amazon", grid="SGP")[0] == 1.32
    assert "Singapore 2024" in pue("amazon", grid="SGP")[1]
    assert pue("amazon", grid="USA", region="USA-OH")[0] == 1.13
    assert pue("google", grid="gcp:us-central1")[0] == 1.1
    assert pue("amazon", grid="FRA") == (1.15, "catalog: operators/amazon")
    (tmp_path / "mine.toml").write_text('[operators.amazon]\npue = 1.5\nsource = "ours"\n')
    line = (
        "sweep", "llama-3.1-8b", "--axis", "energy.operator=amazon,google", "--axis", "carbon.grid=SGP,FRA",
        "--select", "energy_mwh", "--format", "csv",
    )  # fmt: skip
    swept = [float(x) for x in llmcost(*line).stdout.split()[1:]]
    alone = [
        json.loads(
            llmcost(
                "estimate", "llama-3.1-8b", "--json", "--set", f"energy.operator={operator}",
                "--set", f"carbon.grid={grid}",
            ).stdout
        )["results"]["energy_mwh"]
        for operator in ("amazon", "google") for grid in ("SGP", "FRA")
    ]  # fmt: skip
    assert swept == alone
    own = llmcost(*line, "--catalog", "mine.toml").stdout.split()[1:]
    assert own[0] == own[1]


def test_a_country_is_found_by_what_people_call_it() -> None:
    for kind in ("grids", "places"):
        for name, code in (("UK", "GBR"), ("uae", "ARE"), ("US", "USA"), ("Korea", "KOR"), ("South Korea", "KOR")):  # fmt: skip
            assert CATALOG.find(kind, name, "x") == code
    with pytest.raises(InputError, match="catalog of grids"):
        CATALOG.find("grids", "UKX", "x")


def test_a_state_stands_beside_a_country(llmcost: Run) -> None:
    line = ("compare", "llama-3.1-405b", "--places", "USA,USA-TX,Oregon", "--json")
    done = llmcost(*line)
    found = json.loads(done.stdout)["scenarios"]
    assert [item["scenario"] for item in found] == ["USA", "USA-TX", "Oregon"]
    prices = [item["inputs"]["energy.electricity_usd_per_kwh"]["value"] for item in found]
    assert len(set(prices)) == 3
    assert len({item["results"]["operational_tco2e"] for item in found}) == 1
    assert "the grid of Texas is not known: taken from United States" in done.stderr
    assert "USA: the grid" not in done.stderr


def test_a_price_without_its_server_is_the_same_beside_one_that_is_not_sold() -> None:
    """An axis with a TPU prices a device as it is priced alone: with its share of the server."""
    table = {
        "name": "x",
        "cluster": {"accelerator": "a100-sxm-80gb", "devices": 64, "days": 10},
        "cost": {"price_includes_server": False},
    }
    scenario = parse_scenario(table, catalog=CATALOG)
    axes = parse_axes(["cluster.accelerator=a100-sxm-80gb,tpu-v4"], [], CATALOG)
    sweep = Sweep(scenario, axes, CATALOG)
    swept = [row["cost_purchase_usd"] for row in records(sweep.block(0).columns, sweep.select)]
    alone = estimate(scenario, CATALOG).result("cost_purchase_usd")
    assert alone
    assert swept == [pytest.approx(alone, rel=1e-12), None]
