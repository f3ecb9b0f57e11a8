"""Matrix products."""

from __future__ import annotations

import pytest

from llmcost.engine.kernels.products import product_s
from tests.layouts import mixture, run

LAYOUT = {"tp": 8, "pp": 4, "vpp": 5, "micro_batch": 1, "global_batch_seqs": 512}


def _kernel(found: dict[str, float]) -> tuple[float, ...]:
    return (
        found["peak_flops"], found["memory_bytes_s"], found["processors"], found["product_share"],
        found["product_wave_fill"], found["product_depth_half"], found["product_memory_share"], 4.0,
        found["product_launch_s"], found["product_input_bytes"], 2.0, found["product_cast_bytes"],
    )  # fmt: skip


def test_products_of_a_dense_layer_by_hand() -> None:
    """Llama 3.1 70B with tp 8: four products forward, each with two more backward."""
    values = run(parallelism=LAYOUT).values
    found = {name: float(value) for name, value in values.items() if value.ndim == 0}
    kernel, tokens = _kernel(found), 8192.0
    shapes = [
        (8192 / 8 + 2 * 8 * 128 / 8, 8192),
        (8192, 1024),
        (2 * 28672 / 8, 8192),
        (8192, 28672 / 8),
    ]
    forward = sum(float(product_s(tokens, n, k, *kernel)) for n, k in shapes)
    inputs = sum(float(product_s(tokens, k, n, *kernel)) for n, k in shapes)
    assert found["sums_in_product"] == 1  # each is added to a sum of 32 bits
    added = (*kernel[:-2], 2 * found["gradient_bytes"], 0.0)
    weights = sum(float(product_s(k, n, tokens, *added)) for n, k in shapes)
    assert found["products_forward_s"] == pytest.approx(forward, rel=1e-12)
    assert found["products_backward_s"] == pytest.approx(inputs + weights, rel=1e-12)


def test_sums_of_gradients_in_their_products() -> None:
    """Each gradient of a weight is added to a 32-bit sum by the product that makes it: no pass of its own."""
    found = {}
    for software in ("megatron-2021", "megatron-2022"):
        values = run(parallelism=LAYOUT, training={"software": software}).values
        found[software] = {n: float(v) for n, v in values.items() if v.ndim == 0}
    apart, inside = found["megatron-2021"], found["megatron-2022"]
    weights = apart["layer_dense_params"] / 8
    assert apart["gradient_writes_s"] == pytest.approx(8 * weights / apart["memory_bytes_s"])
    assert inside["gradient_writes_s"] == 0
    more = inside["products_backward_s"] - apart["products_backward_s"]
    assert 0 < more < apart["gradient_writes_s"] / 2  # most of it hides under the arithmetic


def test_the_rate_stays_below_the_measured_ceiling() -> None:
    for accelerator in ("h100-sxm", "b200-sxm", "mi300x"):
        values = run(
            parallelism=LAYOUT, cluster={"accelerator": accelerator, "devices": 512}
        ).values
        ceiling = float(values["matmul_ceiling_flops"])
        assert float(values["product_share"] * values["peak_flops"]) <= ceiling


def test_the_experts_of_a_device_are_read() -> None:
    """All 256 experts of a layer on each device take longer than 8 of them."""
    apart = {"software": "pytorch-compile"}  # sums of gradients are passes of their own
    alone, shared = mixture(ep=1, training=apart), mixture(ep=32, training=apart)
    assert alone["experts_forward_s"] > 1.3 * shared["experts_forward_s"]
    assert alone["gradient_writes_s"] > 5 * shared["gradient_writes_s"]


def test_a_narrower_format_takes_its_share_from_the_same_device() -> None:
    """Nobody measured MI300X in 8 bits: it reaches the share of its peak that 16 bits reach."""
    found = {}
    for precision in ("bf16", "fp8"):
        values = run(
            parallelism=LAYOUT,
            training={"precision": precision},
            cluster={"accelerator": "mi300x", "devices": 512},
        ).values
        found[precision] = float(values["product_efficiency"])
    assert found["fp8"] == found["bf16"]


def test_norms_write_what_products_take_in_8_bits() -> None:
    """Transformer Engine casts in its norms, and each device its part of the sequence before it is gathered."""
    apart, inside = (
        run(parallelism=LAYOUT, training={"software": software, "precision": "fp8"}).values
        for software in ("llama-3", "megatron-core-2023")
    )
    kernel = {name: float(value) for name, value in inside.items() if value.ndim == 0}
    bandwidth = kernel["memory_bytes_s"] * kernel["product_memory_share"]
    cast = 8192 * kernel["product_cast_bytes"] / bandwidth
    forward = float(apart["products_forward_s"] - inside["products_forward_s"])
    assert forward == pytest.approx(
        2 * 8192 * cast
    )  # before queries, keys and values, and before gate and up
    assert float(inside["stream_casts"]) == 1 / 8
    # Half of the all-gathers' bytes, and none of the reduce-scatters'.
    shares = float(inside["tensor_forward_s"] / apart["tensor_forward_s"])
    assert 0.7 < shares < 0.85
