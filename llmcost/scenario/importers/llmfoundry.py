"""llm-foundry and Composer: their YAML, alone or as the parameters of a job.

Names are those of scripts/train/yamls and mcli (github.com/mosaicml/llm-foundry at 8c8dd48f, 2025).
"""

from __future__ import annotations

import re
from collections.abc import Collection

from llmcost.scenario.importers.keys import Keys
from llmcost.scenario.importers.names import preset_of
from llmcost.scenario.importers.run import Run

NAME = "llm-foundry"
PREFIXES = ("parameters.",)
_SHARDINGS = {
    "FULL_SHARD": "zero3",
    "HYBRID_SHARD": "zero3",
    "SHARD_GRAD_OP": "zero2",
    "NO_SHARD": "none",
}
_DURATION = re.compile(r"([\d_.]+(?:e\d+)?)\s*(ba|tok|sp|ep)$")


def recognises(names: Collection[str]) -> bool:
    """Whether keys are llm-foundry's."""
    short = {name.removeprefix("parameters.") for name in names}
    return bool(short & {"device_train_microbatch_size", "global_train_batch_size"})


def read(keys: Keys, run: Run) -> None:
    """Read a configuration."""
    run.title = run.title or keys.title("name", "run_name")
    run.put("training.software", "pytorch", NAME)
    _model(keys, run)
    keys.give("model.seq_len", "max_seq_len", "model.max_seq_len")
    keys.give("cluster.devices", "compute.gpus", "gpu_num")
    run.put(
        "parallelism.tp",
        keys.whole("tp_config.tensor_parallel_degree") or 1,
        keys.label("tp_config.tensor_parallel_degree"),
    )
    for name in ("pp", "cp"):
        run.put(f"parallelism.{name}", 1, "llm-foundry has none")
    run.put(
        "parallelism.ep",
        keys.whole("model.ffn_config.moe_world_size") or 1,
        keys.label("model.ffn_config.moe_world_size"),
    )
    keys.give("parallelism.micro_batch", "device_train_microbatch_size")
    keys.give("parallelism.global_batch_seqs", "global_train_batch_size")
    strategy = keys.word("fsdp_config.sharding_strategy")
    sharded = keys.mentions("fsdp_config.sharding_strategy") or "fsdp_config" in keys.sections()
    kind = _SHARDINGS.get((strategy or "FULL_SHARD").upper(), "zero3") if sharded else "none"
    run.put("parallelism.sharding", kind, keys.label("fsdp_config.sharding_strategy"))
    _precision(keys, run)
    full = keys.flag("fsdp_config.activation_checkpointing")
    run.put(
        "training.activation_recompute",
        "full" if full else "none",
        keys.label("fsdp_config.activation_checkpointing"),
    )
    if keys.flag("fsdp_config.activation_cpu_offload"):
        run.put("training.offload", "activations", keys.label("fsdp_config.activation_cpu_offload"))
    optimizer = keys.word("optimizer.name")
    if optimizer:
        run.optimizer(optimizer, keys.label("optimizer.name"))
    if keys.word("model.peft_config.peft_type") or keys.mentions("model.peft_config.r"):
        run.adapters("lora", keys.whole("model.peft_config.r"), keys.label("model.peft_config.r"))
    _duration(keys, run)
    keys.ignore(run.ignored("llm-foundry"))


def _model(keys: Keys, run: Run) -> None:
    name = keys.word("model.pretrained_model_name_or_path")
    hidden, heads = keys.whole("model.d_model"), keys.whole("model.n_heads")
    layers = keys.whole("model.n_layers")
    if hidden is None or heads is None or layers is None:
        if name:
            run.model(name, keys.label("model.pretrained_model_name_or_path"))
        return
    for key, value, words in (
        ("layers", layers, "model.n_layers"), ("hidden_size", hidden, "model.d_model"), ("heads", heads, "model.n_heads"),
    ):  # fmt: skip
        run.put(f"model.{key}", value, keys.label(words))
    groups = keys.whole("model.attn_config.kv_n_heads")
    single = keys.word("model.attn_config.attn_type") == "multiquery_attention"
    run.put(
        "model.kv_heads",
        1 if single else groups or heads,
        keys.label("model.attn_config.kv_n_heads"),
    )
    width = keys.whole("model.ffn_config.ffn_hidden_size")
    ratio = keys.number("model.expansion_ratio") or 4
    label = keys.label("model.ffn_config.ffn_hidden_size", "model.expansion_ratio")
    run.put("model.ffn_hidden_size", width or int(ratio * hidden), label)
    kind = keys.word("model.ffn_config.ffn_type") or "mptmlp"
    run.put("model.gated_ffn", "glu" in kind, keys.label("model.ffn_config.ffn_type"))
    experts = keys.whole("model.ffn_config.moe_num_experts")
    if experts and experts > 1:
        run.put("model.experts", experts, keys.label("model.ffn_config.moe_num_experts"))
        run.put(
            "model.experts_per_token",
            keys.whole("model.ffn_config.moe_top_k") or 1,
            keys.label("model.ffn_config.moe_top_k"),
        )
    keys.give("model.vocab_size", "model.vocab_size")
    tied = keys.flag("model.tie_word_embeddings")
    run.put("model.tied_embeddings", tied is not False, keys.label("model.tie_word_embeddings"))
    if name and preset_of(name, run.catalog):
        run.note(
            f"{keys.label('model.pretrained_model_name_or_path')} = {name}: the sizes beside it are taken"
        )


def _precision(keys: Keys, run: Run) -> None:
    given = (keys.word("precision") or "").lower()
    for mark, precision in (("fp8", "fp8"), ("bf16", "bf16"), ("fp16", "fp16"), ("fp32", "fp32")):
        if mark in given:
            run.put("training.precision", precision, keys.label("precision"))
            return


def _duration(keys: Keys, run: Run) -> None:
    value = keys.word("max_duration")
    found = _DURATION.match((value or "").strip())
    if found is None:
        return
    fact = {"ba": "steps", "tok": "tokens", "sp": "samples", "ep": "epochs"}[found[2]]
    run.fact(fact, float(found[1].replace("_", "")))
