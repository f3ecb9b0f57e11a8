"""Columns by name: a table, and Arrow."""

from __future__ import annotations

import sys

import pytest

from llmcost import InputError, Table, sweep


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
