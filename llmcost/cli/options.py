"""Options that every command takes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

if TYPE_CHECKING:
    from llmcost.catalog import Catalog

SCENARIO_HELP = "A scenario file, - for standard input, or a bundled name."

Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Set a scenario key; repeatable, wins over the file."
    ),
]
Format = Annotated[
    str, typer.Option("--format", metavar="FORMAT", help="table, json, csv or markdown.")
]
Json = Annotated[bool, typer.Option("--json", help="Short for --format json.")]
Output = Annotated[
    str | None,
    typer.Option("--output", "-o", metavar="FILE", help="Write to a file, whole or not at all."),
]
NoColor = Annotated[bool, typer.Option("--no-color", help="No colour; NO_COLOR does the same.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No warnings and no progress.")]
CatalogFiles = Annotated[
    list[str] | None,
    typer.Option(
        "--catalog", metavar="FILE", help="A catalog file on top of the built-in one; repeatable."
    ),
]
Samples = Annotated[
    int | None,
    typer.Option(
        "--samples", metavar="N", help="Sample uncertain inputs; ranges for every result."
    ),
]
Seed = Annotated[int, typer.Option("--seed", metavar="S", help="Seed of the samples.")]
Quantiles = Annotated[
    str | None,
    typer.Option("--quantiles", metavar="A,B,…", help="Shares of the ranges; 0.05,0.5,0.95."),
]
Uncertainty = Annotated[
    str,
    typer.Option(
        "--uncertainty",
        metavar="none|defaults",
        help="Take the published intervals of defaulted inputs.",
    ),
]


class Common(NamedTuple):
    """What the common options say."""

    format: str
    output: str | None
    color: bool
    quiet: bool
    catalog_files: tuple[str, ...]

    def catalog(self) -> Catalog:
        """The catalog with the user's files on top."""
        from llmcost.catalog import load_catalog

        return load_catalog(self.catalog_files)

    def warn(self, messages: list[str]) -> None:
        """Say warnings on standard error."""
        if not self.quiet:
            for message in messages:
                say(f"warning: {message}")

    def deliver(self, text: str) -> None:
        """Write the result to standard output or to the file."""
        self.deliver_pieces([text])

    def deliver_pieces(self, pieces: Iterable[str]) -> None:
        """Write a long result piece by piece, to standard output or to the file."""
        with self.stream() as stream:
            stream.writelines(pieces)
            stream.flush()

    def stream(self, binary: bool = False) -> Any:
        """Where the result goes: standard output, or the file, whole or not at all."""
        if self.output is None:
            return standard_output()
        from llmcost.files import atomic_stream

        return atomic_stream(self.output, binary)


def common(
    format: str,
    json: bool = False,
    output: str | None = None,
    no_color: bool = False,
    quiet: bool = False,
    catalog: list[str] | None = None,
    formats: tuple[str, ...] = ("table", "json", "csv", "markdown"),
) -> Common:
    """Check the common options.

    Raises
    ------
    InputError
        If the format is none of `formats`.
    """
    from llmcost.errors import InputError, nearest

    if json and format not in ("table", "json"):
        raise InputError(f"--json contradicts --format {format}; give one of them")
    chosen = "json" if json else format
    if chosen not in formats:
        raise InputError(
            f'--format "{chosen}": is not one of {", ".join(formats)}{nearest(chosen, formats)}'
        )
    color = not no_color and not os.environ.get("NO_COLOR")
    return Common(chosen, output, color, quiet, tuple(catalog or ()))


def write_out(text: str) -> None:
    """Write to standard output."""
    with standard_output() as stream:
        stream.write(text)
        stream.flush()


@contextmanager
def standard_output() -> Iterator[IO[str]]:
    """Standard output to write to.

    Raises
    ------
    NoAnswerError
        If there is none.
    ReaderGoneError
        If its reader has closed it. typer would exit with 1.
    """
    from llmcost.errors import NoAnswerError, ReaderGoneError

    if sys.stdout is None:
        raise NoAnswerError("standard output is closed")
    try:
        yield sys.stdout
    except BrokenPipeError:
        raise ReaderGoneError([]) from None


def say(message: str) -> None:
    """Write a line to standard error, if there is one."""
    if sys.stderr is not None:
        sys.stderr.write(message + "\n")
        sys.stderr.flush()
