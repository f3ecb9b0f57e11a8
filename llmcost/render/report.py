"""A report: page one is the answer, then what it is made of, its ranges, and what it rests on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, timedelta
from functools import partial
from math import ceil

from llmcost.analysis.compare import Comparison
from llmcost.analysis.estimate import Estimate
from llmcost.analysis.report import Section
from llmcost.analysis.sampling import Sampling
from llmcost.engine.results import RESULTS
from llmcost.render import charts, year_charts
from llmcost.render.cost import cost_note, cost_parts, method_words, undetermined
from llmcost.render.document import (
    Block,
    Chart,
    Document,
    Fact,
    Facts,
    Links,
    Listing,
    Part,
    Table,
    Text,
    narrow,
)
from llmcost.render.keys import key_words, result_words
from llmcost.render.numbers import mixed_currencies, range_heading, readable, show_in, span
from llmcost.render.project import COLUMNS, LIFE_COLUMNS
from llmcost.render.report_parts import details
from llmcost.version import __version__

#: Figures of the answer, in order, those that are known.
HEADLINES = (
    "cost_total_usd", "flops", "devices", "days", "energy_mwh", "total_tco2e", "lifetime_cost_usd",
    "lifetime_tco2e",
)  # fmt: skip
#: What the answer names of all that drives it.
_DRIVERS = 3
#: What a chart by year is drawn of: the first that is known and changes.
_YEARLY = ("cost_total_usd", "total_tco2e", "energy_mwh", "flops")
#: Results that tables of several scenarios or years show, those that are known.
_COLUMNS = tuple(dict.fromkeys([*COLUMNS, *LIFE_COLUMNS]))


def report(
    title: str,
    sections: Sequence[Section],
    comparison: Comparison | None,
    sampling: Sampling | None,
) -> Document:
    """The document of a report.

    Parameters
    ----------
    title : str
        Its heading.
    sections : sequence of Section
        The scenarios, in order.
    comparison : Comparison or None
        The scenarios side by side, where there is more than one.
    sampling : Sampling or None
        How the ranges were sampled.

    Returns
    -------
    Document
        The same for the same input; warnings are its footnotes.
    """
    scenarios = [item.result.inputs.scenario for item in sections]
    show_in(*scenarios)
    notes = [*mixed_currencies(*scenarios)]
    notes += dict.fromkeys(text for item in sections for text in item.result.warnings)
    lead: list[Block] = []
    parts: list[Part] = []
    if len(sections) > 1:
        places = [(item.result.name, f"scenario-{i}") for i, item in enumerate(sections, 1)]
        lead.append(Links(tuple(places)))
    if comparison is not None:
        parts.append(Part("Side by side", 2, tuple(_comparison(comparison))))
    for index, item in enumerate(sections, 1):
        parts.append(_answer(item, f"scenario-{index}", notes))
        parts += details(item)
        if item.projection is not None:
            parts.append(Part("By year", 3, tuple(_projection(item))))
    parts.append(
        Part(
            "About these figures",
            2,
            (
                Text(
                    f"Made by llmcost {__version__}. {_ranges(sampling)} Figures are rounded. Every number has its"
                    " formula in llmcost estimate SCENARIO --explain; the formulas are from:"
                ),
                _sources(sections),
            ),
        )
    )
    return Document(title, tuple(lead), tuple(parts), tuple(notes))


def _ranges(sampling: Sampling | None) -> str:
    if sampling is None:
        return "No ranges were asked for."
    what = "the scenario's uncertain inputs"
    if sampling.defaults:
        what += " and the published intervals of defaulted ones"
    return f"Ranges are from {sampling.samples:,} samples of {what}; values are those at their medians."


def _answer(item: Section, anchor: str, notes: Sequence[str]) -> Part:
    """Page one: the figures, and what moves the first of them most."""
    result = item.result
    blocks: list[Block] = []
    description = result.inputs.scenario.get("description")
    if description:
        blocks.append(Text(str(description)))
    facts = []
    for key in HEADLINES:
        value = result.result(key)
        if value is not None:
            unit = RESULTS[key].unit
            band = span(result.intervals.get(key, {}), unit)
            what = f"{range_heading(result.intervals)}: {band}" if band else ""
            facts.append(Fact(result_words(key), readable(value, unit), what, _says(result, key)))
        elif key == "cost_total_usd":
            missed = "What is missing stands in the notes" if result.warnings else ""
            facts.append(Fact(result_words(key), "not known", missed, _says(result, key)))
    if facts:
        blocks.append(Facts(tuple(facts)))
    blocks += _drivers(item)
    said = cost_note(result)
    unknown = undetermined(result)
    if unknown:
        said += f" Not determined by the scenario: {', '.join(unknown)}."
    blocks.append(Text(said, quiet=True))
    blocks += [Text(note, quiet=True) for note in item.notes]
    if result.warnings:
        numbers = tuple(sorted({notes.index(text) + 1 for text in result.warnings}))
        blocks.append(Text("Warnings that bear on these figures, in the notes:", notes=numbers))
    return Part(result.name, 2, tuple(blocks), anchor)


#: Results of the run, and the same with its experiments, which the total cost counts too.
_WITH_EXPERIMENTS = {"energy_mwh": "development_energy_mwh", "total_tco2e": "development_tco2e"}


def _says(result: Estimate, key: str) -> str:
    """What a figure of the answer is, in the scenario's words where it has some."""
    if key == "cost_total_usd":
        return f"By the {method_words(result)} method"
    if key == "flops":
        return _bought(result)
    if key == "devices":
        named = result.inputs.shown.get("cluster.accelerator")
        return str(named) if named and not result.stages else RESULTS[key].description
    if key == "days":
        return _when(result)
    said = RESULTS[key].description
    whole = _WITH_EXPERIMENTS.get(key)
    value = None if whole is None else result.result(whole)
    if whole is None or value is None or value == result.result(key):
        return said
    return f"{said}; with experiments {readable(value, RESULTS[whole].unit)}"


