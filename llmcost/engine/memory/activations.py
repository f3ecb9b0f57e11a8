"""Activations that the forward pass keeps for the backward pass."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array, rule
from llmcost.engine.papers import KORTHIKANTI


@rule(
    "kept_token_bytes",
    formula="(4 + 2 saved_input_bytes + 2 dropout) hidden_size (/ tp with sequence parallelism) + per tp: queries, keys,"
    " values and output of attention, (1 + gated) 2 + saved_input_bytes a number of the feed-forward width, copies"
    " of a token for its experts in and out, 5 heads seq_len of unfused scores; times saved_factor",
    reference=f"{KORTHIKANTI}; Gale et al. 2022, arXiv:2211.15841",
)
def kept_token_bytes(
    hidden_size: Array,
    heads: Array,
    kv_heads: Array,
    head_dim: Array,
    qk_rope_head_dim: Array,
    v_head_dim: Array,
    kv_lora_rank: Array,
    ffn_hidden_size: Array,
    gated_ffn: Array,
    layers: Array,
    ffn_layers: Array,
    moe_layers: Array,
    attending_share: Array,
    windowed_share: Array,
    recurrent_layers: Array,
    recurrent_params: Array,
    experts_per_token: Array,
    shared_experts: Array,
    expert_ffn_hidden_size: Array,
    seq_len: Array,
    tp: Array,
    sequence_parallel: Array,
    recompute_level: Array,
    fused_attention: Array,
    saved_input_bytes: Array,
    dropout: Array,
    saved_factor: Array,
    activation_width: Array,
) -> Array:
    """What a layer keeps of a token where nothing is recomputed.

    Parameters
    ----------
    hidden_size, heads, kv_heads, head_dim, qk_rope_head_dim, v_head_dim, kv_lora_rank : array_like
        Sizes of attention [1].
    attending_share, windowed_share, recurrent_layers, recurrent_params : array_like
        Blocks of attention a layer; layers with a state, and weights of their mixers [1].
    ffn_hidden_size, gated_ffn, layers, ffn_layers, moe_layers, experts_per_token, shared_experts, expert_ffn_hidden_size : array_like
        Sizes of the feed-forward blocks, of which a token enters a mean over the layers [1].
    seq_len, tp, sequence_parallel : array_like
        Length of a sequence, devices of tensor parallelism, whether it splits the sequence too [1].
    recompute_level, fused_attention : array_like
        0 none, 1 selective, 2 full; and whether scores are never stored [1].
    saved_input_bytes : array_like
        Bytes of a number of a product's saved input: 2, or 1 where it is saved in 8 bits [B].
    dropout : array_like
        1 where masks of dropout are kept [1].
    saved_factor : array_like
        What the software keeps over what the backward pass needs [1].

    Returns
    -------
    ndarray
        Memory [B]. For a GPT layer with dropout the paper's h (10 + 24/t + 5 a s/(h t)).

    References
    ----------
    .. [1] Korthikanti et al. (2022), arXiv:2205.05198, equations 1 to 4.
    """
    split = np.where(sequence_parallel > 0, tp, 1.0)
    outer = (2 * activation_width + 2 * saved_input_bytes + 2 * dropout) * hidden_size / split
    latent = kv_lora_rank > 0
    key = np.where(latent, heads * (head_dim + qk_rope_head_dim), kv_heads * head_dim)
    value_dim = np.where(v_head_dim > 0, v_head_dim, head_dim)
    value = np.where(latent, heads, kv_heads) * value_dim
    query = heads * (head_dim + qk_rope_head_dim)
    attention = activation_width * (query + key + value + heads * value_dim)
    attention = attention * (attending_share + windowed_share)
    states = activation_width * recurrent_layers / layers * recurrent_params / hidden_size
    mixtures = moe_layers / layers
    width = (ffn_layers - moe_layers) / layers * ffn_hidden_size
    width = width + mixtures * (shared_experts + experts_per_token) * expert_ffn_hidden_size
    inner = ((1 + gated_ffn) * activation_width + saved_input_bytes) * width
    copies = mixtures * experts_per_token * (saved_input_bytes + activation_width) * hidden_size
    stored = np.where((fused_attention > 0) | (recompute_level > 0), 0.0, 5 * heads * seq_len)
    stored = stored * (attending_share + windowed_share)
    kept = (attention + states + inner + copies + stored) / tp
    return np.asarray(saved_factor * (outer + kept))


@rule(
    "layer_activation_bytes",
    formula="micro_tokens * (kept_token_bytes of the share that is not recomputed, 2 hidden_size of the rest)",
    reference=KORTHIKANTI,
)
def layer_activation_bytes(
    micro_tokens: Array,
    kept_token_bytes: Array,
    hidden_size: Array,
    tp: Array,
    sequence_parallel: Array,
    layer_recompute_share: Array,
    activation_width: Array,
) -> Array:
    """Activations of a layer that a micro-batch keeps for the backward pass [B]."""
    start = activation_width * hidden_size / np.where(sequence_parallel > 0, tp, 1.0)
    share = layer_recompute_share
    return micro_tokens * ((1 - share) * kept_token_bytes + share * start)


@rule(
    "flight",
    formula="min(pp, micro_batches), times 1 + (pp - 1) / (pp vpp) where interleaved; pp + 1 with DualPipe",
    reference=f"{KORTHIKANTI}, section 4.2.3; DeepSeek-AI 2024, arXiv:2412.19437, table 2",
)
def flight(pp: Array, vpp: Array, micro_batches: Array, schedule: Array) -> Array:
    """Micro-batches whose activations the first stage keeps at once [1]."""
    interleaved = np.where(vpp > 1, 1 + (pp - 1) / (pp * vpp), 1.0)
    plain = np.minimum(pp, micro_batches) * interleaved
    return np.where((schedule > 1) & (pp > 1), np.minimum(pp + 1, micro_batches), plain)


@rule(
    "activation_bytes",
    formula="stage_layers * layer_activation_bytes * flight",
    reference=KORTHIKANTI,
)
def activation_bytes(stage_layers: Array, layer_activation_bytes: Array, flight: Array) -> Array:
    """Activations on the first stage, which keeps most micro-batches in flight [B]."""
    return stage_layers * layer_activation_bytes * flight


@rule(
    "logit_bytes",
    formula="micro_tokens * (logit_memory_bytes * vocab_size + 2 saved hidden states) / tp",
    reference=f"{KORTHIKANTI}, section 4.3",
)
def logit_bytes(
    micro_tokens: Array,
    vocab_size: Array,
    hidden_size: Array,
    tp: Array,
    logit_memory_bytes: Array,
    activation_width: Array,
) -> Array:
    """Logits of a micro-batch, their loss and its gradient, on the last stage [B]."""
    return (
        micro_tokens * (logit_memory_bytes * vocab_size + 2 * activation_width * hidden_size) / tp
    )
