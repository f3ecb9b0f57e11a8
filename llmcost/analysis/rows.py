"""Runs in a table: each row a cell of a sweep, headers are scenario keys, other columns pass through."""

from __future__ import annotations

import csv
import re
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from llmcost.analysis.axes import MOST_VALUES, Axis, axis_value, no_axis
from llmcost.catalog import Catalog
from llmcost.columns import arrow
from llmcost.engine.results import RESULTS
from llmcost.errors import InputError, nearest
from llmcost.files import read_text
from llmcost.scenario import Scenario
from llmcost.scenario.keys import find_key, spec
from llmcost.scenario.schema import KEYS, NUMBER, Key
from llmcost.scenario.values import ValueProblem

#: Text files larger than this are not read.
_MOST_BYTES = 1_000_000_000
#: Points that can only part thousands.
_GROUPED = re.compile(r"-?\d{1,3}(\.\d{3}){2,}")
#: Problems of a file that are shown.
_MOST_SHOWN = 20


class RunRows(NamedTuple):
    """The runs of a table: keys that move together, and columns that only pass through."""

    axis: Axis
    labels: dict[str, Any]


class Cells(NamedTuple):
    """A table as text: its header, its rows and the line that each stands on."""

    header: list[str]
    rows: list[list[str]]
    lines: list[int]
    decimal_comma: bool


def read_rows(path: str, scenario: Scenario, catalog: Catalog) -> RunRows:
    """Read runs from a CSV or Parquet file.

    Parameters
    ----------
    path : str
        The file; a CSV file may be separated by commas, semicolons or tabs, with semicolons
        numbers may have a decimal comma.
    scenario : Scenario
        What a row leaves empty.
    catalog : Catalog
        Where names are looked up.

    Raises
    ------
    InputError
        With every wrong cell, by its line.
    """
    table = read_cells(path)
    keys: dict[int, Key] = {}
    labels: dict[str, Any] = {}
    problems: list[str] = []
    seen: set[str] = set()
    for place, name in enumerate(table.header):
        where = f"{path}: line 1: column {place + 1}"
        if not name or name in seen:
            problems.append(f"{where}: {'has no name' if not name else f'{name} is there already'}")
        seen.add(name)
        if spec(name) is not None:
            keys[place] = find_key(name, f"{path}: ")
            if no_axis(keys[place]):
                problems.append(f"{where}: {name} cannot differ by row")
        elif name in RESULTS:
            problems.append(f"{where}: {name} is a result; name the column otherwise")
        else:
            if "." in name and name.rpartition(".")[0] in {k.rpartition(".")[0] for k in KEYS}:
                problems.append(f"{where}: {name}: unknown key{nearest(name, KEYS)}")
            column = np.empty(len(table.rows), dtype=object)
            column[:] = [row[place] if place < len(row) else "" for row in table.rows]
            labels[name] = column
    if not keys:
        problems.append(
            f"{path}: line 1: names no scenario key; headers are keys like model.params"
        )
    if not table.rows:
        problems.append(f"{path}: has no rows")
    columns: dict[int, list[Any]] = {place: [] for place in keys}
    for row, line in zip(table.rows, table.lines, strict=True):
        if len(row) != len(table.header):
            problems.append(
                f"{path}: line {line}: has {len(row)} cells, the header {len(table.header)}"
            )
            continue
        for place, key in keys.items():
            try:
                columns[place].append(
                    _cell(row[place], key, table.decimal_comma, scenario, catalog)
                )
            except ValueProblem as problem:
                problems.append(f"{path}: line {line}: {key.name}: {problem}")
            except InputError as error:
                problems += [f"{path}: line {line}: {text}" for text in error.problems]
    if problems:
        more = len(problems) - _MOST_SHOWN
        raise InputError(
            problems[:_MOST_SHOWN] + ([f"{path}: and {more} more"] if more > 0 else [])
        )
    values = []
    for place, key in keys.items():
        if key.kind == NUMBER:
            values.append(np.array(columns[place], dtype=np.float64))
        else:
            words = np.empty(len(table.rows), dtype=object)
            words[:] = columns[place]
            values.append(words)
    return RunRows(Axis(tuple(key.name for key in keys.values()), tuple(values)), labels)


def _cell(text: str, key: Key, decimal_comma: bool, scenario: Scenario, catalog: Catalog) -> Any:
    text = text.strip()
    if not text:
        given = scenario.get(key.name)
        if given is None:
            raise ValueProblem("is empty, and the scenario does not give it")
        return given
    grouped = "," in text or _GROUPED.fullmatch(text)
    if decimal_comma and key.kind == NUMBER and grouped:
        text = text.replace(".", "").replace(",", ".")
    return axis_value(key, text, catalog, key.name)


def read_cells(path: str) -> Cells:
    """A CSV or Parquet file as text."""
    if path.lower().endswith((".parquet", ".pq")):
        return _parquet(path)
    text = read_text(Path(path), "rows", _MOST_BYTES).removeprefix("\ufeff")
    first = text.partition("\n")[0]
    separator = max(";\t,", key=first.count) if any(c in first for c in ";\t,") else ","
    reader = csv.reader(StringIO(text), delimiter=separator, strict=True)
    header: list[str] = []
    rows, lines = [], []
    try:
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            if not header:
                header = [cell.strip() for cell in row]
                continue
            rows.append(row)
            lines.append(reader.line_num)
    except csv.Error as error:
        raise InputError(f"{path}: line {reader.line_num}: {error}") from None
    if not header:
        raise InputError(f"{path}: is empty; its first line names the columns")
    if len(rows) > MOST_VALUES:
        raise InputError(f"{path}: has more than {MOST_VALUES:,} rows")
    return Cells(header, rows, lines, separator == ";")


def _parquet(path: str) -> Cells:
    pa = arrow()
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file")
    try:
        table = pa.parquet.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: is no Parquet file: {str(error)[:100]}") from None
    columns = [
        ["" if value is None else str(value) for value in column.to_pylist()]
        for column in table.columns
    ]
    rows = [list(row) for row in zip(*columns, strict=True)]
    return Cells(list(table.column_names), rows, [i + 1 for i in range(len(rows))], False)
