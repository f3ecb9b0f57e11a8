"""Activations that wait for the backward pass."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array, rule
from llmcost.engine.papers import KORTHIKANTI


def inner_bytes(
    hidden_size: Array,
    heads: Array,
    kv_heads: Array,
    head_dim: Array,
    ffn_width: Array,
    ffn_copies: Array,
    gated_ffn: Array,
) -> Array:
    """Activations of a token inside a layer, which tensor parallelism splits [B].

    A token enters more than one feed-forward where it has several experts: one copy for each.
    """
    blocks = (4 * heads + 4 * kv_heads) * head_dim + (4 + 2 * gated_ffn) * ffn_width
    return blocks + 2 * (ffn_copies - 1) * hidden_size


@rule(
    "layer_activation_bytes",
    formula="micro_tokens * (10 hidden_size (/ tp with sequence parallelism) + (4 heads + 4 kv_heads) head_dim / tp"
    " + (4 or, gated, 6) ffn_width / tp + 2 (ffn_copies - 1) hidden_size / tp + unfused: 5 heads seq_len / tp);"
    " full recompute: 2 hidden_size alone",
    reference=f"{KORTHIKANTI}; Gale et al. 2022, arXiv:2211.15841",
)
def layer_activation_bytes(
    micro_tokens: Array,
    hidden_size: Array,
    heads: Array,
    kv_heads: Array,
    head_dim: Array,
    ffn_width: Array,
    ffn_copies: Array,
    gated_ffn: Array,
    seq_len: Array,
    tp: Array,
    sequence_parallel: Array,
    recompute_level: Array,
    fused_attention: Array,
) -> Array:
    """Activations of a layer that a micro-batch keeps for the backward pass.

    Parameters
    ----------
    micro_tokens, hidden_size, heads, kv_heads, head_dim, ffn_width, ffn_copies, gated_ffn, seq_len : array_like
        Sizes [1].
    tp, sequence_parallel : array_like
        Devices of tensor parallelism, and whether it also splits the sequence [1].
    recompute_level, fused_attention : array_like
        0 none, 1 selective, 2 full; and whether scores are never stored [1].

    Returns
    -------
    ndarray
        Memory [B]. For a GPT layer the paper's s·b·h·(10 + 24/t + 5·a·s/(h·t)).

    References
    ----------
    .. [1] Korthikanti et al. (2022), arXiv:2205.05198, equations 1 to 4.
    """
    split = np.where(sequence_parallel > 0, tp, 1.0)
    inner = inner_bytes(hidden_size, heads, kv_heads, head_dim, ffn_width, ffn_copies, gated_ffn)
    stored = np.where((fused_attention > 0) | (recompute_level > 0), 0.0, 5 * heads * seq_len)
    kept = 10 * hidden_size / split + (inner + stored) / tp
    return micro_tokens * np.where(recompute_level > 1, 2 * hidden_size / split, kept)


@rule(
    "activation_bytes",
    formula="stage_layers * layer_activation_bytes * min(pp, micro_batches) (1 + (pp - 1) / (pp vpp) where"
    " interleaved), and the logits of a model without pipeline",
    reference=KORTHIKANTI,
)
def activation_bytes(
    stage_layers: Array,
    layer_activation_bytes: Array,
    pp: Array,
    vpp: Array,
    micro_batches: Array,
    micro_tokens: Array,
    hidden_size: Array,
    vocab_size: Array,
    tp: Array,
) -> Array:
    """Activations on the first stage, which keeps most micro-batches in flight.

    Parameters
    ----------
    stage_layers, layer_activation_bytes : array_like
        Layers of a stage [1], what each keeps [B].
    pp, vpp, micro_batches : array_like
        Stages, virtual stages, micro-batches of a step [1].
    micro_tokens, hidden_size, vocab_size, tp : array_like
        Size of the output head [1].

    Returns
    -------
    ndarray
        Memory [B].

    References
    ----------
    .. [1] Korthikanti et al. (2022), arXiv:2205.05198, section 4.2.3.
    """
    flight = np.minimum(pp, micro_batches) * np.where(vpp > 1, 1 + (pp - 1) / (pp * vpp), 1.0)
    head = 4 * micro_tokens * (hidden_size + vocab_size) / tp
    return np.asarray(stage_layers * layer_activation_bytes * flight + np.where(pp > 1, 0.0, head))
