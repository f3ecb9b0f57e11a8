"""A document as a PDF, with fpdf2 (the extra ``llmcost[pdf]``), imported only here and only when asked for."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, assert_never

from llmcost.errors import InputError, printable
from llmcost.render import plots
from llmcost.render.document import (
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

if TYPE_CHECKING:
    from fpdf import FPDF

#: Name of the font in the file: DejaVu Sans, which comes with matplotlib.
_FONT = "DejaVu"
#: Sizes of text, in points.
_BODY, _SMALL, _BIG = 9.5, 7.5, 13
#: Of a page's height, what a heading and the first rows of a table take, and a chart more [mm].
_FIRST, _DRAWN = 40.0, 60.0
#: Sizes of headings by level, in points.
_HEADINGS = {1: 17, 2: 14, 3: 11}
#: Margins of the page, and the height of a line of the body, in millimetres.
_MARGIN, _LINE = 16, 4.8
#: Figures of the answer in a row.
_CARDS = 3
#: Grey of what is quiet, of lines, and the blue of the charts.
_QUIET, _RULE, _BLUE = (85, 93, 105), (190, 196, 204), (31, 95, 168)
#: Width of a chart, in millimetres.
_CHART = 150
#: The widest cell that decides how wide a column is; wider ones are broken. What stands left and right of
#: a cell's text [mm], and how much wider bold text is, of which headings are.
_LONGEST, _PADDING, _BOLD = 60.0, 1.2, 1.2
#: The date that every file carries, as fpdf2 writes one, so that two runs write the same.
_WRITTEN = datetime(2000, 1, 1, tzinfo=UTC)
#: What stands for a character that the font has not.
_MISSING = "\N{WHITE SQUARE}"
#: Characters that are named in the warning of those that the font has not.
_NAMED = 8


def check() -> None:
    """Say what is missing before the work.

    Raises
    ------
    InputError
        If a library is not installed; the message names the extra.
    """
    try:  # before the charts' library, which this extra brings
        import fpdf
        import uharfbuzz

        del fpdf, uharfbuzz
    except ImportError:
        raise InputError('a PDF needs fpdf2: pip install "llmcost[pdf]"') from None
    plots.figure()


def pdf_file(document: Document) -> tuple[bytes, list[str]]:
    """The file of a document, the same for the same document, and warnings of what it cannot show."""
    sheet = _Sheet(document)
    return sheet.write(), sheet.warnings()


class _Sheet:
    """Pages that are written from top to bottom."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.lost: dict[str, None] = {}
        self.signs = _signs()
        self.pdf = _empty()
        # Places that words lead to, set to where they are when they are written.
        anchors = [part.anchor for part in document.parts if part.anchor]
        self.anchors = {anchor: self.pdf.add_link(page=1) for anchor in anchors}
        self.marks = [self.pdf.add_link(page=1) for _ in document.notes]

    def write(self) -> bytes:
        document, pdf = self.document, self.pdf
        pdf.set_title(self.text(document.title))
        pdf.add_page()
        self.heading(document.title, 1)
        for block in document.lead:
            self.block(block)
        for index, part in enumerate(document.parts):
            if part.anchor and (index or document.lead):
                pdf.add_page()
            self.part(part)
        if document.notes:
            self.heading("Notes", 2)
            for mark, (number, note) in zip(self.marks, enumerate(document.notes, 1), strict=True):
                pdf.set_link(mark, y=pdf.get_y(), page=pdf.page_no())
                self.paragraph(f"{number}. {note}", _SMALL)
        return bytes(pdf.output())

    def warnings(self) -> list[str]:
        if not self.lost:
            return []
        signs = list(self.lost)
        named = " ".join(signs[:_NAMED]) + (" …" if len(signs) > _NAMED else "")
        return [
            f"the PDF shows {_MISSING} for what its font has not: {named}; a page (.html) has them"
        ]

    def text(self, words: str) -> str:
        """What the font can show of a text, in one line."""
        line = printable(" ".join(words.split()))
        self.lost |= {sign: None for sign in line if ord(sign) not in self.signs}
        return "".join(sign if ord(sign) in self.signs else _MISSING for sign in line)

    def part(self, part: Part) -> None:
        room = _DRAWN if part.blocks and isinstance(part.blocks[0], Chart) else 0.0
        self.heading(part.heading, part.level, part.anchor, room)
        for block in part.blocks:
            self.block(block)

    def heading(self, words: str, level: int, anchor: str = "", room: float = 0.0) -> None:
        """A heading, never the last line of a page: what it heads takes `room` millimetres or more."""
        pdf, size = self.pdf, _HEADINGS[level]
        if pdf.will_page_break(_FIRST + room):
            pdf.add_page()
        pdf.ln(_LINE / 2 if level > 1 else 0)
        if anchor:
            pdf.set_link(self.anchors[anchor], y=pdf.get_y(), page=pdf.page_no())
        if level > 1:
            pdf.start_section(self.text(words), level - 2)
        pdf.set_font(_FONT, "B", size)
        pdf.multi_cell(0, size * 0.5, self.text(words), align="L", new_x="LMARGIN", new_y="NEXT")
        pdf.ln(1)

    def paragraph(self, words: str, size: float = _BODY, quiet: bool = False) -> None:
        pdf = self.pdf
        pdf.set_font(_FONT, "", size)
        pdf.set_text_color(*(_QUIET if quiet else (0, 0, 0)))
        height = _LINE * size / _BODY
        pdf.multi_cell(0, height, self.text(words), align="L", new_x="LMARGIN", new_y="NEXT")
        pdf.set_text_color(0, 0, 0)
        pdf.ln(1)

    def block(self, block: Block) -> None:
        match block:
            case Text(words, quiet, notes):
                self.paragraph(words, _SMALL if quiet else _BODY, quiet)
                self.links([(str(number), self.marks[number - 1]) for number in notes], "   ")
            case Facts():
                self.facts(block)
            case Table():
                self.table(block)
            case Chart():
                self.chart(block)
            case Links(items):
                self.links([(text, self.anchors[anchor]) for text, anchor in items], "\n")
            case Listing(items):
                for item in items:
                    self.paragraph(f"• {item}", _SMALL)
            case _:
                assert_never(block)

    def links(self, items: Sequence[tuple[str, int]], between: str) -> None:
        """Words that lead to a place of the file."""
        if not items:
            return
        pdf = self.pdf
        pdf.set_font(_FONT, "", _BODY)
        pdf.set_text_color(*_BLUE)
        for words, place in items:
            pdf.write(_LINE, self.text(words), place)
            pdf.write(_LINE, between)
        pdf.set_text_color(0, 0, 0)
        pdf.ln(_LINE + 1)

    def facts(self, facts: Facts) -> None:
        """Boxes with a figure each, three in a row."""
        from fpdf.enums import TableBordersLayout
        from fpdf.fonts import FontFace

        items = facts.items
        pdf = self.pdf
        pdf.set_font(_FONT, "", _SMALL)
        pdf.set_draw_color(*_RULE)
        lines = {
            "label": FontFace(size_pt=_SMALL, color=_QUIET),
            "value": FontFace(size_pt=_BIG, emphasis="BOLD"),
            "range": FontFace(size_pt=_SMALL),
            "says": FontFace(size_pt=_SMALL, color=_QUIET),
        }
        for start in range(0, len(items), _CARDS):
            row = items[start : start + _CARDS]
            with pdf.table(
                borders_layout=TableBordersLayout.NONE,
                first_row_as_headings=False,
                text_align="LEFT",
                v_align="TOP",
                line_height=_LINE * 0.95,
                padding=(0.3, 3, 0.3, 0),
                col_widths=(1,) * _CARDS,
            ) as table:
                for field, style in lines.items():
                    texts = [self.text(getattr(item, field)) for item in row]
                    if any(texts):
                        line = table.row()
                        for text in (*texts, *[""] * (_CARDS - len(texts))):
                            line.cell(text, style=style)
            pdf.ln(1.5)
            pdf.line(pdf.l_margin, pdf.get_y(), pdf.w - pdf.r_margin, pdf.get_y())
            pdf.ln(1.5)

    def table(self, table: Table) -> None:
        from fpdf.enums import TableBordersLayout
        from fpdf.fonts import FontFace

        pdf = self.pdf
        if pdf.will_page_break(25):
            pdf.add_page()
        self.paragraph(table.caption, _SMALL, quiet=True)
        pdf.set_font(_FONT, "", _SMALL)
        pdf.set_draw_color(*_RULE)
        columns = list(zip(table.header, *table.rows, strict=True))
        widths = self.widths(columns)
        bold, plain = FontFace(emphasis="BOLD"), FontFace()
        with pdf.table(
            borders_layout=TableBordersLayout.HORIZONTAL_LINES,
            headings_style=FontFace(emphasis="BOLD", color=_QUIET),
            text_align=tuple("RIGHT" if i in table.right else "LEFT" for i in range(len(columns))),
            v_align="TOP",
            line_height=_LINE * 0.85,
            padding=(0.6, _PADDING),
            col_widths=tuple(widths),
        ) as drawn:
            for row in (table.header, *table.rows):
                line = drawn.row()
                style = bold if row is not table.header and row[0] in table.total else plain
                for cell in row:
                    line.cell(self.text(cell), style=None if row is table.header else style)
        pdf.ln(3)

    def widths(self, columns: Sequence[Sequence[str]]) -> list[float]:
        """Widths of columns that fill the page: each has its longest word whole, the rest goes by length."""
        pdf = self.pdf

        def wide(text: str) -> float:
            return float(pdf.get_string_width(self.text(text))) * _BOLD + 2 * _PADDING

        words = [
            max(wide(word) for text in one for word in (text.split() or [""])) for one in columns
        ]
        texts = [min(max(map(wide, one)), _LONGEST) for one in columns]
        least = [min(word, pdf.epw / 3) for word in words]
        more = [max(text - low, 0.0) for text, low in zip(texts, least, strict=True)]
        room = max(pdf.epw - sum(least), 0.0)
        if sum(more) <= room:
            spare = (room - sum(more)) / len(columns)
            return [low + extra + spare for low, extra in zip(least, more, strict=True)]
        return [low + room * extra / sum(more) for low, extra in zip(least, more, strict=True)]

    def chart(self, chart: Chart) -> None:
        """The drawing, with what it says as its caption and its alternative."""
        pdf, drawn = self.pdf, chart.draw()
        across, up = drawn.get_size_inches()
        height = _CHART * up / across
        if pdf.will_page_break(height + 3 * _LINE):
            pdf.add_page()
        picture = io.BytesIO(plots.image(drawn, "png")[0])
        pdf.image(picture, w=_CHART, h=height, alt_text=self.text(chart.says))
        pdf.ln(1)
        self.paragraph(chart.says, _SMALL, quiet=True)


