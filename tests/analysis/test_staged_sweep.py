"""Sweeps over a model made in stages: a cell is the estimate of its file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from llmcost.analysis.axes import parse_axes
from llmcost.analysis.sampling import Sampling
from llmcost.analysis.solve import Solve
from llmcost.analysis.staged_sweep import sweep_of
from llmcost.analysis.stages import estimate_any as estimate
from llmcost.analysis.uncertainty import with_uncertainty
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


def test_a_key_of_one_stage_is_an_axis() -> None:
    scenario = load_scenario("llama-3.1-8b-reasoner", (), CATALOG)
    names = ("stages.reinforcement.response_tokens", "stages.answers of a larger model.data.tokens")
    axes = parse_axes([f"{names[0]}=1024,4096", f"{names[1]}=1e9,2e9"], (), CATALOG)
    (block,) = sweep_of(scenario, axes, CATALOG).spans()
    for row in range(4):
        sets = [f"{name}={block.columns[name][row]}" for name in names]
        alone = estimate(load_scenario("llama-3.1-8b-reasoner", sets, CATALOG), CATALOG)
        assert block.columns["cost_total_usd"][row] == alone.result("cost_total_usd")
        assert block.columns["tokens"][row] == alone.result("tokens")
    assert len(set(block.columns["cost_total_usd"])) == 4


@pytest.mark.parametrize("key", ["stages.reinforcement.prompts", "training.mfu"])
def test_a_key_is_solved_for_in_every_cell(key: str) -> None:
    scenario = load_scenario("llama-3.1-8b-reasoner", (), CATALOG)
    axes = parse_axes(["cluster.devices=32,64"], (), CATALOG)
    sweep = sweep_of(scenario, axes, CATALOG, (), None, (), Solve(key, ["days=0.8"], None))
    (block,) = sweep.spans()
    assert block.columns["days"] == pytest.approx([0.8, 0.8], rel=1e-9)
    assert list(block.columns["solutions"]) == [1, 1]
    for devices, found in zip((32, 64), block.columns[key], strict=True):
        sets = [f"cluster.devices={devices}", f"{key}={float(found)!r}"]
        alone = estimate(load_scenario("llama-3.1-8b-reasoner", sets, CATALOG), CATALOG)
        assert alone.result("days") == pytest.approx(0.8, rel=1e-9)


def test_what_no_value_meets_has_no_solution(llmcost: Run) -> None:
    done = llmcost(
        "sweep", "llama-3.1-8b-reasoner", "--solve", "training.mfu", "--target", "flops=1"
    )
    assert done.returncode == 1
    assert "meets flops = 1" in done.stderr


def test_quantiles_of_a_cell_are_those_of_its_estimate() -> None:
    sampling = Sampling(50, defaults=True)
    scenario = load_scenario("olmo-2-13b-stages", (), CATALOG)
    axes = parse_axes(["training.mfu=0.3,0.4"], (), CATALOG)
    blocks = list(sweep_of(scenario, axes, CATALOG, (), None, (), None, sampling).spans())
    for block, mfu in zip(blocks, (0.3, 0.4), strict=True):
        alone = with_uncertainty(
            estimate(load_scenario("olmo-2-13b-stages", [f"training.mfu={mfu}"]), CATALOG),
            sampling,
            CATALOG,
        )
        for share, value in alone.intervals["cost_total_usd"].items():
            assert block.columns[f"cost_total_usd_{share}"][0] == value


def test_an_unknown_stage_and_a_key_that_changes_nothing_are_named(llmcost: Run) -> None:
    for arguments, said in (
        (("sweep", "gpt-3", "--axis", "stages.rl.prompts=1,2"), "the scenario has no [[stages]]"),
        (("estimate", "deepseek-v3-stages", "--set", "stages.posttraining.data.tokens=1e9"), 'did you mean "post-training"'),
        (("estimate", "deepseek-v3-stages", "--set", "data.tokens=1e9"), "it would change nothing"),
        (("estimate", "deepseek-v3-stages", "--set", "stages.post-training.kind=rl"), "unknown key"),
        (("estimate", "deepseek-v3-stages", "--set", "stages.post-training.prompts={low=1, high=2}"), "a stage takes a number"),
    ):  # fmt: skip
        done = llmcost(*arguments)
        assert (done.returncode, done.stdout) == (2, ""), done.stderr
        assert said in done.stderr


def test_a_variant_may_change_one_stage(llmcost: Run) -> None:
    done = llmcost(
        "compare", "deepseek-v3-stages", "--set-b", "stages.post-training.cluster.device_hours=6000", "--json",
    )  # fmt: skip
    one, other = (item["results"] for item in json.loads(done.stdout)["scenarios"])
    assert other["device_hours"] - one["device_hours"] == 1000
