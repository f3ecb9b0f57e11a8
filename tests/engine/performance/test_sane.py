"""Sane where nobody measured: every accelerator, 1 to 100,000 devices, slower parts, near layouts."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from llmcost.analysis.estimate import estimate
from llmcost.engine.evaluate import evaluate
from llmcost.scenario import parse_scenario, resolve
from tests.layouts import CATALOG

ACCELERATORS = sorted(CATALOG.kind("accelerators"))
PEAKS = ("bf16_tflops", "fp16_tflops")


def layout(devices: int) -> dict[str, Any]:
    tp = min(devices, 4)
    return {
        "tp": tp, "pp": 1, "vpp": 1, "micro_batch": 1, "sharding": "zero3",
        "global_batch_seqs": max(devices // tp, 1) * 2,
    }  # fmt: skip


def table(accelerator: str, devices: int, **more: Any) -> dict[str, Any]:
    entry = CATALOG.entry("accelerators", accelerator)
    return {
        "name": "x", "model": {"preset": "llama-3.1-8b"}, "data": {"tokens": 1e11},
        "training": {"precision": "bf16" if "bf16_tflops" in entry else "fp16", "attention_flops": "causal"},
        "cluster": {"accelerator": accelerator, "devices": devices, **more}, "parallelism": layout(devices),
    }  # fmt: skip


@pytest.mark.parametrize(
    "accelerator",
    [name for name in ACCELERATORS if any(p in CATALOG.entry("accelerators", name) for p in PEAKS)],
)
def test_every_accelerator_from_1_to_100000_devices(accelerator: str) -> None:
    entry = CATALOG.entry("accelerators", accelerator)
    steps = []
    for devices in (1, 8, 96, 1024, 100_000):
        found = estimate(parse_scenario(table(accelerator, devices)), CATALOG)
        step = found.result("step_time_s")
        if step is None:  # the catalog lacks a bandwidth, which is said
            assert any("predicts nothing" in note for note in found.warnings), accelerator
            return
        steps.append(step)
        mfu = found.result("predicted_mfu") or 0
        ceiling = float(entry.get("matmul_ceiling_tflops", 0)) or max(
            float(entry.get(peak, 0)) for peak in PEAKS
        )
        peak = float(found.values["peak_flops"]) / 1e12
        assert 0 < mfu <= ceiling / peak
        assert 0 < (found.result("memory_gb_per_device") or 0) < 1e4
    # Twice the batch goes with twice the devices: nothing gets faster by being larger.
    assert all(later >= 0.99 * step for step, later in itertools.pairwise(steps[1:]))


@pytest.mark.parametrize(
    "accelerator", ["a100-sxm-80gb", "h100-sxm", "b200-sxm", "mi300x", "tpu-v5p", "rtx-4090"]
)
@pytest.mark.parametrize(
    "part", ["memory_tb_s", "scale_up_gb_s_each_way", "scale_out_gbit_s_per_device", "tdp_w", "peak_flops"]
)  # fmt: skip
def test_a_slower_part_is_never_faster(accelerator: str, part: str) -> None:
    written = table(accelerator, 512)
    written["parallelism"] |= {"tp": 8, "pp": 4, "sharding": "zero1", "global_batch_seqs": 256}
    known = dict(resolve(parse_scenario(written), CATALOG).known)
    if np.isnan(known.get(part, np.nan)):
        pytest.skip(f"{accelerator} has no {part}")
    factors = np.geomspace(1 / 64, 1, 200)
    # A clock has one peak for every precision.
    parts = ("peak_flops", "bf16_peak_flops") if part == "peak_flops" else (part,)
    slower = {name: known[name] * factors for name in parts}
    values, _ = evaluate({**known, **slower}, ["step_time_s"])
    step = np.broadcast_to(values["step_time_s"], factors.shape)
    assert np.isfinite(step).all()
    assert (np.diff(step) <= 1e-9 * step[1:]).all()


@pytest.mark.parametrize("accelerator", ["h100-sxm", "gb200-nvl72", "tpu-v5p"])
def test_time_is_continuous_in_the_sequence(accelerator: str) -> None:
    known = dict(resolve(parse_scenario(table(accelerator, 64)), CATALOG).known)
    lengths = np.arange(1024, 32768, 8, dtype=float)
    values, _ = evaluate({**known, "seq_len": lengths}, ["step_time_s"])
    step = np.broadcast_to(values["step_time_s"], lengths.shape)
    assert (np.diff(step) > -1e-9 * step[1:]).all()
    assert (np.diff(step) / step[1:]).max() < 0.03


@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16", "fp8"])
def test_mfu_stays_below_what_products_reach_in_every_precision(precision: str) -> None:
    written = table("h100-sxm", 64)
    written["training"]["precision"] = precision
    found = estimate(parse_scenario(written), CATALOG)
    assert 0 < (found.result("mfu") or 0) < 0.9
    wide = {"fp32": 4, "tf32": 4}.get(precision, 2)
    assert float(found.values["param_bytes"]) == wide
