"""torchtitan: the job's TOML, or the options of its command.

Names and defaults are those of torchtitan/config/job_config.py (github.com/pytorch/torchtitan at 238fa995,
December 2025), with those of 2024 and 2025 beside them.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from llmcost.errors import InputError
from llmcost.scenario.importers.flat import DEFAULT
from llmcost.scenario.importers.keys import Keys
from llmcost.scenario.importers.run import Run

NAME = "torchtitan"
PREFIXES = ()
#: Schedules that give each rank two stages where no number of layers is given.
TWO_STAGES = ("interleaved1f1b", "loopedbfs", "interleavedzerobubble", "zbvzerobubble", "dualpipev")
#: Kinds of attention kernels that flavors of the same sizes are named by.
_KERNELS = re.compile(r"_(flex|varlen|irope|flex_attn|varlen_attn|non_fused_qkv)$")


def recognises(names: Collection[str]) -> bool:
    """Whether keys are torchtitan's."""
    if "model.flavor" in names:
        return True
    training = any(name.startswith("training.") for name in names)
    return training and any(name.startswith(("parallelism.", "job.", "metrics.")) for name in names)


def read(keys: Keys, run: Run) -> None:
    """Read a job, with torchtitan's own defaults for what it leaves out."""
    run.title = run.title or keys.title("job.description")
    run.put("training.software", "pytorch", "torchtitan")
    _model(keys, run)
    length = keys.whole("training.seq_len") or 2048
    run.put("model.seq_len", length, keys.label("training.seq_len"))
    _layout(keys, run)
    _precision(keys, run)
    _recompute(keys, run)
    run.fact("steps", keys.whole("training.steps") or 10_000)
    _optimizer(keys, run)
    keys.ignore(run.ignored("torchtitan"))


def _model(keys: Keys, run: Run) -> None:
    name, flavor = keys.word("model.name"), keys.word("model.flavor")
    hub = keys.word("hf_transformers.model")
    if hub:
        run.model(hub, "hf_transformers.model")
    if name is None or flavor is None or hub:
        return
    origin = keys.label("model.flavor")
    full = f"{name.removesuffix('_ft')}/{_KERNELS.sub('', flavor)}"
    try:
        run.flavor(run.catalog.find("flavors", full, origin), f"{origin} = {flavor}")
    except InputError:
        run.model(f"{name} {flavor}", f"model.name, {origin}")


