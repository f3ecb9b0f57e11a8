"""Charts of an estimate or of several: parts of a sum, stacks, memory against a device's, what drives a range."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from llmcost.analysis.estimate import Estimate
from llmcost.engine.results import (
    ADDED_PARTS,
    MEMORY_BESIDE,
    MEMORY_IN_USE,
    MEMORY_PARTS,
    METHOD_PARTS,
    RESULTS,
)
from llmcost.errors import InputError, NoAnswerError, nearest
from llmcost.render.cost import cost_parts, method_words
from llmcost.render.data import STEP_LABELS, step_note, step_parts
from llmcost.render.keys import key_words, result_words
from llmcost.render.memory import room_of
from llmcost.render.numbers import readable, show_in, span
from llmcost.render.plots import COLOURS, SERIES, beside, figure, finish_bars, wrapped

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from llmcost.analysis.tornado import Bar

_BLUE, _ORANGE, _RED = (COLOURS[name].light for name in ("blue", "orange", "red"))
_INK, _MUTED = COLOURS["ink"].light, COLOURS["muted"].light
#: Patterns of a stack's parts, a new one each time that the colours are used up.
_HATCHES = ("", "///", "...", "xxx")
#: Letters of a legend in one line, of a figure 7 inches wide.
_LEGEND = 100


#: An axis beside the longest bar, for what is written there.
_ROOM = 1.36
#: The order of a cost's parts in every stack.
_ORDER = [RESULTS[key].label for key in (*chain(*METHOD_PARTS.values()), *ADDED_PARTS)]


def _place(name: str) -> int:
    """Where a part stands: those of a cost in their order, whatever stage they are of; items last."""
    bare = name if name in _ORDER else name.partition(" (")[0]
    return _ORDER.index(bare) if bare in _ORDER else len(_ORDER)


class Row(NamedTuple):
    """A bar of a stack: whose, its parts by label, their sum, what stands beside it, and what it may reach."""

    name: str
    parts: Sequence[tuple[str, float]]
    total: float | None
    says: str
    limit: float | None = None
    low: float | None = None
    high: float | None = None


def parts_plot(parts: Sequence[tuple[str, float]], unit: str, label: str) -> Figure:
    """The parts of a sum as bars, each with its value and its share of it."""
    drawn = figure(0.9 + 0.42 * len(parts))
    panel = drawn.subplots()
    total = sum(value for _, value in parts)
    panel.barh(range(len(parts)), [value for _, value in parts], color=_BLUE, height=0.7)
    for index, (_, value) in enumerate(parts):
        beside(panel, f"{readable(value, unit)} ({value / total:.0%})", value, index)
    panel.margins(x=0.28)
    finish_bars(panel, unit, label, [name for name, _ in parts])
    return drawn


def stack_plot(rows: Sequence[Row], unit: str, label: str, limit: str = "") -> Figure:
    """Sums by their parts, a bar each; a part has the same colour everywhere, `limit` names what a bar may reach."""
    names = sorted(dict.fromkeys(name for row in rows for name, _ in row.parts), key=_place)
    columns = max(1, min(len(names), _LEGEND // (max(map(len, names), default=1) + 6)))
    lines = sum(wrapped(row.name).count("\n") for row in rows)
    height = 1.0 + 0.46 * len(rows) + 0.12 * lines + 0.24 * (-(-(len(names) + 1) // columns))
    drawn = figure(height)
    panel = drawn.subplots()
    most = 0.0
    for index, row in enumerate(rows):
        left = 0.0
        for name, value in row.parts:
            look = _look(names.index(name))
            panel.barh(index, value, left=left, height=0.6, linewidth=0.8, **look)
            left += value
        if row.low is not None and row.high is not None and row.total is not None:
            panel.plot([row.low, row.high], [index, index], color=_INK, linewidth=1.2, marker="|")
        if row.limit is not None:
            panel.plot([row.limit] * 2, [index - 0.42, index + 0.42], color=_RED, linestyle="--")
        end = max(left, row.high or 0.0, row.limit or 0.0)
        beside(panel, row.says, end, index)
        most = max(most, end)
    panel.set_xlim(0, most * _ROOM)
    finish_bars(panel, unit, label, [row.name for row in rows])
    _legend(drawn, names, limit if any(row.limit is not None for row in rows) else "", columns)
    return drawn


def _look(at: int) -> dict[str, Any]:
    """Colour and pattern of a part by its place."""
    hatch = _HATCHES[at // len(SERIES) % len(_HATCHES)]
    return {"facecolor": SERIES[at % len(SERIES)], "hatch": hatch, "edgecolor": "#ffffff"}


def _legend(drawn: Figure, names: Sequence[str], limit: str, columns: int) -> None:
    """Say below the panel which colour and pattern is what."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [
        Patch(label=wrapped(name, 40, 1), **_look(at)) for at, name in enumerate(names)
    ]
    if limit:
        handles.append(Line2D([], [], color=_RED, linestyle="--", label=limit))
    drawn.legend(
        handles=handles, loc="outside lower left", ncols=columns, frameon=False, fontsize=9
    )


