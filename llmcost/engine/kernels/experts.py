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
    sharpness: Array | float,
    launch_s: Array,
    input_bytes: Array,
    cast_bytes: Array,
    row_pad: Array,
    move_bytes: Array,
    gated: Array | float = 1.0,
    streams: Array | float = 0.0,
    backward: bool = False,
    of_weights: Array | float = 1.0,
    written: Array | float = 2.0,
) -> Array:
    """Time of the experts that one device holds, both products or the gradients of both, in a burst.

    The gradients of weights have the rows as their depth: none are padded, and nothing is cast again.

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
    streams : array_like
        0 where one launch has the products of all experts; else each has its own, and as many run
        beside one another as there are streams [1].
    backward : bool
        Whether the gradients are meant.
    of_weights, written : array_like
        0 where the weights are frozen [1]; bytes that a gradient of one costs [B].

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
    together = np.where(np.asarray(streams) > 0, np.minimum(streams, held), held)
    common = (peak_flops, memory_bytes_s, processors, efficiency, wave_fill, depth_half)

    def product(
        m: Array, n: Array, k: Array, output: Array | float, cast: Array, pad: Array
    ) -> Array:
        rest = (memory_share, sharpness, launch_s, input_bytes, output, cast, together, pad)
        return product_s(m, n, k, *common, *rest)

    found = held * rows * hidden * move_bytes / (memory_bytes_s * memory_share)
    none = np.zeros(())
    for columns, depth in ((inter * (1 + gated), hidden), (hidden, inter)):
        if backward:
            inputs = product(rows, depth, columns, 2.0, cast_bytes, row_pad)
            time = inputs + of_weights * product(depth, columns, rows, written, none, none)
        else:
            time = product(rows, columns, depth, 2.0, cast_bytes, row_pad)
        found = found + held / together * time
    return np.asarray(found)
