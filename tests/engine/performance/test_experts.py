"""Products of the routed experts."""

from __future__ import annotations

import pytest

from llmcost.engine.kernels.collectives import domain_collective_s
from llmcost.engine.kernels.products import product_s
from tests.layouts import mixture

#: DeepSeek-V3: 58 of 61 layers have 256 experts of 2,048, 8 for each of 4,096 tokens of 7,168.
HIDDEN, INTER, SHARE = 7168.0, 2048.0, 58 / 61


def _product(found: dict[str, float], m: float, n: float, k: float, **other: float) -> float:
    """A product on as many streams as the software has, each expert its own."""
    together = found["expert_streams"]
    share = found["product_share"] * found["expert_quality"]
    kernel = (
        found["peak_flops"], found["memory_bytes_s"], found["processors"], share,
        found["product_wave_fill"], found["product_depth_half"], found["product_memory_share"], 4.0,
        found["product_launch_s"], found["product_input_bytes"], other.get("written", 2.0),
        other.get("cast", found["product_cast_bytes"]), together, other.get("pad", found["expert_row_pad"]),
    )  # fmt: skip
    return 32 / together * float(product_s(m, n, k, *kernel))


@pytest.mark.parametrize("software", ["megatron-core", "megatron-core-ungrouped"])
def test_products_of_single_experts_by_hand(software: str) -> None:
    """32 experts a device, each in a launch of its own: their rate is that of dense products of their rows."""
    found = mixture(ep=8, training={"software": software})
    rows = 4096 * 8 * 8 / 256 * found["expert_imbalance"]
    shapes = [(2 * INTER, HIDDEN), (HIDDEN, INTER)]
    sorting = 32 * rows * HIDDEN * found["half_expert_move_bytes"]
    sorting /= found["memory_bytes_s"] * found["product_memory_share"]
    forward = sum(_product(found, rows, n, k) for n, k in shapes)
    assert found["experts_forward_s"] == pytest.approx(SHARE * (forward + sorting), rel=1e-9)
    inputs = sum(_product(found, rows, k, n) for n, k in shapes)
    added = {"written": 2 * found["gradient_bytes"], "cast": 0.0, "pad": 0.0}
    weights = sum(_product(found, k, n, rows, **added) for n, k in shapes)
    backward = SHARE * (inputs + weights + sorting)
    assert found["experts_backward_s"] == pytest.approx(backward, rel=1e-9)
    assert found["gradient_writes_s"] == 0


def test_experts_one_after_another_are_slower_than_side_by_side() -> None:
    """The last wave of each product leaves processors idle that the next one's would fill."""
    together, alone = (
        mixture(ep=8, training={"software": software, "precision": "fp8"})
        for software in ("megatron-core", "megatron-core-ungrouped")
    )
    scale = alone["expert_quality"] / together["expert_quality"]
    assert alone["experts_forward_s"] * scale > 1.02 * together["experts_forward_s"]


def test_one_launch_has_the_products_of_all_experts() -> None:
    grouped = mixture(ep=8, training={"software": "pytorch-compile"})
    assert grouped["expert_launches"] == 0
    fused = mixture(ep=8, training={"fused_experts": True})
    assert (fused["expert_streams"], fused["expert_launches"]) == (4, 0)


def test_devices_that_share_an_expert_gather_its_tokens() -> None:
    whole = mixture(ep=8, tp=2, expert_tp=1, sequence_parallel=True)
    shared = mixture(ep=8, tp=2, expert_tp=2, sequence_parallel=True)
    assert whole["expert_gather_s"] == 0
    once = domain_collective_s(
        "all_gather", 2 * 4096 * 8 * 7168, 2.0, shared["scale_up_bytes_s"], shared["gather_domain_share"],
        shared["gather_base_s"], shared["gather_hop_s"], shared["gather_pipeline"],
    )  # fmt: skip
    assert shared["expert_gather_s"] == pytest.approx(2 * SHARE * float(once), rel=1e-9)
    assert shared["expert_exchange_s"] > whole["expert_exchange_s"]
