"""Grouped products of the routed experts of a layer."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array, rule
from llmcost.engine.kernels.experts import expert_products_s as routed_products_s
from llmcost.engine.performance.products import KERNELS, SHARPNESS


@rule(
    "experts_forward_s",
    formula="mean over the layers of expert_products_s of the device's experts, at the load of the busiest device",
    reference=f"{KERNELS}; Gale et al. 2022, arXiv:2211.15841",
)
def experts_forward_s(
    micro_tokens: Array,
    layers: Array,
    moe_layers: Array,
    experts: Array,
    experts_per_token: Array,
    expert_ffn_hidden_size: Array,
    gated_ffn: Array,
    expert_hidden_size: Array,
    tp: Array,
    ep: Array,
    expert_tp: Array,
    expert_imbalance: Array,
    fused_experts: Array,
    peak_flops: Array,
    memory_bytes_s: Array,
    processors: Array,
    product_share: Array,
    product_wave_fill: Array,
    product_depth_half: Array,
    product_input_bytes: Array,
    product_cast_bytes: Array,
    expert_efficiency_ratio: Array,
    expert_quality: Array,
    expert_memory_share: Array,
    expert_launch_s: Array,
    expert_row_pad: Array,
    expert_move_bytes: Array,
) -> Array:
    """Grouped products of the routed experts of a layer and micro-batch, forward.

    Parameters
    ----------
    micro_tokens, layers, moe_layers, experts, experts_per_token, expert_ffn_hidden_size, gated_ffn, expert_hidden_size : array_like
        Sizes [1].
    tp, ep, expert_tp : array_like
        Devices that share the tokens, the experts, and an expert [1].
    expert_imbalance : array_like
        Rows of the busiest device over the mean [1].
    fused_experts : array_like
        1 where the products sort their tokens themselves [1].
    peak_flops, memory_bytes_s, processors, product_share, product_wave_fill, product_depth_half, product_input_bytes, product_cast_bytes : array_like
        Constants of :func:`llmcost.engine.kernels.products.product_s`.
    expert_efficiency_ratio, expert_memory_share, expert_launch_s, expert_row_pad, expert_move_bytes : array_like
        Constants of :func:`llmcost.engine.kernels.experts.expert_products_s`.
    expert_quality : array_like
        Share of those kernels' rate that the software's grouped products reach [1].

    Returns
    -------
    ndarray
        Time, on average over the layers [s].

    References
    ----------
    .. [1] Gale et al. (2022), arXiv:2211.15841.
    """
    mixtures = moe_layers / layers
    if not np.any(mixtures > 0):
        return np.zeros(())
    group_tokens = micro_tokens * ep * expert_tp / tp
    found = routed_products_s(
        group_tokens,
        expert_hidden_size,
        expert_ffn_hidden_size / expert_tp,
        experts_per_token,
        np.maximum(experts, 1.0),
        ep,
        np.where(ep > 1, expert_imbalance, 1.0),
        peak_flops,
        memory_bytes_s,
        processors,
        product_share * expert_efficiency_ratio * expert_quality,
        product_wave_fill,
        product_depth_half,
        expert_memory_share,
        SHARPNESS,
        expert_launch_s,
        product_input_bytes,
        product_cast_bytes,
        expert_row_pad,
        expert_move_bytes * (1 - fused_experts),
        gated_ffn,
    )
    return np.where(mixtures > 0, mixtures * found, 0.0)
