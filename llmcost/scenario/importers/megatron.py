"""Megatron-LM: its arguments, in a launch script or in a YAML file of tests or runs.

Names and defaults are those of megatron/training/arguments.py (github.com/NVIDIA/Megatron-LM at d98e8a64,
August 2026), with those of earlier releases and of Megatron-DeepSpeed beside them. NeMo and Megatron-Bridge
keep the names, so their reader rests on this one.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from llmcost.scenario.importers.keys import Keys
from llmcost.scenario.importers.megatron_model import read_model
from llmcost.scenario.importers.run import Run

NAME = "Megatron-LM"
PREFIXES = (
    "MODEL_ARGS.",
    "MODEL_ARGS.__",
    "language_model.",
    "model_parallel.",
    "modules.pre_trainer.overrides.",
)
_LAYOUT = {
    "tp": ("tensor_model_parallel_size", "model_parallel_size"),
    "cp": ("context_parallel_size", "ds_sequence_parallel_size"),
    "ep": ("expert_model_parallel_size", "moe_expert_parallel_size"),
}
_STRATEGIES = {
    "full": "zero3",
    "hybrid": "zero3",
    "grad": "zero2",
    "no_shard": "none",
    "optim": "zero1",
    "optim_grads": "zero2",
    "optim_grads_params": "zero3",
}
#: What bears on cost, and what the scenario says of it.
_NOTED = {
    "moe_expert_capacity_factor": "tokens above an expert's capacity are dropped, no key says it",
    "overlap_moe_expert_parallel_comm": "training.expert_overlap says how much of the exchange is hidden",
    "cpu_offloading": 'activations are kept on the host: training.offload = "activations" says it, of all layers',
    "fine_grained_activation_offloading": 'activations are kept on the host: training.offload = "activations" says it, of all layers',
    "tensor_parallel_num_weight_shards": "weights are sharded further, no key says it",
    "use_precision_aware_optimizer": "states of the optimizer in fewer bits, no key says it",
    "hierarchical_context_parallel_sizes": "context parallelism in two levels, no key says it",
    "reduce_padding_in_sequence": "sequences are shorter than their length, no key says it",
    "sft": "fine-tuning: samples may be shorter than the sequence length",
    "lora_rank": "adapters are trained, not the model",
    "perform_rl_step": "reinforcement learning: rollouts are not in the scenario",
}
#: Modules of a selective recompute that are those of attention's scores.
_SCORES = ("core_attn", "core_attention")


def recognises(names: Collection[str]) -> bool:
    """Whether keys are Megatron's."""
    known = ("tensor_model_parallel_size", "num_attention_heads", "micro_batch_size", "seq_length")
    found = {name.rpartition(".")[2].lstrip("_") for name in names}
    return sum(name in found for name in known) >= 2


def read(keys: Keys, run: Run) -> None:
    """Read arguments, with Megatron's own defaults for what they leave out."""
    read_model(keys, run, megatron=True)
    read_layout(keys, run)
    read_precision(keys, run)
    read_recompute(keys, run)
    run.default("training.precision", "fp32", "Megatron's default")
    run.default("training.activation_recompute", "none", "nothing in the file says otherwise")
    read_length(keys, run)
    read_devices(keys, run)
    kind = keys.word("transformer_impl")
    if kind or keys.mentions("use_megatron_fsdp", "use_custom_fsdp"):
        software = "megatron" if kind == "local" else "transformer-engine"
        run.put("training.software", software, keys.label("transformer_impl"))
    run.optimizer(keys.word("optimizer") or "adam", keys.label("optimizer"))
    if keys.flag("optimizer_cpu_offload", "cpu_optimizer"):
        run.put(
            "training.offload", "optimizer", keys.label("optimizer_cpu_offload", "cpu_optimizer")
        )
    read_noted(keys, run)
    keys.ignore(run.ignored("megatron"))


def read_noted(keys: Keys, run: Run) -> None:
    """Say what bears on cost and has no key of its own."""
    for name, text in _NOTED.items():
        item = keys.item(name)
        if item is not None and item.value is not False:
            run.note(f"{item.label} = {item.value}: {text}")


def read_devices(keys: Keys, run: Run) -> None:
    """Devices, from the options of what launches a command."""
    for document in keys.documents:
        launch = document.launch
        gres = re.fullmatch(r"(?:gpu:)?(?:([a-z]\w*):)?(\d{1,3})", launch.get("gres", "").strip())
        launcher = ("nproc_per_node", "num_gpus", "gpus_per_node")
        counts = [launch.get(name, "") for name in launcher]
        # a job of one task a node may start as many processes as it has devices
        counts += [gres[2] if gres else "", launch.get("ntasks_per_node", "")]
        nodes = [launch.get(name, "") for name in ("nnodes", "num_nodes", "nodes")]
        for fact, texts in (("nodes", nodes), ("devices_per_node", counts)):
            text = next((text for text in texts if text), "")
            if text.isdecimal() and 0 < int(text) < 1_000_000:
                run.fact(fact, int(text))


