"""How far what takes long is: a line or a bar on standard error, if that is a terminal."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from llmcost.errors import printable

#: Seconds before the line is shown, and between two of its states.
_PATIENCE, _PACE = 1.0, 0.5
#: Cells from which a sweep has a bar of its own.
_BAR = 2_000_000
#: Letters of what the line says, so that it stays one line.
_WIDTH = 50
#: What takes a line of a terminal away.
_ERASE = "\r\x1b[2K"


class Waiting:
    """A line that says what takes long, and since when; it is gone before anything else is written."""

    def __init__(self, what: str) -> None:
        self.what, self.detail = what, ""
        self.begun = time.monotonic()
        self.lock = threading.RLock()
        self.over = threading.Event()
        self.shown = False
        self.thread = threading.Thread(target=self._show, daemon=True)
        self.thread.start()

    def _show(self) -> None:
        wait = _PATIENCE
        while not self.over.wait(wait):
            with self.lock:
                if self.over.is_set():
                    return
                detail = f": {self.detail}" if self.detail else ""
                said = printable(self.what + detail)[:_WIDTH]
                self._write(f"{_ERASE}{said} … {time.monotonic() - self.begun:.0f} s")
                self.shown = True
            wait = _PACE

    def _write(self, text: str) -> None:
        with suppress(OSError, ValueError):  # a terminal that is gone
            sys.stderr.write(text)
            sys.stderr.flush()

    def clear(self) -> None:
        """Take the line away; it comes back."""
        with self.lock:
            if self.shown:
                self._write(_ERASE)
                self.shown = False

    def end(self) -> None:
        """Take the line away for good."""
        self.over.set()
        self.clear()


#: The line of the command that runs.
_line: list[Waiting] = []


def on_terminal() -> bool:
    """Whether standard error is a terminal that can erase a line."""
    return sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


@contextmanager
def waiting(what: str, quiet: bool) -> Iterator[None]:
    """Show after a second that a command is at work."""
    if quiet or not on_terminal():
        yield
        return
    line = Waiting(what)
    _line.append(line)
    try:
        yield
    finally:
        _line.remove(line)
        line.end()


def tell(detail: str) -> None:
    """What the command is at, for the line to say."""
    for line in _line:
        line.detail = detail


@contextmanager
def hushed() -> Iterator[None]:
    """Nothing of the line is on the terminal while something else is written."""
    if not _line:
        yield
        return
    with _line[-1].lock:
        _line[-1].clear()
        yield


def end_line() -> None:
    """The answer is written, or a bar takes over: no line any more."""
    for line in _line:
        line.end()


@contextmanager
def progress(cells: int, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """Hear of cells that are done: many have a bar with rate and remaining time, few stand in the line."""
    if quiet or not on_terminal():
        yield lambda done, rows: None
        return
    if cells < _BAR:
        passed = 0

        def count(done: int, rows: int) -> None:
            nonlocal passed
            passed += done
            tell(f"{passed:,} of {cells:,} cells")

        yield count
        return
    end_line()
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
