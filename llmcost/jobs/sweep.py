"""The life of a sweep once it is planned: run, ranked, written and drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import chain, islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from llmcost.analysis.blocks import Block
from llmcost.analysis.engines import run_dask, run_local
from llmcost.analysis.expression import ERROR, KEEP
from llmcost.analysis.rank import Everything
from llmcost.analysis.sweep import Sweep
from llmcost.columns import Columns, Table
from llmcost.errors import InputError, NoAnswerError
from llmcost.jobs.order import STREAMED, Order, check_room
from llmcost.jobs.question import Question

#: More rows than this do not go into one JSON document or a sorted table in memory.
MOST_ROWS = 5_000_000
#: More numbers than this (8 GB) are not held in memory.
MOST_NUMBERS = 10**9


class Desk(Protocol):
    """Where an answer is handed over, and who hears how it goes."""

    @property
    def color(self) -> bool:
        """Whether a table is coloured."""

    def warn(self, messages: list[str]) -> None:
        """Hear what the engine finds odd."""

    def note(self, message: str) -> None:
        """Hear what was done."""

    def progress(self, cells: int) -> AbstractContextManager[Callable[[int, int], None]]:
        """Hear of cells and rows as they are done."""

    def stream(self, binary: bool = False) -> AbstractContextManager[Any]:
        """Take the answer."""

    def deliver_pieces(self, pieces: Iterable[str]) -> None:
        """Take the answer as text."""


def in_memory(question: Question) -> Table:
    """Run a question and keep its rows.

    Raises
    ------
    InputError
        If they do not fit into memory.
    """
    sweep, names = question.sweep, question.sweep.select
    if sweep.cells * len(names) > MOST_NUMBERS and not (
        question.top or question.pareto or sweep.conditions
    ):
        raise InputError(
            f"{sweep.cells:,} rows of {len(names)} columns do not fit into memory; narrow the axes, "
            "select fewer columns, give top, or write them with `llmcost sweep --output`"
        )
    keeper = question.collector(None)
    for block in run_local(sweep):
        keeper.add(block)
    rows = keeper.rows()
    return Table({name: rows.get(name, np.empty(0)) for name in names}, sweep.inputs.warnings)


def deliver(question: Question, order: Order, desk: Desk) -> None:
    """Run a question, and hand its answer over as it was ordered.

    Raises
    ------
    InputError
        If the rows are too many for what was ordered.
    NoAnswerError
        If no cell meets the conditions or the target.
    """
    from llmcost.jobs import parts

    sweep = question.sweep
    desk.warn(sweep.inputs.warnings)
    first, last, _ = parts.shard_of(sweep, order.shard)
    if order.output is not None and not question.ranked and not sweep.conditions:
        rows = sweep.cells * (last - first) // sweep.blocks
        check_room(Path(order.output), rows, sweep.select, order.format)

    def run(start: int, stop: int) -> Iterator[Block]:
        if order.engine == "dask":
            return run_dask(sweep, order.scheduler, start, stop)
        return run_local(sweep, start, stop)

    counts = {"cells": 0, "rows": 0, "unanswered": 0, "several": 0}
    with desk.progress(sweep.cells) as step:
        if order.folder is not None:
            if question.ranked:
                raise InputError(
                    "--output FOLDER/: holds all rows in the order of the axes; leave out --minimize, --maximize, --top and --pareto"
                )
            count, written = parts.write_parts(
                order.folder, sweep, run, order.shard, order.resume, step
            )
            desk.note(f"{order.folder}: {count:,} rows; {written} parts written in this run")
            return
        unknown: dict[str, int] = {}
        blocks = _counted(run(first, last), counts, step, question.needed, unknown)
        if order.format in STREAMED and not question.ranked and order.plot is None:
            found = _stream(question, order, _judged(blocks, sweep, unknown), desk)
            _say_unknown(sweep, unknown, desk)
            if not found:
                raise _nothing(question, counts["cells"])
            _say_several(question, counts, desk)
            return
        kept, drawn = _ranked(question, order, _judged(blocks, sweep, unknown))
    _say_unknown(sweep, unknown, desk)
    _say_several(question, counts, desk)
    _say_missing(question, kept, desk)
    if (
        order.plot is not None
    ):  # before the table: what cannot be drawn leaves standard output empty
        if not counts["rows"]:
            raise _nothing(question, counts["cells"])
        _draw(question, order.plot, drawn, desk)
    _show(question, order, kept, counts, desk)


def _nothing(question: Question, cells: int) -> NoAnswerError:
    label = question.sweep.inputs.scenario.label
    return NoAnswerError(f"{label}: no cell of {cells:,} meets the conditions")


def _counted(
    blocks: Iterator[Block],
    counts: dict[str, int],
    step: Callable[[int, int], None],
    ranked: Sequence[str],
    unknown: dict[str, int],
) -> Iterator[Block]:
    """Blocks as they come; counts what is in them, and what conditions and ranks cannot judge."""
    for block in blocks:
        counts["cells"] += block.cells
        counts["rows"] += block.rows
        counts["unanswered"] += block.unanswered
        for name, number in block.unknown.items():
            unknown[name] = unknown.get(name, 0) + number
        for name in ranked:
            column = block.columns.get(name)
            if column is not None and column.dtype.kind == "f":
                unjudged = int(np.isnan(column).sum())
                if unjudged:
                    unknown[name] = unknown.get(name, 0) + unjudged
        if "solutions" in block.columns:
            counts["several"] += int((block.columns["solutions"] > 1).sum())
        step(block.cells, block.rows)
        yield block


def _ranked(question: Question, order: Order, blocks: Iterator[Block]) -> tuple[Columns, Columns]:
    """The rows that are shown, best first, and those that are drawn."""
    from llmcost.render.sweep import TABLE_ROWS

    sweep, plot = question.sweep, order.plot
    limit = None if order.format in (*STREAMED, "json") else TABLE_ROWS
    whole = plot is not None or (limit is None and not question.top and not question.pareto)
    if whole and sweep.cells > MOST_ROWS and not sweep.conditions:
        raise InputError(
            f"{sweep.cells:,} rows are too many for {'--plot' if plot else '--format ' + order.format}; "
            "narrow the axes, give --top N, or write --format jsonl, csv or parquet"
        )
    keeper = question.collector(limit)
    drawn = Everything() if plot is not None and not question.pareto else None
    for block in blocks:
        keeper.add(block)
        if drawn is not None:
            drawn.add(block)
    rows = keeper.rows()
    return rows, rows if drawn is None else drawn.rows()


def _stream(question: Question, order: Order, blocks: Iterable[Block], desk: Desk) -> bool:
    """Write rows as they come; whether there were any, or none are an answer as of a shard."""
    from llmcost.columns import arrow
    from llmcost.render.writers import ParquetWriter, TextWriter

    names, form = question.sweep.select, order.format
    if form == "parquet":
        arrow()
    blocks = iter(blocks)
    first = list(islice((block for block in blocks if block.rows), 1))
    if not first and order.shard == (1, 1):
        return False
    blocks = chain(first, blocks)
    with desk.stream(form == "parquet") as stream:
        opened: Any = (
            ParquetWriter(stream, names, question.sweep.samples())
            if form == "parquet"
            else TextWriter(stream, names, form)
        )
        with opened as writer:
            for block in blocks:
                writer.write(block.columns)
    return True


def _show(
    question: Question, order: Order, rows: Columns, counts: dict[str, int], desk: Desk
) -> None:
    """Hand over the rows that the question kept."""
    from llmcost.render import sweep as show

    sweep, form = question.sweep, order.format
    names = show.columns_to_show(sweep, question.selected, question.needed)
    if form in STREAMED:
        if not _stream(question, order, [Block(rows, 0, 0)], desk):
            raise _nothing(question, counts["cells"])
    elif not rows or not len(next(iter(rows.values()))):
        raise _nothing(question, counts["cells"])
    elif form == "json":
        desk.deliver_pieces(show.sweep_json(sweep, rows, sweep.select, counts))
    elif form == "markdown":
        desk.deliver_pieces([show.sweep_markdown(rows, names)])
    else:
        from llmcost.render.table import console, text_of

        target = console(desk.color, order.output is not None)
        if question.pareto and rows:
            counts = {**counts, "front": len(rows[question.needed[0]])}
            shown = question.top or show.TABLE_ROWS
            rows = {name: column[:shown] for name, column in rows.items()}
        show.sweep_table(sweep, rows, names, counts, question.best, target)
        desk.deliver_pieces([text_of(target)])


def _say_several(question: Question, counts: dict[str, int], desk: Desk) -> None:
    """Say where a target is met several times."""
    solve = question.sweep.solve
    if solve is not None and counts["several"]:
        desk.warn(
            [
                f"--solve {solve.key}: {counts['several']:,} cells meet the target more than once; the smallest value is given, `solutions` says how many there are"
            ]
        )


def _judged(blocks: Iterator[Block], sweep: Sweep, unknown: dict[str, int]) -> Iterator[Block]:
    """Blocks as they come, up to the first cell that nothing can judge where that is an error.

    Raises
    ------
    NoAnswerError
        If there is such a cell and `--unknown error` was given.
    """
    for block in blocks:
        if sweep.unknown == ERROR and unknown:
            name = next(iter(unknown))
            raise NoAnswerError(
                f"--unknown error: the {name} of a cell is not known, so nothing can judge it by that; "
                "--unknown drop leaves such cells out, --unknown keep keeps them"
            )
        yield block


def _say_unknown(sweep: Sweep, unknown: dict[str, int], desk: Desk) -> None:
    """Say how many cells no condition, rank or front can judge."""
    kept = sweep.unknown == KEEP
    for name, number in unknown.items():
        cells = "1 cell is" if number == 1 else f"{number:,} cells are"
        what = "kept though" if kept else "left out:"
        desk.warn([f"{cells} {what} their {name} is not known, so they cannot be judged by it"])


def _say_missing(question: Question, rows: Columns, desk: Desk) -> None:
    """Say where a target is never met."""
    solve = question.sweep.solve
    if solve is None or not rows:
        return
    missing = int(np.isnan(rows[solve.key]).sum())
    if missing and missing == len(rows[solve.key]):
        raise NoAnswerError(
            f"{question.sweep.inputs.scenario.label}: no {solve.key} between {solve.low:.3g} and {solve.high:.3g} meets "
            + ", ".join(f"{name} = {value:g}" for name, value in solve.targets)
        )
    if missing:
        desk.warn([f"--solve {solve.key}: {missing:,} of the rows have no solution"])


def _draw(question: Question, plot: str, rows: Columns, desk: Desk) -> None:
    from llmcost.render import plots
    from llmcost.render.sweep_charts import sweep_plot

    value = question.best or "cost_total_usd"
    desk.warn(plots.save(plot, sweep_plot(question.sweep, rows, value, question.pareto)))
