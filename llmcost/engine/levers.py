"""Levers beside trends: what several do together, where a trend contains a part of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from llmcost.engine.chain import Array


def held_by_trend(
    multipliers: Array, shares: Array, active: NDArray[np.bool_], trend_gain: Array
) -> Array:
    """How much of what levers hold in common with a trend the trend has brought already.

    Parameters
    ----------
    multipliers : array_like, shape (levers,)
        What each does to a cost, a power or a compute; below 1 is a gain [1].
    shares : array_like, shape (levers,)
        Share of each, on a logarithmic scale, that the trend contains [1].
    active : array_like of bool, shape (..., levers)
        Which of them apply.
    trend_gain : array_like, shape (...)
        What the trend has gained since year 0; above 1 is a gain [1].

    Returns
    -------
    ndarray, shape (...)
        0 where the trend has brought none of it, 1 where it has brought all [1].
    """
    common = np.sum(np.where(active, shares * np.maximum(-np.log(multipliers), 0.0), 0.0), axis=-1)
    brought = np.maximum(np.log(trend_gain), 0.0)
    return np.asarray(np.minimum(brought, common) / np.where(common > 0, common, 1.0))


def lever_product(
    multipliers: Array,
    shares: Array,
    active: NDArray[np.bool_],
    held: Array,
    counted: Array | float = 1.0,
) -> Array:
    """What several levers do together, beside the trend that contains a part of them.

    Parameters
    ----------
    multipliers, shares : array_like, shape (levers,)
        What each does, and the share of it that the trend contains [1].
    active : array_like of bool, shape (..., levers)
        Which of them apply.
    held : array_like, shape (...)
        How much of those shares the trend has brought, as :func:`held_by_trend` says [1].
    counted : array_like, shape (levers,), default 1
        0 for those that are in what is multiplied already: of them only what the trend has brought
        is taken back [1].

    Returns
    -------
    ndarray, shape (...)
        Product of those that apply, each without what the trend has brought of it [1].
    """
    found = np.ones(np.broadcast_shapes(active.shape[:-1], np.shape(held)))
    whole = np.broadcast_to(counted, np.shape(multipliers))
    for index, (multiplier, share) in enumerate(zip(multipliers, shares, strict=True)):
        left = whole[index] - share * held
        found = found * np.where(active[..., index], multiplier**left, 1.0)
    return found
