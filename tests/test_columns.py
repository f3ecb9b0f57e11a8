"""Columns by name: a table, and Arrow."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from llmcost import InputError, Table, sweep
from llmcost.columns import Laid, compact, length


def test_a_table_is_arrow() -> None:
    pa = pytest.importorskip("pyarrow")
    pl = pytest.importorskip("polars")
    table = sweep(
        "llama-3.1-405b",
        {"cluster.accelerator": ["h100-sxm", "h800-sxm"], "carbon.grid": ["FRA", "USA"]},
    )
    as_arrow = pa.table(table)
    assert as_arrow.num_rows == 4
    assert as_arrow.schema.field("energy_mwh").metadata[b"unit"] == b"MWh"
    assert as_arrow["cost_amortized_usd"].null_count == 2  # nobody published a price of H800
    frame = pl.DataFrame(table)
    assert frame["carbon.grid"].to_list() == ["FRA", "USA", "FRA", "USA"]
    assert frame["days"].to_list() == table["days"].tolist()
    assert table.units["days"] == "days"
    assert "4 rows" in repr(table)


def test_a_table_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"llmcost\[parquet\]"):
        Table({"a": [1.0]}).__arrow_c_stream__()


@pytest.mark.parametrize("keep", [None, np.array([0, 3, 4, 5])])
def test_laid_columns_are_their_broadcast_rows(keep: np.ndarray | None) -> None:
    parts = {
        "a": np.arange(2.0).reshape(2, 1),
        "b": np.arange(3.0).reshape(1, 3),
        "c": np.arange(6.0).reshape(2, 3),
        "d": np.array(7.0),
        "e": np.array([["x"], ["y"]], dtype=object),
    }
    laid = Laid(parts, (2, 3), keep)
    rows = range(6) if keep is None else keep.tolist()
    assert length(laid) == len(rows)
    wanted = {
        "a": [i // 3 for i in rows],
        "b": [i % 3 for i in rows],
        "c": list(rows),
        "d": [7 for _ in rows],
        "e": ["xy"[i // 3] for i in rows],
    }
    assert {name: column.tolist() for name, column in laid.items()} == wanted
    for name in laid:
        values, places = compact(laid, name)
        assert (values if places is None else values[places]).tolist() == wanted[name]
    assert len(compact(laid, "a")[0]) == 2
    assert compact(laid, "a")[1] is compact(laid, "e")[1]
