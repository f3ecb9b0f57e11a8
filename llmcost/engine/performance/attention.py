"""Attention scores of a layer: fused kernels, or products and a softmax through memory."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array, rule
from llmcost.engine.papers import KORTHIKANTI

_DAO = "Dao et al. 2022, arXiv:2205.14135; Dao 2023, arXiv:2307.08691; Shah et al. 2024, arXiv:2407.08608"
#: Products of the backward pass over those of the forward: 5 where the forward does 2.
BACKWARD_FLOPS = 2.5


@rule(
    "kernel_tokens",
    formula="seq_len / 2: a causal kernel computes half of the score matrix",
    reference=_DAO,
)
def kernel_tokens(seq_len: Array) -> Array:
    """Tokens that a token attends to, on average, as a fused kernel computes them [tokens]."""
    return seq_len / 2


@rule(
    "score_width",
    formula="heads * (head_dim + qk_rope_head_dim + v_head_dim) / tp",
    reference="Narayanan et al. 2021, arXiv:2104.04473; DeepSeek-AI 2024, arXiv:2405.04434",
)
def score_width(
    heads: Array, head_dim: Array, qk_rope_head_dim: Array, v_head_dim: Array, tp: Array
) -> Array:
    """Widths of queries and values of a device's heads, which a score costs 2 FLOPs each [1]."""
    value = np.where(v_head_dim > 0, v_head_dim, head_dim)
    return heads * (head_dim + qk_rope_head_dim + value) / tp


@rule(
    "attention_rate",
    formula="bf16_peak_flops * attention_kernel_share * half_sustained_share * attention_efficiency",
    reference=_DAO,
)
def attention_rate(
    bf16_peak_flops: Array,
    attention_kernel_share: Array,
    half_sustained_share: Array,
    attention_efficiency: Array,
) -> Array:
    """FLOP/s of a long forward of fused attention inside a step [FLOP/s].

    The scores stay in 16 bits. `attention_kernel_share` is what the best kernels reach of the
    peak, `attention_efficiency` what the software's reach of that.
    """
    return bf16_peak_flops * attention_kernel_share * half_sustained_share * attention_efficiency


@rule(
    "fused_forward_s",
    formula="2 * micro_tokens * kernel_tokens * score_width / attention_rate"
    " + attention_operand_bytes * micro_tokens * score_width / memory_bytes_s + attention_launch_s",
    reference=_DAO,
)
def fused_forward_s(
    micro_tokens: Array,
    kernel_tokens: Array,
    score_width: Array,
    attention_rate: Array,
    attention_operand_bytes: Array,
    attention_launch_s: Array,
    memory_bytes_s: Array,
) -> Array:
    """Fused attention of a layer and micro-batch, forward [s]."""
    operands = attention_operand_bytes * micro_tokens * score_width / memory_bytes_s
    flops = 2 * micro_tokens * kernel_tokens * score_width
    return flops / attention_rate + operands + attention_launch_s


@rule(
    "unfused_forward_s",
    formula="2 * micro_tokens * seq_len * score_width / half_product_rate"
    " + score_bytes * heads * seq_len * micro_tokens / tp / memory_bytes_s",
    reference=KORTHIKANTI,
)
def unfused_forward_s(
    micro_tokens: Array,
    seq_len: Array,
    score_width: Array,
    half_product_rate: Array,
    score_bytes: Array,
    heads: Array,
    head_dim: Array,
    tp: Array,
    memory_bytes_s: Array,
    misaligned_factor: Array,
) -> Array:
    """Attention whose scores go through memory, forward, the whole matrix.

    Parameters
    ----------
    micro_tokens, seq_len, score_width, heads, head_dim, tp : array_like
        Sizes [1].
    half_product_rate : array_like
        Rate of large products in 16 bits [FLOP/s].
    score_bytes : array_like
        Bytes that a score costs: written, masked, scaled, exponentiated, dropped, read [B].
    memory_bytes_s : array_like
        Memory bandwidth [B/s].
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
    products = 2 * micro_tokens * seq_len * score_width / half_product_rate * slow
    return products + score_bytes * heads * seq_len * micro_tokens / tp / memory_bytes_s


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
    "attention_backward_s",
    formula="2.5 * fused_forward_s / attention_backward_share, or 2 * unfused_forward_s, and the scores once"
    " more where selective recompute threw them away",
    reference=_DAO,
)
def attention_backward_s(
    fused_attention: Array,
    fused_forward_s: Array,
    unfused_forward_s: Array,
    attention_backward_share: Array,
    recompute_level: Array,
) -> Array:
    """Attention scores of a layer and micro-batch, backward.

    Parameters
    ----------
    fused_attention : array_like
        1 where the scores never leave the chip [1].
    fused_forward_s, unfused_forward_s : array_like
        The forward of each kind [s].
    attention_backward_share : array_like
        Rate of the fused backward over that of the forward [1].
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
    fused = BACKWARD_FLOPS * fused_forward_s / attention_backward_share
    return np.where(fused_attention > 0, fused, 2 * unfused_forward_s + again)
