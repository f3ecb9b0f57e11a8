"""A layout for a reader, as tables or in a line each: what fills a device, a step's time, what a search found."""

from __future__ import annotations

from rich.console import Console

from llmcost.analysis.estimate import Estimate
from llmcost.render.data import STEP_LABELS, step_note, step_parts
from llmcost.render.grid import grid
from llmcost.render.memory import ledger
from llmcost.render.numbers import readable, share_bar

#: Parts of a sum that a line names, and the share from which it does.
_NAMED, _COUNTS = 3, 0.005


def memory(result: Estimate, target: Console) -> None:
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


def memory_line(result: Estimate, target: Console) -> None:
    """The same in a line, the largest parts alone."""
    found = ledger(result)
    if found is None:
        return
    *parts, whole = found.rows
    largest = sorted(parts, key=lambda row: -(row[2] or 0.0))[:_NAMED]
    said = ", ".join(
        f"{label.lower()} {value if share is None else f'{share:.0%}'}"
        for label, value, share in largest
    )
    of = f" {found.of[0].lower()}{found.of[1:]}" if found.of else ""
    target.print(f"{found.heading}: {whole[1]}{of}: {said}.")


def step_line(result: Estimate, target: Console) -> None:
    """The parts of a step in a line, the largest alone."""
    parts = step_parts(result)
    total = sum(parts.values())
    if not total:
        return
    counting = [item for item in parts.items() if item[1] >= _COUNTS * total]
    largest = sorted(counting, key=lambda item: -item[1])[:_NAMED]
    said = ", ".join(f"{STEP_LABELS[name].lower()} {value / total:.0%}" for name, value in largest)
    target.print(f"Step{step_note(result)}: {readable(total, 's')}: {said}.")


def step(result: Estimate, target: Console) -> None:
    """Print the parts of a step."""
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


def layout_line(result: Estimate, target: Console) -> None:
    """The layout that a search took, in a line."""
    if result.search is None:
        return
    from llmcost.analysis.layout import describe

    search = result.search
    target.print(
        f"Layout taken: {describe(search.best)}: the best of {search.searched:,}, {search.feasible:,} can run."
    )


def layouts(result: Estimate, target: Console) -> None:
    """Print the layouts that a search ranked, and why others were left out."""
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
