"""Measured power of nodes that train, and the predictions of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from llmcost.analysis.cases import Case, estimate_of, rows
from llmcost.catalog import Catalog

GROUP = "power, measured"
#: What MLPerf's adapters of low rank have: rank 16 beside the products of attention.
_LORA = {"lora_rank": 16, "lora_targets": "attention"}


def scenario_of(row: Mapping[str, str]) -> dict[str, Any]:
    """A row of power_measured.csv as a scenario.

    Layouts are those of NVIDIA's own submissions of the round, for the power submissions state none; BERT in
    8 bits like them.

    Parameters
    ----------
    row : mapping of str to str
        Names of a model and a layout.
    """
    training = {name: row[name] for name in ("precision", "software", "method")}
    degrees = ("tp", "pp", "micro_batch", "global_batch_seqs")
    return {
        "name": row["id"],
        "model": {"preset": row["model"], "seq_len": float(row["seq_len"])},
        "cluster": {"accelerator": row["accelerator"], "devices": float(row["devices"])},
        "training": {**training, **(_LORA if row["method"] == "lora" else {})},
        "parallelism": {name: float(row[name]) for name in degrees},
    }


def measured_power_cases(catalog: Catalog) -> Iterator[Case]:
    """Mean draw of a node of MLPerf's power submissions, a device's share of it, by what devices do."""
    for row in rows("power_measured.csv"):
        found = estimate_of(scenario_of(row), catalog)
        predicted = None if found is None else float(found.values["device_power_w"])
        each = int(row["devices_per_node"])
        measured = float(row["node_w"]) / each
        yield Case(GROUP, row["id"], row["source"], "device_power_w", measured, predicted)
