"""Read the catalog's tables: rows of plain CSV, for what has too many rows for a table each.

A cell holds no comma and no quote, so a line is split where its commas are; a table is sorted by
its first column, so the rows of one key are one stretch of text and the rest is never split.
"""

from __future__ import annotations

from functools import cache

from llmcost.files import packaged, read_text


@cache
def text(name: str) -> str:
    """Text of a table that comes with the program, its path under ``catalog/data``."""
    return read_text(packaged("catalog", "data", *name.split("/")), "catalog")


def header(name: str) -> list[str]:
    """Names of a table's columns."""
    return text(name)[: text(name).index("\n")].split(",")


def rows(name: str, key: str | None = None) -> list[list[str]]:
    """Rows of a table.

    Parameters
    ----------
    name : str
        Path of the table under ``catalog/data``.
    key : str, optional
        Only rows whose first cell is this.
    """
    whole = text(name)
    start, end = whole.index("\n"), len(whole) - 1
    if key is not None:
        mark = f"\n{key},"
        start = whole.find(mark)
        if start < 0 or "\n" in key:
            return []
        end = whole.index("\n", whole.rfind(mark) + 1)
    return [line.split(",") for line in whole[start + 1 : end].split("\n")]
