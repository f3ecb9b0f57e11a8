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
PRECISIONS = ("fp32", "tf32", "fp16", "bf16", "fp8", "fp4")
TIMED = [
    name for name in ACCELERATORS if any(p in CATALOG.entry("accelerators", name) for p in PEAKS)
]


def layout(devices: int) -> dict[str, Any]:
    tp = min(devices, 4)
    return {
        "tp": tp, "pp": 1, "vpp": 1, "micro_batch": 1, "sharding": "zero3",
        "global_batch_seqs": max(devices // tp, 1) * 2,
    }  # fmt: skip


def precisions(accelerator: str) -> list[str]:
    entry = CATALOG.entry("accelerators", accelerator)
    return [name for name in PRECISIONS if f"{name}_tflops" in entry]


def table(accelerator: str, devices: int, **more: Any) -> dict[str, Any]:
    entry = CATALOG.entry("accelerators", accelerator)
    return {
        "name": "x", "model": {"preset": "llama-3.1-8b"}, "data": {"tokens": 1e11},
        "training": {"precision": "bf16" if "bf16_tflops" in entry else "fp16", "attention_flops": "causal"},
        "cluster": {"accelerator": accelerator, "devices": devices, **more}, "parallelism": layout(devices),
    }  # fmt: skip


@pytest.mark.parametrize("accelerator", TIMED)
def test_every_accelerator_from_1_to_100000_devices(accelerator: str) -> None:
    entry = CATALOG.entry("accelerators", accelerator)
    for precision in precisions(accelerator):
        peak = float(entry[f"{precision}_tflops"])
        ceiling = float(entry.get(f"{precision}_matmul_tflops", peak)) / peak
        steps = []
        for devices in (1, 8, 96, 1024, 100_000):
            written = table(accelerator, devices)
            written["training"]["precision"] = precision
            found = estimate(parse_scenario(written), CATALOG)
            step = found.result("step_time_s")
            if (
                found.result("predicted_mfu") is None
            ):  # the catalog lacks a bandwidth: it says which
                said = [note for note in found.warnings if "predicts nothing" in note]
                assert "give cluster." in "".join(said), accelerator
                break
            steps.append(step)
            assert 0 < (found.result("predicted_mfu") or 0) <= ceiling, (precision, devices)
            assert step < 3600, (precision, devices)  # two sequences of each replica
            assert 0 < (found.result("memory_gb_per_device") or 0) < 1e4
        # Twice the batch goes with twice the devices: nothing gets faster by being larger.
        assert all(later >= 0.99 * step for step, later in itertools.pairwise(steps[1:]))


PARTS = (
    "memory_tb_s", "scale_up_gb_s_each_way", "scale_out_gbit_s_per_device", "scale_up_domain", "tdp_w", "peak_flops",
)  # fmt: skip
#: Models, and what their layouts have beside the usual: tensor, pipeline and context parallel, fully sharded, experts.
LAYOUTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("llama-3.1-8b", {"tp": 8, "pp": 4, "sharding": "zero1", "global_batch_seqs": 256}),
    ("llama-3.1-70b", {"tp": 1, "global_batch_seqs": 1024}),
    ("llama-2-7b", {"tp": 4, "cp": 4, "global_batch_seqs": 1024}),
    ("mixtral-8x7b", {"tp": 2, "ep": 8, "global_batch_seqs": 1024}),
    ("deepseek-v3", {"tp": 1, "pp": 4, "ep": 32, "sharding": "zero1", "global_batch_seqs": 1024}),
)


@pytest.mark.parametrize("accelerator", TIMED)
@pytest.mark.parametrize(("model", "laid_out"), LAYOUTS, ids=[name for name, _ in LAYOUTS])
def test_a_slower_part_is_never_faster(
    model: str, laid_out: dict[str, Any], accelerator: str
) -> None:
    written = table(accelerator, 512)
    written["model"]["preset"] = model
    written["parallelism"] |= laid_out
    known = dict(resolve(parse_scenario(written), CATALOG).known)
    for part in PARTS:
        if np.isnan(known.get(part, np.nan)):
            continue
        if part == "scale_up_domain" and known["slice_sharding"]:
            continue  # a slice of TPUs is what states are shared over: another slice is another sharding
        least = 1 / 64
        if part == "scale_up_domain":  # of one, the figure is that of the link into the server
            least = 1.01 / max(float(known[part]), 1.01)
        factors = np.geomspace(least, 1, 200)
        # A clock has one peak for every precision.
        parts = ("peak_flops", "bf16_peak_flops") if part == "peak_flops" else (part,)
        slower = {name: known[name] * factors for name in parts}
        values, _ = evaluate({**known, **slower}, ["predicted_step_s"])
        step = np.broadcast_to(values["predicted_step_s"], factors.shape)
        if np.isnan(step).all():  # the catalog lacks a bandwidth, which is said elsewhere
            return
        assert np.isfinite(step).all(), part
        assert (np.diff(step) <= 1e-9 * step[1:]).all(), part


@pytest.mark.parametrize("accelerator", TIMED)
def test_time_is_continuous_in_sequence_batch_and_devices(accelerator: str) -> None:
    known = dict(resolve(parse_scenario(table(accelerator, 64)), CATALOG).known)

    def steps(**more: Any) -> Any:
        values, _ = evaluate({**known, **more}, ["predicted_step_s"])
        return np.broadcast_to(values["predicted_step_s"], next(iter(more.values())).shape)

    step = steps(seq_len=np.arange(1024, 32768, 8, dtype=float))
    if np.isnan(step).all():
        return
    # Where a host's launches set the pace, more attention among the work lets the clock rise a little.
    assert (np.diff(step) > -1e-4 * step[1:]).all()
    assert (np.diff(step) / step[1:]).max() < 0.03
    rounds = np.arange(1, 200, dtype=float)  # of 16 replicas, one sequence each
    step = steps(global_batch_seqs=16 * rounds)
    assert (np.diff(step) > 0).all()
    # A round more takes no more than the mean of those before: what a step pays once stays.
    assert (np.diff(step) <= step[:-1] / rounds[:-1] * (1 + 1e-9)).all()
    replicas = np.arange(32, 4096, dtype=float)
    step = steps(devices=4 * replicas, dp=replicas, global_batch_seqs=2 * replicas)
    assert (np.abs(np.diff(step)) / step[1:]).max() < 0.03


@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16", "fp8"])
def test_mfu_stays_below_what_products_reach_in_every_precision(precision: str) -> None:
    written = table("h100-sxm", 64)
    written["training"]["precision"] = precision
    found = estimate(parse_scenario(written), CATALOG)
    assert 0 < (found.result("mfu") or 0) < 0.9
    wide = {"fp32": 4, "tf32": 4}.get(precision, 2)
    assert float(found.values["param_bytes"]) == wide
