"""A sweep for a reader: the top rows, the best cell, what was passed over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console

from llmcost.analysis.sweep import Sweep
from llmcost.columns import Columns, plain, records
from llmcost.engine.results import RESULTS, of_quantile
from llmcost.render.data import to_json, to_markdown
from llmcost.render.grid import grid
from llmcost.render.keys import is_word
from llmcost.render.numbers import plain as show
from llmcost.render.numbers import readable, show_in
from llmcost.scenario.keys import spec
from llmcost.scenario.schema import KEYS
from llmcost.version import __version__

#: Rows of a table unless asked for more.
TABLE_ROWS = 20
#: Rows that are turned into JSON at once.
_ROWS_AT_ONCE = 10_000
#: Results that a table shows beside the axes.
SHOWN = ("flops", "devices", "days", "energy_mwh", "total_tco2e", "cost_total_usd")
#: Results that a table shows of a service: all of them where its keys are varied, else those of
#: the whole life beside the run's.
SHOWN_SERVICE = (
    "inference_devices", "inference_tokens_per_s_per_device", "inference_j_per_token",
    "inference_usd_per_million_tokens", "lifetime_tco2e", "lifetime_cost_usd",
)  # fmt: skip
SHOWN_LIFE = (
    "devices",
    "days",
    "total_tco2e",
    "cost_total_usd",
    "lifetime_tco2e",
    "lifetime_cost_usd",
)
_SHORT = {
    "inference_devices": "Devices",
    "inference_tokens_per_s_per_device": "tok/s",
    "inference_j_per_token": "J/token",
    "inference_usd_per_million_tokens": "USD/M",
    "lifetime_tco2e": "Life CO2e",
    "lifetime_cost_usd": "Life cost",
    "flops": "FLOP",
    "energy_mwh": "Energy",
    "total_tco2e": "Carbon",
    "cost_total_usd": "Cost",
    "days": "Days",
}


def columns_to_show(sweep: Sweep, asked: bool, ranked: Sequence[str]) -> list[str]:
    """Columns of a table: those asked for, or axes, what is ranked by, and the usual results."""
    if asked:
        return list(sweep.select)
    keys = [key for axis in sweep.axes for key in axis.keys]
    solved = [sweep.solve.key] if sweep.solve is not None else []
    usual = SHOWN
    if "lifetime_cost_usd" in sweep.result_names or "inference_devices" in sweep.result_names:
        usual = SHOWN_SERVICE if any(key.startswith("inference.") for key in keys) else SHOWN_LIFE
    given = {KEYS[key].quantity for key in keys if key in KEYS}  # stands there as the axis already
    wanted = [*ranked, *(name for name in usual if name not in given)]
    results = [name for name in dict.fromkeys(wanted) if name in sweep.result_names]
    results += [name for name in sweep.quantile_names if of_quantile(name)[0] == "cost_total_usd"]
    named = list(sweep.labels)[
        :1
    ]  # the first column of a table that is no key says which run it is
    return list(dict.fromkeys([*named, *keys, *solved, *results]))


def _cell(name: str, value: Any) -> str:
    value = plain(value)
    if value is None:
        return "—"
    key = of_quantile(name)[0] or name
    if key in RESULTS:
        unit = RESULTS[key].unit
        return (
            readable(value, unit)
            .removesuffix(" FLOP")
            .removesuffix(" CO2e")
            .removesuffix(" tokens/s")
        )
    return show(value)


def _heading(name: str) -> str:
    result, share = of_quantile(name)
    if result:
        return f"p{share}"
    return (
        _SHORT.get(name, RESULTS[name].label)
        if name in RESULTS
        else key.short
        if (key := spec(name)) is not None
        else name
    )


def sweep_table(
    sweep: Sweep,
    rows: Columns,
    names: Sequence[str],
    counts: Mapping[str, Any],
    best: str | None,
    target: Console,
) -> None:
    """Print rows and a summary, with the cell that is best by `best`; when the columns do not fit, one block a row."""
    show_in(sweep.inputs.scenario)
    count = len(next(iter(rows.values()))) if rows else 0
    cells = [[_cell(name, rows[name][i]) for name in names] for i in range(count)]
    heads = [_heading(name) for name in names]
    words = [is_word(name) or name in sweep.labels for name in names]
    widths = [max([len(head), *(len(row[i]) for row in cells)]) + 2 for i, head in enumerate(heads)]
    if sum(widths) - 2 <= target.width or count == 0:
        table = grid(*heads, right=[i for i, word in enumerate(words) if not word])
        for row in cells:
            table.add_row(*row)
        if count:
            target.print(table)
    else:
        table = grid(
            "", *(f"{i + 1}" for i in range(min(count, max(1, (target.width - 28) // 14))))
        )
        for i, name in enumerate(names):
            table.add_row(name, *(row[i] for row in cells[: len(table.columns) - 1]))
        target.print(table)
        if count > len(table.columns) - 1:
            target.print(
                f"{count - len(table.columns) + 1} more rows do not fit; --select narrows, --format csv has all.",
                style="dim",
            )
    target.print()
    text = f"{counts['cells']:,} cell{'' if counts['cells'] == 1 else 's'}"
    if counts["rows"] != counts["cells"]:
        text += f", {counts['rows']:,} pass the conditions"
    if counts["unanswered"]:
        text += f", {counts['unanswered']:,} {'has' if counts['unanswered'] == 1 else 'have'} no answer (no run fits)"
    if "front" in counts:
        text += f"; {counts['front']:,} on the Pareto front" + (
            f", {count} shown" if count < counts["front"] else ""
        )
    elif count < counts["rows"]:
        text += f"; the {'best' if best else 'first'} {count} are shown"
    target.print(text + ".", style="dim")
    if best and count:
        keys = [key for axis in sweep.axes for key in axis.keys if key in rows]
        spot = ", ".join(f"{key} = {_cell(key, rows[key][0])}" for key in keys)
        if spot:
            target.print(f"Best cell: {spot}: {_heading(best)} {_cell(best, rows[best][0])}.")


def sweep_json(
    sweep: Sweep, rows: Columns, names: Sequence[str], counts: Mapping[str, Any]
) -> Iterator[str]:
    """A sweep as one JSON object, in pieces: rows in full would be hundreds of times their columns."""
    whole = {
        "schema_version": 1,
        "llmcost_version": __version__,
        "scenario": sweep.inputs.scenario.name,
        "axes": [{"keys": list(axis.keys), "size": axis.size} for axis in sweep.axes],
        "cells": counts["cells"],
        "matched": counts["rows"],
        "unanswered": counts["unanswered"],
        "warnings": sweep.inputs.warnings,
        "rows": [],
    }
    yield to_json(whole).rstrip().removesuffix("[]\n}")
    count = len(next(iter(rows.values()))) if rows else 0
    yield "["
    for start in range(0, count, _ROWS_AT_ONCE):
        part = {name: rows[name][start : start + _ROWS_AT_ONCE] for name in names}
        lines = (to_json(row, None).rstrip() for row in records(part, names))
        yield (",\n    " if start else "\n    ") + ",\n    ".join(lines)
    yield "\n  ]\n}\n" if count else "]\n}\n"


def sweep_markdown(rows: Columns, names: Sequence[str]) -> str:
    """Rows as a Markdown table."""
    count = len(next(iter(rows.values()))) if rows else 0
    cells = [[_cell(name, rows[name][i]) for name in names] for i in range(count)]
    right = [i for i, name in enumerate(names) if not is_word(name)]
    return to_markdown([f"`{name}`" for name in names], cells, right)
