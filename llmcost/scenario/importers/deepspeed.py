"""DeepSpeed's JSON, accelerate's YAML, and Hugging Face TrainingArguments in YAML, JSON or a command.

Names and defaults are those of deepspeed/runtime/config.py (github.com/deepspeedai/DeepSpeed), of accelerate's
configuration files, and of transformers' TrainingArguments, with those of TRL and LLaMA-Factory beside them.
"""

from __future__ import annotations

from collections.abc import Collection

from llmcost.scenario.importers.keys import Keys
from llmcost.scenario.importers.megatron import read_devices
from llmcost.scenario.importers.run import Run

NAME = "Hugging Face and DeepSpeed"
PREFIXES = ("deepspeed_config.", "deepspeed.", "training_arguments.")
_LENGTHS = (
    "max_seq_length", "max_length", "model_max_length", "cutoff_len", "block_size", "max_seq_len",
    "max_source_length", "seq_len", "sequence_length",
)  # fmt: skip
_MODELS = (
    "model_name_or_path",
    "model_id",
    "model_name",
    "base_model_name_or_path",
    "model",
    "pretrained_model_name_or_path",
)
_MICRO = (
    "train_micro_batch_size_per_gpu",
    "per_device_train_batch_size",
    "per_gpu_train_batch_size",
    "micro_batch_size_per_gpu",
    "batch_size",
)
#: What FSDP shards, by accelerate's and PyTorch's words and by accelerate's numbers.
_SHARDINGS = {
    "full_shard": "zero3", "hybrid_shard": "zero3", "shard_grad_op": "zero2", "hybrid_shard_zero2": "zero2",
    "no_shard": "none", "1": "zero3", "2": "zero2", "3": "none", "4": "zero3", "5": "zero2",
}  # fmt: skip


def recognises(names: Collection[str]) -> bool:
    """Whether keys are those of DeepSpeed, accelerate or TrainingArguments."""
    tops = {name.partition(".")[0] for name in names}
    known = (
        "zero_optimization", "train_batch_size", "train_micro_batch_size_per_gpu",
        "per_device_train_batch_size", "per_gpu_train_batch_size", "distributed_type", "compute_environment",
        "num_train_epochs", "gradient_accumulation_steps", "learning_rate", "model_name_or_path", "zero_stage",
        "deepspeed_config", "fsdp_config", "micro_batch_size_per_gpu",
    )  # fmt: skip
    strong = (*known[:7], "zero_stage")
    found = tops & set(known)
    return len(found) >= 2 or bool(found & set(strong))


def read(keys: Keys, run: Run) -> None:
    """Read what the files say, with TrainingArguments' defaults where those are given at all."""
    if "Megatron-LM" not in run.trainers:
        run.put("training.software", "pytorch", NAME)
    name = keys.word(*_MODELS)
    if name:
        run.model(name, keys.label(*_MODELS))
    keys.give("model.seq_len", *_LENGTHS)
    _cluster(keys, run)
    _layout(keys, run)
    _batch(keys, run)
    _precision(keys, run)
    if keys.flag(
        "gradient_checkpointing",
        "activation_checkpointing",
        "fsdp_config.fsdp_activation_checkpointing",
        "fsdp_config.activation_checkpointing",
    ):
        label = keys.label(
            "gradient_checkpointing",
            "fsdp_config.fsdp_activation_checkpointing",
            "fsdp_config.activation_checkpointing",
        )
        run.put("training.activation_recompute", "full", label)
    elif keys.number("activation_checkpointing.number_checkpoints"):
        run.put(
            "training.activation_recompute",
            "full",
            keys.label("activation_checkpointing.number_checkpoints"),
        )
    elif keys.mentions("finetuning_type", "cutoff_len"):
        kept = keys.flag("disable_gradient_checkpointing")
        run.put(
            "training.activation_recompute",
            "none" if kept else "full",
            "disable_gradient_checkpointing" if kept else "LLaMA-Factory's default",
        )
    elif keys.mentions("gradient_checkpointing"):
        run.put("training.activation_recompute", "none", "gradient_checkpointing")
    if keys.flag("activation_offloading", "activation_checkpointing.cpu_checkpointing"):
        run.put(
            "training.offload",
            "activations",
            keys.label("activation_offloading", "activation_checkpointing.cpu_checkpointing"),
        )
    arguments = keys.mentions("per_device_train_batch_size", "num_train_epochs", "output_dir")
    _optimizer(keys, run, arguments)
    read_adapters(keys, run)
    if keys.mentions("beta", "loss_type", "pref_beta", "dpo_beta", "max_prompt_length"):
        run.note(
            "preferences: a sample is two sequences, the chosen and the rejected; batches count samples"
        )
    _length(keys, run, arguments)
    keys.ignore(run.ignored("huggingface"))


