"""MaxText: its YAML, and what a command gives as ``key=value``.

Names and defaults are those of MaxText/configs/base.yml (github.com/AI-Hypercomputer/maxtext, 2024 to 2026).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from math import prod

from llmcost.scenario.importers.keys import Keys
from llmcost.scenario.importers.names import preset_of
from llmcost.scenario.importers.run import Run

NAME = "MaxText"
PREFIXES = ()
#: Axes of the mesh that hold a replica's devices, by the scenario's key.
_AXES = {
    "tp": ("tensor", "tensor_transpose", "tensor_sequence"),
    "pp": ("pipeline",),
    "cp": ("context", "sequence"),
    "ep": ("expert",),
}
_REPLICAS = ("data", "fsdp", "fsdp_transpose", "expert")
_FSDP = ("fsdp", "fsdp_transpose")
#: How MaxText writes the names of some models.
_NAMES = (
    (r"^deepseek(\d)(\.\d)?-671b$", r"deepseek-v\1\2"),
    (r"^deepseek2-(16b)$", "deepseek-v2-lite"),
    (r"^deepseek2-(236b)$", "deepseek-v2"),
    (r"^kimi-k2-1t$", "kimi-k2"),
    (r"^llama4-17b-16e$", "llama-4-scout"),
    (r"^llama4-17b-128e$", "llama-4-maverick"),
    (r"^(llama|gemma|gpt)(?=\d)", r"\1-"),
    (r"^(qwen3)-480b-a35b$", r"\1-coder-480b"),
)
#: Generations whose names count cores, two a chip; those of the others count chips.
_CORES = ("v2", "v3", "v4", "v5p")
_TOPOLOGY = re.compile(r"(v\d\w*?)-(\d+)$")


def recognises(names: Collection[str]) -> bool:
    """Whether keys are MaxText's."""
    own = ("max_target_length", "model_name", "base_emb_dim", "ici_fsdp_parallelism")
    return "per_device_batch_size" in names and any(name in names for name in own)


def read(keys: Keys, run: Run) -> None:
    """Read a configuration."""
    run.title = run.title or keys.title("run_name")
    run.put("training.software", "maxtext", NAME)
    _model(keys, run)
    length = "max_target_length"
    run.put("model.seq_len", keys.whole(length) or 2048, keys.label(length))
    _layout(keys, run)
    _devices(keys, run)
    given = (keys.word("quantization") or "").lower()
    word = (keys.word("dtype") or "bfloat16").lower()
    label = keys.label("dtype")
    if "fp8" in given or "nanoo" in given:
        run.put("training.precision", "fp8", keys.label("quantization"))
    elif given:
        run.note(f"{keys.label('quantization')} = {given}: no precision of a run is that")
    run.default("training.precision", "fp32" if word == "float32" else "bf16", label)
    _recompute(keys, run)
    run.optimizer(keys.word("opt_type") or "adamw", keys.label("opt_type"))
    steps = keys.number("steps")
    run.fact("steps", steps if steps and steps > 0 else None)
    keys.ignore(run.ignored("maxtext"))


def _model(keys: Keys, run: Run) -> None:
    """A model by its name, whose own file goes before base.yml; else the sizes."""
    name = keys.word("model_name") or "default"
    if name != "default" and not keys.flag("override_model_config"):
        known = name.lower()
        for pattern, word in _NAMES:
            known = re.sub(pattern, word, known)
        if preset_of(known, run.catalog) or not keys.mentions("base_emb_dim"):
            run.model(known if preset_of(known, run.catalog) else name, "model_name")
            keys.ignore(run.ignored("maxtext-sizes"))
            return
    scale = keys.whole("global_parameter_scale") or 1
    if scale != 1:
        run.unfit(f"global_parameter_scale = {scale}")
    for key, field in (
        ("layers", "base_num_decoder_layers"), ("hidden_size", "base_emb_dim"), ("heads", "base_num_query_heads"),
        ("kv_heads", "base_num_kv_heads"), ("head_dim", "head_dim"), ("ffn_hidden_size", "base_mlp_dim"),
        ("vocab_size", "vocab_size"), ("kv_lora_rank", "kv_lora_rank"), ("q_lora_rank", "q_lora_rank"),
        ("v_head_dim", "v_head_dim"), ("qk_rope_head_dim", "qk_rope_head_dim"),
    ):  # fmt: skip
        latent = key.endswith(("rank", "v_head_dim", "rope_head_dim"))
        if latent and keys.word("attention_type") != "mla":
            keys.take(field)
            continue
        keys.give(f"model.{key}", field, low=0)
    acts = keys.take("mlp_activations")  # a command writes [a,b] or one word
    acts = acts.strip("[]").split(",") if isinstance(acts, str) else acts
    run.put(
        "model.gated_ffn",
        acts is None or (isinstance(acts, list) and len(acts) > 1),
        keys.label("mlp_activations"),
    )
    tied = keys.flag("logits_via_embedding")
    run.put("model.tied_embeddings", bool(tied), keys.label("logits_via_embedding"))
    experts = keys.whole("num_experts")
    if experts and experts > 1:
        run.put("model.experts", experts, keys.label("num_experts"))
        for key, field in (
            ("experts_per_token", "num_experts_per_tok"), ("expert_ffn_hidden_size", "base_moe_mlp_dim"),
            ("shared_experts", "shared_experts"), ("dense_layers", "first_num_dense_layers"),
        ):  # fmt: skip
            keys.give(f"model.{key}", field, low=0)


