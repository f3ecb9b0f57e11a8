"""Random layouts on any accelerator: slower parts and more work are never faster, and parts are the whole."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from llmcost.analysis.estimate import Estimate, estimate
from llmcost.engine.evaluate import evaluate
from llmcost.errors import InputError
from llmcost.render.data import STEP_PARTS
from llmcost.scenario import parse_scenario
from tests.layouts import CATALOG

#: Scenarios tried; `make fuzz` tries more.
COUNT = int(os.environ.get("FUZZ_EXAMPLES", "150"))
#: A few passes of unequal length share what hides under them; the rest of a step is exact.
SLACK = 5e-3
NAMES = {
    kind: sorted(CATALOG.kind(kind)) for kind in ("accelerators", "software", "models", "optimizers")
}  # fmt: skip


def _scenario(chance: random.Random) -> dict[str, Any]:
    pick = chance.choice
    layout: dict[str, Any] = {
        "tp": pick([1, 1, 2, 4, 8, 16]), "pp": pick([1, 1, 2, 4, 8]), "cp": pick([1, 1, 1, 2, 4, 8]),
        "dp": pick([1, 2, 3, 8, 16, 64, 100, 512, 2048]), "micro_batch": pick([1, 1, 2, 4]),
        "schedule": pick(["1f1b", "1f1b", "zero-bubble", "dualpipe"]), "sharding": pick(["none", "zero1", "zero2", "zero3"]),
    }  # fmt: skip
    layout["vpp"] = pick([1, 1, 2, 3]) if layout["pp"] > 1 else 1
    layout["global_batch_seqs"] = layout["dp"] * layout["micro_batch"] * pick([1, 2, 3, 8, 32, 100])
    if chance.random() < 0.2:
        layout["context_exchange"] = "all-to-all"
    if chance.random() < 0.2 and layout["dp"] % 8 == 0:
        layout["dp_shard"] = 8
    if chance.random() < 0.2:
        layout["reshard"] = pick([True, False])
    model = {"preset": pick(NAMES["models"]), "seq_len": pick([128, 1000, 4096, 32768, 131072])}
    experts = int(CATALOG.entry("models", model["preset"]).get("experts", 0))
    if experts:
        layout["ep"] = pick([n for n in (1, 2, 4, 8, 16, 64) if experts % n == 0])
    training = {
        "precision": pick(["fp32", "bf16", "bf16", "fp8", "fp4"]), "activation_recompute": pick(["none", "selective", "full"]),
        "software": pick(NAMES["software"]), "method": pick(["full", "full", "lora", "qlora"]),
    }  # fmt: skip
    if training["method"] == "full":
        training["optimizer"] = pick(NAMES["optimizers"])
    if chance.random() < 0.2:
        training["offload"] = pick(["optimizer", "activations", "parameters", "paged"])
    devices = layout["tp"] * layout["pp"] * layout["cp"] * layout["dp"]
    return {
        "name": "x", "model": model, "data": {"tokens": 1e11}, "training": training,
        "cluster": {"accelerator": pick(NAMES["accelerators"]), "devices": devices}, "parallelism": layout,
    }  # fmt: skip


def _estimates(count: int) -> Iterator[tuple[dict[str, Any], Estimate]]:
    """Layouts that can exist, of an accelerator whose figures are known."""
    chance = random.Random(15)
    found = 0
    while found < count:
        table = _scenario(chance)
        try:
            made = estimate(parse_scenario(table), CATALOG)
        except InputError:
            continue
        if made.result("predicted_mfu") is not None:
            found += 1
            yield table, made


@pytest.fixture(scope="module")
def made() -> list[tuple[dict[str, Any], Estimate]]:
    return list(_estimates(COUNT))


def _steps(made: Estimate, **more: Any) -> Any:
    values, _ = evaluate({**made.inputs.known, **more}, ["predicted_step_s"])
    return np.broadcast_to(values["predicted_step_s"], next(iter(more.values())).shape)


def test_parts_are_the_whole(made: list[tuple[dict[str, Any], Estimate]]) -> None:
    for table, item in made:
        parts = [float(item.values[name]) for name in STEP_PARTS]
        assert all(part >= 0 for part in parts), table
        assert sum(parts) == pytest.approx(float(item.values["predicted_step_s"])), table
        kinds = ("parameters", "gradients", "optimizer", "activations", "buffers")
        memory = [float(item.values[f"memory_{kind}_gb"]) for kind in kinds]
        assert all(part >= 0 for part in memory), table
        assert sum(memory) == pytest.approx(float(item.values["memory_gb_per_device"])), table


def test_a_slower_part_is_never_faster(made: list[tuple[dict[str, Any], Estimate]]) -> None:
    factors = np.geomspace(1 / 64, 4, 40)
    for table, item in made:
        known = item.inputs.known
        for part in ("memory_tb_s", "scale_up_gb_s_each_way", "scale_out_gbit_s_per_device", "tdp_w", "peak"):  # fmt: skip
            names = ("peak_flops", "bf16_peak_flops") if part == "peak" else (part,)
            if np.isnan([known.get(name, np.nan) for name in names]).any():
                continue
            step = _steps(item, **{name: known[name] * factors for name in names})
            assert (np.diff(step) <= SLACK * step[1:]).all(), (part, table)
        # Slices of TPUs share states by their size; a domain of one is PCIe, slower than some networks.
        if float(known["slice_sharding"]) == 0 and float(known["scale_up_domain"]) > 1:
            domains = 2.0 ** np.arange(1, 10)
            step = _steps(item, scale_up_domain=domains)
            assert (np.diff(step) <= SLACK * step[1:]).all(), ("scale_up_domain", table)


def test_more_work_is_never_faster(made: list[tuple[dict[str, Any], Estimate]]) -> None:
    for table, item in made:
        known = item.inputs.known
        lengths = 64.0 * float(known["cp"]) * np.arange(2, 400)
        for name, sizes in (
            ("seq_len", lengths),
            ("global_batch_seqs", known["global_batch_seqs"] * np.arange(1, 40)),
            ("vocab_size", 1000.0 * np.arange(10, 200)),
        ):
            step = _steps(item, **{name: sizes})
            assert (np.diff(step) >= -1e-3 * step[1:]).all(), (name, table)


def test_causal_mfu_stays_below_the_peak(made: list[tuple[dict[str, Any], Estimate]]) -> None:
    for table, item in made:
        values, _ = evaluate({**item.inputs.known, "causal_flops": np.ones(())}, ["predicted_mfu"])
        most = max(float(item.values[name]) for name in ("peak_flops", "bf16_peak_flops"))
        reached = float(values["predicted_mfu"]) * float(item.values["peak_flops"])
        assert 0 < reached <= most, table
