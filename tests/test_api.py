"""The Python interface: what it gives is what the commands print."""

from __future__ import annotations

import doctest
import json
import subprocess
import sys
from inspect import signature
from pathlib import Path

import numpy as np
import pytest

import llmcost
from llmcost import InputError, NoAnswerError, api, compare, estimate, project, sweep
from llmcost.engine.results import RESULTS
from tests.conftest import Run


def test_examples_in_docstrings_hold() -> None:
    found = doctest.testmod(api)
    assert found.attempted >= 8
    assert found.failed == 0


def test_importing_it_imports_no_numpy() -> None:
    code = "import llmcost, sys; assert 'numpy' not in sys.modules; print(*dir(llmcost))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"estimate", "sweep", "project", "compare"} <= set(done.stdout.split())
    with pytest.raises(AttributeError, match="no attribute 'estimat'"):
        _ = llmcost.estimat  # type: ignore[attr-defined]


def test_every_public_name_has_a_docstring_with_its_parts() -> None:
    for name in ("estimate", "compare", "sweep", "project"):
        text = getattr(llmcost, name).__doc__
        for part in ("Parameters", "Returns", "Raises", "Examples"):
            assert part in text, (name, part)


def test_estimate_is_what_the_command_prints(llmcost: Run) -> None:
    found = estimate("gpt-3", sets={"cluster.devices": 5000, "carbon.grid": "FRA"})
    printed = json.loads(
        llmcost(
            "estimate",
            "gpt-3",
            "--set",
            "cluster.devices=5000",
            "--set",
            "carbon.grid=FRA",
            "--json",
        ).stdout
    )
    assert found.results == printed["results"]


def test_a_scenario_may_be_a_name_a_path_or_a_dict(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text('name = "x"\n[cluster]\naccelerator = "h100-sxm"\ndevice_hours = 1e6\n')
    table = {"name": "x", "cluster": {"accelerator": "h100-sxm", "device_hours": 1e6}}
    assert estimate(path).results == estimate(str(path)).results == estimate(table).results
    without = estimate(table, sets={"cluster.device_hours": None})
    assert without.results["device_hours"] is None


def test_uncertainty_gives_intervals() -> None:
    found = estimate("gpt-4-uncertain", samples=500, seed=1)
    band = found.intervals["cost_total_usd"]
    assert band["p5"] < band["p50"] < band["p95"]
    table = compare(["gpt-4-uncertain", "gpt-3"], samples=500, seed=1)
    assert table["cost_total_usd_p5"][0] == band["p5"]
    assert table["cost_total_usd_p5"][1] <= table["cost_total_usd"][1]


def test_sweep_is_what_the_command_writes(llmcost: Run) -> None:
    table = sweep(
        "llama-3.1-405b",
        {"cluster.devices": [8192, 16384], "cluster.accelerator": ["h100-sxm", "b200-sxm"]},
        where=["days < 120"],
    )
    done = llmcost(
        "sweep", "llama-3.1-405b", "--axis", "cluster.devices=8192,16384",
        "--axis", "cluster.accelerator=h100-sxm,b200-sxm", "--where", "days < 120", "--format", "jsonl",
    )  # fmt: skip
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert table.rows == len(rows) == 3
    assert list(table) == list(rows[0])
    for name, column in table.items():
        for value, row in zip(column, rows, strict=True):
            assert (None if isinstance(value, float) and np.isnan(value) else value) == row[name]


def test_sweep_ranks_and_solves() -> None:
    best = sweep("llama-3.1-405b", ["cluster.devices=8k:32k:8k"], minimize="days", top=1)
    assert best["cluster.devices"].tolist() == [32000]
    front = sweep("llama-3.1-405b", ["cluster.devices=8k:32k:8k"], pareto=["days", "peak_power_mw"])
    assert front.rows == 4
    solved = sweep("llama-3.1-405b", solve="cluster.devices", target=["days=30"])
    assert solved["days"][0] <= 30
    none = sweep("llama-3.1-405b", ["cluster.devices=8,16"], where=["days < 1"])
    assert none.rows == 0


def test_what_does_not_fit_into_memory_is_refused() -> None:
    with pytest.raises(InputError, match="do not fit into memory"):
        sweep("llama-3.1-405b", ["model.params=1:1e9:lin:100000", "energy.pue=1:2:lin:100000"])


def test_project_by_year() -> None:
    table = project("gpt-4-uncertain", until=2030, samples=200)
    assert table["year"][-1] == 2030
    assert (table["cost_total_usd_p5"] < table["cost_total_usd_p95"]).all()
    assert set(RESULTS) <= set(table)


def test_common_arguments_are_the_same_everywhere() -> None:
    own = list(signature(estimate).parameters.values())[1:]
    assert [item.name for item in own] == ["sets", "samples", "seed", "uncertainty", "catalog"]
    for function in (compare, sweep, project):
        assert list(signature(function).parameters.values())[-len(own) :] == own
    with pytest.raises(TypeError, match='no argument "sample"; did you mean "samples"'):
        estimate("gpt-3", sample=100)  # type: ignore[call-arg]


def test_errors_are_those_of_the_commands() -> None:
    with pytest.raises(InputError, match=r'unknown key; did you mean "cluster\.devices"'):
        estimate("gpt-3", sets={"cluster.device": 1})
    with pytest.raises(NoAnswerError):
        estimate("llama-3.1-405b", sets={"parallelism": "auto", "cluster.devices": 1})
    with pytest.raises(InputError) as error:
        estimate({"name": "x", "model": {"layer": 1}, "training": {"mfu": 2}})
    assert len(error.value.problems) == 2
    with pytest.raises(InputError, match="start_date: is missing"):
        project({"name": "x", "cluster": {"accelerator": "h100-sxm", "device_hours": 1e6}})
