"""A comparison as table, JSON, CSV or Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from rich.console import Console

from llmcost.analysis.compare import Comparison
from llmcost.engine.results import RESULTS
from llmcost.render.data import estimate_object, estimates_csv, to_markdown
from llmcost.render.grid import grid
from llmcost.render.numbers import plain, readable, show_in, significant, span
from llmcost.scenario.schema import KEYS


def compare_object(found: Comparison) -> dict[str, Any]:
    """The contract's JSON object, with the inputs that differ."""
    return {
        "schema_version": 1,
        "scenarios": [
            {**estimate_object(item), "scenario": name} for name, item in found.estimates.items()
        ],
        "baseline": found.baseline,
        "differing_inputs": found.differing_inputs(),
        "differences": found.differences(),
        **({"probability_below_baseline": found.probabilities()} if found.sampled else {}),
    }


def compare_csv(found: Comparison) -> str:
    """A line a scenario and a column a result."""
    return estimates_csv(found.estimates)


def _ratio(ratio: float | None) -> str:
    return "" if ratio is None or not math.isfinite(ratio) else f"×{significant(ratio)}"


def _change(found: Comparison, name: str, key: str) -> tuple[str, str]:
    difference, ratio = found.difference(name, key)
    if difference is None:
        return "", ""
    if difference == 0:
        return "same", ""
    sign = "+" if difference >= 0 else ""
    unit = RESULTS[key].unit
    text = readable(difference, unit) if unit != "1" else f"{significant(100 * difference)} points"
    return f"{sign}{text}", _ratio(ratio)


def _equal(found: Comparison, key: str) -> bool:
    """Whether a result is one number in all scenarios, which then needs no word on differences."""
    return all(found.difference(n, key)[0] == 0 for n in found.estimates if n != found.baseline)


def _known(found: Comparison, metrics: Sequence[str]) -> list[str]:
    """The results that at least one scenario determines."""
    items = found.estimates.values()
    return [key for key in metrics if any(item.result(key) is not None for item in items)]


def compare_markdown(found: Comparison, metrics: Sequence[str]) -> str:
    """Differing inputs, then results with difference and ratio."""
    show_in(*(item.inputs.scenario for item in found.estimates.values()))
    names = list(found.estimates)
    inputs = [
        [f"`{key}`", *(_input(values[n]) for n in names)]
        for key, values in found.differing_inputs().items()
    ]
    text = to_markdown(["Input", *names], inputs, range(1, len(names) + 1)) + "\n"
    rows = []
    for key in _known(found, metrics):
        cells = []
        for name, item in found.estimates.items():
            value = readable(item.result(key), RESULTS[key].unit)
            change, ratio = _change(found, name, key) if name != found.baseline else ("", "")
            cells.append(f"{value} ({change}, {ratio})" if change else value)
        rows.append([RESULTS[key].label, *cells])
    return text + to_markdown(
        [f"Result against {found.baseline}", *names], rows, range(1, len(names) + 1)
    )


def _input(value: Any) -> str:
    return "—" if value is None else plain(value)


def _decisive(found: Comparison) -> dict[str, dict[str, Any]]:
    """The differing inputs that went into a result; a preset stands for its architecture."""
    used = {
        name
        for item in found.estimates.values()
        for step in item.steps
        for name in (*step.needs, *step.optional)
    }
    differing = found.differing_inputs()
    words = (
        "model.preset", "cluster.accelerator", "carbon.grid", "energy.region", "energy.operator",
    )  # fmt: skip
    kept = {}
    for key, values in differing.items():
        if key.startswith("model.") and "model.preset" in differing and key != "model.preset":
            continue
        if key in words or (KEYS[key].quantity or key) in used:
            kept[key] = values
    return kept


def compare_table(found: Comparison, metrics: Sequence[str], target: Console) -> None:
    """Print a column a scenario where they fit, and a row a scenario where they do not."""
    show_in(*(item.inputs.scenario for item in found.estimates.values()))
    names = list(found.estimates)
    shown = _known(found, metrics)
    width = 24 + sum(max(len(name), 19) + 2 for name in names)
    fits = width <= target.width
    differing = _decisive(found)
    if differing:
        if fits:
            table = grid("Inputs that differ", *names, right=range(1, len(names) + 1))
            for key, values in differing.items():
                table.add_row("  " + key, *(_input(values[name]) for name in names))
        else:
            table = grid("Inputs that differ", "")
            for key, values in differing.items():
                table.add_row("  " + key, "", style="bold")
                for name in names:
                    table.add_row("    " + name, _input(values[name]))
        target.print(table)
        target.print()
    if fits:
        table = grid(f"Against {found.baseline}", *names, right=range(1, len(names) + 1))
        for key in shown:
            cells = []
            for name, item in found.estimates.items():
                value = readable(item.result(key), RESULTS[key].unit)
                interval = span(item.intervals.get(key, {}), RESULTS[key].unit)
                value += f"\n{interval}" if interval else ""
                if name != found.baseline and not _equal(found, key):
                    value += ("\n" + " ".join(_change(found, name, key))).rstrip()
                cells.append(value)
            table.add_row("  " + RESULTS[key].label, *cells)
    else:
        table = grid(f"Against {found.baseline}", "", "difference", "ratio", right=[1, 2, 3])
        for key in shown:
            if _equal(found, key):
                value = readable(found.estimates[found.baseline].result(key), RESULTS[key].unit)
                table.add_row("  " + RESULTS[key].label, value, "same", "", style="bold")
                continue
            table.add_row("  " + RESULTS[key].label, "", "", "", style="bold")
            for name, item in found.estimates.items():
                change = _change(found, name, key) if name != found.baseline else ("", "")
                table.add_row("    " + name, readable(item.result(key), RESULTS[key].unit), *change)
    target.print(table)
    if found.sampled:
        target.print()
        for name in names:
            share = found.below(name, "cost_total_usd")
            if name != found.baseline and share is not None:
                target.print(
                    f"{name} costs less than {found.baseline} with a probability of {share:.0%}."
                )
