"""nanotron: its YAML.

Names and defaults are those of src/nanotron/config (github.com/huggingface/nanotron at 09fd0ece, 2025).
"""

from __future__ import annotations

from collections.abc import Collection

from llmcost.scenario.importers.keys import Keys
from llmcost.scenario.importers.run import Run

NAME = "nanotron"
PREFIXES = ()
_SIZES = "model.model_config"
_EXPERTS = f"{_SIZES}.moe_config"
#: Kinds of models whose feed-forward has no gate.
_PLAIN = ("is_starcoder2_config", "is_gpt_config")


def recognises(names: Collection[str]) -> bool:
    """Whether keys are nanotron's."""
    return {"tokens.micro_batch_size", "tokens.sequence_length"} <= set(names)


def read(keys: Keys, run: Run) -> None:
    """Read a configuration."""
    run.title = run.title or keys.title("general.run")
    _model(keys, run)
    keys.give("model.seq_len", "tokens.sequence_length")
    _layout(keys, run)
    word = (keys.word("model.dtype") or "bfloat16").lower()
    words = {"float32": "fp32", "float16": "fp16"}
    run.put(
        "training.precision",
        "fp8" if "fp8" in word else words.get(word, "bf16"),
        keys.label("model.dtype"),
    )
    again = "parallelism.recompute_layer"
    run.put(
        "training.activation_recompute", "full" if keys.flag(again) else "none", keys.label(again)
    )
    if keys.flag("parallelism.moe_layer_recompute"):
        run.note(
            "parallelism.moe_layer_recompute: experts alone are computed again, no key says it"
        )
    name = "optimizer.optimizer_factory.name"
    run.optimizer(keys.word(name) or "adamW", keys.label(name))
    steps = keys.number("tokens.train_steps")
    run.fact("steps", steps)
    keys.ignore(run.ignored("nanotron"))


def _model(keys: Keys, run: Run) -> None:
    """The sizes, which are written as Hugging Face writes them."""
    for key, name in (
        ("layers", "num_hidden_layers"), ("hidden_size", "hidden_size"), ("heads", "num_attention_heads"),
        ("kv_heads", "num_key_value_heads"), ("ffn_hidden_size", "intermediate_size"),
        ("head_dim", "head_dim"), ("vocab_size", "vocab_size"),
    ):  # fmt: skip
        keys.give(f"model.{key}", f"{_SIZES}.{name}")
    tied = keys.flag(f"{_SIZES}.tie_word_embeddings")
    run.put("model.tied_embeddings", bool(tied), keys.label(f"{_SIZES}.tie_word_embeddings"))
    plain = any(keys.flag(f"{_SIZES}.{name}") for name in _PLAIN)
    run.put("model.gated_ffn", not plain, keys.label(*(f"{_SIZES}.{name}" for name in _PLAIN)))
    many = (f"{_EXPERTS}.num_experts", f"{_SIZES}.moe_num_experts")
    experts = keys.whole(*many)
    if experts and experts > 1:
        run.put("model.experts", experts, keys.label(*many))
        names = (f"{_EXPERTS}.top_k", f"{_SIZES}.num_experts_per_tok")
        run.put("model.experts_per_token", keys.whole(*names) or 1, keys.label(*names))
        wide = f"{_EXPERTS}.moe_intermediate_size"
        keys.give("model.expert_ffn_hidden_size", wide)
        if keys.flag(f"{_EXPERTS}.enable_shared_expert"):
            run.put("model.shared_experts", 1, keys.label(f"{_EXPERTS}.enable_shared_expert"))


def _layout(keys: Keys, run: Run) -> None:
    for key, name in (("tp", "tp"), ("pp", "pp"), ("cp", "context_parallel_size"), ("ep", "expert_parallel_size")):  # fmt: skip
        label = f"parallelism.{name}"
        run.put(f"parallelism.{key}", keys.degree(f"parallelism.{key}", label), keys.label(label))
    run.put("parallelism.vpp", 1, "nanotron has one stage a rank")
    keys.give("parallelism.dp", "parallelism.dp")
    mode = keys.word("parallelism.tp_mode")
    if run.get("parallelism.tp", 1) > 1:
        split = (mode or "").upper() == "REDUCE_SCATTER"
        run.put("parallelism.sequence_parallel", split, keys.label("parallelism.tp_mode"))
    keys.zero("optimizer.zero_stage", default=0)
    micro = "tokens.micro_batch_size"
    keys.give("parallelism.micro_batch", micro)
    run.fact("accumulation", keys.whole("tokens.batch_accumulation_per_replica") or 1)
