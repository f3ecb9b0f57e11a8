"""No two numbers of one result contradict each other: bundled scenarios, random layouts, sweep cells."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any

import numpy as np
import pytest

from llmcost.analysis.axes import parse_axes
from llmcost.analysis.estimate import Estimate
from llmcost.analysis.stages import estimate_any as estimate
from llmcost.analysis.sweep import Sweep
from llmcost.catalog import load_catalog
from llmcost.engine.performance.faults import at_fault
from llmcost.engine.results import RESULTS
from llmcost.errors import LlmcostError
from llmcost.scenario import bundled_names, load_scenario, parse_scenario
from tests.conftest import Run

CATALOG = load_catalog()
MODELS = ("llama-3.1-8b", "llama-3.1-70b", "llama-3.1-405b", "deepseek-v3", "gpt-3-175b")
ACCELERATORS = ("a100-sxm-80gb", "h100-sxm", "h200-sxm", "b200-sxm", "gb200-nvl72", "mi300x", "tpu-v5p", "rtx-4090")  # fmt: skip


def close(left: float, right: float) -> None:
    assert left == pytest.approx(right, rel=1e-6)


def check_clock(found: Estimate) -> None:
    """Everything that follows from the step, and every sum, by its own formula."""
    r = {key: value for key, value in found.results.items() if value is not None}
    if {"steps", "step_time_s", "days"} <= r.keys():
        close(r["days"] * 86400 * r["goodput"], r["steps"] * r["step_time_s"])
    if {"days", "devices", "device_hours"} <= r.keys():
        close(r["device_hours"], r["devices"] * r["days"] * 24)
    peak = float(found.values.get("peak_flops", np.array(np.nan)))
    if {"mfu", "flops", "device_hours"} <= r.keys() and np.isfinite(peak):
        close(r["mfu"] * peak * r["device_hours"] * 3600 * r["goodput"], r["flops"])
    sums = {
        "cost_amortized_usd": ("cost_accelerator_usd", "cost_server_usd", "cost_interconnect_usd", "cost_energy_usd"),
        "total_tco2e": ("operational_tco2e", "embodied_tco2e"),
    }  # fmt: skip
    for whole, parts in sums.items():
        if {whole, *parts} <= r.keys():
            close(r[whole], sum(r[part] for part in parts))
    if "cost_total_usd" in r:
        method = found.inputs.scenario.get("cost.method", "amortized")
        base = r["cost_cloud_usd" if method == "cloud" else f"cost_{method}_usd"]
        ratio = float(found.values.get("experiments_ratio", np.array(0.0)))
        extra = r.get("cost_staff_usd", 0.0) + r.get("cost_items_usd", 0.0)
        close(r["cost_total_usd"], (1 + ratio) * base + extra)


@pytest.mark.parametrize("name", bundled_names())
def test_bundled_scenarios_have_one_clock(name: str) -> None:
    check_clock(estimate(load_scenario(name), CATALOG))


def random_scenario(random: np.random.Generator) -> dict[str, Any]:
    """A scenario with a layout that can exist."""
    while True:
        model = str(random.choice(MODELS))
        facts = CATALOG.entry("models", model)
        tp, pp, dp, cp = (int(2 ** random.integers(0, most)) for most in (4, 5, 7, 2))
        micro = int(2 ** random.integers(0, 3))
        layout = {
            "tp": tp, "pp": pp, "cp": cp, "micro_batch": micro, "vpp": int(random.integers(1, 4)) if pp > 1 else 1,
            "ep": int(2 ** random.integers(0, 6)) if "experts" in facts else 1,
            "global_batch_seqs": micro * dp * int(random.integers(1, 40)), "sharding": str(random.choice(["none", "zero1", "zero2", "zero3"])),
        }  # fmt: skip
        training = {
            "precision": str(random.choice(["bf16", "fp8"])),
            "activation_recompute": str(random.choice(["none", "selective", "full"])),
            "attention_flops": str(random.choice(["full", "causal"])),
            "optimizer": str(random.choice(["adamw", "sgd", "adafactor"])),
        }
        accelerator = str(random.choice(ACCELERATORS))
        if "fp8_tflops" not in CATALOG.entry("accelerators", accelerator):
            training["precision"] = "bf16"
        values = {**facts, **layout, "dp": dp, "devices": tp * pp * cp * dp}
        values.setdefault("kv_heads", values["heads"])
        if at_fault({k: v for k, v in values.items() if isinstance(v, int | float)}):
            continue
        return {
            "name": "random",
            "start_date": f"{random.integers(2021, 2027)}-0{random.integers(1, 10)}-15",
            "model": {"preset": model, "seq_len": int(2 ** random.integers(9, 17))},
            "data": {"tokens": float(10 ** random.uniform(9, 13))},
            "training": training,
            "cluster": {"accelerator": accelerator, "devices": tp * pp * cp * dp},
            "parallelism": layout,
            "cost": {"method": str(random.choice(["amortized", "cloud", "purchase"])), "experiments_ratio": 0.5},
        }  # fmt: skip


def test_200_random_layouts_have_one_clock() -> None:
    random = np.random.default_rng(14)
    answered = 0
    for _ in range(200):
        found = estimate(parse_scenario(random_scenario(random)), CATALOG)
        check_clock(found)
        parts = [k for k in found.values if k in _STEP_PARTS]
        step, total = found.result("step_time_s"), sum(float(found.values[k]) for k in parts)
        if step is not None:
            answered += 1
            close(step, total)
            assert found.result("mfu") == found.result("predicted_mfu")
            assert (found.result("step_time_s") or 0) > 0
    assert answered > 190


#: Parts of a step as the breakdown shows them.
_STEP_PARTS = (
    "compute_s", "model_collectives_s", "pipeline_bubble_s", "pipeline_transfer_s",
    "data_parallel_s", "optimizer_s", "offload_s", "straggler_s",
    "software_s",
)  # fmt: skip


def test_a_number_is_the_same_in_every_format(llmcost: Run) -> None:
    line = ["llama-3.1-405b", "--set", "training.mfu=", "--set", "parallelism=auto", "--set", "parallelism.tp=8"]  # fmt: skip
    found = json.loads(llmcost("estimate", *line, "--json").stdout)["results"]
    written = next(
        csv.DictReader(io.StringIO(llmcost("estimate", *line, "--format", "csv").stdout))
    )
    swept = json.loads(
        llmcost("sweep", *line, "--axis", "energy.pue=1.08", "--format", "jsonl").stdout.split("\n")[0]
    )  # fmt: skip
    fixed = json.loads(llmcost("estimate", *line, "--set", "energy.pue=1.08", "--json").stdout)
    compared = json.loads(llmcost("compare", *line, "--set-b", "energy.pue=1.08", "--json").stdout)
    for key, value in found.items():
        if value is None:
            continue
        assert float(written[key]) == value, key
        assert compared["scenarios"][0]["results"][key] == value, key
        if key in swept:
            assert swept[key] == fixed["results"][key], key
    table = llmcost("estimate", *line).stdout
    days = re.search(r"Duration +([\d.]+) days", table)
    assert days
    assert float(days[1]) == pytest.approx(found["days"], rel=5e-3)


#: Axes of the differential test; words and dates among them.
AXES = (
    "start_date=2022-01-15,2024-06-01,2026-03-01",
    "cluster.accelerator=a100-sxm-80gb,h100-sxm,b200-sxm,tpu-v5p",
    "model.preset=llama-3.1-8b,llama-3.1-70b,deepseek-v3",
    "training.precision=bf16,fp8",
    "model.seq_len=2048,16384",
    "training.activation_recompute=none,full",
    "parallelism.tp=1,4,8",
    "parallelism.pp=1,4",
    "parallelism.sharding=none,zero1,zero3",
    "training.optimizer=adamw,sgd",
    "carbon.grid=FRA,USA",
    "cost.method=amortized,cloud",
    "cluster.devices=64,500,512",
    "training.software=megatron-2021,pytorch-eager",
)


#: What no cell has whose run cannot be; the model's own counts stay.
_OF_THE_RUN = (
    "days", "device_hours", "step_time_s", "predicted_mfu", "memory_gb_per_device", "energy_mwh",
    "operational_tco2e", "total_tco2e", "cost_amortized_usd", "cost_cloud_usd", "cost_total_usd",
)  # fmt: skip


def _same(here: float, wanted: float | None) -> bool:
    """Alike but for the last bits, which differ between numpy's loops of several and of one element."""
    return bool(np.isnan(here)) if wanted is None else here == pytest.approx(wanted, rel=1e-13)


