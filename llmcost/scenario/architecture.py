"""The keys of an architecture, and what those mean that are not given."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from llmcost.catalog import Catalog
from llmcost.engine.architecture import attention_layers, norm_params

#: Quantities of the engine that describe an architecture, each a key of [model].
ARCHITECTURE = (
    "layers", "hidden_size", "heads", "kv_heads", "head_dim", "ffn_hidden_size", "gated_ffn",
    "vocab_size", "tied_embeddings", "experts", "experts_per_token", "shared_experts",
    "expert_ffn_hidden_size", "dense_layers", "q_lora_rank", "kv_lora_rank", "qk_rope_head_dim",
    "v_head_dim", "ffn_layers", "expert_hidden_size", "attention_layers", "windowed_layers", "window",
    "windowed_heads", "windowed_kv_heads", "windowed_head_dim", "indexer_width", "recurrent_layers",
    "recurrent_params", "recurrent_state_size", "recurrent_products", "mtp_layers", "embedding_size",
    "output_head", "layer_uses", "other_matmul_params", "other_params", "encoder_params",
    "encoder_attention_width", "encoder_seq_len", "cross_layers", "expert_groups", "groups_per_token",
)  # fmt: skip
#: What an architecture has none of unless it says so.
NONE = (
    "experts", "experts_per_token", "shared_experts", "dense_layers", "q_lora_rank", "kv_lora_rank",
    "qk_rope_head_dim", "v_head_dim", "windowed_layers", "window", "indexer_width", "recurrent_layers",
    "recurrent_params", "recurrent_state_size", "mtp_layers", "other_matmul_params", "encoder_params",
    "encoder_attention_width", "encoder_seq_len", "cross_layers", "expert_groups", "groups_per_token",
)  # fmt: skip
#: What is as wide, or as many, as something else unless an architecture says otherwise.
_FOLLOWS = {
    "expert_ffn_hidden_size": "ffn_hidden_size",
    "ffn_layers": "layers",
    "expert_hidden_size": "hidden_size",
    "embedding_size": "hidden_size",
    "windowed_heads": "heads",
    "windowed_kv_heads": "kv_heads",
    "windowed_head_dim": "head_dim",
}
#: Two products (write and read) for each element of a state, an output head, weights used once.
_PLAIN = {"recurrent_products": 2.0, "output_head": 1.0, "layer_uses": 1.0}
#: What grows with the depth of a named model whose number of layers is overridden.
BY_DEPTH = (
    "ffn_layers", "attention_layers", "windowed_layers", "recurrent_layers", "cross_layers",
    "other_matmul_params",
)  # fmt: skip


#: What tells one mixture of experts from another, and what of it some entries leave out.
_SHAPE = ("layers", "hidden_size", "heads", "experts", "experts_per_token")
_INNER = "expert_ffn_hidden_size"
#: A vocabulary may be padded, or grow by this share with the tokens of a fine-tune.
_GROWN = 0.05


def complete(known: dict[str, Any]) -> None:
    """Give every quantity of an architecture that is silent its plain meaning.

    Parameters
    ----------
    known : dict
        Quantities by engine name, numbers or arrays in which NaN marks what is not known; filled
        in place. It has at least ``layers`` and ``hidden_size``.
    """
    for name in NONE:
        known.setdefault(name, 0.0)
        if isinstance(known[name], np.ndarray):
            known[name] = np.nan_to_num(known[name])
    for name, value in _PLAIN.items():
        _fill(known, name, value)
    for name, other in _FOLLOWS.items():
        _fill(known, name, known.get(other, math.nan))
    layers = known["layers"]
    if "attention_layers" in known:
        _fill(known, "attention_layers", attention_layers(layers, known["recurrent_layers"]))
    if "other_params" in known:
        _fill(known, "other_params", norm_params(layers, known["hidden_size"]))
    if "seq_len" not in known and not np.any(known["encoder_params"]):
        known["encoder_tokens_per_token"] = 0.0


def published_as(architecture: Mapping[str, Any], catalog: Catalog) -> Mapping[str, Any] | None:
    """The catalog's model of the same shape as an architecture, whose published counts are its own."""
    shape = [architecture.get(name, 0) for name in _SHAPE]
    inner, vocab = architecture.get(_INNER), architecture.get("vocab_size", 0)
    for kind in ("models", "mixtures"):
        for entry in catalog.kind(kind).values():
            if [entry.get(name, 0) for name in _SHAPE] != shape:
                continue
            if entry.get(_INNER, inner) == inner and math.isclose(
                vocab, entry.get("vocab_size", 0), rel_tol=_GROWN
            ):
                return entry
    return None


def _fill(known: dict[str, Any], name: str, value: Any) -> None:
    """Take a value for a quantity, or for those of its cells that are not known."""
    given = known.get(name, math.nan)
    if np.ndim(given):
        known[name] = np.where(np.isnan(given), value, given)
    elif math.isnan(given):
        known[name] = value
