"""Which inputs drive the range of a result: its swing by each of them, and their shares of its variance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from llmcost.analysis.estimate import Estimate
from llmcost.analysis.names import check_result
from llmcost.analysis.sampling import Sampling, uniforms
from llmcost.analysis.uncertainty import samples_of, uncertain_inputs
from llmcost.catalog import Catalog
from llmcost.engine.chain import Array
from llmcost.engine.distributions import quantile
from llmcost.errors import NoAnswerError


class Bar(NamedTuple):
    """What one uncertain input does to a result."""

    key: str
    low_input: float
    high_input: float
    low: float | None
    high: float | None
    first_order: float | None
    total: float | None


def tornado(base: Estimate, sampling: Sampling, catalog: Catalog, key: str) -> list[Bar]:
    """Which inputs drive the range of a result.

    Each input is set to its 5th and 95th percentile with the others at their medians, and its
    first-order and total Sobol indices are estimated from `sampling.samples` pairs of samples.

    Returns
    -------
    list of Bar
        Largest swing first.

    Raises
    ------
    InputError, NoAnswerError
        If the result is not determined, or nothing is uncertain.

    References
    ----------
    .. [1] Saltelli et al. (2010), Computer Physics Communications 181, equation b of table 2.
    .. [2] Jansen (1999), Computer Physics Communications 117.
    """
    check_result(key, "--tornado")
    uncertain = uncertain_inputs(base, sampling.defaults)
    label_ = base.inputs.scenario.label
    if base.result(key) is None:
        raise NoAnswerError(f"{label_}: {key} is not determined, so nothing drives it")
    if not uncertain:
        raise NoAnswerError(
            f"{label_}: no input is uncertain: write {{ low = …, high = … }} in the scenario, or use --uncertainty defaults"
        )
    keys = [item.key for item in uncertain]
    count = len(keys)
    ends = {name: np.full(2 * count, 0.5) for name in keys}
    for index, name in enumerate(keys):
        ends[name][2 * index : 2 * index + 2] = 0.05, 0.95
    swings = _of(base, sampling, catalog, ends, 2 * count, key)
    half = max(sampling.samples, 2)
    first = uniforms(keys, half, sampling.seed)
    second = uniforms([f"{name} again" for name in keys], half, sampling.seed)
    a = _of(base, sampling, catalog, first, half, key)
    b = _of(base, sampling, catalog, {name: second[f"{name} again"] for name in keys}, half, key)
    both = np.concatenate([a, b])
    centre = _known_mean(both)
    variance = _known_mean((both - centre) ** 2)
    bars = []
    for index, item in enumerate(uncertain):
        mixed = {**first, item.key: second[f"{item.key} again"]}
        c = _of(base, sampling, catalog, mixed, half, key)
        shares: tuple[float | None, float | None] = (None, None)
        if 0 < variance < np.inf:
            own = _known_mean((b - centre) * (c - a)) / variance
            total = _known_mean((a - c) ** 2) / (2 * variance)
            shares = (own, total) if np.isfinite(own) and np.isfinite(total) else (None, None)
        low, high = (None if np.isnan(v) else float(v) for v in swings[2 * index : 2 * index + 2])
        bottom, top = (float(quantile(item.distribution, share)) for share in (0.05, 0.95))
        bars.append(Bar(item.key, bottom, top, low, high, *shares))
    return sorted(bars, key=lambda bar: -abs((bar.high or 0.0) - (bar.low or 0.0)))


def _known_mean(values: Array) -> float:
    """Mean of what is known, NaN where nothing is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else np.nan


def _of(
    base: Estimate,
    sampling: Sampling,
    catalog: Catalog,
    shares: Mapping[str, Array],
    count: int,
    key: str,
) -> Array:
    found = samples_of(base, sampling, catalog, [key], shares, count)
    return np.broadcast_to(found[key], (count,))
