"""Tables without lines, whose figures are whole however narrow the terminal is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

#: Columns that text may be narrowed to before a table is turned: names, and what stands beside them.
_NAME, _WORDS = 18, 8


class Grid(Table):
    """A table that is turned, a block a row, where its figures do not fit beside each other."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Show it as it is where it fits, else turned."""
        if not self.show_header or self._least(console, options) <= options.max_width:
            yield from super().__rich_console__(console, options)
            return
        yield from self._turned()

    def _turned(self) -> Iterator[Text | Table]:
        """A block a row: its name with what has no heading, then a line for each heading."""
        heads = [str(column.header).strip() for column in self.columns]
        cells = [[str(cell).rstrip() for cell in column.cells] for column in self.columns]
        yield Text(heads[0], "bold")
        for index, row in enumerate(self.rows):
            name, *values = (column[index] for column in cells)
            pairs = list(zip(heads[1:], map(str.strip, values), strict=True))
            bare = [value for head, value in pairs if not head and value]
            yield Text("  ".join([name, *bare]), str(row.style or ""))
            indent = " " * (len(name) - len(name.lstrip()) + 2)
            block = grid("", "")
            for head, value in pairs:
                if head and value:
                    block.add_row(indent + head, value)
            if block.rows:
                yield block

    def _least(self, console: Console, options: ConsoleOptions) -> int:
        """The width that it cannot do without: all of the figures, some of the words."""
        wide = options.update(max_width=10_000)
        total = 0
        for index, column in enumerate(self.columns):
            texts = [str(column.header), *(str(cell) for cell in column.cells)]
            width = max(Measurement.get(console, wide, Text(text)).maximum for text in texts)
            if column.justify != "right":
                width = min(width, _WORDS if index else _NAME)
            total += width + self.padding[1]
        return total - self.padding[1]


def grid(*columns: str, right: Sequence[int] = ()) -> Table:
    """A table without lines; `right` are right-aligned figures.

    Figures are never cut: where a terminal is narrow the other columns give way, then the table
    is turned.
    """
    table = Grid(
        box=None,
        show_header=bool(any(columns)),
        header_style="bold",
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )
    for index, name in enumerate(columns):
        table.add_column(
            name,
            justify="right" if index in right else "left",
            no_wrap=index in right,
            overflow="fold",
        )
    return table
