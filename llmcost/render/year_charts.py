"""Charts of a projection: results by year, and what each lever takes off one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from llmcost.analysis.milestones import Step
from llmcost.analysis.years import Projection
from llmcost.engine.results import RESULTS
from llmcost.errors import NoAnswerError
from llmcost.render.keys import result_words
from llmcost.render.numbers import range_heading, readable, show_in
from llmcost.render.plots import COLOURS, beside, figure, finish_bars, label_ticks, wrapped

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BLUE, _GREEN, _ORANGE, _RED, _MUTED = (
    COLOURS[name].light for name in ("blue", "green", "orange", "red", "muted")
)


def projection_plot(
    found: Projection, metrics: Sequence[str], thresholds: Sequence[tuple[str, float]]
) -> Figure:
    """One panel a result by year, with its band where there are samples, levers and thresholds.

    Raises
    ------
    NoAnswerError
        If none of the results is known.
    """
    show_in(found.base.inputs.scenario)
    known = [key for key in metrics if found.result(key) is not None]
    if not known:
        raise NoAnswerError(f"--plot: none of {', '.join(metrics)} is known")
    drawn = figure(1.4 + 2.3 * len(known))
    panels: Any = drawn.subplots(len(known), 1, sharex=True, squeeze=False)[:, 0]
    for panel, key in zip(panels, known, strict=True):
        values = found.result(key)
        assert values is not None
        bands = found.band(key)
        if len(bands) > 1:
            low, *_, high = bands.values()
            label = range_heading({key: bands})
            panel.fill_between(
                found.years, low, high, color=_BLUE, alpha=0.18, linewidth=0, label=label
            )
        panel.plot(found.years, values, marker="o", markersize=3.5, color=_BLUE)
        panel.set_ylabel(wrapped(result_words(key), 20))
        if (values > 0).all():
            panel.set_yscale("log")
        label_ticks(panel.yaxis, partial(readable, unit=RESULTS[key].unit), RESULTS[key].unit)
        for name, threshold in thresholds:
            if name == key:
                label = f"threshold {readable(threshold, RESULTS[key].unit)}"
                panel.axhline(threshold, color=_RED, linewidth=1, linestyle="--", label=label)
        if panel.get_legend_handles_labels()[0]:
            panel.legend(fontsize=8, frameon=False)
        panel.grid(alpha=0.3)
        panel.spines[["top", "right"]].set_visible(False)
    _levers(panels, found)
    panels[-1].xaxis.get_major_locator().set_params(integer=True)
    panels[-1].set_xlabel("Year")
    what = "the same model" if found.follow == "model" else "the frontier's model"
    drawn.suptitle(f"{wrapped(found.base.name, 50, 1)}: {what} by year", fontsize=11)
    return drawn


def _levers(panels: Any, found: Projection) -> None:
    """Mark the years from which levers apply, named above the first panel, those of a year together."""
    years: dict[int, list[str]] = {}
    for lever in found.levers:
        if found.years[0] <= lever.year <= found.years[-1]:
            years.setdefault(int(lever.year), []).append(lever.name)
    for year, names in years.items():
        for panel in panels:
            panel.axvline(year, color=_MUTED, linewidth=0.6, linestyle=":")
        panels[0].annotate(
            "\n".join(wrapped(name, 30, 1) for name in names),
            (year, 1.0), (2, 2), xycoords=("data", "axes fraction"), textcoords="offset points",
            fontsize=7, rotation=30, va="bottom", color=_MUTED,
        )  # fmt: skip


def waterfall_plot(found: Projection, metric: str, steps: Sequence[Step]) -> Figure:
    """A result before, what each lever takes off or adds, and what is left."""
    show_in(found.base.inputs.scenario)
    unit = RESULTS[metric].unit
    drawn = figure(1.4 + 0.44 * (len(steps) + 1))
    panel = drawn.subplots()
    for index, step in enumerate(steps):
        if index == 0:
            panel.barh(index, step.value, color=_MUTED, height=0.7)
            text, end = readable(step.value, unit), step.value
        else:
            color = _ORANGE if step.change > 0 else _GREEN
            panel.barh(index, -step.change, left=step.value, color=color, height=0.7)
            sign = "+" if step.change > 0 else ""
            text = sign + readable(step.change, unit) if step.change else "no change"
            end = step.value - min(step.change, 0.0)
        beside(panel, text, end, index)
    panel.barh(len(steps), steps[-1].value, color=_BLUE, height=0.7)
    beside(panel, readable(steps[-1].value, unit), steps[-1].value, len(steps))
    panel.margins(x=0.16)
    label = f"{result_words(metric)} in {int(found.years[-1])}"
    finish_bars(panel, unit, label, [*(step.name for step in steps), "left"])
    panel.set_title(f"{wrapped(found.base.name, 50, 1)}: what each lever takes off")
    return drawn
