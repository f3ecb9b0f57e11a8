"""Quantiles of the distributions that an uncertain input may have."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from llmcost.engine.chain import Array

#: Standard deviations from the median to the 95th percentile of a normal.
Z95 = 1.6448536269514722


class HasInterval(Protocol):
    """What a distribution says of itself."""

    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...
    @property
    def dist(self) -> str: ...
    @property
    def mode(self) -> float | None: ...
    @property
    def floor(self) -> float: ...
    @property
    def ceiling(self) -> float: ...


def quantile(distribution: HasInterval, share: Any) -> Array:
    """Quantile of a distribution given by its 90 % interval, truncated at physical bounds.

    Parameters
    ----------
    distribution : Distribution
        ``low`` and ``high`` are the 5th and 95th percentile before truncation; outside ``floor``
        and ``ceiling`` nothing is left.
    share : array_like
        Probability [1], between 0 and 1.

    Returns
    -------
    ndarray
        The value below which that share of the distribution lies, in the unit of its bounds.

    References
    ----------
    .. [1] Johnson, Kotz and Balakrishnan (1994), Continuous univariate distributions, vol. 1.
    """
    u = np.asarray(share, dtype=np.float64)
    floor, ceiling = distribution.floor, distribution.ceiling
    first = _below(distribution, floor) if np.isfinite(floor) else 0.0
    last = _below(distribution, ceiling) if np.isfinite(ceiling) else 1.0
    value = _plain_quantile(distribution, first + u * (last - first))
    return np.asarray(np.clip(value, floor, ceiling))


def outside(distribution: HasInterval) -> float:
    """Share of the distribution beyond its physical bounds, which is cut off [1]."""
    floor, ceiling = distribution.floor, distribution.ceiling
    below = _below(distribution, floor) if np.isfinite(floor) else 0.0
    above = 1 - _below(distribution, ceiling) if np.isfinite(ceiling) else 0.0
    return below + above


def _triangle(d: HasInterval) -> tuple[float, float, float]:
    """Ends and mode of the triangle whose 5th and 95th percentiles are low and high."""
    mode = float(d.mode if d.mode is not None else (d.low + d.high) / 2)
    below, above = mode - d.low, d.high - mode
    # With a, b the distances of mode to the ends: (a-below)² = 0.05·a·(a+b), (b-above)² = 0.05·b·(a+b).
    a, b = 1.5 * below + 1e-300, 1.5 * above + 1e-300
    for _ in range(200):
        a, b = below + (0.05 * a * (a + b)) ** 0.5, above + (0.05 * b * (a + b)) ** 0.5
    return mode - a, mode, mode + b


def _lognormal(d: HasInterval) -> tuple[float, float, float]:
    """Logarithm of the median, between its distances to low and high: two halves where `mode` is given, the median."""
    if d.mode is None:
        half = float(np.log(d.high / d.low) / 2)
        return half, float(np.log(d.low * d.high) / 2), half
    return float(np.log(d.mode / d.low)), float(np.log(d.mode)), float(np.log(d.high / d.mode))


def _below(d: HasInterval, value: float) -> float:
    """Share of the distribution below a value."""
    if d.dist == "uniform":
        width = (d.high - d.low) / 0.9
        return float(np.clip((value - (d.low - 0.05 * width)) / width, 0, 1))
    if d.dist == "triangular":
        start, mode, end = _triangle(d)
        if value <= mode:
            return max(value - start, 0.0) ** 2 / ((end - start) * max(mode - start, 1e-300))
        return 1 - max(end - value, 0.0) ** 2 / ((end - start) * max(end - mode, 1e-300))
    low, high, x = d.low, d.high, value
    if d.dist == "lognormal":
        if value <= 0:
            return 0.0
        below, middle, above = _lognormal(d)
        x = np.log(value)
        return normal_cdf((x - middle) / (below if x < middle else above) * Z95)
    return normal_cdf((x - (low + high) / 2) / ((high - low) / 2 / Z95))


def _plain_quantile(d: HasInterval, u: Array) -> Array:
    if d.dist == "uniform":
        width = (d.high - d.low) / 0.9
        return np.asarray(d.low - 0.05 * width + u * width)
    if d.dist == "triangular":
        start, mode, end = _triangle(d)
        split = (mode - start) / (end - start)
        left = start + np.sqrt(np.maximum(u, 0) * (end - start) * (mode - start))
        right = end - np.sqrt(np.maximum(1 - u, 0) * (end - start) * (end - mode))
        return np.where(u < split, left, right)
    z = normal_quantile(u) / Z95
    if d.dist == "lognormal":
        below, middle, above = _lognormal(d)
        return np.asarray(np.exp(middle + np.where(z < 0, below, above) * z))
    return np.asarray((d.low + d.high) / 2 + (d.high - d.low) / 2 * z)


def normal_cdf(z: float) -> float:
    """Share of the standard normal below `z` [1]."""
    from math import erfc, sqrt

    return 0.5 * erfc(-float(z) / sqrt(2))


def normal_quantile(share: Any) -> Array:
    """Quantile of the standard normal, to about 1e-15.

    Parameters
    ----------
    share : array_like
        Probability [1].

    Returns
    -------
    ndarray
        Standard deviations from the mean [1]; infinite at 0 and 1.

    References
    ----------
    .. [1] Wichura (1988), Algorithm AS 241, Applied Statistics 37(3), 477-484.
    """
    p = np.asarray(share, dtype=np.float64)
    q = p - 0.5
    with np.errstate(all="ignore"):
        r = 0.180625 - q * q
        found = np.asarray(q * _ratio(r, _A, _B))
        rest = np.abs(q) > 0.425
        if rest.any():
            side = np.minimum(p, 1 - p)[rest]
            tail = np.sqrt(-np.log(side))
            outer = np.where(tail <= 5.0, _ratio(tail - 1.6, _C, _D), _ratio(tail - 5.0, _E, _F))
            outer = np.where(np.isinf(tail), np.inf, outer)
            found[rest] = np.copysign(outer, q[rest])
    return found


def _ratio(x: Array, top: tuple[float, ...], bottom: tuple[float, ...]) -> Array:
    return np.polyval(top, x) / np.polyval(bottom, x)


_A = (2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4, 4.5921953931549871457e4,
      1.3731693765509461125e4, 1.9715909503065514427e3, 1.3314166789178437745e2, 3.3871328727963666080e0)  # fmt: skip
_B = (5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4, 2.1213794301586595867e4,
      5.3941960214247511077e3, 6.8718700749205790830e2, 4.2313330701600911252e1, 1.0)  # fmt: skip
_C = (7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1, 1.27045825245236838258e0,
      3.64784832476320460504e0, 5.76949722146069140550e0, 4.63033784615654529590e0, 1.42343711074968357734e0)  # fmt: skip
_D = (1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2, 1.48103976427480074590e-1,
      6.89767334985100004550e-1, 1.67638483018380384940e0, 2.05319162663775882187e0, 1.0)  # fmt: skip
_E = (2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3, 2.65321895265761230930e-2,
      2.96560571828504891230e-1, 1.78482653991729133580e0, 5.46378491116411436990e0, 6.65790464350110377720e0)  # fmt: skip
_F = (2.04426310338993978564e-15, 1.42151175831643588870e-7, 1.84631831751005468180e-5, 7.86869131145613259100e-4,
      1.48753612908506148525e-2, 1.36929880922735805310e-1, 5.99832206555887937690e-1, 1.0)  # fmt: skip
