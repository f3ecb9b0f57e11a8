"""sweep --solve: the key that meets a target, in every cell."""

from __future__ import annotations

import json

import pytest

from llmcost.analysis.solve import Solve
from llmcost.analysis.sweep import Sweep
from llmcost.catalog import load_catalog
from llmcost.scenario import parse_scenario
from tests.conftest import Run, rows_of_csv

CATALOG = load_catalog()


def test_solve(llmcost: Run, base: str) -> None:
    fixed = ("--set", "training.mfu=0.4", "--json")
    done = llmcost(
        "sweep", base, "--solve", "model.params", "--target", "cost_total_usd=1e6", *fixed
    )
    row = json.loads(done.stdout)["rows"][0]
    assert row["cost_total_usd"] == pytest.approx(1e6, rel=1e-12)
    again = llmcost("estimate", base, "--set", f"model.params={row['model.params']!r}", *fixed)
    assert json.loads(again.stdout)["results"]["cost_total_usd"] == row["cost_total_usd"]
    cells = llmcost(
        "sweep",
        base,
        "--axis",
        "training.mfu=0.3:0.5:0.05",
        "--axis",
        "cluster.accelerator=h100-sxm,trainium1",
        "--solve",
        "model.params",
        "--target",
        "cost_total_usd=1e6",
        "--format",
        "csv",
    )
    rows = rows_of_csv(cells.stdout)
    assert len(rows) == 10
    for row in rows:
        if row["cluster.accelerator"] == "trainium1":  # no energy, so no cost: nothing to solve
            assert row["model.params"] == ""
        else:
            assert float(row["cost_total_usd"]) == pytest.approx(1e6, rel=1e-12)


def test_solve_for_whole_devices_and_several_targets(llmcost: Run, base: str) -> None:
    done = llmcost(
        "sweep",
        base,
        "--set",
        "training.mfu=0.4",
        "--solve",
        "cluster.devices",
        "--target",
        "days=20",
        "--json",
    )
    row = json.loads(done.stdout)["rows"][0]
    assert row["cluster.devices"] == int(row["cluster.devices"])
    assert 19.9 < row["days"] <= 20
    both = (
        "sweep",
        base,
        "--set",
        "cluster.devices=64",
        "--set",
        "training.mfu=0.4",
        "--solve",
        "model.params",
        "--json",
    )
    for targets, binding in (
        (("cost_total_usd=1e6", "days=30"), "days"),
        (("cost_total_usd=1e4", "days=30"), "cost_total_usd"),
    ):
        row = json.loads(llmcost(*both, "--target", targets[0], "--target", targets[1]).stdout)[
            "rows"
        ][0]
        limits = {
            name: float(value) for name, _, value in (text.partition("=") for text in targets)
        }
        assert row[binding] == pytest.approx(limits[binding], rel=1e-12)
        assert all(row[name] <= limit * (1 + 1e-12) for name, limit in limits.items())


def test_solve_says_when_there_is_no_solution_or_several(llmcost: Run, base: str) -> None:
    never = llmcost("sweep", base, "--solve", "energy.pue", "--target", "cost_total_usd=1")
    assert (never.returncode, never.stdout) == (1, "")
    assert "no energy.pue between" in never.stderr
    solve = Solve("reliability.checkpoint_interval_seconds", ["goodput=0.85"])
    table = {
        "name": "x",
        "cluster": {"devices": 16384},
        "reliability": {"device_mtbf_hours": 5e4, "checkpoint_seconds": 60, "restart_seconds": 300},
    }
    sweep = Sweep(parse_scenario(table), (), CATALOG, solve=solve)
    block = sweep.block(0)
    assert block.columns["solutions"].tolist() == [2.0]
    assert block.columns["goodput"][0] == pytest.approx(0.85, rel=1e-12)
