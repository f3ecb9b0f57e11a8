"""Products of a mixture's experts, all of a device in one launch."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array
from llmcost.engine.kernels.products import product_s


def expert_imbalance(ep: Array, skew: Array) -> Array:
    """Load of the busiest device over the mean, for a router of a given unevenness.

    Parameters
    ----------
    ep : array_like
        Devices that the experts are spread over [1].
    skew : array_like
        0 for a balanced router; a power law with exponent 1.01 or 1.2 has what the catalog says [1].

    Returns
    -------
    ndarray
        ``ep ** skew`` [1], at least 1.
    """
    return np.asarray(np.asarray(ep, dtype=float) ** skew)


def expert_products_s(
    tokens: Array,
    hidden: Array,
    inter: Array,
    topk: Array,
    experts: Array,
    ep: Array,
    imbalance: Array,
    peak_flops: Array,
    memory_bytes_s: Array,
    processors: Array,
    efficiency: Array,
    wave_fill: Array,
    depth_half: Array,
    memory_share: Array,
    sharpness: Array,
    launch_s: Array,
    input_bytes: Array,
    cast_bytes: Array,
    row_pad: Array,
    move_bytes: Array,
    gated: Array | float = 1.0,
) -> Array:
    """Forward time of the experts that one device holds, both products, in a burst.

    Parameters
    ----------
    tokens : array_like
        Tokens that are routed over all devices of the group [tokens].
    hidden, inter : array_like
        Width of the model and of an expert [1].
    topk, experts, ep : array_like
        Experts a token, experts in all, devices that they are spread over [1].
    imbalance : array_like
        Load of the busiest device over the mean [1].
    peak_flops, memory_bytes_s, processors, efficiency, wave_fill, depth_half, memory_share, \
sharpness, launch_s, input_bytes, cast_bytes, row_pad : array_like
        As of `product_s`.
    move_bytes : array_like
        Traffic to sort a number of a token's input to its expert and back [B].
    gated : array_like
        1 where the first product is twice as wide, for a gate [1].

    Returns
    -------
    ndarray
        Time [s], broadcast over the inputs.

    References
    ----------
    .. [1] Gale et al. (2022), arXiv:2211.15841 (grouped products of experts).
    """
    held = np.maximum(np.asarray(experts, dtype=float) / ep, 1.0)
    rows = np.asarray(tokens, dtype=float) * topk / experts * imbalance
    common = (peak_flops, memory_bytes_s, processors, efficiency, wave_fill, depth_half)
    rest = (memory_share, sharpness, launch_s, input_bytes, 2.0, cast_bytes, held, row_pad)
    first = product_s(rows, inter * (1 + gated), hidden, *common, *rest)
    second = product_s(rows, hidden, inter, *common, *rest)
    moved = held * rows * hidden * move_bytes / (memory_bytes_s * memory_share)
    return np.asarray(first + second + moved)
