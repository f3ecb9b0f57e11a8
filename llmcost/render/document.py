"""A document: headings, paragraphs, facts, tables, charts and footnotes, which any renderer can write."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Columns that a table may have, so that paper loses none.
MOST_COLUMNS = 8
#: An identifier of arXiv inside a reference.
ARXIV = re.compile(r"arXiv:(\d{4}\.\d{5})")


class Text(NamedTuple):
    """A paragraph; `notes` are the numbers of the footnotes that it points to."""

    words: str
    quiet: bool = False
    notes: tuple[int, ...] = ()


class Fact(NamedTuple):
    """A figure with its name, its range where there is one, and what it says."""

    label: str
    value: str
    range: str
    says: str


class Facts(NamedTuple):
    """The figures of an answer."""

    items: tuple[Fact, ...]


class Table(NamedTuple):
    """A table whose first column names its rows; `right` columns hold numbers, `total` rows are sums."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: Sequence[int] = ()
    total: Sequence[str] = ()


class Chart(NamedTuple):
    """A drawing, made only by a renderer that shows it, and what it says in words."""

    draw: Callable[[], Figure]
    says: str


class Links(NamedTuple):
    """Links to parts of the document: their text and their anchor."""

    items: tuple[tuple[str, str], ...]


class Listing(NamedTuple):
    """A list of references."""

    items: tuple[str, ...]


Block = Text | Facts | Table | Chart | Links | Listing


class Part(NamedTuple):
    """A heading of level 2 or 3 with what follows; one with an anchor begins a page."""

    heading: str
    level: int
    blocks: tuple[Block, ...]
    anchor: str = ""


class Document(NamedTuple):
    """A title, what stands below it, parts in order, and footnotes, numbered from 1."""

    title: str
    lead: tuple[Block, ...]
    parts: tuple[Part, ...]
    notes: tuple[str, ...]

    def blocks(self) -> Iterator[Block]:
        """Everything between the headings, in order."""
        yield from self.lead
        for part in self.parts:
            yield from part.blocks


def narrow(table: Table, most: int = MOST_COLUMNS) -> list[Table]:
    """A table as several of at most `most` columns, about as wide as each other, each with the first."""
    count = max(len(table.header) - 1, 1)
    width = ceil(count / ceil(count / (most - 1)))
    return [
        table._replace(
            header=[table.header[0], *table.header[start : start + width]],
            rows=[[row[0], *row[start : start + width]] for row in table.rows],
            right=[i - start + 1 for i in table.right if start <= i < start + width],
        )
        for start in range(1, count + 1, width)
    ]
