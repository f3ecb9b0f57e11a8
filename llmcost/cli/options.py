"""Options that commands share, and where their answers go."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from inspect import Parameter, Signature, signature
from typing import IO, TYPE_CHECKING, Annotated, Any, NamedTuple, get_origin, get_type_hints

import typer

from llmcost.cli.progress import end_line, hushed, progress, waiting
from llmcost.errors import InputError, NoAnswerError, ReaderGoneError, nearest, printable

if TYPE_CHECKING:
    from llmcost.analysis.sampling import Sampling
    from llmcost.catalog import Catalog

SCENARIO_HELP = "A scenario file, - for standard input, or a bundled name."
FORMATS = ("table", "json", "csv", "markdown")

Scenario = Annotated[str, typer.Argument(metavar="SCENARIO", help=SCENARIO_HELP)]
Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Set a scenario key; repeatable, wins over the file."
    ),
]
Metrics = Annotated[
    str | None,
    typer.Option(
        "--metrics",
        metavar="A,B,…",
        help="Results to show; run, layout, energy, cost, service, lifetime, time, carbon, memory and money stand for all of theirs.",
    ),
]
Plot = Annotated[
    str | None,
    typer.Option("--plot", metavar="FILE", help="Draw it: svg, png or pdf (llmcost\\[plot])."),
]
Draw = Annotated[
    str | None,
    typer.Option("--draw", metavar="WHAT", help="What --plot draws: cost, memory or step."),
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")]


def kind_of_plot(
    plot: str | None, draw: str | None, usual: str = "cost", more: Sequence[str] = ()
) -> str:
    """What is drawn, empty where nothing is; checked before the work.

    Raises
    ------
    InputError
        If it is no kind of chart, or no file is named that can be drawn.
    """
    if plot is None:
        if draw is not None:
            raise InputError("--draw says what --plot FILE draws; give both")
        return ""
    from llmcost.render import charts, plots

    plots.check_path(plot)
    return charts.check_kind(draw or usual, more)


class Sampled(NamedTuple):
    """The options of uncertainty."""

    samples: Annotated[
        int | None,
        typer.Option(
            "--samples", metavar="N", help="Sample uncertain inputs; ranges for every result."
        ),
    ] = None
    seed: Annotated[int, typer.Option("--seed", metavar="S", help="Seed of the samples.")] = 0
    quantiles: Annotated[
        str | None,
        typer.Option("--quantiles", metavar="A,B,…", help="Shares of the ranges; 0.05,0.5,0.95."),
    ] = None
    uncertainty: Annotated[
        str,
        typer.Option(
            "--uncertainty",
            metavar="none|defaults",
            help="Take the published intervals of defaulted inputs.",
        ),
    ] = "none"
    #: Options that the command does not have.
    without: tuple[str, ...] = ()

    @property
    def asked(self) -> bool:
        """Whether an option is given."""
        return self.samples is not None or bool(self.quantiles) or self.uncertainty != "none"

    def sampling(self) -> Sampling | None:
        """How to sample; None where no uncertainty is asked for.

        Raises
        ------
        InputError
            If an option is wrong.
        """
        from llmcost.analysis.sampling import Sampling

        return Sampling.of(self.samples, self.seed, self.quantiles, self.uncertainty)


#: The format of an output file by its suffix.
SUFFIXES = {
    ".txt": "table",
    ".json": "json",
    ".csv": "csv",
    ".md": "markdown",
    ".markdown": "markdown",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".html": "html",
    ".pdf": "pdf",
}


#: Suffixes of formats that no command writes: a table under such a name would not open.
OTHERS = frozenset(
    [
        ".xlsx",
        ".xls",
        ".ods",
        ".tsv",
        ".xml",
        ".yaml",
        ".yml",
        ".htm",
        ".tex",
        ".docx",
        ".arrow",
        ".feather",
        ".sqlite",
        ".svg",
        ".png",
        ".zip",
        ".gz",
        ".toml",
    ]
)


def check_ending(output: str | None, able: tuple[str, ...]) -> None:
    """Refuse a file whose suffix says another format than what is written to it.

    Parameters
    ----------
    output : str or None
        Name of the file.
    able : tuple of str
        Suffixes of what is written.

    Raises
    ------
    InputError
        If its suffix is that of another format.
    """
    suffix = os.path.splitext(output or "")[1].lower()
    if suffix not in able and (suffix in SUFFIXES or suffix in OTHERS):
        raise InputError(
            f"--output {output}: this command cannot write {suffix}; it writes {', '.join(able)}"
        )


class Common(NamedTuple):
    """The options of every command: how it shows what, and where."""

    format: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="table, json, csv or markdown.")
    ] = "table"
    json: Annotated[bool, typer.Option("--json", help="Short for --format json.")] = False
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Write to a file, whole or not at all."
        ),
    ] = None
    catalog_files: Annotated[
        list[str] | None,
        typer.Option(
            "--catalog",
            metavar="FILE",
            help="A catalog file on top of the built-in one; repeatable.",
        ),
    ] = None
    no_color: Annotated[
        bool, typer.Option("--no-color", help="No colour; NO_COLOR does the same.")
    ] = False
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No warnings and no progress.")] = (
        False
    )
    #: Options that the command does not have.
    without: tuple[str, ...] = ()
    #: Formats that the command knows.
    formats: tuple[str, ...] = FORMATS
    #: Suffixes that one of its own options writes: the command sees to them.
    own: tuple[str, ...] = ()

    def checked(self) -> Common:
        """The same, with the format that is meant.

        Raises
        ------
        InputError
            If the command does not know it.
        """
        if self.json and self.format not in ("table", "json"):
            raise InputError(f"--json contradicts --format {self.format}; give one of them")
        if self.output is not None:
            from llmcost.files import check_name

            check_name(self.output)
        chosen = "json" if self.json else self.format
        if self.output and "format" not in self.without:
            chosen = self._by_suffix(chosen)
        if chosen not in self.formats:
            raise InputError(
                f'--format "{chosen}": is not one of {", ".join(self.formats)}{nearest(chosen, self.formats)}'
            )
        return self._replace(format=chosen)

    def _by_suffix(self, chosen: str) -> str:
        """The format of an output file by its suffix; a command's own format where there is none.

        Raises
        ------
        InputError
            If the command cannot write it, or another format was asked for.
        """
        suffix = os.path.splitext(self.output or "")[1].lower()
        meant = SUFFIXES.get(suffix)
        if str(self.output).endswith("/"):
            return chosen
        if meant is None and (chosen != "table" or suffix in self.own):
            return chosen
        self.check_ending()
        if meant is None:
            return chosen
        if chosen not in ("table", meant):
            raise InputError(
                f"--output {self.output}: the suffix says {meant}, --format {chosen}; give one of them"
            )
        return meant

    def check_ending(self) -> None:
        """Refuse an output file whose suffix is of no format of the command."""
        able = tuple(end for end, form in SUFFIXES.items() if form in self.formats)
        check_ending(self.output, able)

    @property
    def color(self) -> bool:
        """Whether a table may be coloured."""
        return not self.no_color and not os.environ.get("NO_COLOR")

    def catalog(self) -> Catalog:
        """The catalog with the user's files on top."""
        from llmcost.catalog import load_catalog

        return load_catalog(self.catalog_files or ())

    def warn(self, messages: list[str]) -> None:
        """Say warnings on standard error."""
        for message in messages:
            self.note(f"warning: {message}")

    def note(self, message: str) -> None:
        """Say what was done on standard error."""
        if not self.quiet:
            say(message)

    def progress(self, cells: int) -> AbstractContextManager[Callable[[int, int], None]]:
        """A line or a bar on standard error, if that is a terminal and it takes long."""
        return progress(cells, self.quiet)

    def deliver(self, text: str) -> None:
        """Write the result to standard output or to the file."""
        self.deliver_pieces([text])

    def deliver_pieces(self, pieces: Iterable[str]) -> None:
        """Write a long result piece by piece, to standard output or to the file."""
        with self.stream() as stream:
            stream.writelines(pieces)
            stream.flush()

    def stream(self, binary: bool = False) -> AbstractContextManager[Any]:
        """Where the result goes: standard output, or the file, whole or not at all."""
        if self.output is None:
            return standard_output()
        from llmcost.files import atomic_stream

        return atomic_stream(self.output, binary)