def cost_rows(items: Mapping[str, Estimate]) -> list[Row]:
    """Of each scenario what its own method of accounting adds up to its total, with the range."""
    rows, methods = [], {method_words(one) for one in items.values()}
    for name, item in items.items():
        total = item.result("cost_total_usd")
        band = item.intervals.get("cost_total_usd", {})
        says = readable(total, "USD") if total is not None else "total not known"
        between = span(band, "USD")
        whose = f"{name} ({method_words(item)})" if len(methods) > 1 else name
        parts = [(part.label, part.usd) for part in cost_parts(item)] if total is not None else []
        ends = list(band.values()) if between else [None]
        says += f"\n{between}" if between else ""
        rows.append(Row(whose, parts, total, says, low=ends[0], high=ends[-1]))
    return rows


def memory_rows(items: Mapping[str, Estimate]) -> list[Row]:
    """What fills the fullest device of each scenario, and what a device has."""
    rows = []
    for name, item in items.items():
        need, room = item.result(MEMORY_IN_USE), room_of(item)
        alone = not item.stages
        known = [(RESULTS[key].label, item.result(key)) for key in (*MEMORY_PARTS, *MEMORY_BESIDE)]
        parts = [(label, value) for label, value in known if value] if alone else []
        says = readable(need if alone else None, "GB")
        says += f" of {readable(room, 'GB')}" if room and parts else ""
        rows.append(Row(name, parts, need, says if parts else "no layout", room if parts else None))
    return rows


def step_rows(items: Mapping[str, Estimate]) -> list[Row]:
    """Where the time of a step goes in each scenario."""
    rows = []
    for name, item in items.items():
        parts = [(STEP_LABELS[key], value) for key, value in step_parts(item).items() if value]
        total = sum(value for _, value in parts)
        says = readable(total, "s") + step_note(item)
        rows.append(Row(name, parts, total, says if parts else "no layout"))
    return rows


class _Kind(NamedTuple):
    """What may be drawn of estimates: its rows, unit, axis, limit, and what it needs."""

    rows: Callable[[Mapping[str, Estimate]], list[Row]]
    unit: str
    label: str
    limit: str
    needs: str


#: What ``--draw`` may name.
KINDS = {
    "cost": _Kind(cost_rows, "USD", "Total cost", "", "no total is known; give the prices that the warnings name"),
    "memory": _Kind(memory_rows, "GB", "Memory of the fullest device", "Memory of a device", "there is no layout; give [parallelism]"),
    "step": _Kind(step_rows, "s", "Time of a step", "", "there is no layout; give [parallelism]"),
}  # fmt: skip


def check_kind(name: str, more: Sequence[str] = ()) -> str:
    """A word of ``--draw``.

    Raises
    ------
    InputError
        If it is none.
    """
    kinds = (*KINDS, *more)
    if name not in kinds:
        raise InputError(f'--draw "{name}": is not one of {", ".join(kinds)}{nearest(name, kinds)}')
    return name


def estimates_plot(items: Mapping[str, Estimate], name: str) -> Figure:
    """One kind of chart of one estimate, or of several.

    Raises
    ------
    NoAnswerError
        If no estimate has what it draws.
    """
    show_in(*(item.inputs.scenario for item in items.values()))
    kind = KINDS[name]
    rows = kind.rows(items)
    if not any(row.parts for row in rows):
        raise NoAnswerError(f"--plot: nothing to draw of {name}: {kind.needs}")
    if len(rows) == 1 and rows[0].limit is None:
        drawn = parts_plot(rows[0].parts, kind.unit, kind.label)
        beside = rows[0].says.replace("\n", ", ")
        drawn.axes[0].set_title(f"{wrapped(rows[0].name, 50, 1)}: {beside}")
        return drawn
    return stack_plot(rows, kind.unit, kind.label, kind.limit)


def not_drawn(items: Mapping[str, Estimate], name: str) -> list[str]:
    """Names of the estimates of which a kind of chart has nothing to show."""
    rows = KINDS[name].rows(items)
    return [whose for whose, row in zip(items, rows, strict=True) if not row.parts]


def tornado_plot(result: Estimate, key: str, bars: Sequence[Bar]) -> Figure:
    """Swings of a result around its value at the medians, the widest on top."""
    from matplotlib.patches import Patch

    show_in(result.inputs.scenario)
    bars = [bar for bar in bars if bar.low != bar.high]  # the others go into other results
    drawn = figure(1.6 + 0.44 * len(bars))
    panel = drawn.subplots()
    unit = RESULTS[key].unit
    centre = result.result(key) or 0.0
    for index, bar in enumerate(bars):
        for end, color in ((bar.low, _BLUE), (bar.high, _ORANGE)):
            if end is not None:
                panel.barh(index, end - centre, left=centre, color=color, height=0.7)
                _end(panel, readable(end, unit), end, index, end < centre)
    panel.axvline(centre, color=_MUTED, linewidth=0.8)
    panel.margins(x=0.3)
    finish_bars(panel, unit, result_words(key), [key_words(bar.key) for bar in bars])
    panel.locator_params(axis="x", nbins=4)
    handles = [
        Patch(color=_BLUE, label="input at its 5th percentile"),
        Patch(color=_ORANGE, label="at its 95th"),
    ]
    drawn.legend(
        handles=handles, loc="outside lower left", ncols=2, frameon=False, fontsize=9,
    )  # fmt: skip
    panel.set_title(f"{wrapped(result.name, 50, 1)}: {readable(centre, unit)}")
    return drawn


def _end(panel: Any, text: str, value: float, index: int, left: bool) -> None:
    """Write at an end of a bar, on its outer side."""
    panel.annotate(
        text, (value, index), (-4 if left else 4, 0), textcoords="offset points", va="center",
        ha="right" if left else "left", fontsize=8,
    )  # fmt: skip