def _axis(keys: Keys, axis: str) -> int:
    """Devices along an axis, within slices and across them; −1 where it takes what is left."""
    sizes = [keys.number(f"{place}_{axis}_parallelism") for place in ("ici", "dcn")]
    known = [int(size) for size in sizes if size is not None]
    return -1 if any(size < 1 for size in known) else prod(known)


def _layout(keys: Keys, run: Run) -> None:
    """The mesh: tensor, pipeline and context make a replica, the other axes hold replicas."""
    inside = 1
    for key, axes in _AXES.items():
        sizes = [_axis(keys, axis) for axis in axes]
        names = [f"{place}_{axis}_parallelism" for axis in axes for place in ("ici", "dcn")]
        given = next((name for name in names if (keys.number(name) or 1) != 1), names[0])
        if -1 in sizes:
            item = keys.item(given)
            assert item is not None
            run.leave_open(f"parallelism.{key}", item)
            continue
        run.put(f"parallelism.{key}", prod(sizes), keys.label(given))
        inside *= prod(sizes) if key != "ep" else 1
    fsdp = [_axis(keys, axis) for axis in _FSDP]
    silent = not keys.mentions(*(f"ici_{axis}_parallelism" for axis in _FSDP))
    run.put(
        "parallelism.sharding",
        "zero3" if silent or any(size != 1 for size in fsdp) else "none",
        keys.label("ici_fsdp_parallelism"),
    )
    replicas = [_axis(keys, axis) for axis in _REPLICAS]
    if not silent and -1 not in replicas and keys.mentions("dcn_data_parallelism"):
        run.put("parallelism.dp", prod(replicas), "data · fsdp · expert of the mesh")
    each = keys.number("per_device_batch_size")
    rounds = keys.whole("gradient_accumulation_steps") or 1
    if each is None:
        return
    total = each * inside
    parts = keys.whole("num_pipeline_microbatches", low=-1)
    if run.get("parallelism.pp", 1) > 1 and parts and parts > 0 and total % parts == 0:
        total, rounds = total / parts, rounds * parts
    if total >= 1 and total == int(total):
        label = keys.label("per_device_batch_size")
        run.put("parallelism.micro_batch", int(total), f"{label} · devices of a replica")
        run.fact("accumulation", rounds)
    else:
        run.note(
            f"per_device_batch_size = {each:g}: {total:g} sequences a replica are no micro-batch"
        )


def _devices(keys: Keys, run: Run) -> None:
    """The slice that a step is compiled for, where the file names one."""
    found = _TOPOLOGY.match(keys.word("compile_topology") or "")
    if not found:
        return
    slices = keys.whole("compile_topology_num_slices", low=-1) or 1
    chips = int(found[2]) // (2 if found[1] in _CORES else 1) * max(slices, 1)
    label = keys.label("compile_topology")
    name = preset_of(f"tpu-{found[1]}", run.catalog, "accelerators")
    run.put("cluster.accelerator", name, label)
    run.put("cluster.devices", chips, label)


def _recompute(keys: Keys, run: Run) -> None:
    """What a policy keeps: ``minimal`` all products, ``full`` none, the others some."""
    policy = (keys.word("remat_policy") or "full").lower()
    label = keys.label("remat_policy")
    if policy == "full":
        run.put("training.activation_recompute", "full", label)
    elif policy.startswith("minimal"):
        run.put("training.activation_recompute", "none", label)
    else:
        run.note(
            f"{label} = {policy}: keeps some products of a layer, training.recompute_share says how many"
        )
    if "offload" in policy:
        run.put("training.offload", "activations", label)
