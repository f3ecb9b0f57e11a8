"""Sweeps over a model made in stages: a cell is the estimate of its file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from llmcost.analysis.axes import parse_axes
from llmcost.analysis.staged_sweep import sweep_of
from llmcost.analysis.stages import estimate_any as estimate
from llmcost.engine.results import RESULTS
from llmcost.errors import InputError
from llmcost.scenario import load_scenario
from tests.analysis.test_stages import STAGED
from tests.conftest import Run
from tests.layouts import CATALOG

AXES = {
    "deepseek-v3-stages": ("cluster.accelerator=h800-sxm,h100-sxm", "start_date=2025-01-01,2026-01-01"),
    "llama-3.1-8b-reasoner": ("cluster.devices=64,128", "carbon.grid=France,India"),
    "olmo-2-13b-stages": ("training.mfu=0.3,0.4", "cost.method=amortized,cloud"),
    "vision-language-7b": ("energy.pue=1.1,1.3", "cluster.accelerator=h100-sxm,b200-sxm"),
}  # fmt: skip


@pytest.mark.parametrize("name", STAGED)
def test_a_cell_is_the_estimate(name: str) -> None:
    scenario = load_scenario(name, (), CATALOG)
    axes = parse_axes(AXES[name], (), CATALOG)
    rows = list(sweep_of(scenario, axes, CATALOG).spans())
    columns = {key: np.concatenate([b.columns[key] for b in rows]) for key in rows[0].columns}
    keys = [axis.keys[0] for axis in axes]
    assert len(columns[keys[0]]) == 4
    for row in range(4):
        sets = [f"{key}={columns[key][row]}" for key in keys]
        alone = estimate(load_scenario(name, sets, CATALOG), CATALOG)
        compared = 0
        for key in set(RESULTS) & set(columns):
            value = alone.result(key)
            assert np.isnan(columns[key][row]) if value is None else columns[key][row] == value, key
            compared += value is not None
        assert compared > 10


def test_a_key_that_every_stage_gives_is_no_axis() -> None:
    scenario = load_scenario("deepseek-v3-stages", (), CATALOG)
    axes = parse_axes(["data.tokens=1T,2T"], (), CATALOG)
    with pytest.raises(InputError, match=r"every one gives data\.tokens itself"):
        sweep_of(scenario, axes, CATALOG)


def test_conditions_ranks_and_formats(llmcost: Run) -> None:
    done = llmcost(
        "sweep", "llama-3.1-8b-reasoner", "--axis", "cluster.devices=64,128,256,512", "--where",
        "cluster.devices >= 128", "--minimize", "days", "--select", "cluster.devices,days", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [row["cluster.devices"] for row in json.loads(done.stdout)["rows"]] == [512, 256, 128]


def test_a_folder_of_other_stages_is_not_resumed(llmcost: Run, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow.parquet")
    text = (Path(__file__).parents[2] / "scenarios" / "llama-3.1-8b-reasoner.toml").read_text()
    run = tmp_path / "run.toml"
    arguments = ("sweep", str(run), "--axis", "cluster.devices=64,128", "--output", "parts/", "--quiet")  # fmt: skip
    run.write_text(text)
    assert llmcost(*arguments).returncode == 0
    assert llmcost(*arguments, "--resume").returncode == 0
    run.write_text(text.replace('data.tokens = "6.4B"', 'data.tokens = "6.5B"'))
    done = llmcost(*arguments, "--resume")
    assert done.returncode != 0
    assert "other inputs" in done.stderr


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--solve", "training.mfu", "--target", "days=10"), "--solve is of one run"),
        (("--axis", "cluster.devices=64,128", "--samples", "10"), "--samples goes with"),
    ],
)
def test_what_does_not_go_with_stages_is_said(
    llmcost: Run, more: tuple[str, ...], said: str
) -> None:
    done = llmcost("sweep", "llama-3.1-8b-reasoner", *more)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
