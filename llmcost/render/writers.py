"""Sweeps into files: CSV and JSON lines as they come, Parquet by row groups, whole or not at all."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import IO, Any

import numpy as np

from llmcost.analysis.engines import threads
from llmcost.columns import arrow, arrow_array, arrow_schema, compact, length, plain
from llmcost.render.data import csv_cell
from llmcost.scenario.keys import spec

#: Rows of a Parquet row group.
GROUP_ROWS = 131_072
Columns = Mapping[str, Any]


class TextWriter:
    """Rows as CSV or JSON lines into a text stream.

    With pyarrow, columns become text as a whole, several at a time; without it, row by row.
    """

    def __init__(self, stream: IO[str], names: Sequence[str], form: str) -> None:
        self.stream, self.names, self.form = stream, list(names), form
        self._arrow = _pyarrow()
        if form == "csv":
            stream.write(_csv_line([csv_cell(name) for name in self.names]) + "\n")
        self._hand = ThreadPoolExecutor(1)
        self._pool = ThreadPoolExecutor(threads())
        self._writing: Future[None] | None = None
        self._heads = [f"{json.dumps(name)}: " for name in self.names]

    def write(self, columns: Columns) -> None:
        """Write the rows of a block."""
        count = length(columns)
        if not count:
            return
        plain_cell, missing = (_csv_cell, "") if self.form == "csv" else (_json_cell, "null")
        if self._arrow is None:
            cells = [_cells(columns[name], missing, plain_cell) for name in self.names]
            row = "\0".join(["%s"] * len(self.names))
            row = row.replace("\0", ",") if self.form == "csv" else self._pattern()
            self.stream.writelines([row % item + "\n" for item in zip(*cells, strict=True)])
            return
        step = -(-count // threads())

        def joined(start: int) -> Any:
            size = min(step, count - start)
            part = [
                text.slice(start, size) if isinstance(text, self._arrow.Array) else text
                for text in texts
            ]
            return _joined(self._arrow, part, size, self.form, self._heads)

        found = [compact(columns, name) for name in self.names]
        firsts = _firsts(found)
        own = sorted(set(firsts))
        made = self._pool.map(lambda i: _text(self._arrow, *found[i], missing, plain_cell), own)
        text_of = dict(zip(own, made, strict=True))
        texts = [text_of[first] for first in firsts]
        pieces = list(self._pool.map(joined, range(0, count, step)))
        raw = getattr(self.stream, "buffer", None)
        self._wait()
        if raw is None:
            self.stream.writelines(bytes(rows).decode() for rows in pieces)
        else:  # the text stream would only decode and encode it; the next block goes on meanwhile
            self.stream.flush()
            self._writing = self._hand.submit(raw.writelines, pieces)

    def _wait(self) -> None:
        """See to it that the block before is written."""
        if self._writing is not None:
            writing, self._writing = self._writing, None
            writing.result()

    def _pattern(self) -> str:
        heads = [head.replace("%", "%%") for head in self._heads]
        return "{" + ", ".join(f"{head}%s" for head in heads) + "}"

    def __enter__(self) -> TextWriter:
        """Write within a ``with``."""
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Finish, unless there was an error."""
        try:
            if kind is None:
                self._wait()
                self.stream.flush()
        finally:
            self._hand.shutdown()
            self._pool.shutdown()


def _pyarrow() -> Any:
    """The pyarrow package with its functions, None where it is not installed."""
    try:
        import pyarrow
        import pyarrow.compute
    except ImportError:
        return None
    return pyarrow


def _csv_line(cells: Sequence[Any]) -> str:
    import csv
    from io import StringIO

    line = StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    return line.getvalue()


def _csv_cell(value: Any) -> str:
    """A cell as a CSV file has it, in quotes where it needs them."""
    text = csv_cell(value)
    return _csv_line([text, ""])[:-1]


#: Runs of at least so many equal numbers become text once.
_RUN = 4
#: Whole numbers below this are written without a point, as Python's shortest form has them.
_WHOLE = 1e16


def _firsts(columns: Sequence[tuple[Any, Any]]) -> list[int]:
    """For each column the index of the first that has the same numbers in the same rows."""
    seen: dict[Any, list[int]] = {}
    found = []
    for index, (values, places) in enumerate(columns):
        like: list[int] = []
        if values.dtype != object:
            like = seen.setdefault((len(values), values[0], values[-1], id(places)), [])
        same = (i for i in like if np.array_equal(columns[i][0], values))
        found.append(next(same, index))
        like.append(index)
    return found


def _text(pa: Any, values: Any, places: Any, missing: str, other: Callable[[Any], str]) -> Any:
    """A column's text by its own values, a row each where they have places."""
    texts = _texts(pa, values, missing, other)
    if places is None or not isinstance(texts, pa.Array):
        return texts
    return texts[0] if len(texts) == 1 else pa.compute.take(texts, pa.array(places))


