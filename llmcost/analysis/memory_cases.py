"""Measured peak memories of published layouts, and the predictions of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from llmcost.analysis.cases import Case, estimate_of, memory_interval, rows
from llmcost.analysis.estimate import Estimate
from llmcost.catalog import Catalog
from llmcost.engine.results import MEMORY, MEMORY_IN_USE

GROUP = "memory, measured"
#: What each meter counts: tensors, those and the allocator's reserve, all that the device shows.
METERS = {
    "allocated": (MEMORY,),
    "reserved": (MEMORY, "memory_reserve_gb"),
    "device": (MEMORY_IN_USE,),
}
#: What MLPerf's adapters of low rank have: rank 16 beside the products of attention.
_LORA = {"method": "lora", "lora_rank": 16, "lora_targets": "attention", "lora_dropout": 0.1}
#: What of a pipeline a log speaks of, by the stage of the device that wrote it: MLPerf's is rank 0's, of the first stage,
#: torchtitan's table that of the fullest device.
_STAGES = {"first": "first_stage_bytes"}
_GIB = 2**30 / 1e9


def scenario_of(row: Mapping[str, str]) -> dict[str, Any]:
    """A row of memory_measured.csv as a scenario.

    Parameters
    ----------
    row : mapping of str to str
        Names of a model and a layout.
    """
    training: dict[str, Any] = {
        name: row[name] for name in ("precision", "software", "activation_recompute")
    }
    if row["param_precision"]:
        training["param_precision"] = row["param_precision"]
    if row["method"] == "lora":
        training |= _LORA
    own = row[
        "device_memory_gb"
    ]  # H100s with 96 GB of HBM2e: torchtitan, llama3_h100_202412_torchtitan.md
    degrees = ("tp", "pp", "vpp", "cp", "micro_batch", "global_batch_seqs")
    return {
        "name": row["id"],
        "model": {"preset": row["model"], "seq_len": float(row["seq_len"])},
        "cluster": {
            "accelerator": row["accelerator"],
            "devices": float(row["devices"]),
            **({"memory_gb": float(own)} if own else {}),
        },
        "training": training,
        "parallelism": {
            **{name: float(row[name]) for name in degrees},
            "sharding": row["sharding"],
        },
    }


def measured_memory_cases(catalog: Catalog) -> Iterator[Case]:
    """Peak memories, each by its meter: allocated, reserved by the allocator, in use on the device."""
    for row in rows("memory_measured.csv"):
        yield case_of(row, scenario_of(row), catalog)


def case_of(row: Mapping[str, str], scenario: dict[str, Any], catalog: Catalog) -> Case:
    """The case of a measured memory, in GB, and of the scenario that stands for it."""
    found = estimate_of(scenario, catalog)
    predicted = metered(found, row["measure"], row.get("stage", ""))
    measured = float(row["memory_gib"]) * _GIB
    ends = memory_interval(found, predicted)
    return Case(GROUP, row["id"], row["source"], MEMORY, measured, predicted, *ends)


def metered(found: Estimate | None, measure: str, stage: str = "") -> float | None:
    """What a meter of memory would show of an estimate [GB]; None where it has no layout.

    Where a log says of which stage it speaks, its tensors alone are known.
    """
    if stage:
        return None if found is None else float(found.values[_STAGES[stage]]) / 1e9
    parts = [None if found is None else found.result(name) for name in METERS[measure]]
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None