def _layout(keys: Keys, run: Run) -> None:
    old = ("training.", "experimental.")

    def degree(name: str) -> int:
        names = (f"parallelism.{name}_degree", *(f"{section}{name}_degree" for section in old))
        value = keys.whole(*names) or 1
        return value

    tp, pp, cp = degree("tensor_parallel"), degree("pipeline_parallel"), degree("context_parallel")
    for key, value, name in (("tp", tp, "tensor"), ("pp", pp, "pipeline"), ("cp", cp, "context")):
        run.put(f"parallelism.{key}", value, f"{name}_parallel_degree")
    if tp > 1:
        run.put("parallelism.sequence_parallel", True, "with tensor parallelism")
    run.put("parallelism.ep", degree("expert_parallel"), "expert_parallel_degree")
    name = "expert_tensor_parallel_degree"
    shared = keys.whole(f"parallelism.{name}")
    if tp > 1 and run.get("parallelism.ep", 1) > 1:  # experts are not shared unless it says so
        run.put("parallelism.expert_tp", shared or 1, name if shared else f"{name} {DEFAULT}")
    _replicas(keys, run, pp, cp)
    _stages(keys, run, pp)
    local = keys.whole("training.local_batch_size", "training.batch_size") or 8
    micro, origin = local, keys.label("training.local_batch_size", "training.batch_size")
    if pp > 1:
        name = "pipeline_parallel_microbatch"
        count = keys.whole(f"parallelism.{name}es", f"experimental.{name}es")
        size, origin = keys.whole(f"parallelism.{name}_size"), f"{name}_size"
        if (
            count is None
            and size is None
            and keys.mentions("experimental.pipeline_parallel_degree")
        ):
            count = pp  # as long as the degree stood there
        if count is not None and size is None:
            size, origin = max(local // count, 1), f"{name}es"
        micro = min(size or 1, local)
    run.put("parallelism.micro_batch", micro, origin)
    total = keys.number("training.global_batch_size")
    if total is not None and total > 0:
        run.put(
            "parallelism.global_batch_seqs", int(total), keys.label("training.global_batch_size")
        )
    else:
        run.fact("accumulation", local / micro)


def _replicas(keys: Keys, run: Run, pp: int, cp: int) -> None:
    """Replicas and what they shard; -1 stands for all devices that are left."""
    names = [
        f"{section}data_parallel_{kind}degree"
        for kind in ("shard_", "")
        for section in ("parallelism.", "training.", "experimental.")
    ]
    shard = keys.number(*names)
    label = keys.label(*names)
    copies = (
        keys.whole(
            "parallelism.data_parallel_replicate_degree", "training.data_parallel_replicate_degree"
        )
        or 1
    )
    shard = -1 if shard is None else shard
    if shard >= 1:
        run.put("parallelism.dp", int(shard) * copies, label)
    policy = keys.word("parallelism.fsdp_reshard_after_forward")
    if shard == 1 and cp == 1:
        run.put("parallelism.sharding", "none", label)
        return
    run.put("parallelism.sharding", "zero3", f"FSDP, {label}")
    reshard = {"never": False, "always": True}.get(policy or "default")
    run.put("parallelism.reshard", reshard, keys.label("parallelism.fsdp_reshard_after_forward"))
    if copies > 1 and shard >= 1:
        run.put("parallelism.dp_shard", int(shard), label)
    elif copies > 1:
        run.note(
            f"data_parallel_replicate_degree = {copies}: states are sharded inside each of the copies; "
            "parallelism.dp_shard says over how many replicas"
        )


def _stages(keys: Keys, run: Run, pp: int) -> None:
    """Virtual stages, from the schedule or from the layers of a stage."""
    schedule = keys.word(
        "parallelism.pipeline_parallel_schedule", "experimental.pipeline_parallel_schedule"
    )
    each = keys.whole("parallelism.pipeline_parallel_layers_per_stage")
    less = [
        keys.whole(f"parallelism.pipeline_parallel_{end}_stage_less_layers", low=0)
        for end in ("first", "last")
    ]
    modules = keys.take("parallelism.module_fqns_per_model_part")
    if pp == 1:
        return
    if isinstance(modules, list) and len(modules) >= pp:
        run.put("parallelism.vpp", len(modules) // pp, "module_fqns_per_model_part")
        return
    layers = run.layers()
    if each is not None and layers is not None:
        extra = sum(1 if item is None else item for item in less)
        stages = -(-(layers + extra) // each)
        run.put("parallelism.vpp", max(stages // pp, 1), "pipeline_parallel_layers_per_stage")
        return
    if each is not None:
        run.note(f"pipeline_parallel_layers_per_stage = {each}: the number of layers is not known")
    looped = (schedule or "1F1B").lower() in TWO_STAGES
    run.put(
        "parallelism.vpp", 2 if looped else 1, f"pipeline_parallel_schedule {schedule or '1F1B'}"
    )


def _precision(keys: Keys, run: Run) -> None:
    converters = keys.word("model.converters") or ""
    kind = keys.word("training.mixed_precision_param") or "bfloat16"
    narrow = next((word for word in converters.replace(",", " ").split() if _narrow(word)), None)
    if narrow or keys.flag("float8.enable_float8_linear"):
        run.put(
            "training.precision",
            "fp8",
            keys.label("model.converters", "float8.enable_float8_linear"),
        )
        return
    word = {"bfloat16": "bf16", "float32": "fp32"}.get(kind, kind)
    run.put("training.precision", word, keys.label("training.mixed_precision_param"))


def _narrow(converter: str) -> bool:
    return converter in ("float8", "mx") or converter.endswith((".float8", ".mx"))


def _recompute(keys: Keys, run: Run) -> None:
    mode = keys.word("activation_checkpoint.mode") or "selective"
    option = keys.word("activation_checkpoint.selective_ac_option") or "2"
    budget = keys.number("activation_checkpoint.memory_budget")
    label = keys.label("activation_checkpoint.mode")
    if mode == "selective" and option.isdecimal() and int(option) > 0:
        run.recompute_share(1 / int(option), f"{label}, every layer of {option}")
    elif mode == "memory_budget":
        run.note(
            f"{label} = memory_budget ({budget or 0.5:g}): the compiler chooses what to recompute"
        )
    elif mode in ("none", "selective", "full"):
        run.put(
            "training.activation_recompute",
            mode,
            f"{label} ({option})" if mode == "selective" else label,
        )
    else:
        run.note(f"{label} = {mode}: no key says it")


def _optimizer(keys: Keys, run: Run) -> None:
    name = keys.word("optimizer.name") or "AdamW"
    run.optimizer(name, keys.label("optimizer.name"))
    early = "optimizer.early_step_in_backward"
    if keys.flag(early):
        run.put("training.optimizer_in_backward", True, keys.label(early))
    if keys.flag("training.enable_cpu_offload"):
        # FSDP's policy brings weights from the host a layer at a time where they are freed after their use.
        kind = "parameters" if run.get("parallelism.sharding") == "zero3" else "optimizer"
        run.put("training.offload", kind, keys.label("training.enable_cpu_offload"))
