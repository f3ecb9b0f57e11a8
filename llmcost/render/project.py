"""A projection as table, JSON, CSV or Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from llmcost.analysis.milestones import Crossing, Step
from llmcost.analysis.sampling import column
from llmcost.analysis.years import Projection
from llmcost.engine.results import RESULTS
from llmcost.render.data import to_csv, to_markdown
from llmcost.render.grid import grid
from llmcost.render.levers import divided
from llmcost.render.numbers import readable, share_bar, show_in, significant, span
from llmcost.version import __version__

COLUMNS = (
    "flops",
    "devices",
    "days",
    "peak_power_mw",
    "energy_mwh",
    "total_tco2e",
    "cost_total_usd",
)
#: The same of a model with a service.
LIFE_COLUMNS = (
    "devices", "total_tco2e", "cost_total_usd", "inference_devices", "inference_cost_usd",
    "lifetime_tco2e", "lifetime_cost_usd",
)  # fmt: skip


def columns(found: Projection) -> tuple[str, ...]:
    """The results that a table shows unless asked for others."""
    return COLUMNS if found.result("inference_devices") is None else LIFE_COLUMNS


def year_rows(found: Projection) -> list[dict[str, Any]]:
    """A flat object a year: all results, null where not determined."""
    columns: dict[str, Any] = {key: found.result(key) for key in RESULTS}
    return [
        {
            "year": int(year),
            **{key: None if col is None else float(col[i]) for key, col in columns.items()},
        }
        for i, year in enumerate(found.years)
    ]


def project_object(
    found: Projection,
    crossings: Sequence[Crossing],
    steps: Mapping[str, Sequence[Step]],
    budgets: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """The contract's JSON object, with trends, levers and what was asked for."""
    return {
        "schema_version": 1,
        "llmcost_version": __version__,
        "scenario": found.base.name,
        "follow": found.follow,
        "dollars": found.dollars._asdict(),
        "trends": {f"projection.{key}": trend._asdict() for key, trend in found.trends.items()},
        "levers": [lever._asdict() for lever in found.levers],
        "years": year_rows(found),
        "crossings": [_crossing(item) for item in crossings],
        "intervals": intervals(found),
        "waterfall": {key: [step._asdict() for step in items] for key, items in steps.items()},
        "budget": budgets,
        "notes": found.notes,
        "warnings": found.warnings,
    }


def _crossing(item: Crossing) -> dict[str, Any]:
    found = item._asdict()
    if item.probability_by_year is None:
        del found["probability_by_year"]
    return found


def intervals(found: Projection) -> list[dict[str, Any]]:
    """Quantiles of every result, an object a year; empty without samples."""
    bands = {key: found.band(key) for key in found.samples}
    if not bands:
        return []
    return [
        {
            "year": int(year),
            **{
                key: {name: float(values[i]) for name, values in band.items()}
                for key, band in bands.items()
            },
        }
        for i, year in enumerate(found.years)
    ]


def project_csv(found: Projection) -> str:
    """A line a year and a column a result; with samples its quantiles too."""
    rows = year_rows(found)
    bands = {
        column(key, name): band
        for key in RESULTS
        if key in found.samples
        for name, band in found.band(key).items()
    }
    extra = [[float(band[i]) for band in bands.values()] for i in range(len(rows))]
    lines = [[*row.values(), *more] for row, more in zip(rows, extra, strict=True)]
    return to_csv([*rows[0], *bands], lines)


def _cells(found: Projection, metrics: Sequence[str]) -> list[list[str]]:
    return [
        [str(row["year"]), *(readable(row[key], RESULTS[key].unit) for key in metrics)]
        for row in year_rows(found)
    ]


_SHORT = {
    "inference_devices": "Serving",
    "inference_cost_usd": "Service",
    "lifetime_tco2e": "Life CO2e",
    "lifetime_cost_usd": "Life cost",
    "flops": "FLOP",
    "peak_power_mw": "Power",
    "total_tco2e": "Carbon",
    "energy_mwh": "Energy",
    "cost_total_usd": "Cost",
    "days": "Days",
}


