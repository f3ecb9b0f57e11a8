"""torchtune: the YAML of its recipes.

Names and defaults are those of recipes/configs and torchtune/models (github.com/pytorch/torchtune, main of 2025).
"""

from __future__ import annotations

import re
from collections.abc import Collection

from llmcost.scenario.importers.keys import Keys
from llmcost.scenario.importers.names import preset_of
from llmcost.scenario.importers.run import Run

NAME = "torchtune"
PREFIXES = ()
_MODEL = "model._component_"
_POLICY = "policy_model._component_"
_OPTIMIZER = "optimizer._component_"
#: What samples and scores answers in reinforcement.
_SCORED = (
    "reward_and_value_model*", "value_*", "forward_batch_size", "temperature", "top_k", "gamma", "lmbda", "kl_coeff",
    "whiten_rewards", "stop_token_ids", "reward_penalty", "min_response_length", "penalise_no_eos",
)  # fmt: skip
#: Pieces of the losses that make logits of a part of the tokens at a time (num_output_chunks).
_CHUNKS = 8
#: Rank of the builders of models with adapters.
_RANK = 8
#: Optimizers of a model in 16 bits: their states are in 16 bits, too, and no weight has a copy.
_NARROW = {"adamw": "adamw-bf16", "adamw-8bit": "adamw-8bit-bf16"}
#: What recipes on several devices alone read.
_DISTRIBUTED = (
    "fsdp_cpu_offload", "fsdp_reshard_after_forward", "custom_sharded_layers", "data_parallel_shard_dim",
    "data_parallel_replicate_dim", "tensor_parallel_dim", "context_parallel_dim", "fsdp.cpu_offload",
)  # fmt: skip
#: Sections of further recipes, and what no key says of them.
_MORE = {
    "quantizer": "no key says training that rounds as quantisation will",
    "teacher_model": 'a [[stages]] of kind "distill" has a teacher',
    "kd_loss": "the loss of a distillation, whose teacher [[stages]] has",
}


def recognises(names: Collection[str]) -> bool:
    """Whether keys are torchtune's."""
    return bool({_MODEL, _POLICY} & set(names)) and ("batch_size" in names or _OPTIMIZER in names)


def read(keys: Keys, run: Run) -> None:
    """Read a configuration."""
    compiled = keys.flag("compile") or keys.flag("compile.model")
    run.put(
        "training.software",
        "pytorch-compile" if compiled else "pytorch-eager",
        keys.label("compile", "compile.model"),
    )
    _model(keys, run)
    run.put("model.seq_len", keys.whole("tokenizer.max_seq_len"), "tokenizer.max_seq_len")
    if keys.flag("dataset.packed") is not True:
        run.note(
            "dataset.packed: samples are no longer than tokenizer.max_seq_len, most are shorter; tokens are an upper bound"
        )
    _layout(keys, run)
    rounds = keys.whole("gradient_accumulation_steps") or 1
    if _POLICY in keys:
        _reinforcement(keys, run, rounds)
    else:
        keys.give("parallelism.micro_batch", "batch_size")
    run.fact("accumulation", rounds)
    word = keys.word("dtype") or "bf16"
    run.put("training.precision", {"fp32": "fp32", "fp16": "fp16"}.get(word, "bf16"), "dtype")
    _memory(keys, run)
    _optimizer(keys, run, word)
    loss = keys.word("loss._component_") or ""
    chunks = keys.whole("loss.num_output_chunks")
    if "Chunked" in loss or "LinearCrossEntropy" in loss:
        run.put("training.loss_chunks", chunks or _CHUNKS, f"loss = {loss}")
    epochs = keys.whole("epochs") or 1
    if _POLICY in keys:
        keys.ignore(run.ignored("torchtune"))
        return
    steps = keys.whole("max_steps_per_epoch")
    run.fact("steps", None if steps is None else float(steps * epochs))
    if steps is None:
        run.fact("epochs", epochs)
    for section, what in _MORE.items():
        if section in keys.sections():
            run.note(f"{section}: {what}")
            keys.ignore([f"{section}.*"])
    keys.ignore(run.ignored("torchtune"))


