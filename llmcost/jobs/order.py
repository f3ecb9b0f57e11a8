"""How a sweep is run and where its answer goes, checked before the work."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from llmcost.errors import InputError, NoAnswerError, nearest, whole
from llmcost.files import check_name

ENGINES = ("local", "dask")
_ENDINGS = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".md": "markdown",
}
#: Formats that hold rows as they come; the others show a few of them, or need all at once.
STREAMED = ("csv", "jsonl", "parquet")
_MOST_SHARDS = 10**6


class Order(NamedTuple):
    """How a sweep is run and where its answer goes.

    `shard` is which of how many parts of the rows is meant; `folder` is set where `output` is a
    folder of Parquet parts.
    """

    format: str = "table"
    output: str | None = None
    folder: Path | None = None
    plot: str | None = None
    resume: bool = False
    shard: tuple[int, int] = (1, 1)
    engine: str = "local"
    scheduler: str | None = None

    @classmethod
    def of(
        cls,
        format: str,
        output: str | None,
        plot: str | None,
        resume: bool,
        shard: str | None,
        engine: str,
        scheduler: str | None,
    ) -> Order:
        """Read the options.

        Raises
        ------
        InputError
            If one is wrong, or two contradict each other.
        """
        if engine not in ENGINES:
            raise InputError(
                f'--engine "{engine}": is not one of {", ".join(ENGINES)}{nearest(engine, ENGINES)}'
            )
        if scheduler is not None and engine != "dask":
            raise InputError("--scheduler goes with --engine dask")
        form, folder = _form(format, output)
        part = parse_shard(shard)
        if resume and folder is None:
            raise InputError("--resume goes with --output FOLDER/")
        if plot is not None:
            from llmcost.render.plots import check_path

            check_path(plot)
            if folder is not None:
                raise InputError(
                    f"--plot: parts are not drawn while they are written; leave it out, or name a file instead of {output}"
                )
        return cls(form, output, folder, plot, resume, part, engine, scheduler)


def parse_shard(text: str | None) -> tuple[int, int]:
    """Read ``i/n``.

    Raises
    ------
    InputError
        If it is not of that form.
    """
    if text is None:
        return 1, 1
    first, slash, second = text.partition("/")
    count = whole(second, _MOST_SHARDS)
    number = whole(first, count or 0)
    if not slash or not number or not count:
        raise InputError(
            f"--shard {text}: write it as i/n, with i from 1 to n and n up to {_MOST_SHARDS:,}"
        )
    return number, count


def _form(form: str, output: str | None) -> tuple[str, Path | None]:
    """The format, by name or by the ending of the file; and the folder, if it is one."""
    if output is not None:
        check_name(output)
    if output is not None and (output.endswith("/") or Path(output).is_dir()):
        if form not in ("table", "parquet"):
            raise InputError(f"--output {output}: a folder holds Parquet parts, not {form}")
        return "parquet", Path(output)
    if output is not None and form == "table":
        form = _ENDINGS.get(Path(output).suffix.lower(), form)
    if form == "parquet" and output is None:
        raise InputError("--format parquet needs --output FILE")
    return form, None


def check_room(path: Path, rows: int, names: Sequence[str], form: str) -> None:
    """Refuse rows that cannot fit on the disk, however well they compress.

    Raises
    ------
    NoAnswerError
        If less is free than they need at the least.
    """
    import shutil

    from llmcost.render.numbers import readable

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
        needed, left = (readable(size / 1e9, "GB") for size in (rows * each, free))
        raise NoAnswerError(
            f"--output {path}: {rows:,} rows of {len(names)} columns need {needed} at the least, and {left} are free; "
            "narrow the axes, --select fewer columns, or give --top N"
        )
