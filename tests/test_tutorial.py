"""The five answers of docs/tutorial.md, from its own files, through the Python interface."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs import update
from llmcost import estimate, project, sweep

TUTORIAL = (update.ROOT / "docs" / "tutorial.md").read_text()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    update.place_files(TUTORIAL, tmp_path)
    return tmp_path


def test_1_what_did_this_run_cost(folder: Path) -> None:
    run = estimate(folder / "our-run.toml")
    assert run.results["cost_total_usd"] == pytest.approx(1.10e6, rel=0.01)
    assert run.results["cost_cloud_usd"] == pytest.approx(4.30e6, rel=0.01)
    assert run.results["mfu"] == pytest.approx(0.428, rel=0.01)
    assert run.results["days"] is None
    energy = 1_720_320 * 400 * 2.03125 * 0.75 / 1e6 * 1.1
    assert run.results["energy_mwh"] == pytest.approx(energy)
    assert run.results["cost_energy_usd"] == pytest.approx(energy * 1000 * 0.0806)


def test_2_which_accelerator_for_my_model_and_deadline(folder: Path) -> None:
    found = {
        name: estimate(folder / "model.toml", sets={"cluster.accelerator": name}).results
        for name in ("h100-sxm", "a100-sxm-80gb", "h200-sxm", "b200-sxm")
    }
    assert {name: item["devices"] for name, item in found.items()} == {
        "h100-sxm": 128, "a100-sxm-80gb": 400, "h200-sxm": 120, "b200-sxm": 64,
    }  # fmt: skip
    assert all((item["days"] or 99) <= 30 for item in found.values())
    rented = {n: item["cost_cloud_usd"] for n, item in found.items() if item["cost_cloud_usd"]}
    bought = {
        n: item["cost_amortized_usd"] for n, item in found.items() if item["cost_amortized_usd"]
    }
    assert min(rented, key=rented.__getitem__) == "b200-sxm"
    assert rented["a100-sxm-80gb"] > 1.5 * rented["h100-sxm"]
    cheapest = sorted(bought, key=bought.__getitem__)
    assert cheapest == ["b200-sxm", "h100-sxm", "a100-sxm-80gb", "h200-sxm"]


def test_3_what_can_i_train_for_100k(folder: Path) -> None:
    table = sweep(folder / "for-100k.toml", solve="model.params", target=["cost_total_usd=100k"])
    params = table["model.params"][0]
    assert params == pytest.approx(19.9e9, rel=0.01)
    back = estimate(folder / "for-100k.toml", sets={"model.params": params}).results
    assert back["cost_total_usd"] == pytest.approx(100_000, rel=1e-6)
    assert back["flops"] == pytest.approx(120 * params**2)
    offer = sweep(
        folder / "for-100k.toml", solve="model.params", target=["cost_total_usd=100k"],
        sets={"cost.cloud_usd_per_device_hour": 2.5},
    )  # fmt: skip
    hours = 100_000 / 2.5
    flops = hours * 3600 * 989.4e12 * 0.40
    assert offer["model.params"][0] == pytest.approx((flops / 120) ** 0.5, rel=1e-6)


def test_4_what_will_it_cost_in_2030() -> None:
    same = project("llama-3.1-405b", until=2030)
    assert same["year"][-1] == 2030
    assert same["cost_total_usd"][-1] == pytest.approx(6.60e6, rel=0.01)
    frontier = project("frontier", follow="frontier", until=2030)
    cost = frontier["cost_total_usd"]
    assert cost[1:] / cost[:-1] == pytest.approx([2.4] * 7)
    assert cost[-1] == pytest.approx(18.4e9, rel=0.01)


def test_5_how_much_carbon_and_where() -> None:
    table = sweep(
        "llama-3.1-405b", {"carbon.grid": ["SWE", "FRA", "USA", "DEU", "POL", "CHN", "IND"]},
        minimize="total_tco2e",
    )  # fmt: skip
    assert table["carbon.grid"].tolist()[0] == "SWE"
    share = dict(
        zip(table["carbon.grid"], table["embodied_tco2e"] / table["total_tco2e"], strict=True)
    )
    assert share["USA"] == pytest.approx(0.04, abs=0.005)
    assert share["SWE"] == pytest.approx(0.27, abs=0.01)
