"""Columns by name: rows as Python values, as Arrow arrays and as a table."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np

from llmcost.engine.chain import Array
from llmcost.engine.results import RESULTS, of_quantile
from llmcost.errors import InputError
from llmcost.scenario.keys import spec

#: Columns of one length, by name.
Columns = dict[str, Array]


class Laid(Mapping[str, Array]):
    """Columns of a block, each as small as what it depends on until it is read.

    Reading lays a column out along the rows and keeps nothing, so that whoever reads one after the
    other uses the same memory again: fresh memory for all of them takes longer than the formulas.

    Parameters
    ----------
    parts : mapping of str to ndarray
        Values that broadcast to `shape`.
    shape : tuple of int
        Cells along each dimension.
    keep : ndarray of int, optional
        Which cells are rows, in order; all by default.
    """

    def __init__(self, parts: Mapping[str, Array], shape: tuple[int, ...], keep: Any = None):
        self._parts, self._shape, self._keep = parts, shape, keep
        self._places: dict[tuple[int, ...], Any] = {}
        self.rows: int = math.prod(shape) if keep is None else len(keep)

    def __getitem__(self, name: str) -> Array:
        whole = np.broadcast_to(self._parts[name], self._shape).reshape(-1)
        return whole if self._keep is None else whole[self._keep]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)

    def compact(self, name: str) -> tuple[Array, Any]:
        """A column's own values, and for each row the place of its value among them; None for all in order.

        Columns that depend on the same dimensions have the same array of places.
        """
        part = self._parts[name]
        if part.size > self.rows or (part.size == self.rows and self._keep is None):
            return self[name], None
        if part.shape not in self._places:
            places = np.arange(part.size).reshape(part.shape)
            whole = np.broadcast_to(places, self._shape).reshape(-1)
            self._places[part.shape] = whole if self._keep is None else whole[self._keep]
        return part.reshape(-1), self._places[part.shape]


def length(columns: Mapping[str, Array]) -> int:
    """Rows of columns of one length."""
    if isinstance(columns, Laid):
        return columns.rows
    return len(next(iter(columns.values()))) if columns else 0


def compact(columns: Mapping[str, Array], name: str) -> tuple[Array, Any]:
    """A column's own values, and for each row the place of its value among them; None for all in order."""
    return columns.compact(name) if isinstance(columns, Laid) else (columns[name], None)


def plain(value: Any) -> Any:
    """A cell as a Python value: None for NaN, ISO text for dates."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, date):
        return value.isoformat()
    return value


def records(columns: Mapping[str, Array], names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Rows as flat objects."""
    lists = [columns[name].tolist() for name in names]
    for row in zip(*lists, strict=True):
        yield {name: plain(value) for name, value in zip(names, row, strict=True)}


def arrow() -> Any:
    """The pyarrow package.

    Raises
    ------
    InputError
        If it is not installed; the message names the extra.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InputError('Parquet needs pyarrow: pip install "llmcost[parquet]"') from None
    return pyarrow


def field_notes(name: str) -> dict[str, str]:
    """Unit and description of a column."""
    result, share = of_quantile(name)
    if result:
        item = RESULTS[result]
        return {
            "unit": item.unit,
            "label": f"{item.label}, {share}th percentile",
            "description": item.description,
        }
    if name in RESULTS:
        item = RESULTS[name]
        return {
            "unit": item.unit,
            "label": item.label,
            "description": item.description,
            "source": item.source,
        }
    key = spec(name)
    if key is not None:
        return {"unit": key.unit, "description": key.help}
    if name == "solutions":
        return {"unit": "1", "description": "values of the key that meet the target"}
    return {}


def _arrow_type(pa: Any, sample: Any) -> Any:
    from datetime import date

    if sample.dtype != object:
        return pa.float64()
    first = sample[0] if len(sample) else ""
    if isinstance(first, bool):
        return pa.bool_()
    return pa.date32() if isinstance(first, date) else pa.string()


def arrow_schema(pa: Any, names: Sequence[str], samples: Mapping[str, Any]) -> Any:
    """Arrow schema of columns, with unit and description of each."""
    fields = []
    for name in names:
        notes = {key: value for key, value in field_notes(name).items() if value}
        fields.append(pa.field(name, _arrow_type(pa, samples[name]), metadata=notes))
    return pa.schema(fields, metadata={"llmcost.schema_version": "1"})


def arrow_array(pa: Any, column: Any, type: Any) -> Any:
    """A column as an Arrow array, NaN as null."""
    if column.dtype == object:
        return pa.array(column.tolist(), type=type)
    return pa.array(column.astype(np.float64, copy=False), from_pandas=True)


class Table(Mapping[str, Any]):
    """Columns by name, each an array of one length.

    Numbers are float64 with NaN for what is not determined, words are objects. Any library that
    reads Arrow takes it: ``polars.DataFrame(table)``, ``pandas.DataFrame.from_arrow(table)``,
    ``pyarrow.table(table)``; these need the extra ``llmcost[parquet]``.

    Attributes
    ----------
    rows : int
        Length of each column.
    warnings : tuple of str
        What the engine found odd.
    """

    def __init__(self, columns: Mapping[str, Any], warnings: Iterable[str] = ()) -> None:
        self._columns = {name: np.asarray(column) for name, column in columns.items()}
        self.rows = len(next(iter(self._columns.values()))) if self._columns else 0
        self.warnings = tuple(warnings)

    def __getitem__(self, name: str) -> Any:
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def __repr__(self) -> str:
        return f"<Table of {self.rows:,} rows: {', '.join(self._columns)}>"

    @property
    def units(self) -> dict[str, str]:
        """Unit of each column; empty where it has none."""
        return {name: field_notes(name).get("unit", "") for name in self._columns}

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """The columns as an Arrow stream (the PyCapsule interface).

        Raises
        ------
        InputError
            If pyarrow is not installed; the message names the extra.
        """
        pa = arrow()
        schema = arrow_schema(pa, list(self._columns), self._columns)
        arrays = [arrow_array(pa, self._columns[field.name], field.type) for field in schema]
        return pa.table(arrays, schema=schema).__arrow_c_stream__(requested_schema)
