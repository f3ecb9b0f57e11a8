"""The clock that the power limit sustains over a step, by what the device does in it."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array, rule
from llmcost.engine.kernels import products as kernels
from llmcost.engine.performance.attention import BACKWARD_FLOPS

_KERNELS = "watts of products measured by NVIDIA aiconfigurator, fitted by benchmarks/kernels"


@rule(
    "burst_layer_s",
    formula="3 * 2 * micro_tokens * active_layer_params / tp at product_efficiency * product_quality * narrow_quality *"
    " peak_flops, the scores of"
    " attention and 3 * state_flops at theirs, 3 * elementwise_bytes through memory",
    reference=_KERNELS,
)
def burst_layer_s(
    micro_tokens: Array,
    active_layer_params: Array,
    tp: Array,
    peak_flops: Array,
    product_efficiency: Array,
    product_quality: Array,
    narrow_quality: Array,
    score_flops: Array,
    bf16_peak_flops: Array,
    attention_efficiency: Array,
    attention_quality: Array,
    state_flops: Array,
    half_product_efficiency: Array,
    state_quality: Array,
    elementwise_bytes: Array,
    memory_bytes_s: Array,
) -> Array:
    """Time of a layer and micro-batch at full clock, forward and backward [s]."""
    products = 6 * micro_tokens * active_layer_params / tp
    arithmetic = products / (peak_flops * product_efficiency * product_quality * narrow_quality)
    attention = score_flops * (1 + BACKWARD_FLOPS)
    scores = attention / (bf16_peak_flops * attention_efficiency * attention_quality)
    states = 3 * state_flops / (bf16_peak_flops * half_product_efficiency * state_quality)
    return arithmetic + scores + states + 3 * elementwise_bytes / memory_bytes_s


@rule(
    "demand_w",
    formula="idle_share * tdp_w + (operand_activity * energy of the operations + that of the bytes of a layer) / burst_layer_s",
    reference=f"{_KERNELS}; Gregersen et al. 2024, arXiv:2409.18324 (operands)",
)
def demand_w(
    tdp_w: Array,
    idle_share: Array,
    flop_pj: Array,
    half_flop_pj: Array,
    byte_pj: Array,
    operand_activity: Array,
    micro_tokens: Array,
    active_layer_params: Array,
    tp: Array,
    score_flops: Array,
    state_flops: Array,
    elementwise_bytes: Array,
    burst_layer_s: Array,
) -> Array:
    """Watts that a device would draw while it computes, were there no limit.

    Parameters
    ----------
    tdp_w, idle_share : array_like
        Limit [W], and the share of it that a device draws with its clocks up and nothing to do [1].
    flop_pj, half_flop_pj, byte_pj : array_like
        Energy of an operation at the precision of training and in 16 bits, and of a byte [pJ].
    operand_activity : array_like
        Energy of an operation on a model's numbers over that on the benchmarks' random ones, which
        turn more bits [1].
    micro_tokens, active_layer_params, tp, score_flops, state_flops, elementwise_bytes : array_like
        Work of a layer [1], [FLOP], [B].
    burst_layer_s : array_like
        Time of that work at full clock [s].

    Returns
    -------
    ndarray
        Power [W].
    """
    products = 6 * micro_tokens * active_layer_params / tp
    idle = idle_share * tdp_w
    bytes_s = 3 * elementwise_bytes / burst_layer_s
    arithmetic = kernels.power_demand_w(
        products / burst_layer_s, bytes_s, idle, operand_activity * flop_pj, byte_pj
    )
    half = (score_flops * (1 + BACKWARD_FLOPS) + 3 * state_flops) / burst_layer_s
    return arithmetic + 1e-12 * half * operand_activity * half_flop_pj


@rule(
    "sustained_share",
    formula="(tdp_w / demand_w) ^ (1 / power_exponent), from lowest_share to 1; 1 where the power is not known",
    reference=_KERNELS,
)
def sustained_share(
    tdp_w: Array, demand_w: Array, power_exponent: Array, lowest_share: Array
) -> Array:
    """Share of the full clock that the power limit sustains over a step [1]."""
    found = kernels.sustained_share(demand_w, tdp_w, power_exponent, lowest_share)
    return np.where(np.isnan(found), 1.0, found)
