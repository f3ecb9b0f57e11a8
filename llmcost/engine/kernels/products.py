"""Dense matrix products, and the clock that a power limit leaves them."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array

#: Elements of the output that one processor works on at a time: a tile of 128 by 128.
TILE = 128.0 * 128.0


def smooth_max(a: Array, b: Array, sharpness: Array | float) -> Array:
    """Largest of two times where each hides under the other, less well where they are alike.

    Parameters
    ----------
    a, b : array_like
        Times, not negative [s].
    sharpness : array_like
        Exponent of the norm: 1 adds them, infinity takes the larger [1].

    Returns
    -------
    ndarray
        Time between ``max(a, b)`` and ``a + b`` [s], rising in both.
    """
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    high = np.maximum(np.maximum(a, b), 1e-300)
    ratio = np.minimum(a, b) / high
    if np.ndim(sharpness) == 0 and sharpness == 4:  # two roots cost a tenth of a power
        return np.asarray(high * np.sqrt(np.sqrt(1 + (ratio * ratio) ** 2)))
    return np.asarray(high * np.power(1 + np.power(ratio, sharpness), 1 / sharpness))


def product_s(
    m: Array,
    n: Array,
    k: Array,
    peak_flops: Array,
    memory_bytes_s: Array,
    processors: Array,
    efficiency: Array,
    wave_fill: Array,
    depth_half: Array,
    memory_share: Array,
    sharpness: Array | float,
    launch_s: Array,
    input_bytes: Array | float = 2.0,
    output_bytes: Array | float = 2.0,
    cast_bytes: Array | float = 0.0,
    groups: Array | float = 1.0,
    row_pad: Array | float = 0.0,
) -> Array:
    """Time of one matrix product, (m × k) · (k × n), or of equal ones in one launch, in a burst.

    Arithmetic takes ``2 · (groups·(m + pad)·n + fill) · (k + depth) / (efficiency · peak)``:
    `fill` is the work that processors leave undone in a last wave of tiles, `depth` the time to
    fill and drain the accumulation, `pad` the rows that round a group up to whole tiles. It hides the traffic of operands and result, apart from the pass that casts the
    activations (m × k) to fewer bits.

    Parameters
    ----------
    m, n, k : array_like
        Rows (tokens), columns and depth [1].
    peak_flops, memory_bytes_s : array_like
        Dense peak at the precision [FLOP/s] and memory bandwidth [B/s].
    processors : array_like
        Processors that take a tile each (streaming multiprocessors) [1].
    efficiency : array_like
        Share of the peak that large products reach [1].
    wave_fill : array_like
        Work lost to filling the processors, in tiles a processor [1].
    depth_half : array_like
        Depth at which half of the time is filling and draining [1].
    memory_share : array_like
        Share of the memory bandwidth that operands reach [1].
    sharpness : array_like
        How well arithmetic and traffic hide each other, see `smooth_max` [1].
    launch_s : array_like
        Time to start the product [s].
    input_bytes, output_bytes : array_like
        Bytes of an operand's and of a result's number [B].
    cast_bytes : array_like
        Traffic to cast a number of the activations, zero where nothing is cast [B].
    groups, row_pad : array_like
        Products of this shape in the launch, and rows that each is padded by [1].

    Returns
    -------
    ndarray
        Time [s], broadcast over the inputs; it never falls when m, n or k grows.

    References
    ----------
    .. [1] Williams et al. (2009), Communications of the ACM 52(4) (roofline).
    .. [2] NVIDIA (2023), Matrix Multiplication Background User's Guide (tiles and waves).
    """
    m, n, k = (np.asarray(item, dtype=float) for item in (m, n, k))
    bandwidth = memory_bytes_s * memory_share
    fill = wave_fill * processors * TILE
    tiles = groups * (m + row_pad) * n + fill
    arithmetic = 2 * tiles * (k + depth_half) / (efficiency * peak_flops)
    traffic = groups * ((m * k + n * k) * input_bytes + m * n * output_bytes) / bandwidth
    casts = groups * m * k * cast_bytes / bandwidth
    return np.asarray(launch_s + casts + smooth_max(arithmetic, traffic, sharpness))


def power_demand_w(
    flops_s: Array,
    bytes_s: Array,
    idle_w: Array,
    flop_pj: Array,
    byte_pj: Array,
) -> Array:
    """Watts that work draws at full clock, whether or not the device may draw them.

    Parameters
    ----------
    flops_s, bytes_s : array_like
        Rates of arithmetic [FLOP/s] and of memory traffic [B/s] at full clock.
    idle_w : array_like
        Draw of a device that waits, clocks up [W].
    flop_pj, byte_pj : array_like
        Energy of an operation at the precision, and of a byte from memory [pJ].

    Returns
    -------
    ndarray
        Demand [W], broadcast over the inputs.
    """
    return np.asarray(idle_w + 1e-12 * (flops_s * flop_pj + bytes_s * byte_pj))


def sustained_share(
    demand_w: Array, limit_w: Array, power_exponent: Array, lowest_share: Array
) -> Array:
    """Share of the full clock that a power limit sustains.

    Power rises with a power of the clock between one (voltage at its floor) and three (voltage
    in step with the clock), so a demand beyond the limit costs its root of that order.

    Parameters
    ----------
    demand_w, limit_w : array_like
        Draw at full clock and the most that the device may draw (TDP) [W].
    power_exponent : array_like
        Order in which power rises with the clock, 1 to 3 [1].
    lowest_share : array_like
        Share of the clock below which no limit goes (base clock) [1].

    Returns
    -------
    ndarray
        Share, at most 1 [1]; it never rises with demand, nor falls with the limit.

    References
    ----------
    .. [1] Kim et al. (2003), Leakage current, IEEE Computer 36(12): P = C V² f.
    """
    share = np.power(limit_w / demand_w, 1 / power_exponent)  # a scalar's own ** rounds otherwise
    return np.asarray(np.clip(share, lowest_share, 1.0))
