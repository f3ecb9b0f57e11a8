"""Samples of uncertain inputs in the cells of a sweep, each from the interval that its cell has."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmcost.analysis.sampling import Sampling, uniforms
from llmcost.catalog import Catalog
from llmcost.engine.chain import Array
from llmcost.engine.distributions import quantile
from llmcost.errors import LlmcostError
from llmcost.scenario import Inputs, Scenario, resolve
from llmcost.scenario.read import Given


def sampled_cells(
    inputs: Inputs,
    scenario: Scenario,
    catalog: Catalog,
    words: Mapping[str, Any],
    dimensions: int,
    sampling: Sampling,
) -> dict[str, Array]:
    """What is known in each cell, with samples of what is uncertain.

    Parameters
    ----------
    inputs : Inputs
        The scenario over the axes.
    words : mapping of str to ndarray
        The axes' values by key, each along a dimension of its own.
    dimensions : int
        Number of axes.

    Returns
    -------
    dict of str to ndarray
        By engine name; what is uncertain of shape (samples, ...) with a dimension for each axis.
    """
    given = inputs.distributions
    found = _intervals(scenario, catalog, words, dimensions) if sampling.defaults else []
    defaulted = [item for item in found if item.key not in given]
    keys = sorted({*given, *(item.key for item in defaulted)})
    shares = uniforms(keys, sampling.samples, sampling.seed, scenario.correlations)
    shape = (-1, *(1 for _ in range(dimensions)))
    drawn = {key: quantile(dist, shares[key]).reshape(shape) for key, dist in given.items()}
    known = resolve(scenario, catalog, {**words, **drawn}).known
    for each in defaulted:
        known[each.quantity] = _drawn(each, shares[each.key], known.get(each.quantity, np.nan))
    return {name: np.asarray(value, dtype=np.float64) for name, value in known.items()}


class _Each(NamedTuple):
    """The distribution of an input in each cell: its place among the different ones.

    `kinds` holds None for cells without one; `places` extends along those axes only that it
    depends on.
    """

    key: str
    quantity: str
    kinds: list[Any]
    places: NDArray[np.int64]


def _drawn(each: _Each, shares: Array, known: Any) -> Array:
    """Quantiles of the distribution of each cell; of a cell without one what is known."""
    values = np.empty((len(shares), *each.places.shape))
    for place, distribution in enumerate(each.kinds):
        if distribution is not None:
            values[:, each.places == place] = quantile(distribution, shares)[:, None]
    if None not in each.kinds:
        return values
    return np.where(each.places == each.kinds.index(None), known, values)


def _intervals(
    scenario: Scenario, catalog: Catalog, words: Mapping[str, Any], dimensions: int
) -> list[_Each]:
    """Published intervals of what is defaulted or looked up.

    Only words decide what is looked up; of the axes of numbers the first value stands for all.
    """
    named = {key: each for key, each in words.items() if each.dtype == object}
    numbers = {key: each.flat[0].item() for key, each in words.items() if key not in named}
    shape = np.broadcast_shapes((1,) * dimensions, *(each.shape for each in named.values()))
    spread = [np.broadcast_to(each, shape).ravel() for each in named.values()]
    seen: dict[tuple[Any, ...], Mapping[str, Any]] = {}
    cells = []
    for place in range(math.prod(shape)):
        values = tuple(each[place] for each in spread)
        if values not in seen:
            cell = {**numbers, **dict(zip(named, values, strict=True))}
            seen[values] = _of_cell(scenario, catalog, cell)
        cells.append(seen[values])
    found = []
    for key, quantity in dict.fromkeys(
        (key, item[0]) for cell in seen.values() for key, item in cell.items()
    ):
        items = [cell.get(key, ("", None)) for cell in cells]
        each = [distribution if name == quantity else None for name, distribution in items]
        kinds = list(dict.fromkeys(each))
        places = np.array([kinds.index(kind) for kind in each]).reshape(shape)
        found.append(_Each(key, quantity, kinds, _compact(places)))
    return found


def _of_cell(scenario: Scenario, catalog: Catalog, cell: Mapping[str, Any]) -> Mapping[str, Any]:
    """The intervals of one cell; none where its inputs are refused."""
    changed = {key: Given(value, "axis", f"--axis {key}") for key, value in cell.items()}
    try:
        return resolve(scenario._replace(values={**scenario.values, **changed}), catalog).intervals
    except LlmcostError:
        return {}


def _compact(each: NDArray[np.int64]) -> NDArray[np.int64]:
    """An array without its extent along axes on which it does not depend."""
    for axis in range(each.ndim):
        first = each.take([0], axis=axis)
        if np.all(each == first):
            each = first
    return each
