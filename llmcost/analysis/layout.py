"""The best parallel layout: all valid ones evaluated as arrays by the same formulas.

Layouts of several searches are laid one after the other and evaluated at once. What depends on a
search alone is computed once for it; the ledger of memory comes first, and the step only of what
fits.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from llmcost.analysis.candidates import LAYOUT, Candidates, candidates
from llmcost.analysis.hints import ways_to_fit
from llmcost.engine import evaluate as _formulas  # noqa: F401  (enters the formulas)
from llmcost.engine.chain import Array, Rule, execute, plan
from llmcost.engine.results import MEMORY, MEMORY_IN_USE
from llmcost.errors import NoAnswerError

RUNNERS_UP = 5


class Search(NamedTuple):
    """What a search found: the best layouts, how many there were, and why others are out."""

    best: dict[str, float]
    runners_up: list[dict[str, float]]
    searched: int
    feasible: int
    excluded: dict[str, int]


#: What a search evaluates of every layout.
SEARCHED = ("predicted_step_s", "step_time_s", MEMORY, MEMORY_IN_USE, "predicted_mfu")


#: Layouts that are evaluated at once: arrays of this many numbers stay in the cache of a core.
_AT_ONCE = 8_192


class _Steps(NamedTuple):
    """Formulas of a search: of what is the same for all layouts, of their memory, of their time."""

    shared: tuple[Rule, ...]
    memory: tuple[Rule, ...]
    time: tuple[Rule, ...]
    memory_reads: frozenset[str]
    time_reads: frozenset[str]
    known: frozenset[str]


@lru_cache(maxsize=64)
def _steps(known: frozenset[str]) -> _Steps:
    """The formulas that a search runs, from the names of what is known."""
    given = known | {*LAYOUT, "devices"}
    steps = plan(given, frozenset(SEARCHED))
    of_layout = set(LAYOUT)
    for item in steps:
        if of_layout.intersection((*item.needs, *item.optional)):
            of_layout.add(item.gives)
    ledger = {item.gives for item in plan(given, frozenset((MEMORY_IN_USE,)))}
    varied = [item for item in steps if item.gives in of_layout]
    memory = tuple(item for item in varied if item.gives in ledger)
    time = tuple(item for item in varied if item.gives not in ledger)
    return _Steps(
        tuple(item for item in steps if item.gives not in of_layout),
        memory,
        time,
        _reads(memory),
        _reads(time) | frozenset(SEARCHED),
        given.union(item.gives for item in steps),
    )


def _reads(steps: Sequence[Rule]) -> frozenset[str]:
    return frozenset(name for item in steps for name in (*item.needs, *item.optional))


def search(given: Mapping[str, Any], devices: float, where: str, strict: bool = True) -> Search:
    """Evaluate all layouts of a number of devices and rank those that can run.

    Parameters
    ----------
    given : mapping of str to float
        What is known; parts of a layout among it are fixed.
    devices : float
        Devices of the cluster.
    where : str
        How an error names the scenario.
    strict : bool
        Leave out what does not fit into memory; else the leanest comes first, not the fastest.

    Raises
    ------
    NoAnswerError
        If none can; the message says what is nearest to fitting.
    """
    found = search_each([given], [devices], where, strict)[0]
    if isinstance(found, NoAnswerError):
        raise found
    return found


def search_each(
    given: Sequence[Mapping[str, Any]], devices: Sequence[float], where: str, strict: bool = True
) -> list[Search | NoAnswerError]:
    """Search several times, as :func:`search`, in as few evaluations as the cache allows.

    Returns
    -------
    list of Search or NoAnswerError
        What was found for each, or why nothing was.
    """
    answers: list[Search | NoAnswerError | None] = [None] * len(given)
    waiting: dict[frozenset[str], list[_Task]] = {}
    for place, (one, count) in enumerate(zip(given, devices, strict=True)):
        known = {k: v for k, v in one.items() if k not in ("devices", "time_limit_days")}
        found = candidates(known, count)
        task = _Task(place, known, count, found, len(found.layouts["tp"]))
        names = frozenset(known)
        if not task.rows:
            answers[place] = _none_exists(task, where)
        elif not {"predicted_step_s", "predicted_mfu", MEMORY_IN_USE} <= _steps(names).known:
            answers[place] = NoAnswerError(
                f"{where}: no layout can be predicted: the hardware lacks a bandwidth; name cluster.accelerator, or give cluster.memory_tb_s and the networks"
            )
        else:
            waiting.setdefault(names, []).append(task)
    for names, tasks in waiting.items():
        for batch in _batches(tasks):
            for task, answer in zip(
                batch, _evaluate(_steps(names), batch, where, strict), strict=True
            ):
                answers[task.place] = answer
    return [answer for answer in answers if answer is not None]


class _Task(NamedTuple):
    """One search: its place among others, what is known, and the layouts to look at."""

    place: int
    known: dict[str, Any]
    devices: float
    found: Candidates
    rows: int


def _batches(tasks: Sequence[_Task]) -> Iterator[list[_Task]]:
    """Tasks in turn, as many as have a bounded number of layouts together."""
    batch: list[_Task] = []
    rows = 0
    for task in tasks:
        if batch and rows + task.rows > _AT_ONCE:
            yield batch
            batch, rows = [], 0
        batch.append(task)
        rows += task.rows
    yield batch


def _none_exists(task: _Task, where: str) -> NoAnswerError:
    excluded, total = task.found.excluded, task.found.total
    worst = max(excluded, key=lambda reason: excluded[reason])
    return NoAnswerError(
        f"{where}: no layout of {task.devices:,.0f} devices: {worst} in {excluded[worst]:,} of {total:,}; change cluster.devices or parallelism.global_batch_seqs ({float(task.known['global_batch_seqs']):,.0f}, at most that many replicas)"
    )


def _together(tables: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, Array]:
    """Quantities of several searches, each one number where it is the same in all."""
    rows = np.array([[float(table[name]) for table in tables] for name in names])
    same = ((rows == rows[:, :1]) | np.isnan(rows) & np.isnan(rows[:, :1])).all(axis=1)
    return {
        name: np.asarray(row[0]) if one else row
        for name, row, one in zip(names, rows, same.tolist(), strict=True)
    }


def _spread(values: Mapping[str, Array], names: frozenset[str], owner: Any) -> dict[str, Array]:
    """Quantities of searches as those of their layouts."""
    return {
        name: values[name][owner] if values[name].ndim else values[name]
        for name in names
        if name in values
    }


def _evaluate(
    steps: _Steps, tasks: Sequence[_Task], where: str, strict: bool
) -> Iterator[Search | NoAnswerError]:
    """Evaluate the layouts of searches that know the same quantities, and rank those of each."""
    layouts = {
        name: np.concatenate([task.found.layouts[name] for task in tasks]) for name in LAYOUT
    }
    # A layout of arrays sets what the scenario's own words would.
    given = [{**task.known, "devices": task.devices} for task in tasks]
    values = _together(given, [name for name in given[0] if name not in layouts])
    rows = [task.rows for task in tasks]
    owner = np.repeat(np.arange(len(tasks)), rows)
    room = np.array([float(task.known.get("usable_memory_gb", math.inf)) for task in tasks])
    with np.errstate(all="ignore"):
        execute(steps.shared, values)
        table = _spread(values, steps.memory_reads, owner) | layouts
        execute(steps.memory, table)
        memory = np.broadcast_to(table[MEMORY_IN_USE], len(owner))
        fits = memory <= room[owner] if strict else np.ones(len(owner), dtype=bool)
        kept = np.flatnonzero(fits)
        rest = {
            name: column[kept] if column.ndim else column
            for name, column in table.items()
            if name in steps.time_reads and name not in values
        }
        rest |= _spread(values, steps.time_reads, owner[kept])
        if len(kept):
            execute(steps.time, rest)
    columns = {name: np.broadcast_to(rest[name], len(kept)) for name in SEARCHED if name in rest}
    ends = np.cumsum(rows)
    parts = np.searchsorted(kept, np.stack([ends - rows, ends]))
    for index, task in enumerate(tasks):
        start, (first, last) = int(ends[index]) - task.rows, parts[:, index]
        if first == last:
            yield _none_fits(task, memory[start : start + task.rows], float(room[index]), where)
        else:
            own = {name: column[first:last] for name, column in columns.items()}
            yield _ranked(task, kept[first:last] - start, own, strict)


def _none_fits(task: _Task, memory: Array, room: float, where: str) -> NoAnswerError:
    nearest = int(np.argmin(memory))
    devices = f"{task.devices:,.0f} device{'' if task.devices == 1 else 's'}"
    return NoAnswerError(
        f"{where}: no layout of {devices} fits: the leanest of {task.rows:,} ({describe(_row(task.found.layouts, nearest))}) needs "
        f"{_gigabytes(memory[nearest])} a device of {_gigabytes(room)} usable; {ways_to_fit({**task.known, 'devices': np.asarray(task.devices)}, searched=True)} would help"
    )


def _ranked(task: _Task, places: Any, columns: dict[str, Array], strict: bool) -> Search:
    """What a search found, from the layouts that can run and what they take."""
    if "mfu" in task.known or "step_time_s" not in columns:  # a given MFU says nothing of a layout
        columns["step_time_s"] = columns["predicted_step_s"]
    memory, time = columns[MEMORY], columns["predicted_step_s"]
    layouts = {name: column[places] for name, column in task.found.layouts.items()}
    # What does not fit is at least lean; what fits is fast.
    first = np.round(time, 12) if strict else memory
    order = np.lexsort((memory, layouts["vpp"], layouts["recompute_level"], first))
    rows = [
        {**_row(layouts, i), **{name: float(column[i]) for name, column in columns.items()}}
        for i in _unlike(layouts, order, RUNNERS_UP + 1)
    ]
    excluded = dict(task.found.excluded)
    if len(places) < task.rows:
        excluded["memory"] = task.rows - len(places)
    return Search(rows[0], rows[1:], task.found.total, len(places), excluded)


#: What makes two layouts of different kinds; the rest is tuning.
_KIND = ("tp", "pp", "cp", "ep", "expert_tp", "sharding")


def _unlike(layouts: Mapping[str, Array], order: Any, count: int) -> list[int]:
    """The first of each kind of layout in an order, up to a number of kinds."""
    found: dict[tuple[float, ...], int] = {}
    kinds = zip(*(layouts[name][order].tolist() for name in _KIND), strict=True)
    for place, kind in zip(order.tolist(), kinds, strict=True):
        if kind not in found:
            found[kind] = place
            if len(found) == count:
                break
    return list(found.values())


def _row(layouts: Mapping[str, Array], index: int) -> dict[str, float]:
    return {name: float(layouts[name][index]) for name in LAYOUT}


_RECOMPUTE, _SHARDING = ("none", "selective", "full"), ("none", "zero1", "zero2", "zero3")


def describe(layout: Mapping[str, float]) -> str:
    """A layout in words: ``tp 8, pp 4, dp 32, micro-batch 1, recompute selective, zero1``."""
    parts = [
        f"{name.replace('_', ' ')} {layout[name]:.0f}"
        for name in ("tp", "pp", "vpp", "cp", "ep", "expert_tp", "dp")
        if layout[name] > 1 or name == "dp"
    ]
    parts.append(f"micro-batch {layout['micro_batch']:.0f}")
    if layout["recompute_level"]:
        parts.append(f"recompute {_RECOMPUTE[int(layout['recompute_level'])]}")
    if layout["sharding"]:
        parts.append(_SHARDING[int(layout["sharding"])])
    return ", ".join(parts)


def words(layout: Mapping[str, float]) -> dict[str, Any]:
    """A layout as a scenario writes it."""
    return {
        **{
            name: int(layout[name])
            for name in ("tp", "pp", "vpp", "cp", "ep", "expert_tp", "dp", "micro_batch")
        },
        "activation_recompute": _RECOMPUTE[int(layout["recompute_level"])],
        "sharding": _SHARDING[int(layout["sharding"])],
        "sequence_parallel": layout["sequence_parallel"] > 0,
    }


def _gigabytes(size: float) -> str:
    """An amount of memory, in exponents where nobody could read its digits."""
    return f"{size:,.1f} GB" if size < 1e7 else f"{size:.3g} GB"
