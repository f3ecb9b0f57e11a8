"""A document as one HTML page that fetches nothing and runs nothing, in light, dark and on paper."""

from __future__ import annotations

import re
from html import escape
from typing import assert_never

from llmcost.errors import printable
from llmcost.render import plots
from llmcost.render.document import (
    ARXIV,
    Block,
    Chart,
    Document,
    Facts,
    Links,
    Listing,
    Part,
    Table,
    Text,
)

#: Colours of the plots, and the names that the page's themes give them.
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
.wide { overflow-x: auto; margin-bottom: 1rem; } .wide:focus-visible { outline: 2px solid var(--blue); }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: 0.3rem 0.7rem 0.3rem 0; text-align: left; vertical-align: top; }
th.n, td.n { text-align: right; white-space: nowrap; } tr.total { font-weight: 600; }
td:last-child:not(.n) { min-width: 11rem; } tbody th { font-weight: inherit; } thead th { color: var(--muted); font-size: 0.9rem; }
figure { margin: 0 0 1.5rem; } figure svg { width: 100%; height: auto; max-width: 40rem; }
figure svg text { fill: var(--ink); font-family: system-ui, sans-serif !important; }
@media print { :root { color-scheme: light; --paper: #ffffff; --ink: #000000; --muted: #444444; --line: #bbbbbb;
  --soft: #ffffff; --blue: #1f5fa8; --green: #1c7d56; --brown: #a24d27; --red: #b03a2e; }
  html { font-size: 10pt; } body { font-size: 1rem; max-width: none; padding: 0; } .cards { grid-template-columns: repeat(3, 1fr); } section + section.scenario { break-before: page; }
  h2, h3, caption { break-after: avoid; } figure, tr, .cards li { break-inside: avoid; } thead { display: table-header-group; }
  .wide { overflow: visible; } thead th, th, td, th.n, td.n { white-space: normal; overflow-wrap: anywhere; font-size: 8pt; }
  td:last-child:not(.n) { min-width: 0; } a { color: inherit; text-decoration: none; } }
"""


def html_page(document: Document) -> str:
    """The page of a document, the same for the same document."""
    write = _Writer()
    title = escape(document.title)
    body = [f"<h1>{title}</h1>", *map(write.block, document.lead)]
    inside = False
    for part in document.parts:
        if part.level == 2:
            body += ["</section>"] * inside
            inside = True
            body.append(
                f'<section class="scenario" id="{part.anchor}">' if part.anchor else "<section>"
            )
        body += write.part(part)
    body += ["</section>"] * inside
    if document.notes:
        lines = "".join(
            f'<li id="note-{number}">{escape(note)}</li>'
            for number, note in enumerate(document.notes, 1)
        )
        body.append(f"<section><h2>Notes</h2><ol>{lines}</ol></section>")
    return printable(
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(body)
        + "\n</main>\n</body>\n</html>\n"
    )


class _Writer:
    """Writes blocks; its charts are inline SVG whose colours follow the page and whose ids are their own."""

    def __init__(self) -> None:
        self.charts = 0

    def part(self, part: Part) -> list[str]:
        heading = f"<h{part.level}>{escape(part.heading)}</h{part.level}>"
        return [heading, *map(self.block, part.blocks)]

    def block(self, block: Block) -> str:
        match block:
            case Text():
                return _text(block)
            case Facts():
                return _facts(block)
            case Table():
                return _table(block)
            case Chart():
                return self.chart(block)
            case Links(items):
                lines = "".join(
                    f'<li><a href="#{anchor}">{escape(text)}</a></li>' for text, anchor in items
                )
                return f'<nav aria-label="Scenarios"><ul>{lines}</ul></nav>'
            case Listing(items):
                return f"<ul>{''.join(f'<li>{_linked(item)}</li>' for item in items)}</ul>"
            case _:
                assert_never(block)

    def chart(self, chart: Chart) -> str:
        self.charts += 1
        mark = f"c{self.charts}-"
        svg = plots.image(chart.draw(), "svg").decode()
        svg = svg[svg.index("<svg") :]
        svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
        svg = re.sub(r'(<svg[^>]*?) width="[^"]*" height="[^"]*"', r"\1", svg, count=1)
        svg = re.sub(r'(<svg[^>]*?) height="[^"]*"([^>]*?) width="[^"]*"', r"\1\2", svg, count=1)
        svg = re.sub(r'\bid="', f'id="{mark}', svg)
        svg = re.sub(r'(url\(#|href="#)', rf"\g<1>{mark}", svg)
        svg = svg.replace("fill: #ffffff", "fill: none")
        for colour, name in _COLOURS.items():
            svg = svg.replace(colour, f"var(--{name})")
        label = escape(chart.says, quote=True)
        svg = svg.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
        return f"<figure>{svg}<figcaption>{escape(chart.says)}</figcaption></figure>"


def _text(text: Text) -> str:
    kind = ' class="muted"' if text.quiet else ""
    links = ", ".join(f'<a href="#note-{number}">{number}</a>' for number in text.notes)
    return f"<p{kind}>{escape(text.words)}{' ' + links if links else ''}</p>"


def _facts(facts: Facts) -> str:
    cards = []
    for item in facts.items:
        below = "<br>".join(escape(line) for line in (item.range, item.says) if line)
        cards.append(
            f"<li>{escape(item.label)}<strong>{escape(item.value)}</strong>"
            f'<span class="muted">{below}</span></li>'
        )
    return f'<ul class="cards">{"".join(cards)}</ul>'


def _table(table: Table) -> str:
    """A table that scrolls in itself where the screen is narrow."""

    def cell(tag: str, index: int, text: str, scope: str = "") -> str:
        kind = ' class="n"' if index in table.right else ""
        return f"<{tag}{scope}{kind}>{escape(text)}</{tag}>"

    head = "".join(cell("th", i, text, ' scope="col"') for i, text in enumerate(table.header))
    lines = []
    for row in table.rows:
        mark = ' class="total"' if row[0] in table.total else ""
        cells = "".join(
            cell("td" if i else "th", i, text, "" if i else ' scope="row"')
            for i, text in enumerate(row)
        )
        lines.append(f"<tr{mark}>{cells}</tr>")
    caption = escape(table.caption, quote=True)
    return (
        f'<div class="wide" role="region" tabindex="0" aria-label="{caption}"><table>'
        f"<caption>{caption}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _linked(reference: str) -> str:
    return ARXIV.sub(r'<a href="https://arxiv.org/abs/\1">arXiv:\1</a>', escape(reference))