def _cluster(keys: Keys, run: Run) -> None:
    read_devices(keys, run)
    keys.give("cluster.devices", "num_processes")
    run.fact("nodes", keys.whole("num_machines"))
    for document in keys.documents:
        count = document.launch.get("num_processes", "")
        if count.isdecimal() and int(count) > 0:
            run.put("cluster.devices", int(count), "--num_processes")


def _layout(keys: Keys, run: Run) -> None:
    run.put(
        "parallelism.tp",
        keys.whole(
            "tensor_parallel.autotp_size",
            "tensor_parallel.tp_size",
            "parallelism_config.parallelism_config_tp_size",
            "parallelism_config.tp_size",
            "tp_size",
        )
        or 1,
        keys.label("tensor_parallel.autotp_size"),
    )
    context = (
        "sequence_parallel_size",
        "parallelism_config.parallelism_config_cp_size",
        "parallelism_config.cp_size",
        "parallelism_config.parallelism_config_sp_size",
        "context_parallel_size",
    )
    run.put("parallelism.cp", keys.whole(*context) or 1, keys.label(*context))
    stages = keys.take("pipeline.stages", "pipe_parallel_size", "pipeline_parallel_size")
    run.put(
        "parallelism.pp",
        stages if isinstance(stages, int) and stages > 0 else 1,
        keys.label("pipeline.stages", "pipe_parallel_size"),
    )
    experts = ("expert_parallel.autoep_size", "ep_size", "moe_ep_size")
    off = keys.flag("expert_parallel.enabled") is False
    size = keys.whole(*experts)
    run.put("parallelism.ep", 1 if off or size is None else size, keys.label(*experts))
    replicate = keys.whole(
        "parallelism_config.parallelism_config_dp_replicate_size",
        "parallelism_config.dp_replicate_size",
    )
    shard = keys.whole(
        "parallelism_config.parallelism_config_dp_shard_size", "parallelism_config.dp_shard_size"
    )
    if replicate or shard:
        run.put(
            "parallelism.dp", (replicate or 1) * (shard or 1), "dp_replicate_size · dp_shard_size"
        )
    if (replicate or 1) > 1 and (shard or 1) > 1:
        run.put("parallelism.dp_shard", shard, "dp_shard_size")
    if run.get("parallelism.tp", 1) > 1:
        run.put("parallelism.sequence_parallel", False, "AutoTP does not split the sequence")
    read_sharding(keys, run)


def read_sharding(keys: Keys, run: Run) -> None:
    """ZeRO's stage, or what FSDP shards; offload to the host beside it."""
    keys.zero("zero_optimization.stage", "zero_stage", "zero3")
    for part, kind in (("param", "parameters"), ("optimizer", "optimizer")):
        names = (f"zero_optimization.offload_{part}.device", f"offload_{part}_device", "offload")
        item = keys.item(*names)
        if item is not None and str(item.value).lower() in ("cpu", "nvme", "true"):
            run.default("training.offload", kind, item.label)
    if keys.flag("zero_optimization.cpu_offload"):
        run.put("training.offload", "optimizer", keys.label("zero_optimization.cpu_offload"))
    kind = (keys.word("distributed_type") or "").upper()
    strategy_names = (
        "fsdp_config.fsdp_sharding_strategy", "fsdp_config.sharding_strategy", "fsdp_sharding_strategy",
    )  # fmt: skip
    strategy = keys.take(*strategy_names)
    policies = "fsdp_config.fsdp_reshard_after_forward", "fsdp_config.reshard_after_forward"
    reshard = keys.flag(*policies)
    words = keys.take("fsdp")
    listed = " ".join(map(str, words)) if isinstance(words, list) else str(words or "")
    version = keys.take("fsdp_config.fsdp_version", "fsdp_version")
    if strategy is not None or kind == "FSDP" or listed or version or reshard is not None:
        found = _SHARDINGS.get(str(strategy).lower(), "")
        found = found or next(
            (w for mark, w in _SHARDINGS.items() if mark in listed.split()), "zero3"
        )
        label = keys.label(*strategy_names, "fsdp", *policies, "distributed_type")
        run.put("parallelism.sharding", found, label)
        if found == "zero3":
            run.put("parallelism.reshard", reshard, keys.label(*policies))
    offload = ("fsdp_config.fsdp_offload_params", "fsdp_config.offload_params")
    if keys.flag(*offload) or "offload" in listed.split():
        whole = run.get("parallelism.sharding") == "zero3"
        label = keys.label(*offload, "fsdp")
        run.put("training.offload", "parameters" if whole else "optimizer", label)
        if not whole:
            run.note(f"{label}: weights too are kept on the host, no key says it without zero3")
    if kind in ("MULTI_GPU", "NO", "MULTI_NPU"):
        run.default("parallelism.sharding", "none", f"distributed_type = {kind}")


