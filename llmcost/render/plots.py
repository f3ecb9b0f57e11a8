"""Plots, with matplotlib (the extra ``llmcost[plot]``), imported only here and only when asked for."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmcost.analysis.milestones import Step
from llmcost.analysis.years import Projection
from llmcost.engine.results import RESULTS
from llmcost.errors import InputError
from llmcost.render.keys import key_words
from llmcost.render.numbers import readable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("svg", "png", "pdf")


def figure(width: float = 7.0, height: float = 4.2) -> Figure:
    """A figure that needs no display.

    Raises
    ------
    InputError
        If matplotlib is not installed; the message names the extra.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise InputError('plots need matplotlib: pip install "llmcost[plot]"') from None
    return Figure(figsize=(width, height), layout="constrained")


def check_path(path: str) -> str:
    """The format of a plot file by its ending.

    Raises
    ------
    InputError
        If there is no such format.
    """
    ending = Path(path).suffix.lower().lstrip(".")
    if ending not in FORMATS:
        raise InputError(f'--plot "{path}": the ending must be one of {", ".join(FORMATS)}')
    return ending


def image(drawn: Figure, ending: str) -> bytes:
    """A figure as bytes, the same for the same figure."""
    import matplotlib
    from matplotlib.text import Text

    stream = io.BytesIO()
    # A dollar sign is a dollar sign, and a script without a glyph here has one where the SVG is shown.
    for text in drawn.findobj(Text):
        text.set_parse_math(False)
    with (
        matplotlib.rc_context(
            {"svg.hashsalt": "llmcost", "svg.fonttype": "none", "text.parse_math": False}
        ),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        drawn.savefig(
            stream, format=ending, dpi=150, metadata={"Date": None} if ending == "svg" else None
        )
    return stream.getvalue()


def _tick(unit: str, value: float, _: int | None) -> str:
    """A number beside an axis, with its unit."""
    return readable(value, unit)


def label_ticks(axis: Any, write: Callable[[float], str]) -> None:
    """Write numbers beside an axis as a reader likes them; of a logarithmic one that spans little, minor ones too."""
    from matplotlib.ticker import LogFormatter

    class Few(LogFormatter):  # type: ignore[misc,unused-ignore]
        def __call__(self, value: float, pos: int | None = None) -> str:
            return write(value) if super().__call__(value, pos) else ""

    axis.set_major_formatter(lambda value, _: write(value))
    if axis.get_scale() == "log":
        axis.set_minor_formatter(Few(minor_thresholds=(2, 0.4)))


def parts_plot(
    parts: Sequence[tuple[str, float]], unit: str, label: str, shares: bool = True
) -> Figure:
    """The parts of a sum as bars, each with its value and its share of it."""
    drawn = figure(7.0, 0.9 + 0.4 * len(parts))
    panel = drawn.subplots()
    total = sum(value for _, value in parts)
    panel.barh(range(len(parts)), [value for _, value in parts], color="#1f5fa8")
    for index, (_, value) in enumerate(parts):
        text = readable(value, unit) + (f" ({value / total:.0%})" if shares else "")
        panel.annotate(text, (value, index), (4, 0), textcoords="offset points", va="center")
    panel.margins(x=0.28)
    panel.set_yticks(range(len(parts)), [name for name, _ in parts])
    panel.invert_yaxis()
    panel.locator_params(axis="x", nbins=5)
    panel.xaxis.set_major_formatter(partial(_tick, unit))
    panel.set_xlabel(label)
    panel.grid(axis="x", alpha=0.3)
    return drawn


def tornado_plot(result: Any, key: str, bars: Sequence[Any]) -> Figure:
    """Swings of a result around its median."""
    bars = [bar for bar in bars if bar.low != bar.high]  # the others go into other results
    drawn = figure(7.0, 1.2 + 0.4 * len(bars))
    panel = drawn.subplots()
    centre = result.result(key) or 0.0
    for index, bar in enumerate(bars):
        for end, color in ((bar.low, "#1f8a5f"), (bar.high, "#b0562e")):
            if end is not None:
                panel.barh(index, end - centre, left=centre, color=color)
    panel.axvline(centre, color="#444444", linewidth=0.8)
    panel.set_yticks(range(len(bars)), [key_words(bar.key) for bar in bars])
    panel.invert_yaxis()
    panel.xaxis.set_major_formatter(partial(_tick, RESULTS[key].unit))
    note = "(green: input at its 5th percentile, brown: at its 95th)"
    panel.set_xlabel("\n".join([RESULTS[key].label, note]))
    panel.locator_params(axis="x", nbins=6)
    panel.set_title(result.name)
    panel.grid(axis="x", alpha=0.3)
    return drawn


def projection_plot(
    found: Projection, metrics: Sequence[str], thresholds: Sequence[tuple[str, float]]
) -> Figure:
    """One panel a result, years against a logarithmic axis."""
    known = [key for key in metrics if found.result(key) is not None]
    drawn = figure(7.0, 1.2 + 2.4 * len(known))
    panels: Any = drawn.subplots(len(known), 1, sharex=True, squeeze=False)[:, 0]
    for panel, key in zip(panels, known, strict=True):
        values = found.result(key)
        assert values is not None
        bands = list(found.band(key).values())
        if len(bands) > 1:
            panel.fill_between(
                found.years, bands[0], bands[-1], color="#1f5fa8", alpha=0.18, linewidth=0
            )
        panel.plot(found.years, values, marker="o", markersize=3.5, color="#1f5fa8")
        panel.set_ylabel(RESULTS[key].label)
        if (values > 0).all():
            panel.set_yscale("log")
        label_ticks(panel.yaxis, partial(readable, unit=RESULTS[key].unit))
        for name, threshold in thresholds:
            if name == key:
                panel.axhline(threshold, color="#b03a2e", linewidth=1, linestyle="--")
        for lever in found.levers:
            if lever.year <= found.years[-1]:
                panel.axvline(lever.year, color="#999999", linewidth=0.6, linestyle=":")
        panel.grid(alpha=0.3)
    panels[-1].xaxis.get_major_locator().set_params(integer=True)
    panels[-1].set_xlabel("Year")
    what = "the same model" if found.follow == "model" else "the frontier's model"
    panels[0].set_title(f"{found.base.name}: {what} by year")
    return drawn


def waterfall_plot(metric: str, steps: Sequence[Step], year: int) -> Figure:
    """A result before, after each lever, and what is left."""
    drawn = figure(7.0, 1.4 + 0.42 * (len(steps) + 1))
    panel = drawn.subplots()
    names = [step.name for step in steps] + ["left"]
    for index, step in enumerate(steps):
        if index == 0:
            panel.barh(index, step.value, color="#6b7a8f")
        else:
            panel.barh(index, -step.change, left=step.value, color="#1f8a5f")
        text = readable(step.value if index == 0 else step.change, RESULTS[metric].unit)
        panel.annotate(
            text,
            (step.value - min(step.change, 0.0), index),
            (4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    panel.barh(len(steps), steps[-1].value, color="#1f5fa8")
    text = readable(steps[-1].value, RESULTS[metric].unit)
    panel.annotate(
        text,
        (steps[-1].value, len(steps)),
        (4, 0),
        textcoords="offset points",
        va="center",
        fontsize=8,
    )
    panel.margins(x=0.14)
    panel.locator_params(axis="x", nbins=5)
    panel.xaxis.set_major_formatter(partial(_tick, RESULTS[metric].unit))
    panel.set_yticks(range(len(names)), names)
    panel.invert_yaxis()
    panel.set_xlabel(f"{RESULTS[metric].label} in {year}")
    panel.grid(axis="x", alpha=0.3)
    return drawn