def read_layout(keys: Keys, run: Run) -> None:
    """Tensor, pipeline, context and expert parallelism, replicas' sharding and batches."""
    for key, names in _LAYOUT.items():
        place = f"parallelism.{key}"
        run.put(place, keys.degree(place, *names), keys.label(*names))
    names = ("pipeline_model_parallel_size", "pipe_parallel_size")
    pp = 1 if keys.flag("no_pipeline_parallel") else keys.degree("parallelism.pp", *names)
    run.put("parallelism.pp", pp, keys.label(*names))
    _stages(keys, run, pp)
    parallel = keys.flag("sequence_parallel")
    tp = run.get("parallelism.tp", 1)
    if tp > 1:
        run.put("parallelism.sequence_parallel", bool(parallel), keys.label("sequence_parallel"))
    expert_tp = keys.whole("expert_tensor_parallel_size")
    if expert_tp is not None and run.get("parallelism.ep", 1) > 1:
        run.put("parallelism.expert_tp", expert_tp, keys.label("expert_tensor_parallel_size"))
    keys.give("parallelism.micro_batch", "micro_batch_size", "batch_size")
    _batch(keys, run)
    _sharding(keys, run)


def _stages(keys: Keys, run: Run, pp: int | None) -> None:
    """Virtual stages of each pipeline stage."""
    direct = ("virtual_pipeline_model_parallel_size", "num_virtual_stages_per_pipeline_rank")
    vpp, label = keys.degree("parallelism.vpp", *direct, default=None), keys.label(*direct)
    each = keys.whole("num_layers_per_virtual_pipeline_stage")
    layout = keys.word("pipeline_model_parallel_layout")
    ends = [
        keys.whole(f"decoder_{end}_pipeline_num_layers", f"num_layers_in_{end}_pipeline_stage")
        for end in ("first", "last")
    ]
    keys.flag("account_for_embedding_in_pipeline_split")
    keys.flag("account_for_loss_in_pipeline_split")
    if pp is None or pp == 1:
        return
    layers = run.get("model.layers")
    if layout:
        vpp, label = _layout_stages(layout) // pp, keys.label("pipeline_model_parallel_layout")
    elif each and layers and vpp is None:
        label = keys.label("num_layers_per_virtual_pipeline_stage")
        inner, stages = (
            layers - sum(item or 0 for item in ends),
            pp - sum(1 for item in ends if item),
        )
        vpp = max(inner // max(stages, 1) // each, 1)
    if vpp is not None or keys.item(*direct) is None:
        run.put("parallelism.vpp", max(vpp or 1, 1), label)


def _layout_stages(layout: str) -> int:
    """Stages of a layout like ``Et*2|(tt|)*5t|tmL``: those that ``|`` parts, repetitions counted."""
    bars = layout.count("|") + 1
    for group, times in re.findall(r"\(([^()]*)\)\*(\d{1,4})", layout):
        bars += group.count("|") * (int(times) - 1)
    return bars


def _batch(keys: Keys, run: Run) -> None:
    """The global batch; of a schedule the size that most tokens are trained with."""
    batch = "parallelism.global_batch_seqs"
    size = keys.degree(batch, "global_batch_size", default=None)
    label = keys.label("global_batch_size")
    ramp = keys.take("rampup_batch_size")
    schedule = keys.word("step_batch_size_schedule")
    steps = re.findall(r"(\d+(?:\.\d+)?[kKMBT]?)\s*:\s*([1-9]\d{0,8})\b", schedule or "")
    if steps:
        label = keys.label("step_batch_size_schedule")
        size = _longest(keys, [(_amount(start), int(seqs)) for start, seqs in steps])
        run.note(f"{label} = {schedule}: the batch of {size}, of most of the run, is taken")
    elif schedule:
        run.note(f"{keys.label('step_batch_size_schedule')} = {schedule}: its steps cannot be told")
    elif ramp:
        run.note(
            f"{keys.label('rampup_batch_size')} = {ramp}: the full batch is taken from the start"
        )
    run.put(batch, size, label)
    if size is None and keys.item("global_batch_size") is None:
        run.fact("accumulation", 1)


def _longest(keys: Keys, steps: list[tuple[float, int]]) -> int:
    """The batch that most tokens of the run are trained with."""
    length = keys.whole("seq_length", "encoder_seq_length")
    samples = keys.number("train_samples")
    total = samples * length if samples and length else float("inf")
    ends = [start for start, _ in steps[1:]] + [float("inf")]
    spans = [min(end, total) - start for (start, _), end in zip(steps, ends, strict=True)]
    return steps[spans.index(max(spans))][1]


def _amount(text: str) -> float:
    """Tokens like ``200B``."""
    scale = {"k": 1e3, "K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}
    return float(text.rstrip("kKMBT") or 0) * scale.get(text[-1:], 1.0)


def _sharding(keys: Keys, run: Run) -> None:
    stage = keys.whole("zero_stage", low=0)
    names = ("use_megatron_fsdp", "use_custom_fsdp", "use_torch_fsdp2", "fsdp")
    fsdp, label = keys.flag(*names), keys.label(*names)
    name = keys.word("optim.name") or ""
    strategy = keys.word("data_parallel_sharding_strategy", "fsdp_sharding_strategy")
    kept = keys.flag("torch_fsdp2_no_reshard_after_forward")
    distributed = keys.flag("use_distributed_optimizer")
    if fsdp:
        run.put("parallelism.sharding", _STRATEGIES.get(strategy or "", "zero3"), label)
        if kept:
            label = keys.label("torch_fsdp2_no_reshard_after_forward")
            run.put("parallelism.reshard", False, label)
    elif name.startswith(("mcore_distributed", "distributed_fused", "megatron_distributed")):
        run.put("parallelism.sharding", "zero1", f"{keys.label('optim.name')} = {name}")
    elif stage:
        run.put("parallelism.sharding", f"zero{min(stage, 3)}", keys.label("zero_stage"))
    elif distributed:
        run.put("parallelism.sharding", "zero1", keys.label("use_distributed_optimizer"))
    else:
        run.default("parallelism.sharding", "none", keys.label("use_distributed_optimizer"))
    copies = keys.whole("num_distributed_optimizer_instances")
    if copies and copies > 1:
        run.note(
            f"num_distributed_optimizer_instances = {copies}: states are sharded inside each of the copies"
        )


def read_precision(keys: Keys, run: Run) -> None:
    """The number format of products: fp8 and fp4 before the 16 bits around them."""
    four, eight = keys.item("fp4_format", "fp4"), keys.item("fp8_format", "fp8")
    if four and four.value is not False:
        run.put("training.precision", "fp4", four.label)
    elif eight and eight.value is not False:
        run.put("training.precision", "fp8", eight.label)
    for name, word in (("bf16", "bf16"), ("fp16", "fp16")):
        if keys.flag(name) and "training.precision" not in run.values:
            run.put("training.precision", word, keys.label(name))
    mixed = keys.word("precision", "mixed_precision", "params_dtype")
    if mixed and "training.precision" not in run.values:
        text = mixed.lower()
        for mark, word in (
            ("fp8", "fp8"),
            ("nvfp4", "fp4"),
            ("bf16", "bf16"),
            ("bfloat16", "bf16"),
            ("16", "fp16"),
            ("32", "fp32"),
        ):
            if mark in text:
                run.put(
                    "training.precision",
                    word,
                    keys.label("precision", "mixed_precision", "params_dtype"),
                )
                break


def read_recompute(keys: Keys, run: Run) -> None:
    """What the backward pass does again."""
    granularity = ("recompute_granularity", "activations_checkpoint_granularity")
    method = ("recompute_method", "activations_checkpoint_method")
    number = ("recompute_num_layers", "activations_checkpoint_num_layers")
    kind, how = keys.word(*granularity), keys.word(*method)
    count = keys.whole(*number, low=0)
    modules = (
        (keys.word("recompute_modules") or "core_attn")
        .replace(",", " ")
        .replace("'", " ")
        .strip("[] ")
        .split()
    )
    label = keys.label(*granularity, *method, "checkpoint_activations")
    if kind is None and keys.flag("checkpoint_activations", "deepspeed_activation_checkpointing"):
        kind = "full"
    elif kind is None and keys.flag("recompute_activations"):
        kind, label = "selective", keys.label("recompute_activations")
    elif kind is None and how and count != 0 and not keys.mentions(*granularity):
        kind, count = "full", count or 1  # before there were granularities
    if kind == "full" and how == "block" and count is not None:
        layers = run.layers()
        stage = run.get("parallelism.pp", 1) * run.get("parallelism.vpp", 1)
        share = 1.0 if not layers else min(count * stage / layers, 1.0)
        run.recompute_share(share, f"{label}, {count} layers of a stage")
    elif kind == "full":
        run.put("training.activation_recompute", "full", label)
    elif kind == "selective":
        run.put("training.activation_recompute", "selective", label)
        others = [name for name in modules if name not in _SCORES]
        if others:
            run.note(
                f"{keys.label('recompute_modules')} = {' '.join(others)}: beside attention's scores, "
                "no key says them"
            )
    elif kind:
        run.note(f"{label} = {kind}: no key says it")


def read_length(keys: Keys, run: Run) -> None:
    """How long the run is."""
    run.fact("tokens", keys.number("train_tokens"))
    run.fact("samples", keys.number("train_samples"))
    steps = keys.number("train_iters", "max_steps")
    if steps is not None and steps > 0:
        run.fact("steps", steps)
