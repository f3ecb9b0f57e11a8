"""Charts of a sweep by the shape of the question: a front, lines over one axis, a heat map over two, bars of words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from llmcost.analysis.axes import Axis
from llmcost.analysis.sweep import Sweep
from llmcost.columns import Columns
from llmcost.engine.results import RESULTS
from llmcost.errors import InputError, NoAnswerError
from llmcost.render.keys import is_word, key_words, result_words
from llmcost.render.numbers import plain, readable, show_in
from llmcost.render.plots import COLOURS, SERIES, beside, figure, finish_bars, label_ticks, wrapped
from llmcost.scenario.keys import spec

#: Marks of the points, a new one each time that the colours are used up.
_MARKERS = ("o", "s", "^", "D", "v", "X")
#: Lines of a legend beside a panel before it takes another column.
_LEGEND_LINES = 22
#: A cell of a line has a mark where there are at most so many.
_MARKED = 60


def sweep_plot(sweep: Sweep, rows: Columns, value: str, pareto: Sequence[str]) -> Any:
    """A scatter of the front, lines over one numeric axis, a heat map over two, or bars.

    Raises
    ------
    InputError
        If the axes have another shape.
    NoAnswerError
        If no cell has a value.
    """
    show_in(sweep.inputs.scenario)
    name = wrapped(sweep.inputs.scenario.name, 50, 1)
    wanted = [key.lstrip("-") for key in pareto[:2]] if pareto else [value]
    for key in wanted:
        if not np.isfinite(np.asarray(rows[key], dtype=float)).any():
            raise NoAnswerError(f"--plot: {key} is known in no cell")
    numeric = [axis for axis in sweep.axes if axis.size > 1 and not is_word(axis.keys[0])]
    words = [axis for axis in sweep.axes if axis not in numeric and axis.size > 1]
    if pareto:
        drawn = figure()
        panel = drawn.subplots()
        _front(drawn, panel, words, rows, *wanted)
        panel.set_title(f"{name}: Pareto front of {len(rows[wanted[0]]):,} cells")
        return drawn
    if not numeric and len(words) == 1:
        drawn = _bars(rows, words[0], value)
    elif len(numeric) == 1 and len(words) <= 1:
        drawn = _lines(rows, numeric[0], words, value)
    elif len(numeric) == 2 and not words:
        drawn = _heat(rows, numeric, value)
    else:
        raise InputError(
            "--plot draws one or two numeric axes, or one of words; use --pareto for more"
        )
    drawn.axes[0].set_title(f"{name}: {_words(value).lower()}")
    return drawn


def _words(name: str) -> str:
    """A result or a key in words."""
    return result_words(name) if name in RESULTS else key_words(name)


def _writer(name: str) -> Callable[[float], str]:
    """How numbers of a result or a key are written."""
    return partial(readable, unit=RESULTS[name].unit) if name in RESULTS else plain


def _unit(name: str) -> str:
    """The unit of a result; a key is written as it was given."""
    return RESULTS[name].unit if name in RESULTS else ""


def _axis(panel: Any, which: str, name: str, values: Any) -> None:
    """Label an axis with its unit, and make it logarithmic where values span a decade."""
    label = _words(name)
    if name not in RESULTS:
        key = spec(name)
        unit = "" if key is None else {"USD": "US dollars", "1": ""}.get(key.unit, key.unit)
        label += f" [{unit}]" if unit else ""
    getattr(panel, f"set_{which}label")(label)
    if _wide(values):
        getattr(panel, f"set_{which}scale")("log")
    label_ticks(getattr(panel, f"{which}axis"), _writer(name), _unit(name))


def _wide(values: Any) -> bool:
    """Whether values, all above nothing, span a decade."""
    finite = np.asarray(values, dtype=float)
    finite = finite[np.isfinite(finite)]
    return bool(finite.size and finite.min() > 0 and finite.max() / finite.min() > 10)


def _front(
    drawn: Any, panel: Any, words: Sequence[Axis], rows: Columns, first: str, second: str
) -> None:
    """The cells of a front; a line joins those that differ in numbers alone, and the legend names the others."""
    names = [axis.keys[0] for axis in words]
    cells = list(zip(*(map(str, rows[name]) for name in names), strict=True))
    count = len(rows[first])
    groups: dict[tuple[str, ...], Any] = {}
    for group in dict.fromkeys(cells) if names else [()]:
        groups[group] = np.array([cell == group for cell in cells] if names else [True] * count)
    for index, (group, mask) in enumerate(groups.items()):
        panel.plot(
            rows[first][mask], rows[second][mask], label=", ".join(group) or None, **_style(index)
        )
    if names:
        _legend(drawn, ", ".join(map(key_words, names)), len(groups))
    _axis(panel, "x", first, rows[first])
    _axis(panel, "y", second, rows[second])
    _finish(panel)


def _style(index: int) -> dict[str, Any]:
    """Colour and mark of one of several lines."""
    return {
        "color": SERIES[index % len(SERIES)],
        "marker": _MARKERS[index // len(SERIES) % len(_MARKERS)],
        "markersize": 4,
        "linewidth": 0.9,
    }


def _legend(drawn: Any, title: str, count: int) -> None:
    """Name the lines beside the panel, so that no name hides a point."""
    drawn.legend(
        loc="outside right upper", title=wrapped(title, 18), fontsize=8, title_fontsize=8, frameon=False,
        ncols=-(-count // _LEGEND_LINES),
    )  # fmt: skip


def _finish(panel: Any) -> None:
    panel.grid(alpha=0.3)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)


def _bars(rows: Columns, axis: Axis, value: str) -> Any:
    """A bar for each word, with its value; words are not joined, and what is unknown says so."""
    names = [str(item) for item in rows[axis.keys[0]]]
    values = np.asarray(rows[value], dtype=float)
    drawn = figure(1.2 + 0.4 * len(names))
    panel = drawn.subplots()
    known = np.nan_to_num(values)
    panel.barh(range(len(names)), known, height=0.7, color=COLOURS["blue"].light)
    for index, (number, height) in enumerate(zip(values, known, strict=True)):
        beside(panel, _writer(value)(number) if np.isfinite(number) else "not known", height, index)
    panel.margins(x=0.2)
    finish_bars(panel, RESULTS[value].unit, _words(value), names)
    panel.set_ylabel(wrapped(key_words(axis.keys[0]), 24))
    return drawn


def _lines(rows: Columns, axis: Axis, words: Sequence[Axis], value: str) -> Any:
    """A line for each word over one numeric axis."""
    drawn = figure()
    panel = drawn.subplots()
    x = rows[axis.keys[0]]
    groups = {"": np.ones(len(x), bool)}
    if words:
        column = rows[words[0].keys[0]]
        groups = {str(name): column == name for name in dict.fromkeys(column)}
    for index, (label, mask) in enumerate(groups.items()):
        style = _style(index)
        if mask.sum() > _MARKED:
            style["marker"] = ""
        known = np.isfinite(np.asarray(rows[value][mask], dtype=float)).any()
        said = label if known else f"{label} (not known)"
        panel.plot(x[mask], rows[value][mask], label=said if label else None, **style)
    if words:
        _legend(drawn, key_words(words[0].keys[0]), len(groups))
    _axis(panel, "x", axis.keys[0], x)
    _axis(panel, "y", value, rows[value])
    _finish(panel)
    return drawn


def _heat(rows: Columns, axes: Sequence[Axis], value: str) -> Any:
    """A result over two numeric axes, by colour."""
    from matplotlib.colors import LogNorm

    drawn = figure()
    panel = drawn.subplots()
    first, second = (np.sort(axis.values[0]) for axis in axes)
    table = np.full((len(first), len(second)), np.nan)
    i = np.searchsorted(first, rows[axes[0].keys[0]])
    j = np.searchsorted(second, rows[axes[1].keys[0]])
    table[i, j] = rows[value]
    norm = LogNorm() if _wide(table) else None
    mesh = panel.pcolormesh(first, second, table.T, shading="nearest", norm=norm, cmap="cividis")
    bar = drawn.colorbar(mesh, label=_words(value))
    label_ticks(bar.ax.yaxis, _writer(value), _unit(value))
    _axis(panel, "x", axes[0].keys[0], first)
    _axis(panel, "y", axes[1].keys[0], second)
    return drawn
