"""Adapters: memory of published cards, passes, FLOPs, and what the keys refuse."""

from __future__ import annotations

from typing import Any

import pytest

from llmcost.analysis.estimate import Estimate, estimate
from llmcost.errors import InputError
from llmcost.scenario import parse_scenario
from llmcost.scenario.resolve.finetune import NF4_BYTES
from tests.layouts import CATALOG


def made(
    model: str, accelerator: str, method: str, seq: int = 1024, tp: int = 1, **training: Any
) -> Estimate:
    table = {
        "name": "x", "model": {"preset": model, "seq_len": seq}, "data": {"tokens": 1e7},
        "training": {"method": method, "activation_recompute": "full", **training},
        "cluster": {"accelerator": accelerator, "devices": tp},
        "parallelism": {"tp": tp, "pp": 1, "dp": 1, "micro_batch": 1, "global_batch_seqs": 16},
    }  # fmt: skip
    return estimate(parse_scenario(table), CATALOG)


@pytest.mark.parametrize(
    ("model", "accelerator", "method", "seq", "tp", "low", "high"),
    [
        ("llama-65b", "l40s", "qlora", 512, 1, 34, 48),
        ("llama-3.1-8b", "rtx-4090", "lora", 1024, 1, 16.5, 22),
        ("llama-3.1-8b", "rtx-4090", "qlora", 1024, 1, 6, 10),
        ("llama-2-70b", "h200-sxm", "lora", 2048, 2, 70, 110),
    ],
)
def test_adapters_fit_where_people_train_them(
    model: str, accelerator: str, method: str, seq: int, tp: int, low: float, high: float
) -> None:
    found = made(model, accelerator, method, seq, tp, lora_rank=16)
    assert low < (found.result("memory_gb_per_device") or 0) < high


def test_frozen_weights_take_no_gradients() -> None:
    full, lora = (
        made("llama-3.1-8b", "h200-sxm", method, flops_method="architecture")
        for method in ("full", "lora")
    )
    products = [float(item.values["products_backward_s"]) for item in (full, lora)]
    assert products[1] < 0.6 * products[0]
    assert 0.6 < (lora.result("step_time_s") or 0) / (full.result("step_time_s") or 1) < 0.9
    assert 0.65 < (lora.result("flops") or 0) / (full.result("flops") or 1) < 0.75
    assert float(full.values["adapter_params"]) == 0
    rank, layers = 16, 32
    widths = (4096 + 4096) * 2 + (4096 + 1024) * 2 + 3 * (4096 + 14336)
    assert float(lora.values["adapter_params"]) == rank * layers * widths


def test_targets_are_names_of_products() -> None:
    attention = made("llama-3.1-8b", "h200-sxm", "lora", lora_targets="q_proj,v_proj")
    widths = (4096 + 4096) + (4096 + 1024)
    assert float(attention.values["adapter_params"]) == 16 * 32 * widths
    same = made("llama-3.1-8b", "h200-sxm", "lora", lora_targets="model.layers.q_proj v_proj")
    assert same.results == attention.results
    with pytest.raises(InputError, match="q_proj"):
        made("llama-3.1-8b", "h200-sxm", "lora", lora_targets="q_prj")
    with pytest.raises(InputError, match="lora_rank"):
        made("llama-3.1-8b", "h200-sxm", "full", lora_rank=8)


def test_four_bits_are_those_of_the_paper() -> None:
    assert pytest.approx(4.127, abs=0.001) == NF4_BYTES * 8
    wide, eight, four = (
        made("llama-3.1-8b", "h200-sxm", method, **more).result("memory_gb_per_device") or 0
        for method, more in (("lora", {}), ("lora", {"param_precision": "fp8"}), ("qlora", {}))
    )
    blocks = 32 * (2 * 4096 * (4096 + 1024) + 3 * 4096 * 14336) / 1e9
    assert wide - eight == pytest.approx(blocks, rel=0.02)
    # The largest weight of a layer is made in 16 bits for its use.
    assert wide - four == pytest.approx(blocks * (2 - NF4_BYTES) - 2 * 4096 * 14336 / 1e9, rel=0.02)
