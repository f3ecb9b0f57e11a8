"""The table of an estimate: results by group, then what was assumed, on one screen unless asked for all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from rich.console import Console
from rich.text import Text

from llmcost.analysis.estimate import Estimate
from llmcost.engine.results import (
    ADDED_PARTS,
    COST,
    ENERGY,
    LAYOUT,
    LIFE,
    MEMORY_BESIDE,
    MEMORY_PARTS,
    RESULTS,
    RUN,
    SERVICE,
)
from llmcost.render import layout
from llmcost.render.cost import Part, alternatives, cost_note, cost_parts, subtotal, undetermined
from llmcost.render.data import assumptions, step_parts
from llmcost.render.grid import grid
from llmcost.render.numbers import range_heading, readable, share_bar, show_in, span
from llmcost.render.origin import origin
from llmcost.scenario.schema import KEYS

#: Lines of a table that stand on one screen.
_SCREEN = 40
#: Results that say something only where they differ from another.
SAME_UNLESS = {
    "hardware_flops": "flops",
    "active_params": "params",
    "development_energy_mwh": "energy_mwh",
    "development_tco2e": "total_tco2e",
}


#: Results that stand for their group where the screen has no room for all, in the order in which groups give way.
_BRIEF = {
    LIFE: (),
    SERVICE: ("inference_devices", "inference_energy_mwh", "inference_cost_usd", "inference_usd_per_million_tokens"),
    LAYOUT: (),
    ENERGY: ("energy_mwh", "development_energy_mwh", "total_tco2e", "development_tco2e", "water_m3"),
    RUN: ("flops", "params", "active_params", "tokens", "devices", "days", "mfu"),
}  # fmt: skip


class _Block(NamedTuple):
    """A part of the table: how it is printed, and how in short; what gives way first has the lowest place."""

    whole: Callable[[], None]
    brief: Callable[[], None] | None = None
    place: int = 0


def estimate_table(
    result: Estimate,
    published: Mapping[str, Any] | None,
    target: Console,
    sources: bool = False,
    details: bool = True,
) -> None:
    """Print an estimate: results by group, then assumptions.

    Parameters
    ----------
    result : Estimate
        What is shown.
    published : mapping or None
        Results that were published of the same run.
    target : Console
        Where it is printed.
    sources : bool
        List defaults and what the catalog gave one by one, not their number alone.
    details : bool
        All of it however long; else the least important is shortened until it stands on one screen.
    """
    show_in(result.inputs.scenario)
    known = {key: value for key, value in (published or {}).items() if key in RESULTS}
    sheet = _Sheet(result, known, target)
    blocks = _blocks(sheet)
    whole = [_printed(block.whole, target) for block in blocks]
    ends = [
        _printed(partial(_notes, result, known and published, target, sources, cut), target)
        for cut in (False, True)
    ]
    shown, cut = list(whole), False
    order = sorted(
        (i for i, block in enumerate(blocks) if block.brief), key=lambda i: blocks[i].place
    )
    for index in [] if details or sources else order:
        lines = sum(text.count("\n") for text in shown) + ends[cut].count("\n")
        if lines <= _SCREEN:
            break
        brief = blocks[index].brief
        assert brief is not None
        text = _printed(brief, target)
        if text.count("\n") < shown[index].count("\n"):
            shown[index], cut = text, True
    target.file.write("".join(shown) + ends[cut])


def _printed(block: Callable[[], None], target: Console) -> str:
    """What a part prints."""
    with target.capture() as found:
        block()
    return found.get()


def _blocks(sheet: _Sheet) -> list[_Block]:
    """The parts in order, the most important last: the eye ends at the total."""
    result, target = sheet.result, sheet.target
    places = {group: at for at, group in enumerate(_BRIEF, 4)}

    def group(name: str, line: Callable[[], None] | None = None) -> _Block:
        keys = [item.key for item in RESULTS.values() if item.group == name]
        few = [key for key in keys if key in _BRIEF[name]]
        brief = line or partial(_group, sheet, name, few)
        return _Block(partial(_group, sheet, name, keys), brief, places[name])

    return [
        _Block(partial(_head, result, target)),
        group(RUN),
        group(LAYOUT, target.print if step_parts(result) else None),
        _Block(
            partial(layout.memory, result, target), partial(layout.memory_line, result, target), 2
        ),
        _Block(partial(layout.step, result, target), partial(layout.step_line, result, target), 1),
        _Block(
            partial(layout.layouts, result, target), partial(layout.layout_line, result, target), 0
        ),
        _Block(partial(_stages, result, target)),
        *_levers(result, target, len(places) + 4),
        group(ENERGY),
        group(SERVICE),
        group(LIFE, partial(_life_line, sheet)),
        _Block(partial(_cost, sheet)),
        _Block(partial(_methods, sheet), partial(_methods_line, sheet), 3),
    ]


def _head(result: Estimate, target: Console) -> None:
    description = str(result.inputs.scenario.get("description", ""))
    target.print(Text(result.name, "bold"), Text(description), sep="  ")


def _levers(result: Estimate, target: Console, place: int) -> list[_Block]:
    if not result.levers:
        return []
    from llmcost.render.levers import levers_line, levers_table

    return [
        _Block(partial(levers_table, result, target), partial(levers_line, result, target), place)
    ]


def _group(sheet: _Sheet, group: str, keys: Sequence[str]) -> None:
    """The results of a group, those that are known."""
    rows = [
        Row(RESULTS[key].label, key)
        for key in keys
        if key not in (*MEMORY_PARTS, *MEMORY_BESIDE) and sheet.says(key)
    ]
    sheet.table("Energy, carbon (CO2e)" if group == ENERGY else group, rows)


def _notes(
    result: Estimate, published: Mapping[str, Any] | None, target: Console, sources: bool, cut: bool
) -> None:
    """What the total counts, what is not known, and what was assumed or left out here."""
    target.print()
    source = f" Published: {published['source']}." if published else ""
    target.print(cost_note(result) + source, style="dim")
    unknown = undetermined(result)
    if unknown:
        target.print(f"Not determined by the scenario: {', '.join(unknown)}.", style="dim")
    if sources:
        _assumptions(result, target)
    else:
        _counted(result, target, cut)


def _counted(result: Estimate, target: Console, cut: bool) -> None:
    """Say how much was assumed or shortened, and what lists it."""
    defaults, entries = assumptions(result)
    parts = []
    if defaults:
        parts.append(f"{len(defaults)} default{'s' if len(defaults) > 1 else ''}")
    if entries:
        parts.append(f"{len(entries)} {'entries' if len(entries) > 1 else 'entry'} of the catalog")
    said = []
    if parts:
        count = len(defaults) + len(entries)
        said.append(
            f"{' and '.join(parts)} {'were' if count > 1 else 'was'} taken: --sources lists them."
        )
    if cut:
        said.append("Shortened to one screen: --details shows all.")
    if said:
        target.print(" ".join(said), style="dim")


def _cost(sheet: _Sheet) -> None:
    """The parts that add up to the total."""
    result = sheet.result
    total = result.result("cost_total_usd")
    parts = cost_parts(result)
    rows, run = [], subtotal(result)
    for part in parts:
        share = part.usd / total if total else None
        rows.append(Row(part.label, part.key, share=share, part=part))
    if run is not None and sheet.says(run):
        at = len([part for part in parts if part.key not in ADDED_PARTS])
        rows.insert(at, Row(RESULTS[run].label, run))
    if result.items and sheet.says("cost_development_usd"):
        rows.insert(len(rows) - len(result.items), Row("Development", "cost_development_usd"))
    if sheet.says("cost_total_usd"):
        rows.append(Row("Total", "cost_total_usd", style="bold"))
    sheet.table(COST, rows)


def _methods(sheet: _Sheet) -> None:
    """What the run alone would cost by the methods that were not chosen."""
    rows = [Row(RESULTS[key].label, key) for key in alternatives(sheet.result)]
    sheet.table("Other methods", rows)


def _life_line(sheet: _Sheet) -> None:
    """Training and service together, in a line."""
    keys = ("lifetime_cost_usd", "lifetime_energy_mwh", "lifetime_tco2e")
    known = [
        readable(sheet.result.result(key), RESULTS[key].unit) for key in keys if sheet.says(key)
    ]
    if known:
        sheet.target.print(f"Training and service: {', '.join(known)}.")


def _methods_line(sheet: _Sheet) -> None:
    """The same in a line."""
    others = [
        f"{RESULTS[key].label.lower()} {readable(sheet.result.result(key), 'USD')}"
        for key in alternatives(sheet.result)
    ]
    if others:
        sheet.target.print(f"By other methods: {', '.join(others)}.")


class Row(NamedTuple):
    """A line of a table of results."""

    label: str
    key: str
    style: str = ""
    share: float | None = None
    part: Part | None = None


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
            value = row.part.usd if row.part else result.result(row.key)
            band = row.part.interval if row.part else result.intervals.get(row.key, {})
            own = row.label == RESULTS[row.key].label
            known = self.published.get(row.key) if own else None
            cells = {
                heading: "  " + row.label,
                "": _short(readable(value, unit)),
                "range": _short(span(band, unit)),
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
