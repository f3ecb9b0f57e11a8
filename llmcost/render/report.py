"""A report as one HTML page: tables, ranges, sources and charts, with nothing to fetch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from llmcost.analysis.compare import Comparison
from llmcost.analysis.estimate import Estimate
from llmcost.analysis.report import Section
from llmcost.analysis.sampling import Sampling
from llmcost.engine.results import RESULTS
from llmcost.render import plots, stages
from llmcost.render.cost import cost_label, cost_note, cost_parts, methods_of, undetermined
from llmcost.render.data import STEP_LABELS, assumptions, step_parts
from llmcost.render.numbers import plain, readable, show_in, span
from llmcost.render.project import COLUMNS, LIFE_COLUMNS
from llmcost.version import __version__

if TYPE_CHECKING:
    from matplotlib.figure import Figure


#: Results at the head of a scenario.
HEADLINES = (
    "cost_total_usd", "devices", "days", "energy_mwh", "total_tco2e", "lifetime_cost_usd", "lifetime_tco2e",
)  # fmt: skip
#: Results that tables of several scenarios or years show, those that are known.
_COLUMNS = tuple(dict.fromkeys([*COLUMNS, *LIFE_COLUMNS]))
#: Results that say nothing more where they equal another.
_SAME_AS = {"hardware_flops": "flops", "active_params": "params"}
#: Colours of the plots, and the names that the page's two themes give them.
_COLOURS = {
    "#1f5fa8": "blue",
    "#1f8a5f": "green",
    "#b0562e": "brown",
    "#b03a2e": "red",
    "#444444": "muted",
    "#999999": "muted",
    "#b0b0b0": "line",
    "#6b7a8f": "muted",
    "#000000": "ink",
}
_STYLE = """
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1a1d21; --muted: #59626d; --line: #c9ced4;
  --soft: #f1f4f7; --blue: #1f5fa8; --green: #1c7d56; --brown: #a24d27; --red: #b03a2e; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171a; --ink: #e6e9ec; --muted: #a3adb8;
  --line: #454d56; --soft: #1e2327; --blue: #6fa8e8; --green: #57c29a; --brown: #e0946b; --red: #e8857a; } }
@media print { :root { color-scheme: light; --paper: #ffffff; --ink: #000000; --muted: #444444; --line: #bbbbbb;
  --soft: #ffffff; --blue: #1f5fa8; --green: #1c7d56; --brown: #a24d27; --red: #b03a2e; }
  section.scenario { break-before: page; } figure, tr, .cards { break-inside: avoid; } details > * { display: block; }
  a { color: inherit; text-decoration: none; } }
* { box-sizing: border-box; }
body { background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; margin: 0 auto;
  max-width: 62rem; padding: 1rem; overflow-wrap: break-word; }
h1 { font-size: 1.6rem; line-height: 1.2; } h2 { font-size: 1.35rem; margin-top: 2.5rem; } h3 { font-size: 1.1rem; }
a { color: var(--blue); } .muted, figcaption, caption { color: var(--muted); font-size: 0.9rem; }
caption { text-align: left; padding: 0.3rem 0; }
.cards { display: grid; gap: 0.6rem; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); margin: 1rem 0;
  padding: 0; list-style: none; }