def spread(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for each field of its parameters of shared options.

    Parameters
    ----------
    command : callable
        Parameters whose default is a :class:`Sampled` or :class:`Common` are spread where they
        stand; what those hold is the default of each option.
    """
    hints = get_type_hints(command, include_extras=True)
    parameters: list[Parameter] = []
    groups: dict[str, Sampled | Common] = {}
    for name, parameter in signature(command).parameters.items():
        group = parameter.default
        if not isinstance(group, Sampled | Common):
            parameters.append(parameter.replace(annotation=hints[name]))
            continue
        groups[name] = group
        for field, hint in get_type_hints(type(group), include_extras=True).items():
            if get_origin(hint) is Annotated and field not in group.without:
                default = getattr(group, field)
                parameters.append(
                    Parameter(
                        field, Parameter.POSITIONAL_OR_KEYWORD, default=default, annotation=hint
                    )
                )

    def spread_out(**given: Any) -> None:
        for name, group in groups.items():
            own = {
                field: given.pop(field)
                for field in group._fields
                if field in given and field not in group.without
            }
            whole = group._replace(**own)
            given[name] = whole.checked() if isinstance(whole, Common) else whole
        quiet = any(isinstance(one, Common) and one.quiet for one in given.values())
        with waiting(command.__module__.rpartition(".")[2], quiet):
            command(**given)

    spread_out.__doc__ = command.__doc__
    spread_out.__annotations__ = {item.name: item.annotation for item in parameters}
    spread_out.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    return spread_out


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
    if sys.stdout is None:
        raise NoAnswerError("standard output is closed")
    if sys.stdout.isatty():
        end_line()
    try:
        yield sys.stdout
    except BrokenPipeError:
        raise ReaderGoneError([]) from None


def say(message: str) -> None:
    """Write a line to standard error, if there is one, without what would move a terminal's cursor."""
    if sys.stderr is not None:
        with hushed():
            sys.stderr.write(printable(message) + "\n")
            sys.stderr.flush()
