"""Attention scores of a layer: fused kernels, or products and a softmax through memory."""

from __future__ import annotations

import numpy as np

from llmcost.engine.architecture import value_width
from llmcost.engine.chain import Array, rule
from llmcost.engine.kernels import attention as kernels
from llmcost.engine.papers import KORTHIKANTI

_DAO = "Dao et al. 2022, arXiv:2205.14135; Dao 2023, arXiv:2307.08691; Shah et al. 2024, arXiv:2407.08608"
#: Bytes that a score costs in the backward pass over those of the forward, counted with dropout: 19 (products 8,
#: dropout 5, softmax 6) where the forward has 13 (products 4, softmax 4, dropout 5).
BACKWARD_BYTES = 19 / 13
#: Products of the backward pass over those of the forward: 5 where the forward does 2.
BACKWARD_FLOPS = 2.5


@rule(
    "score_width",
    formula="heads * (head_dim + qk_rope_head_dim + v_head_dim) / tp",
    reference="Narayanan et al. 2021, arXiv:2104.04473; DeepSeek-AI 2024, arXiv:2405.04434",
)
def score_width(
    heads: Array, head_dim: Array, qk_rope_head_dim: Array, v_head_dim: Array, tp: Array
) -> Array:
    """Widths of queries and values of a device's heads, which a score costs 2 FLOPs each [1]."""
    value = value_width(head_dim, v_head_dim)
    return heads * (head_dim + qk_rope_head_dim + value) / tp


@rule(
    "windowed_score_width",
    formula="score_width with windowed_heads and windowed_head_dim",
    reference="Jiang et al. 2023, arXiv:2310.06825",
)
def windowed_score_width(
    windowed_heads: Array,
    windowed_head_dim: Array,
    qk_rope_head_dim: Array,
    v_head_dim: Array,
    tp: Array,
) -> Array:
    """Widths of queries and values of a device's heads in layers with a window [1]."""
    found = score_width(windowed_heads, windowed_head_dim, qk_rope_head_dim, v_head_dim, tp)
    return np.asarray(found)


@rule(
    "attending_share",
    formula="(attention_layers - windowed_layers + cross_layers) / layers",
    reference="mean over the layers",
)
def attending_share(
    attention_layers: Array, windowed_layers: Array, cross_layers: Array, layers: Array
) -> Array:
    """Blocks of attention without a window a layer, on average [1]."""
    return (attention_layers - windowed_layers + cross_layers) / layers


@rule("windowed_share", formula="windowed_layers / layers", reference="mean over the layers")
def windowed_share(windowed_layers: Array, layers: Array) -> Array:
    """Blocks of attention within a window a layer, on average [1]."""
    return windowed_layers / layers


def _seen(window: Array) -> Array:
    return np.where(window > 0, window, np.inf)


@rule(
    "score_flops",
    formula="2 * micro_tokens * tokens of a kernel * score_width, the whole row where attention is not fused; mean"
    " over the layers, those with a window over their window",
    reference=_DAO,
)
def score_flops(
    micro_tokens: Array,
    seq_len: Array,
    score_width: Array,
    windowed_score_width: Array,
    attending_share: Array,
    windowed_share: Array,
    window: Array,
    fused_attention: Array,
) -> Array:
    """FLOPs that a device computes for the scores of a layer and micro-batch, forward [FLOP].

    A fused kernel computes the half of the score matrix that a causal mask leaves.
    """
    whole = seq_len**2
    full = np.where(fused_attention > 0, kernels.attention_scores(seq_len), whole)
    found = attending_share * full * score_width
    if np.any(windowed_share > 0):
        near = kernels.attention_scores(seq_len, _seen(window))
        near = np.where(fused_attention > 0, near, whole)
        found = found + windowed_share * near * windowed_score_width
    return 2 * micro_tokens * found / seq_len


