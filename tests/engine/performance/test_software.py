"""What the training software does and the constants that follow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from llmcost.analysis.estimate import estimate
from llmcost.scenario import parse_scenario
from tests.conftest import Run, results
from tests.layouts import CATALOG, scenario


def test_software_is_told_by_the_layout_or_the_key() -> None:
    def software(accelerator: str, training: dict[str, Any], **layout: Any) -> str:
        table = scenario(
            parallelism={"tp": 1, "pp": 1, "micro_batch": 1, "global_batch_seqs": 512, **layout},
            training=training,
        )
        table["cluster"]["accelerator"] = accelerator
        found = estimate(parse_scenario(table), CATALOG)
        kind = "fsdp" if float(np.asarray(found.values["fsdp"])) else "family"
        return found.inputs.constants[f"{kind}_matmul_share"]

    def from_(name: str) -> str:
        return f"catalog: software/{name}"

    assert software("h100-sxm", {}, sharding="zero3") == from_("pytorch")
    assert software("a100-sxm-80gb", {}, sharding="zero1") == from_("megatron")
    assert software("h100-sxm", {}, sharding="zero1") == from_("transformer-engine")
    assert software("tpu-v5p", {}, sharding="zero3") == from_("xla")
    assert software("mi300x", {}, sharding="zero1") == from_("pytorch")
    assert software("h100-sxm", {"software": "xla"}, sharding="zero3") == from_("xla")


PROFILE = """[software.mine]
matmul_share = 0.5
elementwise_factor = 3.0
tensor_exposure = 0.9
attention_share = 0.3
hopper_attention_share = 0.2
source = "measured on our cluster"
"""
LAID_OUT = (
    "estimate", "llama-3.1-8b", "--set", "cluster.devices=64", "--set", "cluster.accelerator=h100",
    "--set", "parallelism.tp=1", "--set", "parallelism.micro_batch=1", "--set", "parallelism.sharding=zero1",
    "--set", "parallelism.global_batch_seqs=512",
)  # fmt: skip


def test_a_profile_of_the_user_s_own_is_taken(llmcost: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(PROFILE)
    mine = ("--catalog", "mine.toml", "--set", "training.software=mine")

    def step_s(*more: str) -> float:
        return float(results(llmcost(*LAID_OUT, "--json", *more).stdout)["step_time_s"])

    assert step_s(*mine) > 1.2 * step_s()
    explained = llmcost(*LAID_OUT, *mine, "--explain", "attention_share").stdout
    assert "0.2  (catalog: software/mine)" in explained
    listed = llmcost("catalog", "software", "--catalog", "mine.toml").stdout
    assert "mine" in listed


def test_a_wrong_profile_names_the_nearest(llmcost: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(PROFILE.replace("matmul_share = 0.5", "matmul_shar = 0.5"))
    done = llmcost(*LAID_OUT, "--catalog", "mine.toml")
    assert done.returncode == 2
    assert 'matmul_shar: unknown field; did you mean "matmul_share"?' in done.stderr
    assert "[software.mine] matmul_share: is missing" in done.stderr
    done = llmcost(*LAID_OUT, "--set", "training.software=megatrn")
    assert done.returncode == 2
    assert 'did you mean "megatron"?' in done.stderr


def test_experts_are_fused_by_date_accelerator_and_precision() -> None:
    def fused(start: str, accelerator: str = "b200-sxm", precision: str = "fp8") -> float:
        table = scenario(
            start_date=start,
            model={"preset": "deepseek-v3"},
            training={"precision": precision},
            cluster={"accelerator": accelerator, "devices": 256},
            parallelism={"tp": 1, "pp": 1, "ep": 8, "micro_batch": 1, "global_batch_seqs": 512},
        )
        return float(estimate(parse_scenario(table), CATALOG).values["fused_experts"])

    assert fused("2026-07-01") == 1
    assert fused("2026-06-30") == 0
    assert fused("2027-01-01", accelerator="h100-sxm") == 0
    assert fused("2027-01-01", precision="bf16") == 0


def test_an_explanation_says_where_each_constant_comes_from(llmcost: Run) -> None:
    done = llmcost(*LAID_OUT, "--explain", "step_time_s")
    assert "family_attention_share = 0.5" in done.stdout
    assert "(catalog: software/transformer-engine)" in done.stdout
    assert "(catalog: performance/general)" in done.stdout
    assert "set by the scenario's words" not in done.stdout.partition("head_s")[2]