@pytest.mark.parametrize("seed", range(12))
def test_a_cell_of_a_sweep_is_the_estimate(seed: int) -> None:
    """Random axes, 40 random cells each; a cell without an answer is one that an estimate refuses."""
    random = np.random.default_rng(seed)
    chosen = random.choice(len(AXES), 6, replace=False)
    texts = [AXES[i] for i in sorted(chosen)]
    layout = {"global_batch_seqs": 1024, "micro_batch": 2}
    if seed % 3:
        layout |= {"tp": 4, "pp": 2, "vpp": 1}
    base: dict[str, Any] = {
        "name": "cell", "start_date": "2025-01-01", "model": {"preset": "llama-3.1-8b", "seq_len": 4096}, "data": {"tokens": 1e12},
        "cluster": {"accelerator": "h100-sxm", "devices": 256}, "parallelism": layout,
    }  # fmt: skip
    if seed % 4 == 3:
        del base["parallelism"]
        texts = [text for text in texts if not text.startswith("parallelism.")]
    sweep = Sweep(parse_scenario(base), parse_axes(texts, [], CATALOG), CATALOG)
    block = sweep.block(0)
    for index in random.choice(block.rows, min(40, block.rows), replace=False):
        table = json.loads(json.dumps(base))
        for text in texts:
            key = text.partition("=")[0]
            section, _, name = key.rpartition(".")
            value = block.columns[key][index]
            value = value.item() if hasattr(value, "item") else value
            (table.setdefault(section, {}) if section else table)[name] = (
                str(value) if key == "start_date" else value
            )
        try:
            single = estimate(parse_scenario(table), CATALOG).results
        except LlmcostError:
            single = dict.fromkeys(_OF_THE_RUN)
        for name in RESULTS:
            if name in block.columns and name in single:
                here, wanted = float(block.columns[name][index]), single[name]
                assert _same(here, wanted), (name, here, wanted, table)
