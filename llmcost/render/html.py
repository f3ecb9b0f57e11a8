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

#: Colours that a page has beside those of its charts.
_PAGE = {
    "paper": plots.PAPER,
    "soft": plots.Colour("#f1f4f7", "#1e2327"),
    "ink": plots.Colour("#1a1d21", "#e6e9ec"),
}
#: Letters of a cell of figures that stay in one line, and those of a word that do.
_FIGURE, _WORD = 24, 12


def _colours(theme: str) -> str:
    """The page's colours and its charts' as variables of CSS: of the theme ``light`` or ``dark``."""
    found = plots.COLOURS | _PAGE
    return " ".join(f"--{name}: {getattr(colour, theme)};" for name, colour in found.items())


_STYLE = f"""
:root {{ color-scheme: light dark; {_colours("light")} }}
@media (prefers-color-scheme: dark) {{ :root {{ {_colours("dark")} }} }}
""" + """
* { box-sizing: border-box; }
body { background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; margin: 0 auto;
  max-width: 62rem; padding: 1rem; overflow-wrap: break-word; }
h1 { font-size: 1.6rem; line-height: 1.2; } h2 { font-size: 1.35rem; margin-top: 2.5rem; } h3 { font-size: 1.1rem; }
a { color: var(--blue); } .muted, figcaption, caption { color: var(--muted); font-size: 0.9rem; }
caption { text-align: left; padding: 0.3rem 0; }
.cards { display: grid; gap: 0.6rem; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); margin: 1rem 0;
  padding: 0; list-style: none; }
.cards li { background: var(--soft); border: 1px solid var(--line); border-radius: 0.4rem; padding: 0.6rem 0.8rem; }
.whole { white-space: nowrap; } .cards strong { display: block; font-size: 1.25rem; }
.wide { overflow-x: auto; margin-bottom: 1rem; } .wide:focus-visible { outline: 2px solid var(--blue); }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: 0.3rem 0.7rem 0.3rem 0; text-align: left; vertical-align: top; }
th.n, td.n { text-align: right; } td.n { white-space: nowrap; } td.n.long { white-space: normal; }
tbody th { min-width: 6.5rem; position: sticky; left: 0; background: var(--paper); } tr.total { font-weight: 600; }
td:not(.n) { min-width: 13rem; } tbody th { font-weight: inherit; } thead th { color: var(--muted); font-size: 0.9rem; }
figure { margin: 0 0 1.5rem; } .chart { overflow-x: auto; } .chart:focus-visible { outline: 2px solid var(--blue); }
figure svg { width: 100%; height: auto; min-width: 30rem; max-width: 44rem; }
figure svg text { fill: var(--ink); font-family: system-ui, sans-serif !important; }
@media screen and (max-width: 40rem) { td:not(.n) { min-width: 22rem; } }
@media print { :root { color-scheme: light; PAPER --soft: #ffffff; }
  html { font-size: 10pt; } body { font-size: 1rem; max-width: none; padding: 0; } .cards { grid-template-columns: repeat(3, 1fr); } section + section.scenario { break-before: page; }
  h2, h3, caption { break-after: avoid; } figure, tr, .cards li { break-inside: avoid; } thead { display: table-header-group; }
  .wide, .chart { overflow: visible; } figure svg { min-width: 0; max-width: 33rem; } thead th, th, td { font-size: 8pt; } td.n.long, th.n { white-space: normal; }
  tbody tr:first-child { break-before: avoid; } tbody th { position: static; }
  td:not(.n) { min-width: 0; } a { color: inherit; text-decoration: none; } }
""".replace("PAPER", _colours("light"))


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
        svg = plots.image(chart.draw(), "svg")[0].decode()
        svg = svg[svg.index("<svg") :]
        svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
        svg = re.sub(r'(<svg[^>]*?) width="[^"]*" height="[^"]*"', r"\1", svg, count=1)
        svg = re.sub(r'(<svg[^>]*?) height="[^"]*"([^>]*?) width="[^"]*"', r"\1\2", svg, count=1)
        svg = re.sub(r'\bid="', f'id="{mark}', svg)
        svg = re.sub(r'(url\(#|href="#)', rf"\g<1>{mark}", svg)
        svg = svg.replace("fill: #ffffff", "fill: none").replace(plots.PAPER.light, "var(--paper)")
        for name, colour in plots.COLOURS.items():
            svg = svg.replace(colour.light, f"var(--{name})")
        label = escape(chart.says, quote=True)
        svg = svg.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
        return (
            f'<figure><div class="chart" tabindex="0">{svg}</div><figcaption>'
            f"{escape(chart.says)}</figcaption></figure>"
        )


def _text(text: Text) -> str:
    kind = ' class="muted"' if text.quiet else ""
    links = ", ".join(f'<a href="#note-{number}">{number}</a>' for number in text.notes)
    return f"<p{kind}>{escape(text.words)}{' ' + links if links else ''}</p>"


def _facts(facts: Facts) -> str:
    cards = []
    for item in facts.items:
        lines = (escape(line) for line in (item.range, item.says) if line)
        below = re.sub(
            r"[^\s<>]*\d[–-]\d[^\s<>]*", r'<span class="whole">\g<0></span>', "<br>".join(lines)
        )
        cards.append(
            f"<li>{escape(item.label)}<strong>{escape(item.value)}</strong>"
            f'<span class="muted">{below}</span></li>'
        )
    return f'<ul class="cards">{"".join(cards)}</ul>'


def _table(table: Table) -> str:
    """A table that scrolls in itself where the screen is narrow."""

    def cell(tag: str, index: int, text: str, scope: str = "") -> str:
        long = " long" if len(text) > _FIGURE else ""
        kind = f' class="n{long}"' if index in table.right else ""
        return f"<{tag}{scope}{kind}>{_breakable(text)}</{tag}>"

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


def _breakable(text: str) -> str:
    """Text whose long words, keys and paths, break behind their signs, not in the midst of a word."""
    words = []
    for word in text.split(" "):
        places = r"(?<=[._/-])(?=[^\W\d])|(?<=\w{30})(?=\w)" if len(word) > _WORD else r"(?!)"
        words.append("<wbr>".join(map(escape, re.split(places, word))))
    return " ".join(words)


def _linked(reference: str) -> str:
    return ARXIV.sub(r'<a href="https://arxiv.org/abs/\1">arXiv:\1</a>', escape(reference))