def _reinforcement(keys: Keys, run: Run, rounds: int) -> None:
    """PPO: the policy's updates; what it samples and what scores it has a place in [[stages]]."""
    label = keys.label("ppo_batch_size")
    size = keys.whole("ppo_batch_size")
    if size and size % rounds == 0:
        run.put("parallelism.micro_batch", size // rounds, label)
    for name in ("batch_size", "num_steps", "ppo_epochs", "max_generated_tokens"):
        keys.take(name)
    run.note(
        'reinforcement: only the policy\'s updates are read; a [[stages]] of kind "rl" has batch_size, num_steps,'
        " ppo_epochs, max_generated_tokens, the reference, the reward and the value"
    )
    keys.ignore(_SCORED)


def _model(keys: Keys, run: Run) -> None:
    """The model that a builder's name is of, and its adapters."""
    component = keys.word(_MODEL, _POLICY) or ""
    module, _, builder = component.removeprefix("torchtune.models.").rpartition(".")
    method = next((word for word in ("qlora", "lora") if builder.startswith(f"{word}_")), None)
    if keys.flag("model.quantize_base") and method:
        method = "qlora"
    size = builder.removeprefix(f"{builder.split('_')[0]}_" if method else "")
    family = re.sub(r"^(llama|gemma|phi)(?=\d)", r"\1-", module.replace("_", "."))
    size = re.sub(r"(?<=\d)_(?=\d)", ".", size.removeprefix(f"{module}_")).replace("_", "-")
    known = next((n for n in (f"{family}-{size}", family) if preset_of(n, run.catalog)), None)
    run.model(known or component, _MODEL)
    if method:
        rank = keys.whole("model.lora_rank") or _RANK
        run.adapters(method, rank, _MODEL)
        found = keys.take("model.lora_attn_modules") or []
        targets = [str(name) for name in found] if isinstance(found, list) else [str(found)]
        if keys.flag("model.apply_lora_to_mlp"):
            targets.append("mlp")
        run.put("training.lora_targets", ",".join(targets) or None, "model.lora_attn_modules")
        run.put("training.lora_dropout", keys.number("model.lora_dropout"), "model.lora_dropout")
        if keys.flag("model.apply_lora_to_output"):
            run.note("model.apply_lora_to_output: no key says an adapter of the output head")
        if keys.flag("model.use_dora"):
            run.note("model.use_dora: no key says DoRA, what is computed is LoRA")


def _layout(keys: Keys, run: Run) -> None:
    """Devices that share the model: one device's recipes and FSDP's have the same keys but for a few."""
    several = keys.mentions(*_DISTRIBUTED)
    run.put(
        "parallelism.tp", keys.whole("tensor_parallel_dim") or 1, keys.label("tensor_parallel_dim")
    )
    run.put("parallelism.pp", 1, "torchtune has no pipeline")
    run.put(
        "parallelism.cp",
        keys.whole("context_parallel_dim") or 1,
        keys.label("context_parallel_dim"),
    )
    shard = keys.number("data_parallel_shard_dim")
    copies = keys.whole("data_parallel_replicate_dim") or 1
    if shard is not None and shard > 0:
        label = keys.label("data_parallel_shard_dim", "data_parallel_replicate_dim")
        run.put("parallelism.dp", int(shard) * copies, label)
        if copies > 1:
            run.put("parallelism.dp_shard", int(shard), label)
    reshard = keys.flag("fsdp_reshard_after_forward")
    if several:
        run.put("parallelism.sharding", "zero3", "FSDP")
        run.put("parallelism.reshard", reshard, keys.label("fsdp_reshard_after_forward"))
    else:
        run.remark(
            "parallelism",
            'sharding = "none" with a recipe of a single device, "zero3" with a distributed one',
        )


def _memory(keys: Keys, run: Run) -> None:
    """What is made again, and what is on the host."""
    again, away = "enable_activation_checkpointing", "enable_activation_offloading"
    full = keys.flag(again)
    run.put("training.activation_recompute", "full" if full else "none", keys.label(again))
    if keys.flag(away):
        run.put("training.offload", "activations", keys.label(away))
    host = ("fsdp_cpu_offload", "fsdp.cpu_offload")
    if keys.flag(*host):
        whole = run.get("parallelism.sharding") == "zero3"
        run.put("training.offload", "parameters" if whole else "optimizer", keys.label(*host))


def _optimizer(keys: Keys, run: Run, dtype: str) -> None:
    """The optimizer, whose states have the model's own width, and when it steps."""
    name = (keys.word(_OPTIMIZER) or "torch.optim.AdamW").rpartition(".")[2]
    run.optimizer(name, keys.label(_OPTIMIZER), _NARROW if dtype == "bf16" else {})
    if keys.flag("optimizer_in_bwd"):
        run.put("training.optimizer_in_backward", True, "optimizer_in_bwd")
