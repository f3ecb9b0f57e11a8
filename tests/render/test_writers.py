"""Streams of rows."""

from __future__ import annotations

import gc
import json
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llmcost.columns import Laid, length


def test_a_parquet_writer_that_nobody_entered_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where an interruption falls between the making of the writer and its ``with``."""
    pytest.importorskip("pyarrow.parquet")
    from llmcost.render.writers import ParquetWriter

    ignored: list[object] = []
    monkeypatch.setattr("sys.unraisablehook", ignored.append)
    columns = {"days": np.arange(3.0)}
    with open(tmp_path / "rows.parquet", "wb") as stream:
        writer = ParquetWriter(stream, ["days"], columns)
        writer.write(columns)
    del writer
    gc.collect()
    assert ignored == []


def test_rows_come_back_from_parquet(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    from llmcost.render.writers import ParquetWriter

    columns = {"days": np.arange(3.0)}
    with open(tmp_path / "rows.parquet", "wb") as stream:
        with ParquetWriter(stream, ["days"], columns) as writer:
            writer.write(columns)
        assert not stream.closed
    assert parquet.read_table(tmp_path / "rows.parquet")["days"].to_pylist() == [0.0, 1.0, 2.0]


def _written(columns: Mapping[str, Any], names: list[str], form: str) -> str:
    from llmcost.render.writers import TextWriter

    stream = StringIO()
    with TextWriter(stream, names, form) as writer:
        writer.write(columns)
    return stream.getvalue()


@pytest.mark.parametrize("form", ["csv", "jsonl"])
@pytest.mark.parametrize("keep", [None, np.arange(0, 12, 5)])
def test_text_is_the_same_however_columns_are_laid(form: str, keep: np.ndarray | None) -> None:
    pytest.importorskip("pyarrow")
    whole = np.arange(12.0).reshape(3, 4) / 7
    parts = {
        "energy.pue": np.array([[1.1, np.nan, 0.1 + 0.2, 3.0]]),
        "days": whole,
        "goodput": np.array(0.9),
        "energy_mwh": whole.copy(),  # written once, read twice
        "mfu": np.array([[1e-7], [1e22], [np.inf]]),
        "model.params": np.arange(4.0).reshape(1, 4),
        "flops": np.array([[0.0], [1.0], [2.0]]),
        "carbon.grid": np.array([["a,b"], ['"'], ["é"]], dtype=object),
        "devices": np.array(8.0),
    }
    laid, names = Laid(parts, (3, 4), keep), list(parts)
    texts = {_written(laid, names, form), _written(dict(laid), names, form)}
    assert len(texts) == 1
    lines = texts.pop().splitlines()
    assert len(lines) == length(laid) + (form == "csv")
    if form == "csv":
        assert lines[1] == '1.1,0,0.9,0,1e-7,0,0,"a,b",8'
    else:
        assert json.loads(lines[0])["carbon.grid"] == "a,b"


def test_row_groups_end_at_the_same_rows_however_blocks_are_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    from llmcost.render import writers

    monkeypatch.setattr(writers, "GROUP_ROWS", 10)
    days = np.arange(47.0)
    files = []
    for size in (1, 7, 10, 24, 47):
        path = tmp_path / f"{size}.parquet"
        with (
            open(path, "wb") as stream,
            writers.ParquetWriter(stream, ["days"], {"days": days}) as writer,
        ):
            for start in range(0, 47, size):
                writer.write({"days": days[start : start + size]})
        files.append(path.read_bytes())
        assert parquet.read_table(path)["days"].to_pylist() == days.tolist()
    assert len(set(files)) == 1
