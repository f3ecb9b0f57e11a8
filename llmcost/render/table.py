"""Tables for the terminal, with rich; plain text of 80 columns where the stream is no terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from io import StringIO
from typing import Any

from rich.console import Console
from rich.text import Text

from llmcost.analysis.estimate import Estimate, input_place
from llmcost.analysis.explain import explain_quantities
from llmcost.engine.chain import scalar
from llmcost.engine.results import (
    RESULTS,
)
from llmcost.errors import whole
from llmcost.render.grid import grid
from llmcost.render.numbers import readable, share_bar
from llmcost.scenario.schema import by_quantity

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


def text_of(target: Console) -> str:
    """What was printed into a console, without trailing blanks."""
    stream = target.file
    assert isinstance(stream, StringIO)
    return "\n".join(line.rstrip() for line in stream.getvalue().split("\n"))


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
            _line(
                target,
                f"    {_added(result, quantity) or f'given: {_input_line(result, quantity)}'}",
            )
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


def _added(result: Estimate, quantity: str) -> str:
    """The parts of a sum over stages, empty of what is none."""
    from llmcost.analysis.whole import SUMMED

    if quantity not in SUMMED:
        return ""
    each = [(stage.name, stage.estimate.values.get(quantity)) for stage in result.stages]
    parts = [f"{name} {number(value)}" for name, value in each if value is not None]
    return f"= the sum of the stages: {' + '.join(parts)}" if len(parts) == len(each) > 0 else ""


def _input_line(result: Estimate, quantity: str) -> str:
    if _added(result, quantity):
        return "the sum of the stages"
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
