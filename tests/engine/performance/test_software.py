"""What the training software does and the constants that follow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from llmcost.analysis.estimate import estimate
from llmcost.scenario import parse_scenario
from tests.conftest import Run, results
from tests.layouts import CATALOG, scenario


def test_software_is_told_by_the_accelerator_the_date_or_the_key() -> None:
    def software(accelerator: str, start: str | None = None, **training: Any) -> str:
        layout = {"tp": 1, "pp": 1, "micro_batch": 1, "global_batch_seqs": 512}
        table = scenario(parallelism=layout, training=training)
        table["cluster"]["accelerator"] = accelerator
        if start:
            table["start_date"] = start
        return estimate(parse_scenario(table), CATALOG).inputs.constants["product_quality"]

    def from_(name: str) -> str:
        return f"catalog: software/{name}"

    assert software("a100-sxm-80gb", "2021-05-01") == from_("megatron-2021")
    assert software("a100-sxm-80gb", "2023-05-01") == from_("megatron-core")
    assert software("a100-sxm-80gb") == from_("megatron-core")
    assert software("h100-sxm") == from_("megatron-core")
    assert software("tpu-v5p") == from_("maxtext")
    assert software("mi300x") == from_("pytorch-compile")
    assert software("h100-sxm", software="maxtext") == from_("maxtext")
    assert software("h100-sxm", software="transformer-engine") == from_("megatron-core")


def test_fused_attention_goes_with_software_and_chip() -> None:
    def fused(accelerator: str, **training: Any) -> float:
        layout = {"tp": 1, "pp": 1, "micro_batch": 1, "global_batch_seqs": 512}
        table = scenario(parallelism=layout, training=training)
        table["cluster"]["accelerator"] = accelerator
        return float(estimate(parse_scenario(table), CATALOG).values["fused_attention"])

    assert fused("h100-sxm") == 1
    assert fused("h100-sxm", activation_recompute="selective") == 1
    assert fused("h100-sxm", software="megatron-2021") == 0
    assert fused("h100-sxm", software="megatron-2021", fused_attention=True) == 1
    assert fused("v100-sxm-32gb", software="megatron-core") == 0


PROFILE = """[software.mine]
base = "megatron-core"
product_quality = 0.5
elementwise_passes = 3.0
hopper_attention_quality = 0.2
source = "measured on our cluster"
"""
LAID_OUT = (
    "estimate", "llama-3.1-8b", "--set", "cluster.devices=64", "--set", "cluster.accelerator=h100",
    "--set", "parallelism.tp=1", "--set", "parallelism.micro_batch=1", "--set", "parallelism.sharding=zero1",
    "--set", "parallelism.global_batch_seqs=512", "--set", "cluster.device_hours=",
)  # fmt: skip


def test_a_profile_of_the_user_s_own_is_taken(llmcost: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(PROFILE)
    mine = ("--catalog", "mine.toml", "--set", "training.software=mine")

    def step_s(*more: str) -> float:
        return float(results(llmcost(*LAID_OUT, "--json", *more).stdout)["step_time_s"])

    assert step_s(*mine) > 1.2 * step_s()
    explained = llmcost(*LAID_OUT, *mine, "--explain", "fused_forward_s").stdout
    assert "attention_quality = 0.2  (catalog: software/mine)" in explained
    listed = llmcost("catalog", "software", "--catalog", "mine.toml").stdout
    assert "mine" in listed


def test_a_wrong_profile_names_the_nearest(llmcost: Run, tmp_path: Path) -> None:
    wrong = PROFILE.replace("product_quality", "product_qualty").replace(
        'base = "megatron-core"\n', ""
    )
    (tmp_path / "mine.toml").write_text(wrong)
    done = llmcost(*LAID_OUT, "--catalog", "mine.toml")
    assert done.returncode == 2
    assert 'product_qualty: unknown field; did you mean "product_quality"?' in done.stderr
    assert "[software.mine] product_quality: is missing" in done.stderr
    (tmp_path / "mine.toml").write_text(PROFILE.replace("megatron-core", "mine"))
    done = llmcost(*LAID_OUT, "--catalog", "mine.toml", "--set", "training.software=mine")
    assert done.returncode == 2
    assert "cannot be its own base" in done.stderr
    done = llmcost(*LAID_OUT, "--set", "training.software=megatrn")
    assert done.returncode == 2
    assert 'did you mean "megatron-core"?' in done.stderr


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
    assert "attention_quality = " in done.stdout
    assert "(catalog: software/megatron-core-2023)" in done.stdout  # by the date of the run
    assert "(catalog: kernels/h100-sxm-products-bf16)" in done.stdout
    assert "(catalog: performance/general)" in done.stdout
    assert "set by the scenario's words" not in done.stdout.partition("layer_forward_s")[2]
