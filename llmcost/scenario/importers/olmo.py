"""OLMo: its YAML (OLMo-core is configured in Python, which is not run).

Names and defaults are those of olmo/config.py (github.com/allenai/OLMo at 04820704, 2025).
"""

from __future__ import annotations

import re
from collections.abc import Collection

from llmcost.scenario.importers.keys import Keys
from llmcost.scenario.importers.run import Run

NAME = "OLMo"
PREFIXES = ()
_DURATION = re.compile(r"([\d_.]+(?:e\d+)?)\s*(ba|ep|T|)$")
_FACTS = {"": "steps", "ba": "steps", "ep": "epochs", "T": "tokens"}
#: Layers of which one is computed again.
_AGAIN = {"whole_layer": 1.0, "one_in_two": 0.5, "one_in_three": 1 / 3, "one_in_four": 0.25,
          "two_in_three": 2 / 3, "three_in_four": 0.75}  # fmt: skip
_WORDS = {"amp_bf16": "bf16", "amp_fp16": "fp16", "fp32": "fp32"}


def recognises(names: Collection[str]) -> bool:
    """Whether keys are OLMo's."""
    batch = {"device_train_microbatch_size", "global_train_batch_size"}
    return {"model.d_model", "model.max_sequence_length"} <= set(names) and bool(batch & set(names))


def read(keys: Keys, run: Run) -> None:
    """Read a configuration."""
    run.title = run.title or keys.title("run_name")
    compiled = any(keys.mentions(f"compile.{name}") for name in ("mode", "fullgraph", "backend"))
    run.put("training.software", "pytorch-compile" if compiled else "pytorch-eager", "compile")
    _model(keys, run)
    for name in ("tp", "pp", "cp", "ep"):
        run.put(f"parallelism.{name}", 1, "OLMo has none")
    for key, name in (
        ("micro_batch", "device_train_microbatch_size"),
        ("global_batch_seqs", "global_train_batch_size"),
    ):
        keys.give(f"parallelism.{key}", name)
    _sharding(keys, run)
    word = keys.word("precision") or "amp_bf16"
    run.put("training.precision", _WORDS.get(word, "bf16"), keys.label("precision"))
    _recompute(keys, run)
    run.optimizer(keys.word("optimizer.name") or "adamw", keys.label("optimizer.name"))
    _duration(keys, run)
    keys.ignore(run.ignored("olmo"))


def _model(keys: Keys, run: Run) -> None:
    for key, name in (("layers", "n_layers"), ("hidden_size", "d_model"), ("heads", "n_heads")):
        keys.give(f"model.{key}", f"model.{name}")
    hidden, heads = keys.whole("model.d_model"), keys.whole("model.n_heads")
    groups = keys.whole("model.n_kv_heads")
    if groups is None and keys.flag("model.multi_query_attention"):
        groups = 1
    run.put("model.kv_heads", groups or heads, keys.label("model.n_kv_heads"))
    kind = (keys.word("model.activation_type") or "swiglu").lower()
    gated = kind.endswith("glu")
    run.put("model.gated_ffn", gated, keys.label("model.activation_type"))
    wide = keys.whole("model.mlp_hidden_size")
    ratio = keys.number("model.mlp_ratio") or 4
    if wide is None and hidden is not None:
        wide = int(ratio * hidden)
    if wide is not None:  # the two matrices before the gate are one of this width
        label = keys.label("model.mlp_hidden_size", "model.mlp_ratio")
        run.put("model.ffn_hidden_size", wide // 2 if gated else wide, label)
    rows = ("model.embedding_size", "model.vocab_size")
    keys.give("model.vocab_size", *rows)
    tied = keys.flag("model.weight_tying")
    run.put("model.tied_embeddings", tied is not False, keys.label("model.weight_tying"))
    length = "model.max_sequence_length"
    keys.give("model.seq_len", length)


def _sharding(keys: Keys, run: Run) -> None:
    names = ("fsdp.sharding_strategy", "fsdp_config.sharding_strategy")
    word = (keys.word(*names) or "FULL_SHARD").upper()
    kinds = {"SHARD_GRAD_OP": "zero2", "NO_SHARD": "none", "_HYBRID_SHARD_ZERO2": "zero2"}
    strategy = keys.word("distributed_strategy")
    if (strategy or "").lower() in ("ddp", "single"):
        run.put("parallelism.sharding", "none", keys.label("distributed_strategy"))
    else:
        run.put("parallelism.sharding", kinds.get(word, "zero3"), keys.label(*names))
    if "HYBRID" in word:
        run.note(
            f"{keys.label(*names)} = {word}: replicas share within a group, no key says its size"
        )


def _recompute(keys: Keys, run: Run) -> None:
    names = ("activation_checkpointing", "fsdp_config.activation_checkpointing")
    value = keys.take(*names)
    word = "whole_layer" if value is True else str(value or "").lower()
    if word in _AGAIN:
        run.recompute_share(_AGAIN[word], keys.label(*names))
    elif word in ("", "false"):
        run.put("training.activation_recompute", "none", keys.label(*names))
    else:
        run.put("training.activation_recompute", "selective", keys.label(*names))


def _duration(keys: Keys, run: Run) -> None:
    """Batches where nothing follows the number, passes or tokens where it says so."""
    found = _DURATION.match(str(keys.take("max_duration") or "").strip())
    if found:
        run.fact(_FACTS[found[2]], float(found[1].replace("_", "")))
