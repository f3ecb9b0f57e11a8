"""Streams of rows."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pytest


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
