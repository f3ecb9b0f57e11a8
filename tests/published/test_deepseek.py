"""DeepSeek-V3's training as DeepSeek describes it, from what it publishes of its software."""

from __future__ import annotations

import pytest

from llmcost.analysis.estimate import estimate
from llmcost.engine.kernels.products import product_s
from llmcost.engine.performance.products import SHARPNESS
from llmcost.scenario import parse_scenario
from tests.engine.performance.test_exchange import trained
from tests.layouts import CATALOG, scenario

OPTIMIZER = {"optimizer": "adamw-bf16-moments"}


def test_the_hours_of_deepseek_v3_s_pretraining() -> None:
    """2.664 million H800-hours (arXiv:2412.19437, table 1), which no constant was fitted to."""
    found = trained(training=OPTIMIZER)
    steps = 14.8e12 / (15360 * 4096)
    hours = found["predicted_step_s"] * steps * 2048 / 3600
    assert hours == pytest.approx(2.664e6, rel=0.15)


def test_the_hours_of_deepseek_v2_s_pretraining() -> None:
    """172,800 H800-hours a trillion tokens (arXiv:2405.04434, sections 3.1.3 and 3.2.3), 16-way zero-bubble
    pipeline, 8-way expert parallelism, zero1, 16 bits; its software of 2024 is not described, so the default."""
    table = scenario(
        start_date="2024-03-01",
        model={"preset": "deepseek-v2", "seq_len": 4096},
        cluster={"accelerator": "h800-sxm", "devices": 2048},
        parallelism={
            "tp": 1, "pp": 16, "vpp": 1, "ep": 8, "micro_batch": 1, "global_batch_seqs": 9216,
            "sharding": "zero1", "schedule": "zero-bubble",
        },
    )  # fmt: skip
    found = estimate(parse_scenario(table), CATALOG).values
    hours = float(found["predicted_step_s"]) * 1e12 / (9216 * 4096) * 2048 / 3600
    assert hours == pytest.approx(172_800, rel=0.15)


def test_deepseek_v3_fits_the_devices_that_trained_it() -> None:
    assert 60 < trained(training=OPTIMIZER)["memory_gb_per_device"] < 80


def test_a_pair_of_passes_takes_what_the_trace_shows() -> None:
    """Four layers forward and four backward beside one another: 129.0 ms (profile-data ae7fc07, train.json).

    The trace has balanced experts, and the kernels of attention run on the 112 processors that the
    exchange leaves: 1.24 ms forward, 4.25 ms backward.
    """
    found = trained()
    left = 1 - found["exchange_steal"]
    moe_layer = 61 / 58  # layers with experts have more of them than the mean
    stolen = 2 * found["expert_forward_s"] * moe_layer * found["exchange_steal"]
    assert 4 * (found["layer_busy_s"] + stolen) == pytest.approx(129.0e-3, rel=0.1)
    assert found["attention_forward_s"] / left == pytest.approx(1.237e-3, rel=0.2)
    assert found["attention_backward_s"] / left == pytest.approx(4.254e-3, rel=0.1)


#: TFLOP/s of DeepGEMM on H800 by rows, columns and depth, over its speed-up beside the kernels that trained
#: DeepSeek-V3 (deepseek-ai/DeepGEMM of February 2025, README).
DENSE = [
    (4096, 2112, 7168, 1058 / 1.1), (4096, 24576, 1536, 990 / 1.0), (4096, 32768, 512, 590 / 1.0),
    (4096, 7168, 16384, 1358 / 1.2), (4096, 4096, 7168, 1304 / 1.1), (4096, 7168, 2048, 1025 / 1.1),
]  # fmt: skip
GROUPED = [
    (4, 8192, 4096, 7168, 1297 / 1.2), (4, 8192, 7168, 2048, 1099 / 1.2),
    (8, 4096, 4096, 7168, 1288 / 1.2), (8, 4096, 7168, 2048, 1093 / 1.1),
]  # fmt: skip


def test_products_run_at_the_rates_of_deepseek_s_kernels() -> None:
    found = trained()
    share = found["product_share"] / found["sustained_share"]
    common = (found["product_wave_fill"], found["product_depth_half"])
    device = (found["peak_flops"], found["memory_bytes_s"], found["processors"])

    def rate(
        groups: int, m: int, n: int, k: int, share: float, memory: float, launch: float, pad: float
    ) -> float:
        kernel = (*device, share, *common, memory, SHARPNESS, launch, 1.0, 2.0, 0.0, groups, pad)
        return 2e-12 * groups * m * n * k / float(product_s(m, n, k, *kernel))  # type: ignore[arg-type]

    dense = [
        rate(1, m, n, k, share, found["product_memory_share"], found["product_launch_s"], 0.0)
        / told
        for m, n, k, told in DENSE
    ]
    ratio = found["expert_efficiency_ratio"] * found["expert_quality"]
    kernel = (found["expert_memory_share"], found["expert_launch_s"], found["expert_row_pad"])
    grouped = [rate(g, m, n, k, share * ratio, *kernel) / told for g, m, n, k, told in GROUPED]
    for found_over_told in (dense, grouped):
        mean = sum(found_over_told) / len(found_over_told)
        assert mean == pytest.approx(1, abs=0.05)
        assert max(abs(item - 1) for item in found_over_told) < 0.25
