"""What the training software does and the constants that follow."""

from __future__ import annotations

from typing import Any

import numpy as np

from llmcost.analysis.estimate import estimate
from llmcost.scenario import parse_scenario
from tests.conftest import Run
from tests.layouts import CATALOG, scenario


def test_software_is_told_by_the_layout_or_the_key() -> None:
    def software(accelerator: str, training: dict[str, Any], **layout: Any) -> float:
        table = scenario(
            parallelism={"tp": 1, "pp": 1, "micro_batch": 1, "global_batch_seqs": 512, **layout},
            training=training,
        )
        table["cluster"]["accelerator"] = accelerator
        return float(np.asarray(estimate(parse_scenario(table), CATALOG).values["software"]))

    assert software("h100-sxm", {}, sharding="zero3") == 0
    assert software("a100-sxm-80gb", {}, sharding="zero1") == 1
    assert software("h100-sxm", {}, sharding="zero1") == 2
    assert software("tpu-v5p", {}, sharding="zero3") == 3
    assert software("mi300x", {}, sharding="zero1") == 0
    assert software("h100-sxm", {"software": "xla"}, sharding="zero3") == 3


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
    done = llmcost(
        "estimate", "llama-3.1-8b", "--set", "cluster.devices=64", "--set", "cluster.accelerator=h100",
        "--set", "parallelism.tp=1", "--set", "parallelism.micro_batch=1",
        "--set", "parallelism.global_batch_seqs=512", "--explain", "step_time_s",
    )  # fmt: skip
    assert "tuned_attention_share = 0.5" in done.stdout
    assert "(catalog: performance/hopper)" in done.stdout
    assert "(catalog: performance/general)" in done.stdout
    assert "set by the scenario's words" not in done.stdout.partition("head_s")[2]