def _cell(text: str, key: str) -> str:
    for suffix in (" FLOP", " CO2e") + ((" days",) if key == "days" else ()):
        text = text.removesuffix(suffix)
    return text


def project_markdown(
    found: Projection,
    metrics: Sequence[str],
    crossings: Sequence[Crossing],
    budgets: Mapping[str, Any] | None = None,
) -> str:
    """The years, the crossings, and what a budget trains."""
    show_in(found.base.inputs.scenario)
    header = ["Year", *(f"{RESULTS[key].label}" for key in metrics)]
    text = to_markdown(header, _cells(found, metrics), range(1, len(header)))
    for note in (found.dollars.note, *found.notes):
        text += f"\n{note}.\n"
    if crossings:
        rows = [
            [f"`{c.metric}`", readable(c.threshold, RESULTS[c.metric].unit), c.date or "—", c.note]
            for c in crossings
        ]
        text += "\n" + to_markdown(["Threshold", "Value", "Crossed", ""], rows, [1])
    if budgets is not None:
        header, cells = _budget_cells(budgets["usd"], budgets["years"], bool(found.levers))
        text += "\n" + to_markdown(header, cells, range(1, len(header)))
        text += f"\n{_BESIDE}.\n"
    return text


def project_table(found: Projection, metrics: Sequence[str], target: Console) -> None:
    """Print the years and the trends behind them."""
    show_in(found.base.inputs.scenario)
    if found.samples and tuple(metrics) == COLUMNS:
        metrics = [key for key in metrics if key != "energy_mwh"]
    what = "The same model" if found.follow == "model" else "The frontier's model"
    target.print(f"{found.base.name}: {what.lower()}, trained in year …", style="bold")
    target.print()
    table = grid(
        "Year",
        *(_SHORT.get(key, RESULTS[key].label) for key in metrics),
        right=range(1, len(metrics) + 1),
    )
    ranges = found.band(metrics[-1])
    if ranges:
        ends = list(ranges)
        table.add_column(f"{ends[0]}–{ends[-1]}", justify="right", no_wrap=True)
    for index, row in enumerate(_cells(found, metrics)):
        cells = [_cell(text, key) for text, key in zip(row[1:], metrics, strict=True)]
        if ranges:
            band = {name: float(values[index]) for name, values in ranges.items()}
            cells.append(_cell(span(band, RESULTS[metrics[-1]].unit), metrics[-1]))
        table.add_row(row[0], *cells)
    target.print(table)
    target.print()
    trends = grid("Trends", "", "Source", right=[1])
    for key, trend in found.trends.items():
        kind, _, rest = trend.source.partition(": ")
        source = rest.partition(", ")[2] if kind == "catalog" else trend.source
        name = key.removesuffix("_per_year").removesuffix("_growth").removesuffix("_ooms")
        unit = "OOM/yr" if "_ooms_" in key else "×/yr"
        trends.add_row("  " + name.replace("_", " "), f"{significant(trend.value)} {unit}", source)
    target.print(trends)
    for note in (found.dollars.note, *found.notes):
        target.print()
        target.print(f"{note}.", style="dim")
    if found.levers:
        target.print()
        changed = [lever for lever in found.levers if lever.changes]
        levers = grid(
            "Levers", "from", "FLOPs", "FLOP/s", "price", "power", "MFU", "trend",
            right=range(1, 8),
        )  # fmt: skip
        for lever in found.levers:
            digits = ".2g" if lever.changes else "g"
            parts = [
                f"×{value:{digits}}" if f"{value:{digits}}" != "1" else ""
                for value in (
                    lever.flops, lever.flops_per_device, lever.device_price, lever.power, lever.mfu,
                )
            ]  # fmt: skip
            share = f"{lever.in_trend:.0%}" if lever.in_trend else ""
            levers.add_row("  " + lever.name, str(lever.year), *parts, share)
        target.print(levers)
        if changed:
            target.print(
                f"Computed from the keys that they change: {', '.join(lever.name for lever in changed)}.",
                style="dim",
            )