def _fonts() -> dict[str, str]:
    """The font's files by style."""
    from pathlib import Path

    import matplotlib

    folder = Path(matplotlib.get_data_path(), "fonts", "ttf")
    return {"": str(folder / "DejaVuSans.ttf"), "B": str(folder / "DejaVuSans-Bold.ttf")}


@lru_cache
def _signs() -> frozenset[int]:
    """Characters that the font has in every style."""
    from fontTools.ttLib import TTFont

    return frozenset.intersection(
        *(frozenset(TTFont(path).getBestCmap()) for path in _fonts().values())
    )


def _empty() -> FPDF:
    """A file of A4 pages with their numbers."""
    from fpdf import FPDF

    class Numbered(FPDF):  # type: ignore[misc,unused-ignore]
        def footer(self) -> None:
            self.set_y(-12)
            self.set_font(_FONT, "", _SMALL)
            self.set_text_color(*_QUIET)
            self.cell(0, 6, str(self.page_no()), align="R")
            self.set_text_color(0, 0, 0)

    pdf = Numbered(format="A4")
    pdf.set_margin(_MARGIN)
    pdf.set_auto_page_break(True, _MARGIN)
    pdf.set_creation_date(_WRITTEN)
    pdf.set_lang("en")
    for style, path in _fonts().items():
        pdf.add_font(_FONT, style, path)
    pdf.set_text_shaping(True)
    return pdf