def _texts(pa: Any, column: Any, missing: str, other: Callable[[Any], str]) -> Any:
    """A column as Arrow text, every number at full precision."""
    pc = pa.compute
    if column.dtype == object:
        known: dict[Any, str] = {}
        cells = column.tolist()
        for value in cells:
            if value not in known:
                known[value] = other(plain(value))
        return pa.array([known[value] for value in cells], pa.string())
    numbers = np.ascontiguousarray(column, dtype=np.float64)
    if len(numbers) > 1 and numbers[0] == numbers[-1] and (numbers == numbers[0]).all():
        return _texts(pa, numbers[:1], missing, other)[0]
    starts = np.flatnonzero(numbers[1:] != numbers[:-1]) + 1
    if len(starts) < len(numbers) // _RUN:  # an outer axis: the same for many rows
        edges = np.concatenate([[0], starts, [len(numbers)]])
        texts = _texts(pa, numbers[edges[:-1]], missing, other)
        return pc.take(texts, pa.array(np.repeat(np.arange(len(edges) - 1), np.diff(edges))))
    sound = np.isfinite(numbers)
    whole = sound & (np.abs(numbers) < _WHOLE) & (np.trunc(numbers) == numbers)
    if whole.all():
        return pc.cast(pa.array(numbers.astype(np.int64)), pa.string())
    texts = pc.cast(pa.array(numbers, mask=~sound), pa.string())
    if whole.any():
        integers = pc.cast(pa.array(np.where(whole, numbers, 0.0).astype(np.int64)), pa.string())
        texts = pc.if_else(pa.array(whole), integers, texts)
    return texts if sound.all() else pc.fill_null(texts, missing)


def _joined(pa: Any, texts: Sequence[Any], count: int, form: str, heads: Sequence[str]) -> Any:
    """Rows of columns as one text in UTF-8, a line each."""
    join = pa.compute.binary_join_element_wise
    if form == "csv":
        parts, between, end = list(texts), ",", "\n"
    else:
        parts, between, end = [], "", "}\n"
        for index, text in enumerate(texts):
            parts += [pa.scalar((", " if index else "{") + heads[index]), text]
    parts = _merged(pa, parts, between)
    parts[-1] = join(parts[-1], pa.scalar(end), "")
    whole = join(*parts, between)
    if isinstance(whole, pa.Scalar):  # every row is the same
        return (str(whole.as_py()) * count).encode()
    if isinstance(whole, pa.ChunkedArray):
        whole = whole.combine_chunks()
    return _text_of(whole)


def _merged(pa: Any, parts: Sequence[Any], between: str) -> list[Any]:
    """The parts of a row, texts that are the same in every row put together."""
    found: list[Any] = []
    for part in parts:
        if found and isinstance(part, pa.Scalar) and isinstance(found[-1], pa.Scalar):
            found[-1] = pa.scalar(found[-1].as_py() + between + part.as_py())
        else:
            found.append(part)
    return found


def _text_of(array: Any) -> Any:
    """The characters of an Arrow array of text, one after the other."""
    _, offsets, data = array.buffers()
    ends = np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1]
    return memoryview(data)[int(ends[0]) : int(ends[-1])]


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


class _Sink:
    """A stream as pyarrow's writer sees it: what its destructor writes to a closed one goes nowhere.

    An interruption may fall between the making of the writer and the ``with`` that would close it.
    """

    closed = False

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def write(self, data: bytes) -> int:
        """Write, where there is still a file."""
        return len(data) if self._stream.closed else self._stream.write(data)

    def flush(self) -> None:
        """Pass on what waits."""
        if not self._stream.closed:
            self._stream.flush()

    def close(self) -> None:
        """Nothing: whoever opened the stream closes it."""


class ParquetWriter:
    """Rows as Parquet into a binary stream."""

    def __init__(self, stream: IO[bytes], names: Sequence[str], samples: Columns) -> None:
        pa = self._pa = arrow()
        self.names = list(names)
        self._schema = arrow_schema(pa, self.names, samples)
        words = [name for name in self.names if samples[name].dtype == object]
        axes = [name for name in self.names if spec(name) is not None]
        self._writer = pa.parquet.ParquetWriter(
            _Sink(stream), self._schema, compression="zstd", compression_level=1,
            use_dictionary=sorted({*words, *axes}) or False, write_statistics=True,
        )  # fmt: skip
        self._waiting: deque[Columns] = deque()
        self._rows = self._start = 0

    def write(self, columns: Columns) -> None:
        """Write the rows of a block."""
        rows = length(columns)
        if rows:
            self._waiting.append(columns)
            self._rows += rows
        while self._rows >= GROUP_ROWS:
            self._flush(GROUP_ROWS)

    def _flush(self, count: int) -> None:
        """Write a row group; groups end at the same rows however the blocks are cut."""
        self._rows -= count
        pieces = []
        while count:
            block, start = self._waiting[0], self._start
            stop = min(start + count, length(block))
            pieces.append((block, slice(start, stop)))
            count -= stop - start
            self._start = stop
            if stop == length(block):
                self._waiting.popleft()
                self._start = 0
        arrays = [
            arrow_array(
                self._pa, np.concatenate([block[name][part] for block, part in pieces]), field.type
            )
            for name, field in zip(self.names, self._schema, strict=True)
        ]
        table = self._pa.table(arrays, schema=self._schema)
        self._writer.write_table(table, row_group_size=len(table))

    def __enter__(self) -> ParquetWriter:
        """Write within a ``with``."""
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Write what waits, and the end of the file; after an error the end alone, while the stream is there."""
        if kind is None and self._rows:
            self._flush(self._rows)
        self._writer.close()