def crossings_table(crossings: Sequence[Crossing], target: Console) -> None:
    """Print when thresholds are crossed."""
    table = grid("Threshold", "", "Crossed", "", right=[1])
    for item in crossings:
        label = f"  {RESULTS[item.metric].label} ({item.metric})"
        table.add_row(
            label, readable(item.threshold, RESULTS[item.metric].unit), item.date or "—", item.note
        )
    target.print()
    target.print(table)
    for item in crossings:
        if item.probability_by_year is not None:
            likely = [
                f"{year} {share:.0%}"
                for year, share in item.probability_by_year.items()
                if 0.005 < share < 0.995
            ]
            text = ", ".join(likely) or "no year is in doubt"
            target.print(f"Probability that {item.metric} has crossed by then: {text}", style="dim")


def waterfall_table(metric: str, steps: Sequence[Step], year: int, target: Console) -> None:
    """Print a waterfall with bars."""
    unit = RESULTS[metric].unit
    top = max(step.value for step in steps) or 1.0
    ordered = any(step.shapley is None for step in steps)
    columns = ["change", *(["factor", "stated"] if ordered else ["Shapley"])]
    table = grid(f"{metric} in {year}", "left", "", *columns, right=[1, 3, 4, 5])
    before = steps[0].value
    for step in steps:
        both = [step.change] if step.shapley is None else [step.change, step.shapley]
        change = [readable(value, unit) if any(both) else "" for value in both]
        if ordered:
            factor = before / step.value if step.value and step is not steps[0] else None
            change += [divided(factor), divided(step.stated)]
        before = step.value
        table.add_row(
            "  " + step.name, readable(step.value, unit), share_bar(step.value / top, 12), *change
        )
    target.print()
    target.print(table)
    if ordered:
        total = sum(step.change for step in steps)
        target.print(
            "Change is in the order given, as what a lever does that changes keys depends on those before it; "
            "stated is what the source of a lever divides the cost by, without trends. "
            f"The changes add up to {readable(total, unit)}.", style="dim",
        )  # fmt: skip
        return
    total = sum(step.shapley or 0.0 for step in steps)
    target.print(
        f"Change is in the order given; the Shapley share is the mean over all orders and does not depend on it. "
        f"Both add up to {readable(total, unit)}.", style="dim",
    )  # fmt: skip


#: What stands beside the models of a budget.
_BESIDE = (
    "Frontier: the largest run of the year alone, amortized: GPT-4 by Epoch AI's inputs (scenario "
    "frontier), its cost growing by the catalog's trend (catalog trends frontier_cost)"
)


def _budget_cells(
    usd: float, rows: Sequence[Mapping[str, Any]], levers: bool
) -> tuple[list[str], list[list[str]]]:
    """Header and rows of what a budget trains, beside the frontier of the year."""
    pulled = ["with levers", "tokens"] if levers else []
    header = [f"{readable(usd, 'USD')} trains", "params", "tokens", "FLOP", *pulled]
    header += ["Frontier", "FLOP"]
    cells = []
    for row in rows:
        line = [str(row["year"])]
        for one in (row["without_levers"], *([row["with_levers"]] if levers else [])):
            line += [readable(one["params"], ""), readable(one["tokens"], "tokens")]
            if one is row["without_levers"]:
                line.append(readable(one["flops"], "FLOP").removesuffix(" FLOP"))
        run = row["frontier"]
        line.append("—" if run is None else readable(run["cost_usd"], "USD"))
        line.append("—" if run is None else readable(run["flops"], "FLOP").removesuffix(" FLOP"))
        cells.append(line)
    return header, cells


def budget_table(
    usd: float, rows: Sequence[Mapping[str, Any]], levers: bool, target: Console
) -> None:
    """Print the largest model that a budget trains, by year."""
    header, cells = _budget_cells(usd, rows, levers)
    table = grid(*header, right=range(1, len(header)))
    for first, *rest in cells:
        table.add_row(f"  {first}", *rest)
    target.print()
    target.print("Largest compute-optimal model, beside the frontier's largest run:")
    target.print()
    target.print(table)
    target.print()
    target.print(f"{_BESIDE}.", style="dim")
