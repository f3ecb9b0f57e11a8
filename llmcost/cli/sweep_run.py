"""How ``llmcost sweep`` runs its question: which engine, where the rows go, what is shown."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from llmcost.analysis.engines import run_dask, run_local
from llmcost.analysis.question import Question
from llmcost.analysis.rank import Everything
from llmcost.analysis.sweep import Block
from llmcost.cli.options import Common, say
from llmcost.errors import InputError, NoAnswerError, nearest

ENGINES = ("local", "dask")
_ENDINGS = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".md": "markdown",
}
#: More rows than this do not go into one JSON document or a sorted table in memory.
MOST_ROWS = 5_000_000


def run(
    question: Question,
    options: Common,
    plot: str | None,
    resume: bool,
    shard: str | None,
    engine: str,
    scheduler: str | None,
) -> None:
    """Run the question and deliver its answer."""
    from llmcost.render import parts

    if engine not in ENGINES:
        raise InputError(
            f'--engine "{engine}": is not one of {", ".join(ENGINES)}{nearest(engine, ENGINES)}'
        )
    if scheduler is not None and engine != "dask":
        raise InputError("--scheduler goes with --engine dask")
    form, folder = _form(options)
    piece = parts.parse_shard(shard)
    if resume and folder is None:
        raise InputError("--resume goes with --output FOLDER/")
    sweep = question.sweep
    options.warn(sweep.inputs.warnings)
    first, last, _ = parts.shard_of(sweep, piece)
    ranked = bool(question.best or question.pareto or question.top)
    if options.output is not None and not ranked and not sweep.conditions:
        rows = sweep.cells * (last - first) // sweep.blocks
        _check_room(Path(options.output), rows, sweep.select, form)

    def blocks(start: int, stop: int) -> Iterator[Block]:
        if engine == "dask":
            return run_dask(sweep, scheduler, start, stop)
        return run_local(sweep, start, stop)

    counts = {"cells": 0, "rows": 0, "unanswered": 0, "several": 0}
    with progress(sweep.cells, options.quiet) as step:

        def counted() -> Iterator[Block]:
            for block in blocks(first, last):
                counts["cells"] += block.cells
                counts["rows"] += block.rows
                counts["unanswered"] += block.unanswered
                if "solutions" in block.columns:
                    counts["several"] += int((block.columns["solutions"] > 1).sum())
                step(block.cells, block.rows)
                yield block

        if folder is not None:
            _plain_only(question, "--output FOLDER/")
            rows, written = parts.write_parts(folder, sweep, blocks, piece, resume, step)
            if not options.quiet:
                say(f"{folder}: {rows:,} rows; {written} parts written in this run")
            return
        streamed = form in ("csv", "jsonl", "parquet") and not ranked and plot is None
        if streamed:
            _stream(question, options, form, counted())
            _solutions(question, counts, options)
            return
        limit = None if form in ("csv", "jsonl", "parquet", "json") else _table_rows()
        whole = plot is not None or (limit is None and not question.top and not question.pareto)
        if whole and sweep.cells > MOST_ROWS and not sweep.conditions:
            raise InputError(
                f"{sweep.cells:,} rows are too many for {'--plot' if plot else '--format ' + form}; "
                "narrow the axes, give --top N, or write --format jsonl, csv or parquet"
            )
        keeper = question.collector(limit)
        drawn = keeper if question.pareto else Everything()
        for block in counted():
            keeper.add(block)
            if plot is not None and drawn is not keeper:
                drawn.add(block)
    rows = keeper.rows()
    _solutions(question, counts, options, rows)
    _show(question, options, form, rows, counts)
    if plot is not None:
        _plot(question, plot, drawn.rows())


def _table_rows() -> int:
    from llmcost.render.sweep import TABLE_ROWS

    return TABLE_ROWS


def _form(options: Common) -> tuple[str, Path | None]:
    """The format, by name or by the ending of the file; and the folder, if it is one."""
    output, form = options.output, options.format
    if output is not None and (output.endswith("/") or Path(output).is_dir()):
        if form not in ("table", "parquet"):
            raise InputError(f"--output {output}: a folder holds Parquet parts, not {form}")
        return "parquet", Path(output)
    if output is not None and form == "table":
        form = _ENDINGS.get(Path(output).suffix.lower(), form)
    if form == "parquet" and output is None:
        raise InputError("--format parquet needs --output FILE")
    return form, None


def _plain_only(question: Question, what: str) -> None:
    if question.best or question.pareto or question.top:
        raise InputError(
            f"{what}: holds all rows in the order of the axes; leave out --minimize, --maximize, --top and --pareto"
        )


def _check_room(path: Path, rows: int, names: Sequence[str], form: str) -> None:
    """Refuse rows that cannot fit on the disk, however well they compress."""
    import shutil

    each = {
        "parquet": len(names),
        "csv": 2 * len(names),
        "jsonl": sum(len(name) + len('"": 0, ') for name in names),
    }.get(form)
    place = path if path.is_dir() else path.parent
    if (
        each is None
        or not place.exists()
        or (path.exists() and not (path.is_file() or path.is_dir()))
    ):
        return  # a pipe or a device has room; a missing folder is said when it is written to
    free = shutil.disk_usage(place).free
    if rows * each > free:
        raise InputError(
            f"--output {path}: {rows:,} rows of {len(names)} columns need {rows * each / 1e9:,.0f} GB at the least, and "
            f"{free / 1e9:,.0f} GB are free; narrow the axes, --select fewer columns, or give --top N"
        )


def _stream(question: Question, options: Common, form: str, blocks: Iterator[Block]) -> None:
    """Write rows as they come."""
    from llmcost.render.writers import ParquetWriter, TextWriter, arrow

    names = question.sweep.select
    if form == "parquet":
        arrow()
    with options.stream(form == "parquet") as stream:
        writer: Any = None  # nothing is written before the first rows are there
        for block in blocks:
            if writer is None:
                writer = (
                    ParquetWriter(stream, names, block.columns)
                    if form == "parquet"
                    else TextWriter(stream, names, form)
                )
            writer.write(block.columns)
        if writer is not None:
            writer.close()


def _show(
    question: Question, options: Common, form: str, rows: Any, counts: dict[str, int]
) -> None:
    """Deliver the rows that the question kept."""
    from llmcost.render import sweep as show

    sweep = question.sweep
    if form in ("csv", "jsonl", "parquet"):
        found = Block(rows, 0, 0)
        empty = {name: sweep.block(0).columns[name][:0] for name in sweep.select}
        _stream(question, options, form, iter([found if rows else Block(empty, 0, 0)]))
    elif form == "json":
        options.deliver_pieces(show.sweep_json(sweep, rows, sweep.select, counts))
    elif form == "markdown":
        options.deliver(
            show.sweep_markdown(
                rows, show.columns_to_show(sweep, question.selected, question.needed)
            )
        )
    else:
        from llmcost.render.table import console, text_of

        target = console(options.color, options.output is not None)
        names = show.columns_to_show(sweep, question.selected, question.needed)
        if question.pareto and rows:
            counts = {**counts, "front": len(rows[question.needed[0]])}
            rows = {name: column[: question.top or _table_rows()] for name, column in rows.items()}
        show.sweep_table(sweep, rows, names, counts, question.best, target)
        options.deliver(text_of(target))
    if not counts["rows"]:
        raise NoAnswerError(
            f"{sweep.inputs.scenario.label}: no cell of {counts['cells']:,} meets the conditions"
        )


def _solutions(
    question: Question, counts: dict[str, int], options: Common, rows: Any = None
) -> None:
    """Say where a target is met several times or never."""
    solve = question.sweep.solve
    if solve is None:
        return
    if counts["several"]:
        options.warn(
            [
                f"--solve {solve.key}: {counts['several']:,} cells meet the target more than once; the smallest value is given, `solutions` says how many there are"
            ]
        )
    if rows is not None and rows:
        import numpy as np

        missing = int(np.isnan(rows[solve.key]).sum())
        if missing and missing == len(rows[solve.key]):
            raise NoAnswerError(
                f"{question.sweep.inputs.scenario.label}: no {solve.key} between {solve.low:.3g} and {solve.high:.3g} meets "
                + ", ".join(f"{name} = {value:g}" for name, value in solve.targets)
            )
        if missing:
            options.warn([f"--solve {solve.key}: {missing:,} of the rows have no solution"])


def _plot(question: Question, plot: str, rows: Any) -> None:
    from llmcost.files import write_atomic
    from llmcost.render import plots
    from llmcost.render.sweep import sweep_plot

    ending = plots.check_path(plot)
    if question.pareto and len(question.pareto) < 2:
        raise InputError("--plot: a front has two objectives or more")
    value = question.best or "cost_total_usd"
    write_atomic(
        plot, plots.image(sweep_plot(question.sweep, rows, value, question.pareto), ending)
    )


@contextmanager
def progress(cells: int, quiet: bool) -> Iterator[Any]:
    """A bar with rate and remaining time on standard error, if that is a terminal and it takes long."""
    if quiet or sys.stderr is None or not sys.stderr.isatty() or cells < 2_000_000:
        yield lambda done, rows: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    bar = Progress(
        TextColumn("{task.percentage:>3.0f} %"), BarColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn(),
        console=Console(stderr=True), transient=True,
    )  # fmt: skip
    with bar:
        task = bar.add_task("", total=cells, rate="")

        def step(done: int, rows: int) -> None:
            speed = bar.tasks[0].speed
            bar.update(task, advance=done, rate=f"{speed / 1e6:.1f} M cells/s" if speed else "")

        yield step
