"""Axes of a sweep: ``KEY=a,b,c``, ``KEY=start:stop:step``, ``KEY=start:stop:log:count``, ``KEY=@file.csv``."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from io import StringIO
from typing import Any, NamedTuple

import numpy as np

from llmcost.catalog import Catalog
from llmcost.errors import InputError
from llmcost.files import read_text
from llmcost.scenario.keys import find_key, parse_raw
from llmcost.scenario.schema import DATE, ENTRY, NUMBER, Key
from llmcost.scenario.values import (
    Distribution,
    ValueProblem,
    check_number,
    parse_date,
    parse_number,
    show,
)

#: Keys that no axis can run over: they name the scenario or how its tables show money.
_FIXED = ("schema_version", "name", "description", "cost.currency", "cost.usd_per_currency")
#: One axis holds no more values than this.
MOST_VALUES = 10_000_000


class Axis(NamedTuple):
    """One dimension of a sweep: one key, or several that move together."""

    keys: tuple[str, ...]
    values: tuple[Any, ...]

    @property
    def size(self) -> int:
        """Number of values."""
        return len(self.values[0])


def parse_axes(
    axes: Iterable[str], zips: Iterable[str], catalog: Catalog, taken: Iterable[str] = ()
) -> tuple[Axis, ...]:
    """Read the axes of a sweep.

    Parameters
    ----------
    axes, zips : iterable of str
        ``KEY=VALUES``; all of `zips` move together, as the last dimension.
    catalog : Catalog
        Where names are looked up.
    taken : iterable of str
        Keys that something else already varies.

    Returns
    -------
    tuple of Axis
        In the order of the rows, the last fastest.

    Raises
    ------
    InputError
        With every problem.
    """
    problems: list[str] = []
    found: list[Axis] = []
    joined: list[tuple[str, Any]] = []
    seen = set(taken)
    for option, texts in (("--axis", axes), ("--zip", zips)):
        for text in texts:
            try:
                key, values = parse_axis(text, option, catalog)
            except InputError as error:
                problems += error.problems
                continue
            if key.name in seen:
                problems.append(f"{option} {key.name}: is varied twice")
            seen.add(key.name)
            if option == "--axis":
                found.append(Axis((key.name,), (values,)))
            else:
                joined.append((key.name, values))
    if len({len(values) for _, values in joined}) > 1:
        sizes = ", ".join(f"{name} has {len(values)}" for name, values in joined)
        problems.append(f"--zip: axes that move together need as many values each: {sizes}")
    if {"model.preset", "model.config"} <= seen:
        problems.append("--axis model.config: contradicts --axis model.preset")
    if problems:
        raise InputError(problems)
    if joined:
        found.append(Axis(tuple(name for name, _ in joined), tuple(values for _, values in joined)))
    return tuple(found)


def parse_axis(text: str, option: str, catalog: Catalog) -> tuple[Key, Any]:
    """Read one axis.

    Returns
    -------
    key : Key
        The scenario key.
    values : ndarray
        Floats for a number, objects (words, dates, flags) otherwise.

    Raises
    ------
    InputError
        If there is no such key, or it cannot hold a value.
    """
    name, equals, raw = text.partition("=")
    if not equals:
        raise InputError(
            f"{option} {show(text)}: write it as key=values, like model.params=1B:1T:log:50"
        )
    key = find_key(name.strip(), f"{option} ")
    if no_axis(key):
        raise InputError(f"{option} {key.name}: cannot be an axis")
    where = f"{option} {key.name}"
    raw = raw.strip()
    try:
        if raw.startswith("@"):
            values = [
                axis_value(key, item, catalog, where) for item in _column(raw[1:], key, where)
            ]
        elif ":" in raw and key.kind == NUMBER:
            return key, _range(key, raw)
        elif ":" in raw and key.kind == DATE:
            values = _dates(raw)
        else:
            values = [axis_value(key, item.strip(), catalog, where) for item in raw.split(",")]
    except ValueProblem as problem:
        raise InputError(f"{where}: {problem}") from None
    if not values:
        raise InputError(f"{where}: has no values")
    if key.kind == NUMBER:
        return key, np.array(values, dtype=np.float64)
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return key, array


def no_axis(key: Key) -> bool:
    """Whether a key cannot differ between the cells of a sweep."""
    return key.name in _FIXED or key.name == "parallelism"


def axis_value(key: Key, text: str, catalog: Catalog, where: str) -> Any:
    if not text:
        raise ValueProblem("has an empty value")
    value = parse_raw(key, text)
    if isinstance(value, Distribution):
        raise ValueProblem("a distribution cannot be a value of an axis")
    if key.kind == NUMBER and isinstance(value, str):
        raise ValueProblem(f"{show(value)} cannot be a value of an axis")
    return catalog.find(key.catalog, value, where) if key.kind == ENTRY else value


def _range(key: Key, raw: str) -> Any:
    """Numbers from ``start:stop:step``, ``start:stop:log:count`` or ``start:stop:lin:count``."""
    parts = [part.strip() for part in raw.split(":")]
    form = "write start:stop:step, start:stop:log:count or start:stop:lin:count"
    if len(parts) not in (3, 4):
        raise ValueProblem(f"{show(raw)} has {len(parts)} parts; {form}")
    start, stop = parse_number(parts[0]), parse_number(parts[1])
    if len(parts) == 3:
        step = parse_number(parts[2])
        if step == 0 or (stop - start) * step < 0:
            raise ValueProblem(f"step {step:g} does not lead from {start:g} to {stop:g}")
        count = int(min((stop - start) / step * (1 + 1e-12) + 1e-9, MOST_VALUES)) + 1
        values = start + step * np.arange(count)
    else:
        number = parse_number(parts[3])
        if parts[2] not in ("log", "lin"):
            raise ValueProblem(f"{show(parts[2])} is neither log nor lin; {form}")
        if number != int(number) or not 1 <= number <= MOST_VALUES:
            raise ValueProblem(f"count {number:g} is not a whole number from 1 to {MOST_VALUES:,}")
        if parts[2] == "log" and min(start, stop) <= 0:
            raise ValueProblem("a logarithmic range needs start and stop > 0")
        space = np.geomspace if parts[2] == "log" else np.linspace
        values = space(start, stop, int(number))
    if len(values) > MOST_VALUES:
        raise ValueProblem(f"has more than {MOST_VALUES:,} values")
    if key.whole:
        values = np.unique(np.round(values)) if start <= stop else np.unique(np.round(values))[::-1]
    for end in (values.min(), values.max()):
        check_number(key, float(end))
    return values


def _dates(raw: str) -> list[date]:
    """Dates from ``start:stop:days``."""
    parts = raw.split(":")
    if len(parts) != 3:
        raise ValueProblem(f"{show(raw)}: write start:stop:days, like 2024-01-01:2026-01-01:90")
    start, stop, step = parse_date(parts[0]), parse_date(parts[1]), parse_number(parts[2])
    if step != int(step) or step < 1 or stop < start:
        raise ValueProblem(
            f"{show(raw)}: the step is a whole number of days, and stop not before start"
        )
    count = (stop - start).days // int(step) + 1
    return [start + timedelta(days=int(step) * i) for i in range(count)]


def _column(path: str, key: Key, where: str) -> list[str]:
    """Values of a CSV file: its only column, or the one that the key heads."""
    try:
        rows = [
            row
            for row in csv.reader(StringIO(read_text(path, "values")))
            if any(cell.strip() for cell in row)
        ]
    except csv.Error as error:
        raise ValueProblem(f"{path}: no CSV: {error}") from None
    except InputError as error:
        raise InputError([f"{where}: {problem}" for problem in error.problems]) from None
    if not rows:
        raise ValueProblem(f"{path}: is empty")
    head = [cell.strip() for cell in rows[0]]
    names = [name for name in (key.name, key.short) if name in head]
    if names:
        column, rows = head.index(names[0]), rows[1:]
    elif len(head) == 1:
        column = 0
    else:
        raise ValueProblem(f"{path}: has {len(head)} columns and none is headed {key.name}")
    if any(len(row) <= column for row in rows):
        raise ValueProblem(f"{path}: a line has no value in the column")
    return [row[column].strip() for row in rows]


def shaped(axes: Sequence[Axis]) -> dict[str, Any]:
    """The axes' values by key, each along a dimension of its own."""
    arrays = {}
    for place, axis in enumerate(axes):
        shape = [1] * len(axes)
        shape[place] = axis.size
        for key, values in zip(axis.keys, axis.values, strict=True):
            arrays[key] = values.reshape(shape)
    return arrays
