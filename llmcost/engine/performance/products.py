"""Matrix products of a layer and of the output head."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array, rule
from llmcost.engine.papers import NARAYANAN, ROOFLINE
from llmcost.engine.performance.layout import WIDTH


@rule(
    "active_layer_params",
    formula="(block_params - inactive_params) / layers",
    reference="sum over the blocks",
)
def active_layer_params(block_params: Array, inactive_params: Array, layers: Array) -> Array:
    """Weights of a layer that multiply each token, on average over the layers [1]."""
    return (block_params - inactive_params) / layers


@rule(
    "ffn_width",
    formula="mean over the layers of ffn_hidden_size, or of (experts_per_token + shared_experts)"
    " * expert_ffn_hidden_size",
    reference="sum over the blocks",
)
def ffn_width(
    layers: Array,
    moe_layers: Array,
    ffn_hidden_size: Array,
    experts_per_token: Array,
    shared_experts: Array,
    expert_ffn_hidden_size: Array,
) -> Array:
    """Width inside the feed-forward block that a token sees, on average [1]."""
    mixture = (experts_per_token + shared_experts) * expert_ffn_hidden_size
    return ((layers - moe_layers) * ffn_hidden_size + moe_layers * mixture) / layers


@rule(
    "ffn_copies",
    formula="mean over the layers of 1, or of experts_per_token + shared_experts",
    reference="Gale et al. 2022, arXiv:2211.15841",
)
def ffn_copies(
    layers: Array, moe_layers: Array, experts_per_token: Array, shared_experts: Array
) -> Array:
    """Feed-forward blocks that a token enters and leaves in a layer, on average [1]."""
    return ((layers - moe_layers) + moe_layers * (experts_per_token + shared_experts)) / layers


@rule(
    "matmul_rate",
    formula="matmul_share * the measured matmul ceiling (general_ceiling_share * peak_flops without one)",
    reference="matmul ceilings measured by S. Bekman, ml-engineering",
)
def matmul_rate(
    peak_flops: Array,
    matmul_share: Array,
    general_ceiling_share: Array,
    matmul_ceiling_flops: Array,
) -> Array:
    """FLOP/s of a large matrix product inside a training step [FLOP/s]."""
    ceiling = np.where(
        np.isnan(matmul_ceiling_flops), general_ceiling_share * peak_flops, matmul_ceiling_flops
    )
    return matmul_share * ceiling


@rule(
    "layer_matmul_s",
    formula="2 * micro_tokens * active_layer_params / tp / matmul_rate"
    " + operand_exposure * operand bytes (those of ffn_copies feed-forwards) / memory bandwidth",
    reference=ROOFLINE,
)
def layer_matmul_s(
    micro_tokens: Array,
    active_layer_params: Array,
    tp: Array,
    matmul_rate: Array,
    operand_exposure: Array,
    memory_tb_s: Array,
    hidden_size: Array,
    heads: Array,
    kv_heads: Array,
    head_dim: Array,
    ffn_width: Array,
    ffn_copies: Array,
    gated_ffn: Array,
) -> Array:
    """Matrix products of a layer, forward.

    Parameters
    ----------
    micro_tokens : array_like
        Tokens of a micro-batch on the device [tokens].
    active_layer_params, tp : array_like
        Weights of the layer that a token uses, and devices that share them [1].
    matmul_rate : array_like
        Rate of large products [FLOP/s].
    operand_exposure : array_like
        Share of reading and writing operands that arithmetic does not hide [1].
    memory_tb_s : array_like
        Memory bandwidth [TB/s].
    hidden_size, heads, kv_heads, head_dim, ffn_width, ffn_copies, gated_ffn : array_like
        Shapes of the products [1].

    Returns
    -------
    ndarray
        Time [s].

    References
    ----------
    .. [1] Williams et al. (2009), Communications of the ACM 52(4).
    """
    flops = 2 * micro_tokens * active_layer_params / tp
    inner = (2 * heads + 2 * kv_heads) * head_dim + (2 + gated_ffn) * ffn_width
    operands = active_layer_params / tp + micro_tokens * (
        (2 + 2 * ffn_copies) * hidden_size + inner / tp
    )
    return flops / matmul_rate + operand_exposure * WIDTH * operands / (memory_tb_s * 1e12)


@rule(
    "head_s",
    formula="output head and loss of a micro-batch: 6 * micro_tokens * hidden_size * vocab_size / tp FLOPs"
    " and the logits through memory",
    reference=NARAYANAN,
)
def head_s(
    micro_tokens: Array,
    hidden_size: Array,
    vocab_size: Array,
    tp: Array,
    bf16_peak_flops: Array,
    general_ceiling_share: Array,
    matmul_share: Array,
    precision_factor: Array,
    logit_bytes: Array,
    memory_tb_s: Array,
) -> Array:
    """Output head and loss of a micro-batch, forward and backward.

    Parameters
    ----------
    micro_tokens, hidden_size, vocab_size, tp : array_like
        Sizes [1].
    bf16_peak_flops, general_ceiling_share, matmul_share, precision_factor : array_like
        Rate of the product; it stays in 16 bits [FLOP/s], [1], [1], [1].
    logit_bytes : array_like
        Bytes that a logit costs in memory traffic, forward and backward [B].
    memory_tb_s : array_like
        Memory bandwidth [TB/s].

    Returns
    -------
    ndarray
        Time [s].
    """
    logits = micro_tokens * vocab_size / tp
    rate = bf16_peak_flops * general_ceiling_share * matmul_share / precision_factor
    return 6 * hidden_size * logits / rate + logit_bytes * logits / (memory_tb_s * 1e12)