@rule(
    "fused_forward_s",
    formula="attention_forward_s of the device's share of micro_batch sequences, heads / tp heads; mean over the"
    " layers, those with a window over their window",
    reference=_DAO,
)
def fused_forward_s(
    micro_batch: Array,
    cp: Array,
    seq_len: Array,
    heads: Array,
    kv_heads: Array,
    score_width: Array,
    attending_share: Array,
    windowed_share: Array,
    window: Array,
    windowed_heads: Array,
    windowed_kv_heads: Array,
    windowed_score_width: Array,
    tp: Array,
    bf16_peak_flops: Array,
    memory_bytes_s: Array,
    processors: Array,
    attention_efficiency: Array,
    attention_quality: Array,
    sustained_share: Array,
    attention_seq_half: Array,
    attention_fill: Array,
    attention_dim_half: Array,
    attention_memory_share: Array,
    attention_launch_s: Array,
) -> Array:
    """Fused attention of a layer and micro-batch, forward.

    Parameters
    ----------
    micro_batch, cp, seq_len, heads, kv_heads, score_width, tp : array_like
        Sizes [1]; the widths of queries and values count half each.
    attending_share, windowed_share : array_like
        Blocks of attention without and with a window a layer [1].
    window, windowed_heads, windowed_kv_heads, windowed_score_width : array_like
        Tokens of a window, and the sizes of those blocks [1].
    bf16_peak_flops, memory_bytes_s, processors : array_like
        Peak in 16 bits, in which scores stay [FLOP/s], memory bandwidth [B/s], processors [1].
    attention_efficiency, attention_quality, sustained_share : array_like
        Share of that peak that the best kernels reach, what the software's reach of it, and what
        the power limit leaves [1].
    attention_seq_half, attention_fill, attention_dim_half, attention_memory_share, attention_launch_s : array_like
        Constants of :func:`llmcost.engine.kernels.attention.attention_forward_s`.

    Returns
    -------
    ndarray
        Time [s].

    References
    ----------
    .. [1] Dao (2023), arXiv:2307.08691.
    """
    rates = (
        bf16_peak_flops,
        memory_bytes_s,
        processors,
        attention_efficiency * attention_quality * sustained_share,
        attention_seq_half,
        attention_fill,
        attention_dim_half,
        attention_memory_share,
        attention_launch_s,
    )

    def kernel(heads: Array, kv_heads: Array, width: Array, seen: Array | float) -> Array:
        mine = heads / tp
        sizes = (micro_batch / cp, seq_len, mine, np.minimum(kv_heads / tp, mine))
        return kernels.attention_forward_s(*sizes, width / mine / 2, *rates, seen)

    found = attending_share * kernel(heads, kv_heads, score_width, np.inf)
    if np.any(windowed_share > 0):
        near = kernel(windowed_heads, windowed_kv_heads, windowed_score_width, _seen(window))
        found = found + np.where(windowed_share > 0, windowed_share * near, 0.0)
    return found


@rule(
    "score_traffic_s",
    formula="score_bytes * heads * seq_len * micro_tokens / tp at elementwise_memory_share of memory_bytes_s",
    reference=KORTHIKANTI,
)
def score_traffic_s(
    score_bytes: Array,
    heads: Array,
    seq_len: Array,
    micro_tokens: Array,
    attending_share: Array,
    windowed_share: Array,
    tp: Array,
    memory_bytes_s: Array,
    elementwise_memory_share: Array,
) -> Array:
    """Scores of a layer and micro-batch through memory, forward: written, masked, exponentiated, dropped, read [s]."""
    stored = (attending_share + windowed_share) * heads * seq_len * micro_tokens / tp
    return score_bytes * stored / (memory_bytes_s * elementwise_memory_share)


@rule(
    "unfused_forward_s",
    formula="2 * micro_tokens * seq_len * score_width at the rate of products in 16 bits + score_traffic_s",
    reference=KORTHIKANTI,
)
def unfused_forward_s(
    score_flops: Array,
    score_traffic_s: Array,
    bf16_peak_flops: Array,
    half_product_efficiency: Array,
    product_quality: Array,
    sustained_share: Array,
    head_dim: Array,
    misaligned_factor: Array,
) -> Array:
    """Attention whose scores go through memory, forward, the whole matrix.

    Parameters
    ----------
    score_flops : array_like
        FLOPs of the whole matrix [FLOP].
    score_traffic_s : array_like
        Scores through memory [s].
    bf16_peak_flops, half_product_efficiency, product_quality, sustained_share : array_like
        Rate of products in 16 bits [FLOP/s], [1].
    head_dim : array_like
        Width of a head [1].
    misaligned_factor : array_like
        Slowdown of the products where 8 does not divide the width of a head [1].

    Returns
    -------
    ndarray
        Time [s].

    References
    ----------
    .. [1] Korthikanti et al. (2022), arXiv:2205.05198.
    """
    slow = np.where(head_dim % 8 > 0, misaligned_factor, 1.0)
    rate = bf16_peak_flops * half_product_efficiency * product_quality * sustained_share
    return score_flops / rate * slow + score_traffic_s


