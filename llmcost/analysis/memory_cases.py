"""Measured peak memories of published layouts, and the predictions of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from llmcost.analysis.cases import Case, estimate_of, memory_interval, rows
from llmcost.catalog import Catalog

GROUP = "memory, measured"
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
    degrees = ("tp", "pp", "vpp", "cp", "micro_batch", "global_batch_seqs")
    return {
        "name": row["id"],
        "model": {"preset": row["model"], "seq_len": float(row["seq_len"])},
        "cluster": {"accelerator": row["accelerator"], "devices": float(row["devices"])},
        "training": training,
        "parallelism": {
            **{name: float(row[name]) for name in degrees},
            "sharding": row["sharding"],
        },
    }


def measured_memory_cases(catalog: Catalog) -> Iterator[Case]:
    """Peak memories that the framework counted: allocated, or reserved by its allocator."""
    for row in rows("memory_measured.csv"):
        yield case_of(row, scenario_of(row), catalog)


def case_of(row: Mapping[str, str], scenario: dict[str, Any], catalog: Catalog) -> Case:
    """The case of a measured memory, in GB, and of the scenario that stands for it."""
    found = estimate_of(scenario, catalog)
    stage = _STAGES.get(row.get("stage", ""))
    predicted = None if found is None else found.result("memory_gb_per_device")
    if found is not None and stage is not None:
        predicted = float(found.values[stage]) / 1e9
    measured = float(row["memory_gib"]) * _GIB
    ends = memory_interval(found, predicted)
    return Case(GROUP, row["id"], row["source"], "memory_gb_per_device", measured, predicted, *ends)
