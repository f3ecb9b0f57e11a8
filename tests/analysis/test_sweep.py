"""Cells of a sweep: order, bit-identity with estimate, words, conditions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from llmcost.analysis.axes import parse_axes
from llmcost.analysis.engines import run_local
from llmcost.analysis.estimate import estimate
from llmcost.analysis.sweep import Sweep
from llmcost.catalog import load_catalog
from llmcost.columns import plain, records
from llmcost.engine.results import RESULTS
from llmcost.scenario import load_scenario, parse_scenario, with_sets

CATALOG = load_catalog()


TABLE: dict[str, Any] = {
    "name": "base",
    "start_date": "2025-01-01",
    "model": {"params": 70e9},
    "cluster": {"accelerator": "h100-sxm", "devices": 1024},
}


def rows_of(sweep: Sweep) -> list[dict[str, Any]]:
    return [row for block in run_local(sweep) for row in records(block.columns, sweep.select)]


AXES = [
    "cluster.accelerator=a100-sxm-80gb,h100-sxm,tpu-v5p,b200-sxm",
    "model.params=1B:1T:log:5",
    "training.mfu=0.2:0.6:0.2",
    "carbon.grid=USA,FRA,SWE",
    "start_date=2023-06-01,2025-06-01",
    "cost.cloud_vendor=aws,lambda",
]


def test_every_cell_is_the_estimate_to_the_last_bit() -> None:
    scenario = parse_scenario(TABLE)
    sweep = Sweep(scenario, parse_axes(AXES, [], CATALOG), CATALOG)
    rows = rows_of(sweep)
    assert len(rows) == sweep.cells == 4 * 5 * 3 * 3 * 2 * 2
    for row in rows[::7]:
        sets = [f"{axis.keys[0]}={row[axis.keys[0]]!r}".replace("'", '"') for axis in sweep.axes]
        single = estimate(with_sets(scenario, sets))
        for key in RESULTS:
            assert row.get(key) == single.result(key), (key, sets)


def test_models_of_the_catalog_as_an_axis() -> None:
    scenario = load_scenario(
        "llama-3.1-8b",
        ["cluster.device_hours=", "cluster.devices=64", "training.flops_method=architecture"],
    )
    names = "gpt2-xl,llama-3.1-70b,mixtral-8x7b,deepseek-v3,gpt-3-175b,qwen3-30b-a3b"
    sweep = Sweep(scenario, parse_axes([f"model.preset={names}"], [], CATALOG), CATALOG)
    for row in rows_of(sweep):
        single = estimate(with_sets(scenario, [f"model.preset={row['model.preset']}"]))
        for key in RESULTS:
            assert row.get(key) == single.result(key), (key, row["model.preset"])


def test_order_is_that_of_the_axes_across_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    axes = parse_axes(
        ["model.params=1B:1T:log:7", "cluster.devices=8:88:8", "training.mfu=0.3,0.4,0.5"],
        ["energy.pue=1.1,1.2", "carbon.grid=USA,FRA"],
        CATALOG,
    )
    reference = None
    for cells in (32768, 1, 5, 66, 200):
        monkeypatch.setattr(Sweep, "most_cells", cells)
        sweep = Sweep(parse_scenario(TABLE), axes, CATALOG)
        assert sweep.blocks >= 7 * 11 * 3 * 2 / cells
        rows = rows_of(sweep)
        assert len(rows) == 7 * 11 * 3 * 2
        reference = reference or rows
        assert rows == reference
    assert reference is not None
    assert [row["energy.pue"] for row in reference[:4]] == [1.1, 1.2, 1.1, 1.2]
    assert [row["carbon.grid"] for row in reference[:2]] == ["USA", "FRA"]
    assert reference[0]["training.mfu"] == 0.3
    assert reference[2]["training.mfu"] == 0.4


def test_where_select_and_words() -> None:
    axes = parse_axes(AXES[:3], [], CATALOG)
    every = rows_of(Sweep(parse_scenario(TABLE), axes, CATALOG))
    where = [
        "days <= 90",
        'cluster.accelerator == "h100-sxm" or model.params > 1e11',
        "cost_total_usd < 100M",
    ]
    found = rows_of(
        Sweep(
            parse_scenario(TABLE), axes, CATALOG, where, ["model.params", "days", "cluster.devices"]
        )
    )
    expected = [
        row for row in every
        if row["days"] <= 90 and (row["cluster.accelerator"] == "h100-sxm" or row["model.params"] > 1e11)
        and row["cost_total_usd"] is not None and row["cost_total_usd"] < 1e8
    ]  # fmt: skip
    assert [(row["model.params"], row["days"]) for row in found] == [
        (row["model.params"], row["days"]) for row in expected
    ]
    assert all(
        list(row) == ["model.params", "days", "cluster.devices"] and row["cluster.devices"] == 1024
        for row in found
    )


def test_cells_without_an_answer_are_null_and_counted() -> None:
    table = {**TABLE, "cluster": {"accelerator": "h100-sxm", "devices": 1024, "days": 10}}
    sweep = Sweep(parse_scenario(table), parse_axes(["model.params=1B,10T"], [], CATALOG), CATALOG)
    block = sweep.block(0)
    assert block.unanswered == 1
    assert [plain(value) for value in block.columns["flops"]] == [1.2e20, None]


def test_a_purchase_along_accelerators_is_each_ones_own() -> None:
    """Beside one that is not sold, and one that nobody quotes, the others cost what they cost alone."""
    tables = {"name": "x", "cluster": {"accelerator": "h100-sxm", "devices": 8, "days": 3}}
    names = ("h100-sxm", "tpu-v6e", "h800-sxm", "rtx-4090")
    for date in ({}, {"start_date": "2026-06-01"}):
        scenario = parse_scenario({**tables, **date})
        axes = parse_axes([f"cluster.accelerator={','.join(names)}"], [], CATALOG)
        found = Sweep(scenario, axes, CATALOG).block(0).columns["cost_purchase_usd"]
        for name, value in zip(names, found, strict=True):
            alone = estimate(with_sets(scenario, [f"cluster.accelerator={name}"], None, CATALOG))
            expected = alone.result("cost_purchase_usd")
            assert value == pytest.approx(np.nan if expected is None else expected, nan_ok=True)