def _batch(keys: Keys, run: Run) -> None:
    rounds = ("gradient_accumulation_steps",)
    given = keys.whole(*rounds)
    keys.give("parallelism.micro_batch", *_MICRO)
    keys.give("parallelism.global_batch_seqs", "train_batch_size")
    arguments = keys.mentions(
        "per_device_train_batch_size",
        "num_train_epochs",
        "output_dir",
        "per_device_eval_batch_size",
    )
    if arguments:
        run.default("parallelism.micro_batch", 8, "TrainingArguments' default")
    if given is not None:
        run.fact("accumulation", given)
    elif arguments or keys.item("train_batch_size") is None:  # else it follows from the batch
        run.later_fact("accumulation", 1)


def _precision(keys: Keys, run: Run) -> None:
    mixed = (keys.word("mixed_precision", "half_precision_backend") or "").lower()
    for names, word in (
        (("bf16.enabled", "bf16", "bfloat16.enabled"), "bf16"),
        (("fp16.enabled", "fp16", "amp.enabled"), "fp16"),
    ):
        if keys.flag(*names) or mixed == word:
            run.put("training.precision", word, keys.label(*names, "mixed_precision"))
            return
    if mixed == "fp8":
        run.put("training.precision", "fp8", keys.label("mixed_precision"))
        return
    word = (keys.word("torch_dtype", "dtype", "data_types.grad_accum_dtype") or "").lower()
    for mark, precision in (
        ("bfloat16", "bf16"),
        ("bf16", "bf16"),
        ("float16", "fp16"),
        ("fp16", "fp16"),
    ):
        if mark in word:
            run.put("training.precision", precision, keys.label("torch_dtype", "dtype"))
            return
    if keys.flag("tf32"):
        run.put("training.precision", "tf32", keys.label("tf32"))
        return
    arguments = keys.mentions("per_device_train_batch_size", "output_dir")
    switches = ("fp16.enabled", "bf16.enabled", "fp16", "bf16")
    asked = any(item.value == "auto" for name in switches for item in keys.items(name))
    if asked and not arguments:
        run.remark(
            "training", 'precision = "…"  # "auto": as the arguments say, which are not at hand'
        )
    elif arguments or keys.mentions(*switches, "train_batch_size"):
        run.default("training.precision", "fp32", "nothing in the file says otherwise")


def _optimizer(keys: Keys, run: Run, arguments: bool) -> None:
    name = keys.word("optimizer.type", "optim", "optimizer")
    if name:
        run.optimizer(name, keys.label("optimizer.type", "optim", "optimizer"))
    elif arguments:
        run.optimizer("adamw_torch", "TrainingArguments (the default)")


def read_adapters(keys: Keys, run: Run) -> None:
    """LoRA and QLoRA."""
    rank_names = ("lora_r", "lora_rank", "lora_dim", "peft.lora_r")
    adapter = (keys.word("adapter", "finetuning_type", "peft_type", "train_type") or "").lower()
    rank = keys.whole(*rank_names, low=0)
    four = keys.flag("load_in_4bit") or keys.take("quantization_bit") == 4
    on = (
        "lora" in adapter
        or keys.flag("use_peft", "use_lora", "use_peft_lora")
        or keys.mentions("lora_dim")
    )
    targets = _targets(keys)
    label = keys.label("lora_target_modules", "lora_target", "lora_target_linear")
    if on and (rank or "lora" in adapter or keys.flag("use_peft", "use_lora", "use_peft_lora")):
        origin = keys.label("adapter", "finetuning_type", "use_peft", "use_lora", "lora_dim")
        run.adapters("qlora" if four or adapter == "qlora" else "lora", rank or None, origin)
        run.put("training.lora_targets", targets, label)


def _targets(keys: Keys) -> str | None:
    value = keys.take("lora_target_modules", "lora_target")
    if isinstance(value, list):
        return ",".join(str(item) for item in value)
    if value is None and keys.flag("lora_target_linear"):
        return "all-linear"
    return None if value is None else str(value)


def _length(keys: Keys, run: Run, arguments: bool) -> None:
    steps = keys.number("max_steps", "max_train_steps", "train_steps")
    if steps is not None and steps > 0:
        run.fact("steps", steps)
        keys.take("num_train_epochs")
        return
    epochs = keys.number("num_train_epochs", "num_epochs")
    run.fact("epochs", epochs if epochs and epochs > 0 else 3 if arguments else None)
