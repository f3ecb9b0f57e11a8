"""How far a long sweep is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress(cells: int, quiet: bool) -> Iterator[Callable[[int, int], None]]:
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
