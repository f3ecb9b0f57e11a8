"""What a report says of a scenario below its answer: decomposition, alternatives, ranges, layout, inputs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from llmcost.analysis.estimate import Estimate
from llmcost.analysis.report import Section
from llmcost.engine.results import COST_METHODS, RESULTS
from llmcost.render import charts, levers, stages
from llmcost.render.cost import alternatives, cost_label, cost_parts, method_words, methods_of
from llmcost.render.data import STEP_LABELS, assumptions, step_note, step_parts
from llmcost.render.document import Block, Chart, Listing, Part, Table, Text
from llmcost.render.keys import key_words, result_words
from llmcost.render.memory import ledger
from llmcost.render.numbers import compact, plain, range_heading, readable, significant, span
from llmcost.scenario.keys import spec
from llmcost.scenario.schema import FLAG

#: Results that say nothing more where they equal another.
_SAME_AS = {"hardware_flops": "flops", "active_params": "params"}
#: Keys of a scenario that no number rests on.
_NO_INPUTS = ("name", "description", "schema_version")
#: Bars of the chart of what drives a range.
_MOST_BARS = 10


def details(item: Section) -> list[Part]:
    """The parts of a scenario below its answer, those that have something to say."""
    result = item.result
    found = {
        "What makes up the total": _decomposition(result),
        "Other methods": _alternatives(result),
        "Results and ranges": _results(result),
        "What drives the range": _swings(item),
        "Stages": _stages(result),
        "Levers": _levers(result),
        "Layout": _layout(result),
        "Beside what was published": _published(item),
        "Assumptions": _inputs(result),
    }
    parts = {heading: tuple(blocks) for heading, blocks in found.items()}
    return [Part(heading, 3, blocks) for heading, blocks in parts.items() if blocks]


def _decomposition(result: Estimate) -> Iterator[Block]:
    """The parts of the chosen method, which add up to the total."""
    total = result.result("cost_total_usd")
    if not total:
        return
    parts = cost_parts(result)
    rows = []
    for part in parts:
        band = span(part.interval, "USD")
        rows.append([part.label, readable(part.usd, "USD"), f"{part.usd / total:.0%}", band])
    band = span(result.intervals.get("cost_total_usd", {}), "USD")
    rows.append(["Total", readable(total, "USD"), "100%", band])
    header = ["Part", "Cost", "Share", range_heading(result.intervals)]
    header, rows = _told(result, 3, header, rows)
    caption = f"Parts of the total, by the {method_words(result)} method"
    yield Table(caption, header, rows, range(1, len(header)), ("Total",))
    if result.intervals:
        yield Text("Values add up; ranges do not, as not all is high at once.", quiet=True)
    if len(parts) > 1:
        said = ", ".join(f"{part.label} {part.usd / total:.0%}" for part in parts)
        draw = partial(charts.estimates_plot, {result.name: result}, "cost")
        yield Chart(draw, f"Total cost of {readable(total, 'USD')} by part: {said}.")


def _told(
    result: Estimate, place: int, header: list[str], rows: list[list[str]]
) -> tuple[list[str], list[list[str]]]:
    """A table without its column of ranges, where nothing has one."""
    if result.intervals:
        return header, rows
    header, *rows = [[*row[:place], *row[place + 1 :]] for row in (header, *rows)]
    return header, rows


def _alternatives(result: Estimate) -> Iterator[Block]:
    """What the run alone costs by each method."""
    others = alternatives(result)
    if not others:
        return
    rows = []
    methods = methods_of(result)
    chosen = [COST_METHODS[methods[0]]] if len(methods) == 1 else []
    for key in (*chosen, *others):
        value = result.result(key)
        if value is not None:
            label = RESULTS[key].label + ("" if key in others else " (chosen)")
            band = span(result.intervals.get(key, {}), "USD")
            rows.append([label, readable(value, "USD"), band, RESULTS[key].description])
    header = ["Method", "Cost of the run", range_heading(result.intervals), "What it counts"]
    header, rows = _told(result, 2, header, rows)
    yield Table(
        "The run alone, without experiments, staff and items",
        header,
        rows,
        range(1, len(header) - 1),
    )


def _results(result: Estimate) -> Iterator[Block]:
    """All that is known, with where the formula is from."""
    rows = []
    for key, entry in RESULTS.items():
        value = result.result(key)
        if value is None or (key in _SAME_AS and value == result.result(_SAME_AS[key])):
            continue
        band = span(result.intervals.get(key, {}), entry.unit)
        rows.append(
            [cost_label(result, key), readable(value, entry.unit), band, _origin(result, key)]
        )
        if key == "cost_items_usd":
            rows += [
                [
                    f"– {one.name}",
                    readable(one.usd, "USD"),
                    span(one.interval, "USD"),
                    "the scenario",
                ]
                for one in result.items
            ]
    header = ["Result", "Value", range_heading(result.intervals), "Formula from"]
    header, rows = _told(result, 2, header, rows)
    if rows:
        right = range(1, len(header) - 1)
        yield Table(f"Results of {result.name}", header, rows, right, ("Total",))


def _origin(result: Estimate, key: str) -> str:
    """Where the number of a result comes from: its formula, or who gave it."""
    step = result.step(key)
    if step is not None:
        return step.reference
    sources = result.inputs.sources
    given = sources.get(f"cluster.{key}") or sources.get(f"training.{key}") or ""
    return {"file": "the scenario", "set": "the scenario"}.get(given, given) or RESULTS[key].source


def _swings(item: Section) -> Iterator[Block]:
    bars = item.moving(_MOST_BARS)
    if not bars or item.driver is None:
        return
    unit = RESULTS[item.driver].unit
    label = result_words(item.driver).lower()
    first = bars[0]
    said = (
        f"What drives the range of {label}: most of all {key_words(first.key)}, which moves it"
        f" from {readable(first.low, unit)} to {readable(first.high, unit)}; the others at their medians."
    )
    rows = [
        [
            key_words(bar.key),
            _with_unit(compact(bar.low_input), bar.key),
            _with_unit(compact(bar.high_input), bar.key),
            readable(bar.low, unit),
            readable(bar.high, unit),
        ]
        for bar in bars
    ]
    header = ["Input", "5th percentile", "95th percentile", "Result at the 5th", "At the 95th"]
    yield Table(f"Inputs by how far they move the {label}", header, rows, (1, 2, 3, 4))
    yield Chart(partial(charts.tornado_plot, item.result, item.driver, bars), said)


def _with_unit(value: object, key: str) -> str:
    """An input with its unit; yes or no where it is a question."""
    text = plain(value)
    found = spec(key)
    if found is not None and found.kind == FLAG:
        return {"1": "yes", "true": "yes", "0": "no", "false": "no"}.get(text, text)
    unit = found.unit if found is not None else ""
    return text + (f" {unit}" if unit not in ("", "1") else "")


def _stages(result: Estimate) -> Iterator[Block]:
    if result.stages:
        header = list(stages.HEADER)
        caption = f"Stages of {result.name}"
        yield Table(caption, header, stages.rows(result), range(2, len(header)), ("All",))


def _levers(result: Estimate) -> Iterator[Block]:
    if result.levers:
        header = levers.header(result)
        caption = "What each lever divides, one after the other"
        yield Table(caption, header, levers.rows(result), range(1, len(header)), ("Together",))
        yield Text(levers.note(result), quiet=True)
        yield Listing(tuple(levers.changes(result)))


def _layout(result: Estimate) -> Iterator[Block]:
    """What fills a device, where the time of a step goes, and the layouts that a search found."""
    found = ledger(result)
    if found is not None:
        rows = [
            [label, value, "" if share is None else f"{share:.0%}"]
            for label, value, share in found.rows
        ]
        header = ["Part", "Memory", found.of]
        if not found.of:
            header, rows = header[:2], [row[:2] for row in rows]
        yield Table(found.heading, header, rows, range(1, len(header)), (found.rows[-1][0],))
        said = ", ".join(f"{label.lower()} {value}" for label, value, _ in found.rows)
        draw = partial(charts.estimates_plot, {result.name: result}, "memory")
        yield Chart(draw, f"{found.heading}: {said}, beside the memory of a device.")
    parts = {STEP_LABELS[name]: value for name, value in step_parts(result).items() if value}
    total = sum(parts.values())
    if total:
        rows = [
            [name, readable(value, "s"), f"{value / total:.0%}"] for name, value in parts.items()
        ]
        rows.append(["In all", readable(total, "s"), "100%"])
        yield Table(
            f"Time of a step{step_note(result)}",
            ["Part", "Time", "Share"],
            rows,
            (1, 2),
            ("In all",),
        )
        said = ", ".join(f"{name.lower()} {value / total:.0%}" for name, value in parts.items())
        draw = partial(charts.estimates_plot, {result.name: result}, "step")
        yield Chart(
            draw, f"Time of a step{step_note(result)}: {readable(total, 's')}, of it {said}."
        )
    if result.search is not None:
        from llmcost.analysis.layout import describe

        rows = [
            [
                describe(one),
                readable(one["step_time_s"], "s"),
                readable(one["memory_gb_per_device"], "GB"),
            ]
            for one in (result.search.best, *result.search.runners_up)
        ]
        caption = f"The best of {result.search.searched:,} layouts; the first is taken"
        yield Table(caption, ["Layout", "Step", "Memory"], rows, (1, 2))


def _published(item: Section) -> Iterator[Block]:
    """What was published about the run, beside what comes out here."""
    published = item.published or {}
    rows = []
    for key, entry in RESULTS.items():
        known, value = published.get(key), item.result.result(key)
        if known is not None:
            ratio = f"{significant(value / known)} ×" if value is not None and known else "—"
            rows.append(
                [entry.label, readable(value, entry.unit), readable(known, entry.unit), ratio]
            )
    if rows:
        header = ["Result", "Here", "Published", "Here over published"]
        yield Table(f"Published: {published['source']}", header, rows, (1, 2, 3))


def _inputs(result: Estimate) -> Iterator[Block]:
    """Every input: what the scenario gives, then defaults and what the catalog gives."""
    rows = [
        [key, _with_unit(item["value"], key), {"file": "scenario", "set": "--set"}[item["source"]]]
        for key, item in result.provenance().items()
        if item["source"] in ("file", "set") and key not in _NO_INPUTS
    ]
    defaults, entries = assumptions(result)
    rows += [
        [item.key, _with_unit(item.value, item.key), f"default: {item.source}"] for item in defaults
    ]
    rows += [
        [item.key, _with_unit(item.value, item.key), f"catalog: {item.source}"]
        for items in entries.values()
        for item in items
    ]
    if rows:
        rows = [[key_words(key), *row, key] for key, *row in rows]
        header = ["Input", "Value", "From", "Key"]
        yield Table(f"Inputs of {result.name}, and where each comes from", header, rows, (1,))
