"""Element-wise work of a layer, which the memory bandwidth bounds."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array, rule
from llmcost.engine.papers import KORTHIKANTI
from llmcost.engine.performance.layout import WIDTH


@rule(
    "layer_elementwise_s",
    formula="elementwise_factor * bytes of norms, residuals, activations, and of the copies of a token that"
    " are sorted by expert, activated and added up again unless fused_experts / memory bandwidth",
    reference=f"{KORTHIKANTI}; Gale et al. 2022, arXiv:2211.15841",
)
def layer_elementwise_s(
    micro_tokens: Array,
    hidden_size: Array,
    heads: Array,
    kv_heads: Array,
    head_dim: Array,
    ffn_width: Array,
    gated_ffn: Array,
    experts_per_token: Array,
    expert_ffn_hidden_size: Array,
    moe_layers: Array,
    layers: Array,
    tp: Array,
    sequence_parallel: Array,
    fused_experts: Array,
    elementwise_factor: Array,
    memory_tb_s: Array,
) -> Array:
    """Norms, residuals, dropout, rotary positions and activations of a layer, forward.

    Parameters
    ----------
    micro_tokens, hidden_size, heads, kv_heads, head_dim, ffn_width, gated_ffn : array_like
        Sizes [1].
    experts_per_token, expert_ffn_hidden_size, moe_layers, layers : array_like
        Copies that a mixture of experts makes of a token, sorted by expert, and adds up again,
        and the width of what it activates [1].
    tp, sequence_parallel : array_like
        Devices of tensor parallelism, and whether it also splits norms and residuals [1].
    fused_experts : array_like
        1 where the products of the experts do that themselves [1].
    elementwise_factor : array_like
        Bytes moved over those of perfectly fused kernels [1].
    memory_tb_s : array_like
        Memory bandwidth [TB/s].

    Returns
    -------
    ndarray
        Time [s].

    References
    ----------
    .. [1] Korthikanti et al. (2022), arXiv:2205.05198, section 4.
    """
    mixtures = moe_layers / layers
    sorting = 2 * (1 + experts_per_token) * mixtures * (1 - fused_experts)
    outer = (8 + sorting) * hidden_size / np.where(sequence_parallel > 0, tp, 1.0)
    width = ffn_width - experts_per_token * expert_ffn_hidden_size * mixtures * fused_experts
    inner = (2 * (heads + kv_heads) * head_dim + (2 + gated_ffn) * width) / tp
    return elementwise_factor * WIDTH * micro_tokens * (outer + inner) / (memory_tb_s * 1e12)
