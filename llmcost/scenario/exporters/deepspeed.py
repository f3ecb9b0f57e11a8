"""A layout as DeepSpeed's JSON, by the names of its configuration page of 2026."""

from __future__ import annotations

import json
from typing import Any

from llmcost.catalog import Catalog
from llmcost.scenario.exporters.layout import Layout

#: What ZeRO keeps on the host, by the words of training.offload.
_HOST = {"optimizer": ("optimizer",), "parameters": ("param", "optimizer")}


def deepspeed(layout: Layout, catalog: Catalog) -> str:
    """DeepSpeed's configuration, as JSON."""
    one, words = layout.degrees, layout.words
    if one["pp"] > 1:
        raise layout.cannot(
            "DeepSpeed's JSON", "parallelism.pp", one["pp"], "its pipeline is in the code"
        )
    if one.get("expert_tp", 1) > one["tp"]:
        raise layout.cannot("DeepSpeed", "parallelism.expert_tp", one["expert_tp"])
    if one["tp"] > 1 and one["ep"] > 1:
        raise layout.cannot("DeepSpeed", "parallelism.ep", one["ep"], "not with tp above 1")
    if one["tp"] > 1 and layout.sequence_parallel:
        raise layout.cannot(
            "DeepSpeed", "parallelism.sequence_parallel", "true", "its AutoTP does not"
        )
    layout.only_usual("DeepSpeed")
    if words["recompute"] == "selective":
        raise layout.cannot("DeepSpeed", "training.activation_recompute", "selective")
    if words["recompute"] == "share":
        raise layout.cannot("DeepSpeed", "training.recompute_share", layout.recompute_share)
    stage = int(words["sharding"].removeprefix("zero").replace("none", "0"))
    if words["offload"] == "paged":
        raise layout.cannot("DeepSpeed", "training.offload", "paged")
    if words["offload"] == "optimizer" and stage < 1:
        raise layout.cannot("DeepSpeed", "training.offload", "optimizer", "not without ZeRO")
    if words["offload"] == "activations" and words["recompute"] != "full":
        raise layout.cannot(
            "DeepSpeed", "training.offload", "activations", "only those of full recomputation"
        )
    kinds = {"adamw": "AdamW", "muon": "Muon", "sgd": "SGD"}
    if words["optimizer"] not in kinds:
        raise layout.cannot("DeepSpeed's JSON", "training.optimizer", words["optimizer"])
    config: dict[str, Any] = {
        "train_batch_size": one["global_batch_seqs"],
        "train_micro_batch_size_per_gpu": one["micro_batch"],
        "gradient_accumulation_steps": int(layout.rounds),
        "zero_optimization": {
            "stage": stage,
            **{f"offload_{part}": {"device": "cpu"} for part in _HOST.get(words["offload"], ())},
        },
    }
    if words["precision"] in ("bf16", "fp16"):
        config[words["precision"]] = {"enabled": True}
    elif words["precision"] != "fp32":
        raise layout.cannot("DeepSpeed", "training.precision", words["precision"])
    if one["tp"] > 1:
        config["tensor_parallel"] = {"autotp_size": one["tp"]}
    if one["ep"] > 1:
        config["expert_parallel"] = {"enabled": True, "autoep_size": one["ep"]}
    if one["cp"] > 1:
        config["sequence_parallel_size"] = one["cp"]
    if words["recompute"] == "full":
        layers = layout.sizes.get("layers", 1)
        config["activation_checkpointing"] = {"number_checkpoints": layers}
        if words["offload"] == "activations":
            config["activation_checkpointing"]["cpu_checkpointing"] = True
    config["optimizer"] = {"type": kinds[words["optimizer"]]}
    return json.dumps(config, indent=2) + "\n"
