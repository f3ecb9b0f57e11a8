"""Tables for the terminal, with rich; plain text of 80 columns where the stream is no terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Any, NamedTuple

from rich.console import Console
from rich.text import Text

from llmcost.analysis.estimate import Estimate, explain_quantities, input_place, scalar
from llmcost.engine.results import (
    ADDED_PARTS,
    COST,
    ENERGY,
    MEMORY_PARTS,
    RESULTS,
)
from llmcost.errors import whole
from llmcost.render.cost import alternatives, cost_note, cost_parts, subtotal, undetermined
from llmcost.render.data import STEP_LABELS, assumptions, step_note, step_parts
from llmcost.render.grid import grid
from llmcost.render.memory import ledger
from llmcost.render.numbers import range_heading, readable, share_bar, show_in, span
from llmcost.render.origin import origin
from llmcost.scenario.schema import KEYS, by_quantity

PLAIN_WIDTH = 80


def console(color: bool, to_file: bool = False) -> Console:
    """A console that writes into a text, as wide as the terminal or 80 columns."""
    terminal = not to_file and sys.stdout is not None and sys.stdout.isatty()
    width = PLAIN_WIDTH
    said = whole(os.environ.get("COLUMNS", ""), 10**6)
    if said is not None:
        width = max(said, 40)
    elif terminal:
        width = os.get_terminal_size(sys.stdout.fileno()).columns or PLAIN_WIDTH
    style = (
        terminal and color and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    )
    return Console(
        file=StringIO(), width=min(width, 140), force_terminal=style, no_color=not style,
        color_system="auto" if style else None, highlight=False, emoji=False, markup=False,
        legacy_windows=False,
    )  # fmt: skip


#: Results that say something only where they differ from another.
SAME_UNLESS = {
    "hardware_flops": "flops",
    "active_params": "params",
    "development_energy_mwh": "energy_mwh",
    "development_tco2e": "total_tco2e",
}


def text_of(target: Console) -> str:
    """What was printed into a console, without trailing blanks."""
    stream = target.file
    assert isinstance(stream, StringIO)
    return "\n".join(line.rstrip() for line in stream.getvalue().split("\n"))


def estimate_table(
    result: Estimate,
    published: Mapping[str, Any] | None,
    target: Console,
    sources: bool = False,
) -> None:
    """Print an estimate: results by group, then assumptions, counted or one by one."""
    scenario = result.inputs.scenario
    show_in(scenario)
    target.print(Text(result.name, "bold"), Text(str(scenario.get("description", ""))), sep="  ")
    known = {key: value for key, value in (published or {}).items() if key in RESULTS}
    sheet = _Sheet(result, known, target)
    for group in dict.fromkeys(item.group for item in RESULTS.values()):
        if group == COST:
            _cost(sheet)
        else:
            keys = [item.key for item in RESULTS.values() if item.group == group]
            shown = [key for key in keys if key not in MEMORY_PARTS and sheet.says(key)]
            rows = [Row(RESULTS[key].label, key) for key in shown]
            sheet.table("Energy, carbon (CO2e)" if group == ENERGY else group, rows)
    _memory(result, target)
    _step(result, target)
    _stages(result, target)
    target.print()
    source = f" Published: {published['source']}." if known and published else ""
    target.print(cost_note(result) + source, style="dim")
    unknown = undetermined(result)
    if unknown:
        target.print(f"Not determined by the scenario: {', '.join(unknown)}.", style="dim")
    if sources:
        _assumptions(result, target)
    else:
        _counted(result, target)


def _counted(result: Estimate, target: Console) -> None:
    """Say how much was assumed, and where it is listed."""
    defaults, entries = assumptions(result)
    parts = []
    if defaults:
        parts.append(f"{len(defaults)} default{'s' if len(defaults) > 1 else ''}")
    if entries:
        parts.append(f"{len(entries)} {'entries' if len(entries) > 1 else 'entry'} of the catalog")
    if parts:
        count = len(defaults) + len(entries)
        text = (
            f"{' and '.join(parts)} {'were' if count > 1 else 'was'} taken: --sources lists them."
        )
        target.print(text, style="dim")


def _cost(sheet: _Sheet) -> None:
    """The parts that add up to the total, and apart what other methods would cost."""
    result = sheet.result
    total = result.result("cost_total_usd")
    parts = cost_parts(result)
    rows, run = [], subtotal(result)
    for part in parts:
        share = part.usd / total if total else None
        rows.append(Row(part.label, part.key, share=share, usd=part.usd))
    if run is not None and sheet.says(run):
        at = len([part for part in parts if part.key not in ADDED_PARTS])
        rows.insert(at, Row(RESULTS[run].label, run))
    if result.items and sheet.says("cost_development_usd"):
        rows.insert(len(rows) - len(result.items), Row("Development", "cost_development_usd"))
    if sheet.says("cost_total_usd"):
        rows.append(Row("Total", "cost_total_usd", style="bold"))
    sheet.table(COST, rows)
    sheet.table("Other methods", [Row(RESULTS[key].label, key) for key in alternatives(result)])


class Row(NamedTuple):
    """A line of a table of results."""

    label: str
    key: str
    style: str = ""
    share: float | None = None
    usd: float | None = None


class _Sheet:
    """The tables of an estimate, which all have the same columns."""

    def __init__(self, result: Estimate, published: Mapping[str, Any], target: Console) -> None:
        self.result = result
        self.published = published
        self.target = target

    def says(self, key: str) -> bool:
        """Whether a result has something to say beside another."""
        same = SAME_UNLESS.get(key)
        value = self.result.result(key)
        if same and value is not None and value == self.result.result(same):
            return False
        return value is not None or self.published.get(key) is not None

    def table(self, heading: str, rows: Sequence[Row]) -> None:
        """Print a table, where there is a row to print."""
        result, uncertain = self.result, bool(self.result.intervals)
        shares = any(row.share is not None for row in rows) and not uncertain
        columns = {
            heading: True,
            "": True,
            "range": uncertain,
            "Published": bool(self.published),
            "Share": shares,
            "From": True,
        }
        names = [name for name, wanted in columns.items() if wanted]
        table = grid(
            *[range_heading(result.intervals) if name == "range" else name for name in names],
            right=[i for i, name in enumerate(names) if name in ("", "range", "Published")],
        )
        table.padding = (0, 1, 0, 0) if uncertain and self.published else (0, 2, 0, 0)
        for row in rows:
            unit = RESULTS[row.key].unit
            value = result.result(row.key) if row.usd is None else row.usd
            own = row.label == RESULTS[row.key].label
            known = self.published.get(row.key) if own else None
            cells = {
                heading: "  " + row.label,
                "": _short(readable(value, unit)),
                "range": _short(span(result.intervals.get(row.key, {}) if own else {}, unit)),
                "Published": "" if known is None else _short(readable(known, unit)),
                "Share": "" if row.share is None else f"{row.share:4.0%} {share_bar(row.share, 8)}",
                "From": "scenario" if row.key == "cost_items_usd" else origin(result, row.key),
            }
            table.add_row(*[cells[name] for name in names], style=row.style)
        if rows:
            self.target.print()
            self.target.print(table)


def _short(text: str) -> str:
    """Without the unit that the heading of the group or the label says."""
    return text.replace(" CO2e", "").removesuffix(" FLOP")


def _stages(result: Estimate, target: Console) -> None:
    """Print the stages that the results are the sums of."""
    if not result.stages:
        return
    from llmcost.render import stages

    header, rows = list(stages.HEADER), stages.rows(result)
    for spare in ("Days", "Energy", "Kind"):  # what does not fit is in JSON
        widths = [max(len(row[i]) for row in [header, *rows]) + 2 for i in range(len(header))]
        if sum(widths) - 2 <= target.width:
            break
        at = header.index(spare)
        del header[at]
        rows = [[*row[:at], *row[at + 1 :]] for row in rows]
    words = 2 if "Kind" in header else 1
    table = grid(*header, right=range(words, len(header)))
    for row in rows:
        table.add_row(*row)
    target.print()
    target.print(table)


def _memory(result: Estimate, target: Console) -> None:
    """Print what fills the fullest device."""
    found = ledger(result)
    if found is None:
        return
    table = grid(found.heading, "", found.of, right=[1])
    for row in found.rows:
        label, value, share = row
        bar = "" if share is None else f"{share:4.0%} {share_bar(share, 16)}"
        table.add_row("  " + label, value, bar, style="bold" if row is found.rows[-1] else "")
    target.print()
    target.print(table)


def _step(result: Estimate, target: Console) -> None:
    """Print the parts of a step, and the layouts that a search ranked."""
    parts = step_parts(result)
    total = sum(parts.values())
    if not total:
        return
    table = grid(f"Step{step_note(result)}", "", "Share", right=[1])
    for name, seconds in parts.items():
        if seconds:
            table.add_row(
                "  " + STEP_LABELS[name],
                readable(seconds, "s"),
                f"{seconds / total:4.0%} {share_bar(seconds / total, 16)}",
            )
    target.print()
    target.print(table)
    if result.search is None:
        return
    from llmcost.analysis.layout import describe

    search = result.search
    rows = grid("Layouts found", "step", "memory", right=[1, 2])
    for item in (search.best, *search.runners_up):
        rows.add_row(
            "  " + describe(item),
            readable(item["step_time_s"], "s"),
            readable(item["memory_gb_per_device"], "GB"),
        )
    target.print()
    target.print(rows)
    left_out = ", ".join(f"{count:,} {reason}" for reason, count in search.excluded.items())
    target.print(
        f"{search.searched:,} layouts, {search.feasible:,} can run"
        + (f"; left out: {left_out}" if left_out else "")
        + ".",
        style="dim",
    )


def _assumptions(result: Estimate, target: Console) -> None:
    """Print the defaults one by one, and what the catalog gave by entry; of both what was used."""
    defaults, entries = assumptions(result)
    if defaults:
        table = grid("Defaults taken", "", "Source", right=[1])
        for row in defaults:
            table.add_row("  " + row.key, row.value, row.source)
        target.print()
        target.print(table)
    if entries:
        table = grid("From the catalog", "")
        for place, items in entries.items():
            taken = ", ".join(f"{KEYS[item.key].short} {item.value}" for item in items)
            table.add_row("  " + place, taken)
        target.print()
        target.print(table)


def tornado_table(key: str, bars: Sequence[Any], target: Console) -> None:
    """Print what drives the range of a result, the widest swing first."""
    unit = RESULTS[key].unit
    ends = [value for bar in bars for value in (bar.low, bar.high) if value is not None]
    width = max(ends) - min(ends) if ends else 0.0
    table = grid(
        f"What drives {key}", "at p5", "at p95", "swing", "first", "total", right=[1, 2, 4, 5]
    )
    for bar in bars:
        swing = abs((bar.high or 0.0) - (bar.low or 0.0))
        if swing == 0:
            continue  # it goes into other results
        shares = [
            "—" if share is None else f"{max(share, 0.0):.0%}"
            for share in (bar.first_order, bar.total)
        ]
        low, high = readable(bar.low, unit), readable(bar.high, unit)
        table.add_row(
            "  " + bar.key, low, high, share_bar(swing / width if width else 0.0, 8), *shares
        )
    target.print()
    target.print(table)
    target.print(
        "At p5 and p95 of the input, others at their medians; Sobol indices: its own share of the variance, and with interactions.",
        style="dim",
    )


def explanation(result: Estimate, key: str | None, target: Console) -> None:
    """Print formulas with the numbers put in, and their references."""
    for quantity in explain_quantities(result, key):
        step = result.step(quantity)
        unit = (
            RESULTS[quantity].unit
            if quantity in RESULTS
            else (by_quantity()[quantity].unit if quantity in by_quantity() else "")
        )
        unit = "" if unit == "1" else unit
        _line(
            target, Text(f"{quantity} = {number(result.values[quantity])} {unit}".rstrip(), "bold")
        )
        if step is None:
            _line(target, f"    given: {_input_line(result, quantity)}")
            target.print()
            continue
        _line(target, f"    = {step.formula}")
        for name in (*step.needs, *[item for item in step.optional if item in result.values]):
            given = _input_line(result, name)
            _line(
                target,
                f"      {name} = {number(result.values[name])}" + (f"  ({given})" if given else ""),
            )
        _line(target, f"    source: {step.reference}")
        target.print()


def _line(target: Console, text: str | Text) -> None:
    """Print without breaking the line: a formula is copied whole."""
    target.print(text, soft_wrap=True)


def _input_line(result: Estimate, quantity: str) -> str:
    spot = input_place(quantity)
    if spot is None:
        words = "" if result.step(quantity) else "set by the scenario's words"
        return result.inputs.constants.get(quantity, words)
    key = by_quantity()[quantity].name
    source = result.inputs.sources.get(key)
    return f"{spot}: {source}" if source else ""


def number(value: Any) -> str:
    """A number with enough digits to check a formula by hand."""
    single = scalar(value)
    if single is None:
        return "not known"
    if single.is_integer() and abs(single) < 1e15:
        return f"{single:,.0f}"
    return f"{single:.8g}"
