"""What a scenario leaves to be found, in each cell of a sweep; cells that differ in nothing that a search reads share its answer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from llmcost.analysis.candidates import LAYOUT, READ
from llmcost.analysis.cluster import TUNED, Found, seeks_devices, solve_each
from llmcost.analysis.layout import SEARCHED
from llmcost.engine.chain import Array, plan
from llmcost.scenario import Inputs

#: Cells of a sweep that are searched together.
_SEARCHES = 256


def find_in_cells(
    inputs: Inputs, known: Mapping[str, Array], shape: tuple[int, ...]
) -> dict[str, Array]:
    """Find what is open in each cell of a sweep.

    Parameters
    ----------
    inputs : Inputs
        The scenario of the sweep.
    known : mapping of str to ndarray
        Quantities that broadcast to `shape`.
    shape : tuple of int
        Shape of the block of cells.

    Returns
    -------
    dict of str to ndarray
        What was found, NaN in cells without an answer.

    Raises
    ------
    InputError
        If no cell has what a search needs.
    """
    fixed = {name: float(value) for name, value in known.items() if value.ndim == 0}
    varied = {
        name: np.broadcast_to(value, shape).reshape(-1)
        for name, value in known.items()
        if value.ndim
    }
    cells = math.prod(shape)
    names = (*LAYOUT, "devices", "global_batch_seqs") if inputs.searches else TUNED
    columns = {name: np.full(cells, np.nan) for name in names}
    wanted = _read_by_search(inputs, varied | fixed)
    read = [varied[name] for name in varied if name in wanted]
    keys = np.array(read).reshape(len(read), cells).T
    places: dict[bytes, list[int]] = {}
    for cell in range(cells):
        places.setdefault(keys[cell].tobytes(), []).append(cell)
    distinct = list(places.values())
    for start in range(0, len(distinct), _SEARCHES):
        some = distinct[start : start + _SEARCHES]
        own = [
            _without_unknown(
                {**fixed, **{name: float(column[same[0]]) for name, column in varied.items()}}
            )
            for same in some
        ]
        for same, answer in zip(some, solve_each(inputs, own), strict=True):
            if isinstance(answer, Found):
                for name in columns.keys() & answer.values.keys():
                    columns[name][same] = answer.values[name]
    found = {name: column.reshape(shape) for name, column in columns.items()}
    return {name: column for name, column in found.items() if not np.isnan(column).all()} or found


#: What a search reads beside the formulas of its results.
_READ = READ | {
    "devices",
    "usable_memory_gb",
    "max_power_mw",
    "mfu",
    "bf16_peak_flops",
    "vocab_size",
}
#: What tells whether a cluster is within its power, and whether it meets its deadline.
_POWER, _WORK = frozenset(("peak_power_mw",)), frozenset(("days", "tokens"))
#: What the choice of a cluster reads beside them.
_CLUSTER = frozenset(("deadline_days", "time_limit_days", "devices_per_node"))


def _read_by_search(inputs: Inputs, known: Mapping[str, Any]) -> frozenset[str]:
    """The quantities that a search for a layout depends on: cells that differ in others share its answer."""
    names = frozenset((*known, "devices")) - {"time_limit_days"}
    # What is evaluated with a layout, and what without one.
    steps = [*plan(names.union(LAYOUT), frozenset(SEARCHED)), *plan(names.union(known), _POWER)]
    results = _POWER.union(SEARCHED)
    if seeks_devices(inputs, known):
        steps += [*plan(names.union(LAYOUT), _WORK), *plan(names - {"devices"}, _WORK)]
        results |= _WORK | _CLUSTER
    formulas = {name for step in steps for name in (*step.needs, *step.optional)}
    return frozenset(known) & (formulas | _READ | results)


def _without_unknown(known: Mapping[str, float]) -> dict[str, float]:
    """The quantities of a cell; an architecture's or a batch's NaN is none."""
    wanted = ("memory_gb", "global_batch_seqs", "devices", "layers", "heads", "vocab_size")
    return {k: v for k, v in known.items() if not (k in wanted and math.isnan(v))}
