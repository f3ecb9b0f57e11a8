"""Attention scores of a layer."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array, rule
from llmcost.engine.papers import KORTHIKANTI, NARAYANAN

_DAO = "Dao et al. 2022, arXiv:2205.14135; Dao 2023, arXiv:2307.08691"


@rule(
    "layer_attention_flops",
    formula="2 * micro_tokens * seq_len * heads * (head_dim + qk_rope_head_dim + v_head_dim) / tp",
    reference=NARAYANAN,
)
def layer_attention_flops(
    micro_tokens: Array,
    seq_len: Array,
    heads: Array,
    head_dim: Array,
    qk_rope_head_dim: Array,
    v_head_dim: Array,
    tp: Array,
) -> Array:
    """FLOPs of the attention scores of a layer, forward, full score matrix [FLOP]."""
    value = np.where(v_head_dim > 0, v_head_dim, head_dim)
    return 2 * micro_tokens * seq_len * heads * (head_dim + qk_rope_head_dim + value) / tp


@rule(
    "attention_s",
    formula="per layer and micro-batch: fused, half the score FLOPs (causal) 1 + 2.5 times, at"
    " attention_share * peak; unfused, all of them 3 times, and the scores through memory",
    reference=f"{_DAO}; {KORTHIKANTI}",
)
def attention_s(
    layer_attention_flops: Array,
    fused_attention: Array,
    recompute_level: Array,
    bf16_peak_flops: Array,
    attention_share: Array,
    score_share: Array,
    score_bytes: Array,
    micro_tokens: Array,
    seq_len: Array,
    heads: Array,
    tp: Array,
    memory_tb_s: Array,
    head_dim: Array,
    misaligned_factor: Array,
) -> Array:
    """Attention scores of a layer and micro-batch, forward, backward and recomputed.

    Parameters
    ----------
    layer_attention_flops : array_like
        FLOPs of one forward, full score matrix [FLOP].
    fused_attention : array_like
        1 where the scores never leave the chip (FlashAttention) [1].
    recompute_level : array_like
        0 none, 1 selective (the scores), 2 full [1].
    bf16_peak_flops : array_like
        Dense peak in 16 bits; the scores are not computed in fewer [FLOP/s].
    attention_share, score_share : array_like
        Share of that peak that fused and batched unfused score products reach [1].
    score_bytes : array_like
        Bytes that an unfused score costs in memory traffic, per pass [B].
    micro_tokens, seq_len, heads, tp : array_like
        Size of the score matrix [1].
    memory_tb_s : array_like
        Memory bandwidth [TB/s].
    head_dim, misaligned_factor : array_like
        Width of a head, and the slowdown of its products where 8 does not divide it, as tensor cores want [1].

    Returns
    -------
    ndarray
        Time [s].

    References
    ----------
    .. [1] Dao (2023), arXiv:2307.08691. The backward pass does 5 products where the forward does 2.
    .. [2] Korthikanti et al. (2022), arXiv:2205.05198.
    """
    again = np.where(recompute_level > 0, 1.0, 0.0)
    fused = layer_attention_flops / 2 * (3.5 + np.where(recompute_level > 1, 1.0, 0.0))
    fused = fused / (attention_share * bf16_peak_flops)
    slow = np.where(head_dim % 8 > 0, misaligned_factor, 1.0)
    products = layer_attention_flops * (3 + again) / (score_share * bf16_peak_flops) * slow
    scores = heads * seq_len * micro_tokens / tp
    traffic = score_bytes * scores * (3 + again) / (memory_tb_s * 1e12)
    return np.where(fused_attention > 0, fused, products + traffic)
