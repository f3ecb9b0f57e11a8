"""Sweeps into files: CSV and JSON lines as they come, Parquet by row groups, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any

import numpy as np

from llmcost.columns import arrow, arrow_array, arrow_schema, plain
from llmcost.render.data import csv_cell
from llmcost.scenario.schema import KEYS

#: Rows of a Parquet row group.
GROUP_ROWS = 131_072
Columns = Mapping[str, Any]


class TextWriter:
    """Rows as CSV or JSON lines into a text stream."""

    def __init__(self, stream: IO[str], names: Sequence[str], form: str) -> None:
        import csv

        self.stream, self.names, self.form = stream, list(names), form
        self._csv = csv.writer(stream, lineterminator="\n")
        if form == "csv":
            self._csv.writerow(self.names)
        else:
            heads = [f"{json.dumps(name)}: %s" for name in self.names]
            self._row = (
                "{"
                + ", ".join(
                    head.replace("%s", "\0").replace("%", "%%").replace("\0", "%s")
                    for head in heads
                )
                + "}\n"
            )

    def write(self, columns: Columns) -> None:
        """Write the rows of a block."""
        if not columns:
            return
        if self.form == "csv":
            cells = [_cells(columns[name], "", csv_cell) for name in self.names]
            self._csv.writerows(zip(*cells, strict=True))
        else:
            cells = [_cells(columns[name], "null", _json_cell) for name in self.names]
            self.stream.writelines([self._row % row for row in zip(*cells, strict=True)])

    def close(self) -> None:
        """Finish."""
        self.stream.flush()


def _cells(column: Any, missing: str, other: Callable[[Any], Any]) -> list[Any]:
    """A column as text: numbers at full precision, whole ones without a point."""
    if column.dtype == object:
        return [other(plain(value)) for value in column.tolist()]
    texts = map(repr, column.tolist())
    return [
        missing if text in ("nan", "inf", "-inf") else text[:-2] if text.endswith(".0") else text
        for text in texts
    ]


def _json_cell(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


class ParquetWriter:
    """Rows as Parquet into a binary stream."""

    def __init__(self, stream: IO[bytes], names: Sequence[str], samples: Columns) -> None:
        pa = self._pa = arrow()
        self.names = list(names)
        self._schema = arrow_schema(pa, self.names, samples)
        words = [name for name in self.names if samples[name].dtype == object]
        axes = [name for name in self.names if name in KEYS]
        self._writer = pa.parquet.ParquetWriter(
            stream, self._schema, compression="zstd", compression_level=1,
            use_dictionary=sorted({*words, *axes}) or False, write_statistics=True,
        )  # fmt: skip
        self._waiting: dict[str, list[Any]] = {name: [] for name in self.names}
        self._rows = 0

    def write(self, columns: Columns) -> None:
        """Write the rows of a block."""
        if not columns or not len(columns[self.names[0]]):
            return
        for name in self.names:
            self._waiting[name].append(columns[name])
        self._rows += len(columns[self.names[0]])
        while self._rows >= GROUP_ROWS:
            self._flush(GROUP_ROWS)

    def _flush(self, count: int) -> None:
        """Write a row group; groups end at the same rows however the blocks are cut."""
        arrays = []
        for name, field in zip(self.names, self._schema, strict=True):
            parts = self._waiting[name]
            whole = np.concatenate(parts) if len(parts) > 1 else np.ascontiguousarray(parts[0])
            self._waiting[name] = [whole[count:]]
            arrays.append(arrow_array(self._pa, whole[:count], field.type))
        self._writer.write_table(self._pa.table(arrays, schema=self._schema), row_group_size=count)
        self._rows -= count

    def close(self) -> None:
        """Write what waits, and the end of the file."""
        if self._rows:
            self._flush(self._rows)
        self._writer.close()
