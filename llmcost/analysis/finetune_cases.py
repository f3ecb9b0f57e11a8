"""Measured memories and speeds of published fine-tuning, and the predictions of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from llmcost.analysis.cases import Case, estimate_of, memory_interval, rows, step_interval
from llmcost.analysis.memory_cases import metered
from llmcost.catalog import Catalog
from llmcost.engine.results import MEMORY

MEMORY_GROUP = "fine-tuning, memory"
SPEED_GROUP = "fine-tuning, speed"
#: The columns of finetune.csv: what a case is, what the trainer was told, what was measured.
COLUMNS = (
    "id", "source", "url", "model", "tied_embeddings", "accelerator", "devices", "method", "lora_rank", "lora_targets", "lora_dropout", "double_quantisation",
    "optimizer", "software", "activation_recompute", "fused_attention", "loss_chunks", "precision",
    "seq_len", "micro_batch", "global_batch_seqs", "tp", "pp", "cp", "sharding",
    "measure", "memory_gb", "tokens_per_s_per_device",
)  # fmt: skip


def scenario_of(row: Mapping[str, str]) -> dict[str, Any]:
    """A row of finetune.csv as a scenario.

    Parameters
    ----------
    row : mapping of str to str
        A value by column, empty where the method has none.
    """
    devices = float(row["devices"])
    training: dict[str, Any] = {
        name: row[name] for name in ("method", "optimizer", "software", "activation_recompute")
    }
    if row["precision"]:
        training["precision"] = row["precision"]
    if row["fused_attention"]:
        training["fused_attention"] = row["fused_attention"] == "1"
    training["loss_chunks"] = float(row["loss_chunks"])
    if row["method"] != "full":
        training |= {"lora_rank": float(row["lora_rank"]), "lora_targets": row["lora_targets"]}
        training["lora_dropout"] = float(row["lora_dropout"])
    if row["method"] == "qlora":
        training["double_quantisation"] = row["double_quantisation"] == "1"
    sizes = {name: float(row[name]) for name in ("tp", "pp", "cp")}
    model: dict[str, Any] = {"preset": row["model"], "seq_len": float(row["seq_len"])}
    if row["tied_embeddings"]:
        model["tied_embeddings"] = row["tied_embeddings"] == "1"
    return {
        "name": row["id"],
        "model": model,
        "data": {"tokens": 1e6},
        "training": training,
        "cluster": {"accelerator": row["accelerator"], "devices": devices},
        "parallelism": {
            **sizes, "dp": devices / math.prod(sizes.values()), "sharding": row["sharding"],
            "micro_batch": float(row["micro_batch"]), "global_batch_seqs": float(row["global_batch_seqs"]),
        },
    }  # fmt: skip


def finetune_cases(catalog: Catalog) -> Iterator[Case]:
    """Peak memory of a device, and the time of a step from tokens a second."""
    for row in rows("finetune.csv"):
        found = estimate_of(scenario_of(row), catalog)
        source = f"{row['source']}, {row['method']}"
        for group, result, published in (
            (MEMORY_GROUP, MEMORY, row["memory_gb"]),
            (SPEED_GROUP, "step_time_s", row["tokens_per_s_per_device"]),
        ):
            if not published:
                continue
            measured = float(published)
            if group == SPEED_GROUP:
                tokens = float(row["global_batch_seqs"]) * float(row["seq_len"])
                measured = tokens / float(row["devices"]) / measured
            if group == MEMORY_GROUP:
                predicted = metered(found, row["measure"])
            else:
                predicted = None if found is None else found.result(result)
            interval = step_interval if group == SPEED_GROUP else memory_interval
            held = interval(found, predicted)
            yield Case(group, row["id"], source, result, measured, predicted, *held)
