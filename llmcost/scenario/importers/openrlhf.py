"""OpenRLHF: options of its commands.

Names and defaults are those of openrlhf/cli (github.com/OpenRLHF/OpenRLHF, 2023 to 2026).
"""

from __future__ import annotations

from collections.abc import Collection

from llmcost.scenario.importers.keys import Keys
from llmcost.scenario.importers.run import Run

NAME = "OpenRLHF"
PREFIXES = ()
_ROLES = ("ref", "reward", "critic", "actor")
_SAMPLING = ("vllm_num_engines", "vllm_tensor_parallel_size", "micro_rollout_batch_size",
             "rollout_batch_size", "n_samples_per_prompt", "num_episodes")  # fmt: skip


def recognises(names: Collection[str]) -> bool:
    """Whether keys are OpenRLHF's."""
    return {"micro_train_batch_size", "pretrain"} <= set(names)


def read(keys: Keys, run: Run) -> None:
    """Read the options of a command: what trains of it, without what samples."""
    run.put("training.software", "pytorch", NAME)
    run.model(keys.word("pretrain") or "", keys.label("pretrain"))
    length = keys.whole("max_len")
    prompt, answer = keys.whole("prompt_max_len"), keys.whole("generate_max_len")
    if length is None and (prompt or answer):
        run.put("model.seq_len", (prompt or 0) + (answer or 0), "prompt_max_len + generate_max_len")
    run.put("model.seq_len", length, keys.label("max_len"))
    _layout(keys, run)
    precision = "bf16" if keys.flag("bf16") else "fp16"
    run.put("training.precision", precision, keys.label("bf16"))
    again = "gradient_checkpointing"
    run.put(
        "training.activation_recompute", "full" if keys.flag(again) else "none", keys.label(again)
    )
    if keys.flag("adam_offload"):
        run.put("training.offload", "optimizer", keys.label("adam_offload"))
    run.optimizer("adamw", "optimizer (the default)")
    rank = keys.whole("lora_rank", low=0)
    if rank:
        method = "qlora" if keys.flag("load_in_4bit") else "lora"
        run.adapters(method, rank, keys.label("lora_rank"))
    _amount(keys, run)
    keys.ignore(run.ignored("openrlhf"))


def _layout(keys: Keys, run: Run) -> None:
    for key, name in (("tp", "ds_tensor_parallel_size"), ("cp", "ring_attn_size")):
        run.put(f"parallelism.{key}", keys.whole(name) or 1, keys.label(name))
    for key in ("pp", "ep"):
        run.put(f"parallelism.{key}", 1, "OpenRLHF has none")
    stage = keys.whole("zero_stage", low=0)
    words = {0: "none", 1: "zero1", 2: "zero2", 3: "zero3"}
    run.put(
        "parallelism.sharding", words.get(2 if stage is None else stage), keys.label("zero_stage")
    )
    for key, name in (
        ("micro_batch", "micro_train_batch_size"),
        ("global_batch_seqs", "train_batch_size"),
    ):
        run.put(f"parallelism.{key}", keys.whole(name), keys.label(name))
    run.fact("nodes", keys.whole("actor_num_nodes"))
    run.fact("devices_per_node", keys.whole("actor_num_gpus_per_node"))


def _amount(keys: Keys, run: Run) -> None:
    """Samples and passes; what reinforcement needs beside its updates is said to have its own place."""
    samples, epochs = keys.number("max_samples"), keys.number("max_epochs") or 1
    sampled = [name for name in _SAMPLING if keys.mentions(name)]
    others = [role for role in _ROLES if keys.mentions(f"{role}_num_gpus_per_node")]
    if not sampled and not others:
        run.fact("samples", None if samples is None else samples * epochs)
        run.fact("epochs", epochs)
        return
    run.note(
        'reinforcement: only the actor\'s updates are read; a [[stages]] of kind "rl" has the sampling, the'
        f" reference and the critic ({', '.join((*sampled, *others))})"
    )
    for name in sampled:
        keys.take(name)
    keys.ignore([f"{role}_num_*" for role in _ROLES])
