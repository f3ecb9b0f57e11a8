"""What a device draws over a step, by what it does in it."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array, rule
from llmcost.engine.performance.attention import BACKWARD_FLOPS

_KERNELS = "watts of products measured by NVIDIA aiconfigurator, fitted by benchmarks/kernels"


_RATED = "reasoned: large products at their highest rate draw the rated power; rated_energy_ratio: where it was measured"


def _drawn_pj(
    flop_pj: Array, tdp_w: Array, idle_share: Array, ratio: Array, flops_per_s: Array
) -> Array:
    """Measured energy of an operation, else `ratio` times what the rated power leaves for each at a rate [pJ]."""
    rated = 1e12 * ratio * (1 - idle_share) * tdp_w / flops_per_s
    return np.where(np.isnan(flop_pj), rated, flop_pj)


@rule(
    "drawn_flop_pj",
    formula="flop_pj; where nobody measured it, rated_energy_ratio * (1 - idle_share) * tdp_w / (product_efficiency * peak_flops)",
    reference=f"{_KERNELS}; {_RATED}",
)
def drawn_flop_pj(
    flop_pj: Array,
    tdp_w: Array,
    idle_share: Array,
    rated_energy_ratio: Array,
    product_efficiency: Array,
    peak_flops: Array,
) -> Array:
    """Energy of an operation at the precision of training, measured or estimated from the rated power [pJ]."""
    rate = product_efficiency * peak_flops
    return _drawn_pj(flop_pj, tdp_w, idle_share, rated_energy_ratio, rate)


@rule(
    "half_drawn_flop_pj",
    formula="half_flop_pj; where nobody measured it, rated_energy_ratio * (1 - idle_share) * tdp_w / (half_product_efficiency * bf16_peak_flops)",
    reference=f"{_KERNELS}; {_RATED}",
)
def half_drawn_flop_pj(
    half_flop_pj: Array,
    tdp_w: Array,
    idle_share: Array,
    rated_energy_ratio: Array,
    half_product_efficiency: Array,
    bf16_peak_flops: Array,
) -> Array:
    """Energy of an operation in 16 bits, measured or estimated from the rated power [pJ]."""
    rate = half_product_efficiency * bf16_peak_flops
    return _drawn_pj(half_flop_pj, tdp_w, idle_share, rated_energy_ratio, rate)


@rule(
    "step_energy_j",
    formula="drawn_factor * micro_batches * (layers / pp * energy of a layer's operations and bytes, and of the head / pp)",
    reference=_KERNELS,
)
def step_energy_j(
    drawn_flop_pj: Array,
    half_drawn_flop_pj: Array,
    byte_pj: Array,
    drawn_factor: Array,
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
    drawn_flop_pj, half_drawn_flop_pj, byte_pj : array_like
        Energy of an operation at the precision of training and in 16 bits, and of a byte [pJ].
    drawn_factor : array_like
        1, but for uncertainty [1].
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
    products = 2 * passes * micro_tokens * active_layer_params / tp * drawn_flop_pj
    scores = score_flops * (1 + BACKWARD_FLOPS + layer_recompute_share) * half_drawn_flop_pj
    states = (3 + layer_recompute_share) * state_flops * half_drawn_flop_pj
    traffic = (3 + layer_recompute_share) * elementwise_bytes * byte_pj
    head = 2 * (2 + trains_base) * micro_tokens * vocab_size * hidden_size / tp * half_drawn_flop_pj
    each = layers / pp * (products + scores + states + traffic) + head / pp
    return 1e-12 * drawn_factor * micro_batches * each


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
    formula="activity_power_w + (server_power_ratio - 1) * tdp_w * host_utilisation; where the"
    " layout predicts no step, tdp_w * server_power_ratio * rated_utilisation",
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
