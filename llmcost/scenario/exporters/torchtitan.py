"""A layout as torchtitan's TOML, by the names of its job_config.py of December 2025."""

from __future__ import annotations

import json
from typing import Any

from llmcost.catalog import Catalog
from llmcost.scenario.exporters.layout import Layout
from llmcost.scenario.importers.run import toml_value

#: So many equal sizes make two models one.
_ENOUGH_SIZES = 8


def torchtitan(layout: Layout, catalog: Catalog) -> str:
    """torchtitan's job, as TOML."""
    one, words = layout.degrees, layout.words
    sharding, pp = words["sharding"], one["pp"]
    if sharding == "zero1":
        raise layout.cannot(
            "torchtitan", "parallelism.sharding", sharding, "it has none, zero2, zero3"
        )
    if one["tp"] > 1 and not layout.sequence_parallel:
        raise layout.cannot("torchtitan", "parallelism.sequence_parallel", "false")
    if words["precision"] not in ("bf16", "fp32", "fp8"):
        raise layout.cannot("torchtitan", "training.precision", words["precision"])
    if words["optimizer"] != "adamw":
        raise layout.cannot("torchtitan", "training.optimizer", words["optimizer"])
    if sharding == "none" and one["cp"] > 1:
        raise layout.cannot(
            "torchtitan", "parallelism.sharding", "none", "cp shards the weights too"
        )
    if sharding != "none" and one["dp"] * one["cp"] == 1:
        raise layout.cannot("torchtitan", "parallelism.sharding", sharding, "one replica has none")
    if words["offload"] not in ("none", "parameters"):
        raise layout.cannot("torchtitan", "training.offload", words["offload"])
    if words["context_exchange"] != "ring":
        raise layout.cannot("torchtitan", "parallelism.context_exchange", words["context_exchange"])
    shard = 1 if sharding == "none" else one.get("dp_shard", one["dp"])
    name, flavor = _flavor(layout, catalog)
    model = {"name": name, "flavor": flavor} if name else {}
    local = one["global_batch_seqs"] // one["dp"] if pp > 1 else one["micro_batch"]
    sections: dict[str, dict[str, Any]] = {
        "model": model | ({"converters": ["float8"]} if words["precision"] == "fp8" else {}),
        "optimizer": {"name": "AdamW"},
        "training": {
            "seq_len": layout.seq_len,
            "local_batch_size": local,
            "global_batch_size": one["global_batch_seqs"],
            "mixed_precision_param": "float32" if words["precision"] == "fp32" else "bfloat16",
        },
        "parallelism": {
            "data_parallel_replicate_degree": one["dp"] // shard,
            "data_parallel_shard_degree": shard,
            "tensor_parallel_degree": one["tp"],
            "pipeline_parallel_degree": pp,
            "context_parallel_degree": one["cp"],
            "expert_parallel_degree": one["ep"],
            **(
                {"expert_tensor_parallel_degree": one["expert_tp"]}
                if one["ep"] > 1 and "expert_tp" in one
                else {}
            ),
        },
        "activation_checkpoint": {"mode": words["recompute"]},
    }
    if sharding != "none":
        kept = "false" if sharding == "zero2" else words["reshard"]
        policy = {"false": "never", "true": "always"}.get(kept, "default")
        sections["parallelism"]["fsdp_reshard_after_forward"] = policy
    if words["in_backward"] == "true":
        sections["optimizer"]["early_step_in_backward"] = True
    if words["offload"] != "none":
        sections["training"]["enable_cpu_offload"] = True
    if words["recompute"] == "selective":
        sections["activation_checkpoint"]["selective_ac_option"] = "op"
    elif words["recompute"] == "share":
        every = 1 / layout.recompute_share
        if every != int(every):
            raise layout.cannot("torchtitan", "training.recompute_share", layout.recompute_share)
        option = {"mode": "selective", "selective_ac_option": str(int(every))}
        sections["activation_checkpoint"] |= option
    if pp > 1:
        sections["parallelism"] |= _stages(layout, bool(name))
    if layout.tokens:
        step = one["global_batch_seqs"] * layout.seq_len
        sections["training"]["steps"] = -(-layout.tokens // step)
    lines = [f"# {layout.title}: model and layout by llmcost; the rest is yours to add"]
    if not name:
        lines.append(
            "# torchtitan registers no model of these sizes: model.name and model.flavor are open"
        )
    if sharding == "zero2":
        lines.append("# FSDP without resharding after the forward pass stands for zero2")
    for section, values in sections.items():
        if not values:
            continue
        lines += ["", f"[{section}]"]
        for key, value in values.items():
            text = json.dumps(value) if isinstance(value, list) else toml_value(value)
            lines.append(f"{key} = {text}")
    return "\n".join(lines) + "\n"


def _stages(layout: Layout, registered: bool) -> dict[str, Any]:
    """Schedule and stages: by their number, the layers of each, or the modules of each."""
    pp, vpp, layers = layout.degrees["pp"], layout.degrees["vpp"], layout.sizes.get("layers", 0)
    found: dict[str, Any] = {
        "pipeline_parallel_schedule": "1F1B" if vpp == 1 else "Interleaved1F1B",
        "pipeline_parallel_microbatch_size": layout.degrees["micro_batch"],
    }
    if vpp <= 2:  # what each schedule has by default
        return found
    for less in (1, 0):  # layers that embedding and output head stand for
        each = -(-(layers + 2 * less) // (pp * vpp))
        if registered and each and -(-(layers + 2 * less) // each) == pp * vpp:
            return found | {
                "pipeline_parallel_layers_per_stage": each,
                "pipeline_parallel_first_stage_less_layers": less,
                "pipeline_parallel_last_stage_less_layers": less,
            }
    if not layers:
        raise layout.cannot(
            "torchtitan", "parallelism.vpp", vpp, "the number of layers is not known"
        )
    modules = [f"layers.{number}" for number in range(layers)]
    each, more = divmod(layers, pp * vpp)
    stages: list[list[str]] = []
    for number in range(pp * vpp):
        size = each + (number < more)
        stages.append(modules[:size])
        modules = modules[size:]
    stages[0].insert(0, "tok_embeddings")
    stages[-1] += ["norm", "output"]
    return found | {"module_fqns_per_model_part": stages}


def _flavor(layout: Layout, catalog: Catalog) -> tuple[str, str]:
    """torchtitan's name and flavor of the model; empty where it has none of the sizes."""
    for key, entry in catalog.kind("flavors").items():
        preset = entry.get("preset", "")
        sizes = catalog.entry("models", preset) if preset else entry
        same = [sizes[short] == value for short, value in layout.sizes.items() if short in sizes]
        if (preset and preset == layout.preset) or (len(same) >= _ENOUGH_SIZES and all(same)):
            name, _, flavor = key.partition("/")
            return name, flavor
    return "", ""