.cards li { background: var(--soft); border: 1px solid var(--line); border-radius: 0.4rem; padding: 0.6rem 0.8rem; }
.cards strong { display: block; font-size: 1.25rem; }
.wide { overflow-x: auto; } .wide:focus-visible { outline: 2px solid var(--blue); }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: 0.3rem 0.7rem 0.3rem 0; text-align: left; vertical-align: top; }
th.n, td.n { text-align: right; white-space: nowrap; } tr.total { font-weight: 600; }
td:last-child:not(.n) { min-width: 11rem; } tbody th { font-weight: inherit; } thead th { color: var(--muted); font-size: 0.9rem; }
figure { margin: 0 0 1.5rem; } figure svg { width: 100%; height: auto; max-width: 40rem; }
figure svg text { fill: var(--ink); font-family: system-ui, sans-serif !important; }
.warning { border-left: 3px solid var(--red); padding-left: 0.8rem; }
"""


def report_page(
    title: str,
    sections: Sequence[Section],
    comparison: Comparison | None,
    sampling: Sampling | None,
) -> str:
    """The page.

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
    str
        HTML that fetches nothing, the same for the same input.
    """
    show_in(*(item.result.inputs.scenario for item in sections))
    charts = _Charts()
    body = [f"<h1>{escape(title)}</h1>"]
    body.append(
        f'<p class="muted">Made by llmcost {escape(__version__)}. {escape(_ranges(sampling))}'
        " Every number has its formula in <code>llmcost estimate SCENARIO --explain</code>.</p>"
    )
    if len(sections) > 1:
        links = "".join(
            f'<li><a href="#scenario-{i}">{escape(item.result.name)}</a></li>'
            for i, item in enumerate(sections, 1)
        )
        body.append(f'<nav aria-label="Scenarios"><ul>{links}</ul></nav>')
    if comparison is not None:
        body.append(_comparison(comparison, charts))
    body += [_scenario(item, index, charts) for index, item in enumerate(sections, 1)]
    body.append(_sources(sections))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(body)
        + "\n</main>\n</body>\n</html>\n"
    )


def _ranges(sampling: Sampling | None) -> str:
    if sampling is None:
        return "No ranges were asked for."
    what = "the scenario's uncertain inputs"
    if sampling.defaults:
        what += " and the published intervals of defaulted ones"
    return f"Ranges are from {sampling.samples:,} samples of {what}; values are those at their medians."


class _Charts:
    """Plots as inline SVG whose colours follow the page and whose ids are its own."""

    def __init__(self) -> None:
        self.count = 0

    def figure(self, drawn: Figure, alternative: str) -> str:
        self.count += 1
        mark = f"c{self.count}-"
        svg = plots.image(drawn, "svg").decode()
        svg = svg[svg.index("<svg") :]
        svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
        svg = re.sub(r'(<svg[^>]*?) width="[^"]*" height="[^"]*"', r"\1", svg, count=1)
        svg = re.sub(r'(<svg[^>]*?) height="[^"]*"([^>]*?) width="[^"]*"', r"\1\2", svg, count=1)
        svg = re.sub(r'\bid="', f'id="{mark}', svg)
        svg = re.sub(r'(url\(#|href="#)', rf"\g<1>{mark}", svg)
        svg = svg.replace("fill: #ffffff", "fill: none")
        for colour, name in _COLOURS.items():
            svg = svg.replace(colour, f"var(--{name})")
        label = escape(alternative, quote=True)
        svg = svg.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
        return f"<figure>{svg}<figcaption>{escape(alternative)}</figcaption></figure>"


def _table(
    caption: str,
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    right: Sequence[int] = (),
    total: Sequence[str] = (),
) -> str:
    """A table that scrolls in itself where the screen is narrow; its first column names the rows."""

    def cell(tag: str, index: int, text: str, scope: str = "") -> str:
        kind = ' class="n"' if index in right else ""
        return f"<{tag}{scope}{kind}>{escape(text)}</{tag}>"

    head = "".join(cell("th", i, text, ' scope="col"') for i, text in enumerate(header))
    lines = []
    for row in rows:
        mark = ' class="total"' if row[0] in total else ""
        cells = "".join(
            cell("td" if i else "th", i, text, "" if i else ' scope="row"')
            for i, text in enumerate(row)
        )
        lines.append(f"<tr{mark}>{cells}</tr>")
    return (
        f'<div class="wide" role="region" tabindex="0" aria-label="{escape(caption, quote=True)}"><table>'
        f"<caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _comparison(found: Comparison, charts: _Charts) -> str:
    names, items = list(found.estimates), list(found.estimates.values())
    shown = [key for key in _COLUMNS if any(item.result(key) is not None for item in items)]
    rows = [
        [RESULTS[key].label, *(readable(item.result(key), RESULTS[key].unit) for item in items)]
        for key in shown
    ]
    text = "<section><h2>Side by side</h2>" + _table(
        "Main results of each scenario", ["Result", *names], rows, range(1, len(names) + 1)
    )
    costs = [(name, item.result("cost_total_usd")) for name, item in found.estimates.items()]
    known = [(name, cost) for name, cost in costs if cost]
    if len(known) > 1:
        said = ", ".join(f"{name} {readable(cost, 'USD')}" for name, cost in known)
        drawn = plots.parts_plot(known, "USD", "Total cost", shares=False)
        text += charts.figure(drawn, f"Total cost by scenario: {said}.")
    return text + "</section>"


def _scenario(item: Section, index: int, charts: _Charts) -> str:
    result = item.result
    text = [f'<section class="scenario" id="scenario-{index}"><h2>{escape(result.name)}</h2>']
    description = result.inputs.scenario.get("description")
    if description:
        text.append(f"<p>{escape(str(description))}</p>")
    cards = []
    for key in HEADLINES:
        value = result.result(key)
        if value is not None:
            unit = RESULTS[key].unit
            band = span(result.intervals.get(key, {}), unit)
            more = f"<br>{escape(band)}" if band else ""
            cards.append(
                f"<li>{escape(RESULTS[key].label)}<strong>{escape(readable(value, unit))}</strong>"
                f'<span class="muted">{escape(RESULTS[key].description)}{more}</span></li>'
            )
    text.append(f'<ul class="cards">{"".join(cards)}</ul>')
    text += [f'<p class="warning">{escape(message)}</p>' for message in result.warnings]
    text.append("<h3>Results</h3>" + _results(item))
    drawn = [
        *_cost_chart(result, charts),
        *_step_chart(result, charts),
        *_tornado_chart(item, charts),
    ]
    if drawn:
        text.append(f"<h3>What makes it up</h3>{''.join(drawn)}")
    if result.stages:
        header = list(stages.HEADER)
        made = _table(
            f"Stages of {result.name}", header, stages.rows(result), range(2, len(header))
        )
        text.append(f"<h3>Stages</h3>{made}")
    text.append(_projection(item, charts))
    text.append(_assumptions(result))
    return "".join(text) + "</section>"


def _results(item: Section) -> str:
    result, published = item.result, item.published or {}
    has_published = any(published.get(key) is not None for key in RESULTS)
    uncertain = bool(result.intervals)
    header = ["Result", "Value", "90 % range", "Published", "Formula from"]
    keep = [0, 1, *([2] if uncertain else []), *([3] if has_published else []), 4]
    rows = []
    for key, entry in RESULTS.items():
        value, known = result.result(key), published.get(key)
        if value is None and known is None:
            continue
        if key in _SAME_AS and value == result.result(_SAME_AS[key]):
            continue
        step = result.step(key)
        given = result.inputs.sources.get(f"cluster.{key}") or result.inputs.sources.get(
            f"training.{key}"
        )
        source = {"file": "the scenario", "set": "the scenario"}.get(given or "", given or "")
        row = [
            cost_label(result, key),
            readable(value, entry.unit),
            span(result.intervals.get(key, {}), entry.unit),
            readable(known, entry.unit) if known is not None else "",
            step.reference if step else source or entry.source,
        ]
        rows.append([row[i] for i in keep])
        if key == "cost_items_usd":
            for one in result.items:
                row = [f"– {one.name}", readable(one.usd, "USD"), "", "", "the scenario"]
                rows.append([row[i] for i in keep])
    right = [keep.index(i) for i in (1, 2, 3) if i in keep]
    caption = f"Results of {result.name}"
    if has_published:
        caption += f"; published: {published['source']}"
    table = _table(caption, [header[i] for i in keep], rows, right, ("Total",))
    note, unknown = cost_note(result), undetermined(result)
    if unknown:
        note += f" Not determined by the scenario: {', '.join(unknown)}."
    return table + f'<p class="muted">{escape(note)}</p>'


def _cost_chart(result: Estimate, charts: _Charts) -> list[str]:
    parts = [(part.label, part.usd) for part in cost_parts(result)]
    total = result.result("cost_total_usd")
    if not total:
        return []
    said = ", ".join(f"{name} {value / total:.0%}" for name, value in parts)
    drawn = plots.parts_plot(parts, "USD", f"Total, {' and '.join(methods_of(result))}")
    return [charts.figure(drawn, f"Total cost of {readable(total, 'USD')} by part: {said}.")]


def _step_chart(result: Estimate, charts: _Charts) -> list[str]:
    parts = [(STEP_LABELS[name], value) for name, value in step_parts(result).items() if value]
    total = sum(value for _, value in parts)
    if not total:
        return []
    said = ", ".join(f"{name.lower()} {value / total:.0%}" for name, value in parts)
    drawn = plots.parts_plot(parts, "s", "Time of a step")
    return [charts.figure(drawn, f"A step of {readable(total, 's')} by part: {said}.")]


def _tornado_chart(item: Section, charts: _Charts) -> list[str]:
    bars = [bar for bar in item.bars if bar.low is not None and bar.low != bar.high][:10]
    if not bars or item.driver is None:
        return []
    unit = RESULTS[item.driver].unit
    first = bars[0]
    said = (
        f"What drives the range of {RESULTS[item.driver].label.lower()}: most of all {first.key}, which moves it"
        f" from {readable(first.low, unit)} to {readable(first.high, unit)}; the others at their medians."
    )
    return [charts.figure(plots.tornado_plot(item.result, item.driver, bars), said)]


def _projection(item: Section, charts: _Charts) -> str:
    notes = "".join(f'<p class="muted">{escape(note)}</p>' for note in item.notes)
    found = item.projection
    if found is None:
        return notes
    shown = [key for key in _COLUMNS if found.result(key) is not None]
    columns = {key: found.result(key) for key in shown}
    rows = []
    for i, year in enumerate(found.years):
        cells = [
            readable(None if column is None else float(column[i]), RESULTS[key].unit)
            for key, column in columns.items()
        ]
        rows.append([str(int(year)), *cells])
    table = _table(
        "The same model trained in later years",
        ["Year", *(RESULTS[key].label for key in shown)],
        rows,
        range(1, len(shown) + 1),
    )
    metric = next((key for key in ("cost_total_usd", "flops") if key in shown), None)
    chart = ""
    if metric is not None and len(found.years) > 1:
        values = columns[metric]
        assert values is not None
        unit = RESULTS[metric].unit
        said = (
            f"{RESULTS[metric].label} by year: {readable(float(values[0]), unit)} in {found.years[0]},"
            f" {readable(float(values[-1]), unit)} in {found.years[-1]}"
            + ("; the band is the 90 % range." if metric in found.samples else ".")
        )
        chart = charts.figure(plots.projection_plot(found, [metric], []), said)
    trends = _table(
        "Growth taken",
        ["Trend", "Value", "Source"],
        [[name, f"{trend.value:g}", str(trend.source)] for name, trend in found.trends.items()],
        (1,),
    )
    return f"<h3>By year</h3>{chart}{table}<details><summary>Growth taken</summary>{trends}</details>{notes}"


def _assumptions(result: Estimate) -> str:
    defaults, entries = assumptions(result)
    rows = [[item.key, item.value, item.source, "default"] for item in defaults]
    rows += [
        [item.key, item.value, item.source, "catalog"]
        for items in entries.values()
        for item in items
    ]
    given = [
        [key, plain(item["value"]), "", "scenario" if item["source"] == "file" else "--set"]
        for key, item in result.provenance().items()
        if item["source"] in ("file", "set") and key not in ("name", "description")
    ]
    if not rows and not given:
        return ""
    return "<h3>Inputs</h3>" + _table(
        f"Inputs of {result.name}, and where each comes from",
        ["Key", "Value", "Source", "By"],
        given + rows,
        (1,),
    )


def _sources(sections: Sequence[Section]) -> str:
    found = dict.fromkeys(
        step.reference
        for item in sections
        for step in item.result.steps
        if "llmcost" not in step.reference and re.search(r"\d{4}", step.reference)
    )
    lines = "".join(f"<li>{_linked(reference)}</li>" for reference in sorted(found))
    return f"<section><h2>Sources of the formulas</h2><ul>{lines}</ul></section>"


def _linked(reference: str) -> str:
    return re.sub(
        r"arXiv:(\d{4}\.\d{5})",
        r'<a href="https://arxiv.org/abs/\1">arXiv:\1</a>',
        escape(reference),
    )
