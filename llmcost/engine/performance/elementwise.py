"""Element-wise work: norms, residuals, rotary positions, activations, the sorting of tokens by expert."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array, rule
from llmcost.engine.papers import KORTHIKANTI
from llmcost.engine.performance.layout import WIDTH


@rule(
    "layer_elementwise_s",
    formula="elementwise_passes * 2 bytes * (8 hidden_size, and 2 (1 + experts_per_token) of the copies of a token"
    " that are sorted and added up again unless fused_experts; rotary positions; activations) / memory_bytes_s",
    reference=f"{KORTHIKANTI}; Gale et al. 2022, arXiv:2211.15841",
)
def layer_elementwise_s(
    micro_tokens: Array,
    hidden_size: Array,
    heads: Array,
    kv_heads: Array,
    head_dim: Array,
    ffn_hidden_size: Array,
    gated_ffn: Array,
    experts_per_token: Array,
    shared_experts: Array,
    expert_ffn_hidden_size: Array,
    moe_layers: Array,
    layers: Array,
    tp: Array,
    sequence_parallel: Array,
    fused_experts: Array,
    elementwise_passes: Array,
    memory_bytes_s: Array,
) -> Array:
    """Norms, residuals, rotary positions and activations of a layer, forward.

    Parameters
    ----------
    micro_tokens, hidden_size, heads, kv_heads, head_dim, ffn_hidden_size, gated_ffn : array_like
        Sizes [1].
    experts_per_token, shared_experts, expert_ffn_hidden_size, moe_layers, layers : array_like
        Copies that a mixture of experts makes of a token, sorts by expert, and adds up again,
        and the width of what it activates [1].
    tp, sequence_parallel : array_like
        Devices of tensor parallelism, and whether it also splits norms and residuals [1].
    fused_experts : array_like
        1 where the products of the experts do their part themselves [1].
    elementwise_passes : array_like
        Bytes moved over those of perfectly fused kernels [1].
    memory_bytes_s : array_like
        Memory bandwidth [B/s].

    Returns
    -------
    ndarray
        Time [s].

    References
    ----------
    .. [1] Korthikanti et al. (2022), arXiv:2205.05198, section 4.
    """
    mixtures = moe_layers / layers
    sorting = 2 * (1 + experts_per_token) * mixtures * (1 - fused_experts) / tp
    outer = 8 / np.where(sequence_parallel > 0, tp, 1.0)
    routed = experts_per_token * (1 - fused_experts)
    width = (1 - mixtures) * ffn_hidden_size
    width = width + mixtures * (shared_experts + routed) * expert_ffn_hidden_size
    inner = (2 * (heads + kv_heads) * head_dim + (2 + gated_ffn) * width) / tp
    numbers = micro_tokens * ((outer + sorting) * hidden_size + inner)
    return elementwise_passes * WIDTH * numbers / memory_bytes_s


@rule(
    "head_forward_s",
    formula="products_s of the output head in 16 bits + loss_bytes / 3 * logits / memory_bytes_s",
    reference="Narayanan et al. 2021, arXiv:2104.04473",
)
def head_forward_s(
    micro_tokens: Array,
    hidden_size: Array,
    table_params: Array,
    vocab_size: Array,
    tp: Array,
    half_product_rate: Array,
    loss_bytes: Array,
    memory_bytes_s: Array,
) -> Array:
    """Output head and loss of a micro-batch, a third of what they take in all.

    Parameters
    ----------
    micro_tokens, hidden_size, table_params, vocab_size, tp : array_like
        Sizes [1].
    half_product_rate : array_like
        Rate of large products in 16 bits, in which the head stays [FLOP/s].
    loss_bytes : array_like
        Bytes that a logit costs in traffic, forward and backward [B].
    memory_bytes_s : array_like
        Memory bandwidth [B/s].

    Returns
    -------
    ndarray
        Time [s].
    """
    products = 2 * micro_tokens * table_params / tp / half_product_rate
    return products + loss_bytes / 3 * micro_tokens * vocab_size / tp / memory_bytes_s