@rule(
    "attention_forward_s",
    formula="fused_forward_s or unfused_forward_s, by fused_attention",
    reference=_DAO,
)
def attention_forward_s(
    fused_attention: Array, fused_forward_s: Array, unfused_forward_s: Array
) -> Array:
    """Attention scores of a layer and micro-batch, forward [s]."""
    return np.where(fused_attention > 0, fused_forward_s, unfused_forward_s)


@rule(
    "state_flops",
    formula="(recurrent_flops_per_token / 3 + 2 attention_layers * indexer_width * tokens of a causal kernel) / layers"
    " * micro_tokens / tp",
    reference="Dao and Gu 2024, arXiv:2405.21060: states of chunks are products; DeepSeek-V3.2, section 2.1",
)
def state_flops(
    recurrent_flops_per_token: Array,
    attention_layers: Array,
    indexer_width: Array,
    seq_len: Array,
    layers: Array,
    micro_tokens: Array,
    tp: Array,
) -> Array:
    """States of recurrent layers and the indexer of sparse attention, a layer and micro-batch, forward [FLOP]."""
    scores = 2 * attention_layers * indexer_width * kernels.attention_scores(seq_len) / seq_len
    return (recurrent_flops_per_token / 3 + scores) / layers * micro_tokens / tp


@rule(
    "states_forward_s",
    formula="state_flops at state_quality of the rate of products in 16 bits",
    reference="Dao and Gu 2024, arXiv:2405.21060",
)
def states_forward_s(
    state_flops: Array,
    bf16_peak_flops: Array,
    half_product_efficiency: Array,
    state_quality: Array,
    sustained_share: Array,
) -> Array:
    """Time of the states and the indexer of a layer and micro-batch, forward [s]."""
    rate = bf16_peak_flops * half_product_efficiency * state_quality * sustained_share
    return state_flops / rate


@rule(
    "attention_backward_s",
    formula="attention_backward_s of fused_forward_s, or twice the products of unfused_forward_s, 19 / 13 of"
    " score_traffic_s, and the scores once more where selective recompute threw them away",
    reference=_DAO,
)
def attention_backward_s(
    fused_attention: Array,
    fused_forward_s: Array,
    unfused_forward_s: Array,
    score_traffic_s: Array,
    attention_backward_rate: Array,
    attention_launch_s: Array,
    recompute_level: Array,
) -> Array:
    """Attention scores of a layer and micro-batch, backward.

    Parameters
    ----------
    fused_attention : array_like
        1 where the scores never leave the chip [1].
    fused_forward_s, unfused_forward_s, score_traffic_s : array_like
        The forward of each kind, and what of the second is traffic [s].
    attention_backward_rate, attention_launch_s : array_like
        Rate of the fused backward over that of the forward [1], time to start it [s].
    recompute_level : array_like
        1 where stored scores are recomputed; fused kernels recompute them always [1].

    Returns
    -------
    ndarray
        Time [s].

    References
    ----------
    .. [1] Dao (2023), arXiv:2307.08691, section 4: 5 products where the forward does 2.
    """
    again = np.where(recompute_level == 1, unfused_forward_s, 0.0)
    fused = kernels.attention_backward_s(
        fused_forward_s, attention_backward_rate, attention_launch_s
    )
    products = 2 * (unfused_forward_s - score_traffic_s)
    apart = products + BACKWARD_BYTES * score_traffic_s + again
    return np.where(fused_attention > 0, fused, apart)