def _bought(result: Estimate) -> str:
    """What the compute trains."""
    params, active, tokens = map(result.result, ("params", "active_params", "tokens"))
    if params is None:
        return RESULTS["flops"].description
    said = f"{readable(params, '')} parameters"
    if active is not None and active != params:
        said += f", {readable(active, '')} active"
    return said + (f", on {readable(tokens, 'tokens')} tokens" if tokens is not None else "")


def _when(result: Estimate) -> str:
    """From when to when the run lasts, where its start is given."""
    start, days = result.inputs.scenario.get("start_date"), result.result("days")
    if not isinstance(start, date) or days is None or days > (date.max - start).days - 1:
        return RESULTS["days"].description
    return f"{start} to {start + timedelta(days=ceil(days))}"


def _drivers(item: Section) -> list[Block]:
    """What moves the result most; without ranges, the largest parts of the cost."""
    result = item.result
    bars = item.moving(_DRIVERS)
    if bars and item.driver is not None:
        unit = RESULTS[item.driver].unit
        label = result_words(item.driver).lower()
        rows = [
            [key_words(bar.key), readable(bar.low, unit), readable(bar.high, unit)] for bar in bars
        ]
        caption = f"What moves the {label} most, the other inputs at their medians"
        header = ["Input", "At its 5th percentile", "At its 95th"]
        return [Table(caption, header, rows, (1, 2))]
    total = result.result("cost_total_usd")
    parts = sorted(cost_parts(result), key=lambda part: -part.usd)[:_DRIVERS]
    if not total or len(parts) < 2:
        return []
    rows = [[part.label, readable(part.usd, "USD"), f"{part.usd / total:.0%}"] for part in parts]
    return [Table("Largest parts of the total", ["Part", "Cost", "Share"], rows, (1, 2))]


def _comparison(found: Comparison) -> list[Block]:
    names, items = list(found.estimates), list(found.estimates.values())
    shown = [key for key in _COLUMNS if any(item.result(key) is not None for item in items)]
    rows = [
        [result_words(key), *(readable(item.result(key), RESULTS[key].unit) for item in items)]
        for key in shown
    ]
    table = Table(
        "Main results of each scenario", ["Result", *names], rows, range(1, len(names) + 1)
    )
    blocks: list[Block] = [*narrow(table)]
    costs = [(name, item.result("cost_total_usd")) for name, item in found.estimates.items()]
    known = [(name, cost) for name, cost in costs if cost]
    if len(known) > 1:
        said = ", ".join(f"{name} {readable(cost, 'USD')}" for name, cost in known)
        draw = partial(charts.estimates_plot, found.estimates, "cost")
        blocks.append(Chart(draw, f"Total cost by scenario: {said}."))
    return blocks


def _projection(item: Section) -> list[Block]:
    found = item.projection
    assert found is not None
    shown = [key for key in _COLUMNS if found.result(key) is not None]
    columns = {key: found.result(key) for key in shown}
    rows = []
    for i, year in enumerate(found.years):
        cells = [
            readable(None if column is None else float(column[i]), RESULTS[key].unit)
            for key, column in columns.items()
        ]
        rows.append([str(int(year)), *cells])
    header = ["Year", *map(result_words, shown)]
    table = Table("The same model trained in later years", header, rows, range(1, len(shown) + 1))
    blocks: list[Block] = [*narrow(table)]
    changing = [
        key
        for key in _YEARLY
        if (column := columns.get(key)) is not None and (column != column[0]).any()
    ]
    metric = changing[0] if changing else None
    if metric is not None and len(found.years) > 1:
        values = columns[metric]
        assert values is not None
        unit = RESULTS[metric].unit
        said = (
            f"{result_words(metric)} by year: {readable(float(values[0]), unit)} in {found.years[0]},"
            f" {readable(float(values[-1]), unit)} in {found.years[-1]}"
            + ("; the band is the 90 % range." if metric in found.samples else ".")
        )
        blocks.append(Chart(partial(year_charts.projection_plot, found, [metric], []), said))
    trends = [
        [key_words(f"projection.{name}"), f"{trend.value:g}", str(trend.source)]
        for name, trend in found.trends.items()
    ]
    blocks.append(Table("Growth taken", ["Trend", "Value", "Source"], trends, (1,)))
    return blocks


def _sources(sections: Sequence[Section]) -> Listing:
    """The references of all formulas, each once: those with a year and an author."""
    named = (
        one.strip()
        for item in sections
        for step in item.result.steps
        if "llmcost" not in step.reference
        for one in step.reference.split(";")
    )
    found = {one for one in named if re.match(r"[A-Z].* \d{4}\b", one)}
    return Listing(tuple(sorted(found)))
