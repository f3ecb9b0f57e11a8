"""The exchange between experts: groups that a token may enter, bytes, and what passes beside one another hide."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmcost.analysis.estimate import estimate
from llmcost.engine.kernels.collectives import expert_exchange_s, reached_places
from llmcost.scenario import parse_scenario
from tests.layouts import CATALOG, scenario

DOUBLINGS = st.sampled_from((1, 2, 4, 8, 16, 64))


def trained(
    model: dict[str, Any] | None = None, training: dict[str, Any] | None = None, **layout: Any
) -> dict[str, float]:
    """DeepSeek-V3 on 2,048 devices as it was laid out."""
    table = scenario(
        model={"preset": "deepseek-v3", **(model or {})},
        cluster={"accelerator": "h800-sxm", "devices": 2048},
        parallelism={
            "tp": 1, "pp": 16, "vpp": 1, "ep": 64, "micro_batch": 1, "global_batch_seqs": 15360, "sharding": "zero1",
            "schedule": "dualpipe", **layout,
        },
        training={"precision": "fp8", "software": "hai-llm", **(training or {})},
    )  # fmt: skip
    values = estimate(parse_scenario(table), CATALOG).values
    return {name: float(value) for name, value in values.items() if np.ndim(value) == 0}


@given(DOUBLINGS, DOUBLINGS, DOUBLINGS, st.integers(1, 16))
def test_a_limit_never_sends_more(nodes: int, groups: int, chosen: int, topk: int) -> None:
    def time(*limit: float) -> float:
        fixed = (4096.0, 7168.0, 2.0, topk, nodes, 8.0, 200e9, 50e9, 0.6, 0.9, 0.0, 0.0, 1.0)
        return float(expert_exchange_s(*fixed, *limit))

    chosen = min(chosen, groups)
    assert 1 <= reached_places(nodes, groups, chosen) <= nodes
    assert time(groups, chosen) <= time(0, 0) * (1 + 1e-12)
    assert time(groups, groups) == pytest.approx(time(0, 0))
    if chosen < groups:
        assert time(groups, chosen) <= time(groups, chosen + 1) * (1 + 1e-12)


def test_each_token_of_deepseek_v3_goes_to_at_most_four_nodes() -> None:
    assert reached_places(8, 8, 4) == 4
    assert reached_places(64, 8, 4) == 32
    assert reached_places(4, 8, 4) == 4  # two groups a node: four may be on four nodes
    limited, free = trained(), trained({"expert_groups": 0, "groups_per_token": 0})
    crossing = 4 * (1 - (1 - 1 / 4) ** 8), 8 * (1 - (1 - 1 / 8) ** 8)
    base = limited["dispatch_base_s"] + limited["combine_base_s"]
    share = 58 / 61
    assert (limited["expert_forward_s"] - base * share) / (
        free["expert_forward_s"] - base * share
    ) == pytest.approx(crossing[0] / crossing[1])


def test_tokens_leave_in_8_bits_and_come_back_in_16() -> None:
    narrow, wide = trained(), trained(training={"precision": "bf16"})
    base = 58 / 61 * (wide["dispatch_base_s"] + wide["combine_base_s"])
    ratio = (narrow["expert_forward_s"] - base) / (wide["expert_forward_s"] - base)
    assert ratio == pytest.approx((1.03 + 2) / 4)


def test_what_has_no_pass_beside_it_is_not_hidden() -> None:
    """DualPipe of 16 stages fills and drains with 23 micro-batches of the outermost device alone."""
    found = trained()
    assert found["paired_share"] == pytest.approx(1 - 23 / 120)
    assert trained(global_batch_seqs=128)["paired_share"] == 0
    assert trained(schedule="1f1b")["paired_share"] == 1
    whole = 2 * found["expert_forward_s"]
    hidden = found["paired_share"] * min(whole, found["layer_busy_s"])
    assert found["exchange_steal"] == pytest.approx(20 / found["processors"])
    assert found["expert_exchange_s"] == pytest.approx(
        whole - hidden * (1 - found["exchange_steal"])
    )


def test_dualpipe_hides_the_exchange_of_any_software() -> None:
    def overlap(**more: Any) -> float:
        return trained(training={"software": "megatron-core", **more.pop("training", {})}, **more)[
            "expert_overlap"
        ]

    assert overlap() == 1
    assert overlap(schedule="1f1b") == 0
    assert overlap(training={"expert_overlap": 0.3}) == 0.3
