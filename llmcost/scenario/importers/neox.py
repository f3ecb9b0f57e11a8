"""GPT-NeoX: its YAML, of Megatron's names for the model and DeepSpeed's for the rest.

Names and defaults are those of megatron/neox_arguments (github.com/EleutherAI/gpt-neox).
"""

from __future__ import annotations

from collections.abc import Collection

from llmcost.scenario.importers.deepspeed import read_sharding
from llmcost.scenario.importers.keys import Keys
from llmcost.scenario.importers.megatron import read_devices, read_length
from llmcost.scenario.importers.megatron_model import read_model
from llmcost.scenario.importers.run import Run

NAME = "GPT-NeoX"
PREFIXES = ()
_GATED = ("swiglu", "geglu", "reglu", "bilinear")
_WORDS = {"bfloat16": "bf16", "bf16": "bf16", "fp16": "fp16", "float16": "fp16", "fp32": "fp32"}
#: What bears on cost, and what the scenario says of it.
_KINDS = ("attention_config", "gmlp_attn_dim")


def recognises(names: Collection[str]) -> bool:
    """Whether keys are GPT-NeoX's: Megatron's model beside DeepSpeed's batch or a pipe's size."""
    own = ("pipe_parallel_size", "no_weight_tying", "pos_emb", "train_micro_batch_size_per_gpu")
    return (
        "num_layers" in names
        and "--num_layers" not in names
        and sum(name in names for name in own) >= 2
    )


def read(keys: Keys, run: Run) -> None:
    """Read a configuration."""
    _model(keys, run)
    _layout(keys, run)
    run.put(
        "training.precision",
        _precision(keys),
        keys.label("precision", "fp16.enabled", "bf16.enabled"),
    )
    run.default("training.precision", "fp16", "GPT-NeoX's default")
    full = keys.flag("checkpoint_activations")
    run.put(
        "training.activation_recompute",
        "full" if full else "none",
        keys.label("checkpoint_activations"),
    )
    every = keys.whole("checkpoint_num_layers")
    if full and every and every > 1:
        run.note(f"checkpoint_num_layers = {every}: layers are kept in groups, no key says it")
    optimizer = keys.word("optimizer.type") or "adam"
    run.optimizer(optimizer, keys.label("optimizer.type"))
    read_length(keys, run)
    read_devices(keys, run)
    keys.ignore(run.ignored("neox"))
    keys.ignore(run.ignored("megatron"))
    keys.ignore(run.ignored("huggingface"))


def _model(keys: Keys, run: Run) -> None:
    """The architecture: Megatron's, but for ties, gates and groups of heads."""
    apart = keys.flag("no_weight_tying")
    run.put("model.tied_embeddings", not apart, keys.label("no_weight_tying"))
    kind = (keys.word("activation") or "gelu").lower()
    gated = kind in _GATED or (keys.word("mlp_type") or "").lower() == "llama"
    run.put("model.gated_ffn", gated, keys.label("mlp_type", "activation"))
    width = keys.whole("intermediate_size")
    run.put("model.ffn_hidden_size", width, keys.label("intermediate_size"))
    groups = keys.whole("num_kv_heads")
    run.put("model.kv_heads", groups, keys.label("num_kv_heads"))
    experts = keys.whole("moe_num_experts")
    if experts and experts > 1:
        run.put("model.experts", experts, "moe_num_experts")
        run.put("model.experts_per_token", keys.whole("moe_top_k") or 1, keys.label("moe_top_k"))
    for name in _KINDS:
        item = keys.item(name)
        if item is not None and "global" not in str(item.value):
            run.note(
                f"{item.label} = {str(item.value)[:60]}: an attention of another kind, no key says it"
            )
    read_model(keys, run, megatron=True)
    if gated and width is None:  # releases differ in how they round what is not said
        found = run.values.pop("model.ffn_hidden_size", None)
        if found is not None:
            run.remark("model", "ffn_hidden_size = …  # not in the file, and releases differ")


def _layout(keys: Keys, run: Run) -> None:
    tp = keys.whole("model_parallel_size") or 1
    run.put("parallelism.tp", tp, keys.label("model_parallel_size"))
    stages = keys.whole("pipe_parallel_size", low=0) or 1  # 0 is a model without a pipe
    run.put("parallelism.pp", stages, keys.label("pipe_parallel_size"))
    run.put("parallelism.vpp", 1, "GPT-NeoX has one stage a rank")
    run.put(
        "parallelism.cp",
        keys.whole("context_parallel_size") or 1,
        keys.label("context_parallel_size"),
    )
    run.put(
        "parallelism.ep",
        keys.whole("moe_expert_parallel_size") or 1,
        keys.label("moe_expert_parallel_size"),
    )
    if tp > 1:
        run.put(
            "parallelism.sequence_parallel",
            bool(keys.flag("sequence_parallel")),
            keys.label("sequence_parallel"),
        )
    read_sharding(keys, run)
    run.default("parallelism.sharding", "none", "zero_optimization (the default)")
    micro = ("train_micro_batch_size_per_gpu",)
    keys.give("parallelism.micro_batch", *micro)
    total = keys.whole("train_batch_size")
    run.put("parallelism.global_batch_seqs", total, keys.label("train_batch_size"))
    rounds = keys.whole("gradient_accumulation_steps", "gas")
    if rounds is not None:
        run.fact("accumulation", rounds)
    elif total is None:
        run.later_fact("accumulation", 1)


def _precision(keys: Keys) -> str | None:
    """What the weights are computed in."""
    word = (keys.word("precision", "fp16.type") or "").lower()
    if word in _WORDS:
        return _WORDS[word]
    if keys.flag("bf16.enabled", "bf16.bf16"):
        return "bf16"
    if keys.flag("fp16.enabled", "fp16.fp16"):
        return "fp16"
    return None
