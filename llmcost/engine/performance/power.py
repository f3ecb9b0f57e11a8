"""What a device draws over a step, by what it does in it."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array, rule
from llmcost.engine.performance.attention import BACKWARD_FLOPS

_KERNELS = "watts of products measured by NVIDIA aiconfigurator, fitted by benchmarks/kernels"


@rule(
    "step_energy_j",
    formula="micro_batches * (layers / pp * energy of a layer's operations and bytes, and of the head / pp)",
    reference=_KERNELS,
)
def step_energy_j(
    flop_pj: Array,
    half_flop_pj: Array,
    byte_pj: Array,
    micro_batches: Array,
    micro_tokens: Array,
    layers: Array,
    pp: Array,
    tp: Array,
    active_layer_params: Array,
    layer_recompute_share: Array,
    trains_base: Array,
    score_flops: Array,
    state_flops: Array,
    elementwise_bytes: Array,
    vocab_size: Array,
    hidden_size: Array,
) -> Array:
    """Energy of the operations and bytes of a device in a step, beyond its idle draw.

    Parameters
    ----------
    flop_pj, half_flop_pj, byte_pj : array_like
        Energy of an operation at the precision of training and in 16 bits, and of a byte [pJ].
    micro_batches, micro_tokens, layers, pp, tp, active_layer_params, vocab_size, hidden_size : array_like
        Work of a device [1].
    layer_recompute_share, trains_base : array_like
        Share of a layer's forward that is done again, 1 where weights have gradients [1].
    score_flops, state_flops, elementwise_bytes : array_like
        Scores, states and element-wise traffic of a layer and micro-batch, forward [FLOP], [B].

    Returns
    -------
    ndarray
        Energy [J].
    """
    passes = 2 + trains_base + layer_recompute_share
    products = 2 * passes * micro_tokens * active_layer_params / tp * flop_pj
    scores = score_flops * (1 + BACKWARD_FLOPS + layer_recompute_share) * half_flop_pj
    states = (3 + layer_recompute_share) * state_flops * half_flop_pj
    traffic = (3 + layer_recompute_share) * elementwise_bytes * byte_pj
    head = 2 * (2 + trains_base) * micro_tokens * vocab_size * hidden_size / tp * half_flop_pj
    each = layers / pp * (products + scores + states + traffic) + head / pp
    return 1e-12 * micro_batches * each


@rule(
    "activity_power_w",
    formula="min(tdp_w, idle_share * tdp_w + step_energy_j / step_time_s)",
    reference=_KERNELS,
)
def activity_power_w(
    tdp_w: Array, idle_share: Array, step_energy_j: Array, step_time_s: Array
) -> Array:
    """Average draw of a device over a step, without its share of the server [W]."""
    return np.minimum(tdp_w, idle_share * tdp_w + step_energy_j / step_time_s)


@rule(
    "device_power_w",
    formula="activity_power_w + (server_power_ratio - 1) * tdp_w * host_utilisation; where nobody measured the energy of"
    " an operation, tdp_w * server_power_ratio * rated_utilisation",
    reference=f"{_KERNELS}; the rest of the server: Cottier et al. 2024, arXiv:2405.21015",
)
def device_power_by_activity(
    activity_power_w: Array,
    tdp_w: Array,
    server_power_ratio: Array,
    host_utilisation: Array,
    rated_utilisation: Array,
) -> Array:
    """Average draw attributed to a device that does what the layout says, its share of the server included.

    Parameters
    ----------
    activity_power_w, tdp_w : array_like
        Draw of the device by what it does, NaN where that is not known, and its limit [W].
    server_power_ratio : array_like
        Rated power of the server over that of its devices [1].
    host_utilisation, rated_utilisation : array_like
        Draw of the rest of the server over its rated power, and of the whole where the device's
        is not known [1].

    Returns
    -------
    ndarray
        Power [W].
    """
    host = (server_power_ratio - 1) * tdp_w * host_utilisation
    rated = tdp_w * server_power_ratio * rated_utilisation
    return np.where(np.isnan(activity_power_w), rated, activity_power_w + host)
