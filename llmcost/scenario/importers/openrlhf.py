"""OpenRLHF: options of its commands.

Names and defaults are those of openrlhf/cli (github.com/OpenRLHF/OpenRLHF, 2023 to 2026).
"""

from __future__ import annotations

from collections.abc import Collection

from llmcost.scenario.importers.keys import Keys
from llmcost.scenario.importers.run import Run

NAME = "OpenRLHF"
PREFIXES = ()
#: Names of the first releases, and those by section that came after.
_MODEL = ("pretrain", "actor.model_name_or_path", "model.model_name_or_path")
_LENGTH = ("max_len", "data.max_len")
_AGAIN = (
    "gradient_checkpointing",
    "model.gradient_checkpointing_enable",
    "actor.gradient_checkpointing_enable",
)
_RANK = ("lora_rank", "ds.lora.rank", "ds.lora_rank")
_ROLES = ("ref", "reward", "critic", "actor")
_SAMPLING = ("vllm_num_engines", "vllm_tensor_parallel_size", "micro_rollout_batch_size",
             "rollout_batch_size", "n_samples_per_prompt", "num_episodes")  # fmt: skip


def recognises(names: Collection[str]) -> bool:
    """Whether keys are OpenRLHF's."""
    first = {"micro_train_batch_size", "pretrain"} <= set(names)
    models = {"model.model_name_or_path", "actor.model_name_or_path"} & set(names)
    return first or bool(models and any(name.startswith(("ds.", "train.")) for name in names))


def read(keys: Keys, run: Run) -> None:
    """Read the options of a command: what trains of it, without what samples."""
    run.put("training.software", "pytorch", NAME)
    run.model(keys.word(*_MODEL) or "", keys.label(*_MODEL))
    length = keys.whole(*_LENGTH)
    prompt, answer = keys.whole("prompt_max_len"), keys.whole("generate_max_len")
    if length is None and (prompt or answer):
        run.put("model.seq_len", (prompt or 0) + (answer or 0), "prompt_max_len + generate_max_len")
    run.put("model.seq_len", length, keys.label(*_LENGTH))
    _layout(keys, run)
    precision = "bf16" if keys.flag("bf16") or keys.word("ds.param_dtype") == "bf16" else "fp16"
    run.put("training.precision", precision, keys.label("bf16", "ds.param_dtype"))
    run.put(
        "training.activation_recompute",
        "full" if keys.flag(*_AGAIN) else "none",
        keys.label(*_AGAIN),
    )
    if keys.flag("adam_offload", "ds.adam_offload"):
        run.put("training.offload", "optimizer", keys.label("adam_offload", "ds.adam_offload"))
    run.optimizer("adamw", "optimizer (the default)")
    rank = keys.whole(*_RANK, low=0)
    if rank:
        method = "qlora" if keys.flag("load_in_4bit", "ds.load_in_4bit") else "lora"
        run.adapters(method, rank, keys.label(*_RANK))
    _amount(keys, run)
    if keys.mentions("chosen_key", "data.chosen_key", "beta", "model.beta"):
        run.note(
            "preferences: a sample is two sequences, the chosen and the rejected; batches count samples"
        )
    keys.take("model.beta")
    keys.ignore(run.ignored("openrlhf"))


def _layout(keys: Keys, run: Run) -> None:
    for key, name in (("tp", "ds_tensor_parallel_size"), ("cp", "ring_attn_size")):
        names = (name, f"ds.{name.removeprefix('ds_')}")
        run.put(f"parallelism.{key}", keys.whole(*names) or 1, keys.label(*names))
    for key in ("pp", "ep"):
        run.put(f"parallelism.{key}", 1, "OpenRLHF has none")
    keys.zero("zero_stage", "ds.zero_stage", default=2)
    for key, names in (
        ("micro_batch", ("micro_train_batch_size", "train.micro_batch_size")),
        ("global_batch_seqs", ("train_batch_size", "train.batch_size")),
    ):
        keys.give(f"parallelism.{key}", *names)
    run.fact("nodes", keys.whole("actor_num_nodes", "actor.num_nodes"))
    run.fact("devices_per_node", keys.whole("actor_num_gpus_per_node", "actor.num_gpus_per_node"))


def _amount(keys: Keys, run: Run) -> None:
    """Samples and passes; what reinforcement needs beside its updates is said to have its own place."""
    samples, epochs = (
        keys.number("max_samples", "data.max_samples"),
        keys.number("max_epochs", "train.max_epochs") or 1,
    )
    sampled = [name for name in _SAMPLING if keys.mentions(name, name.replace("_", ".", 1))]
    others = [
        role
        for role in _ROLES
        if keys.mentions(f"{role}_num_gpus_per_node", f"{role}.num_gpus_per_node")
    ]
    if not sampled and not others:
        run.fact("samples", None if samples is None else samples * epochs)
        run.fact("epochs", epochs)
        return
    run.note(
        'reinforcement: only the actor\'s updates are read; a [[stages]] of kind "rl" has the sampling, the'
        f" reference and the critic ({', '.join((*sampled, *others))})"
    )
    for name in sampled:
        keys.take(name, name.replace("_", ".", 1))
    keys.ignore([f"{role}{sign}num_*" for role in _ROLES for sign in "_."])
