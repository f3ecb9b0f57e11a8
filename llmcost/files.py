"""Files: read with a limit and a clear error, written whole or not at all."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmcost.errors import InputError, NoAnswerError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

#: No scenario, catalog or config is larger than this.
MAX_BYTES = 1_000_000


_MOST_PARTS = 100
_TOKEN = re.compile(r"""[\w-]+|"[^"\n]*"|'[^'\n]*'|\S""")


def _has_long_key(line: str) -> bool:
    """Whether a line has a dotted key of more parts than anybody writes."""
    parts, after_part = 0, False
    for token in _TOKEN.findall(line):
        if token == "." and after_part:
            parts, after_part = parts + 1, False
        elif token[0] in "\"'-_" or token[0].isalnum():
            parts, after_part = 0 if after_part else parts, True
        else:
            parts, after_part = 0, False
        if parts >= _MOST_PARTS:
            return True
    return False


def packaged(*parts: str) -> Path | Traversable:
    """A file or folder that comes with the program.

    It lies in the package, which may be a zip archive; in a checkout, ``scenarios`` lies beside it.
    """
    package = Path(__file__).parent
    if not package.is_dir():
        from importlib.resources import files

        return files("llmcost").joinpath("/".join(parts))
    inside = package.joinpath(*parts)
    return inside if inside.exists() else package.parent.joinpath(*parts)


def read_text(path: str | Path | Traversable, what: str, most: int = MAX_BYTES) -> str:
    """Read a UTF-8 text file of at most `most` bytes; ``-`` is standard input.

    Raises
    ------
    InputError
        If it is missing, a directory, unreadable, too large or not text.
    """
    name = "standard input" if str(path) == "-" else str(path)
    try:
        if str(path) == "-":
            if sys.stdin is None or sys.stdin.closed:
                raise InputError(f"{name}: it is closed")
            data = sys.stdin.buffer.read(most + 1)
        else:
            with open(path, "rb") if isinstance(path, str) else path.open("rb") as stream:
                data = stream.read(most + 1)
    except FileNotFoundError:
        raise InputError(f"{name}: no such {what} file") from None
    except IsADirectoryError:
        raise InputError(f"{name}: is a directory, not a {what} file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{name}: cannot read the {what}: {reason}") from None
    if len(data) > most:
        raise InputError(f"{name}: larger than {most:,} bytes, too large for a {what}")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name}: not UTF-8 text (byte {error.start}); a {what} is a text file"
        ) from None


def read_toml(path: str | Path | Traversable, what: str) -> dict[str, Any]:
    """Read a TOML file.

    Raises
    ------
    InputError
        As :func:`read_text`, or if the text is not TOML (with line and column).
    """
    name = "standard input" if str(path) == "-" else str(path)
    return parse_toml(read_text(path, what), name)


def parse_toml(text: str, name: str) -> dict[str, Any]:
    """Parse the text of a TOML file; `name` is how an error names it.

    Raises
    ------
    InputError
        If it is not TOML (with line and column).
    """
    import tomli

    # A parser's time grows with the square of the parts of a dotted key.
    if any(line.count(".") >= _MOST_PARTS and _has_long_key(line) for line in text.split("\n")):
        raise InputError(f"{name}: invalid TOML: nested too deeply")
    try:
        return tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        raise InputError(f"{name}: invalid TOML: {error}") from None
    except (RecursionError, ValueError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise InputError(f"{name}: invalid TOML: {reason}") from None


def write_atomic(path: str | Path, data: str | bytes, force: bool = True) -> None:
    """Write a file whole or not at all: temporary file, fsync, rename.

    Raises
    ------
    NoAnswerError
        If it cannot be written, or exists and `force` is false.
    """
    check_new(path, force)
    with atomic_stream(path, True) as stream:
        stream.write(data.encode() if isinstance(data, str) else data)


def check_new(path: str | Path, force: bool) -> None:
    """See to it that no file is overwritten that nobody said may be.

    Raises
    ------
    NoAnswerError
        If the file exists and `force` is false.
    """
    if not force and Path(path).exists():
        raise NoAnswerError(f"{path}: exists; use --force to overwrite it")


@contextmanager
def atomic_stream(path: str | Path, binary: bool) -> Iterator[Any]:
    """A stream whose file appears under its name when all of it is written.

    Raises
    ------
    NoAnswerError
        If it cannot be written.
    """
    import tempfile

    target = Path(path)
    temporary = None
    try:
        if target.is_dir():
            raise IsADirectoryError(21, "is a directory")
        if target.exists() and not target.is_file():  # a pipe or /dev/stdout: nothing to rename
            with open(
                target, "wb" if binary else "w", encoding=None if binary else "utf-8"
            ) as stream:
                yield stream
            return
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        with os.fdopen(
            handle, "wb" if binary else "w", encoding=None if binary else "utf-8"
        ) as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask()
        os.chmod(temporary, mode)
        os.replace(temporary, target)
    except BaseException as error:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)
        if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
            raise NoAnswerError(f"{target}: cannot write: {error.strerror or error}") from None
        raise


def _umask() -> int:
    value = os.umask(0)
    os.umask(value)
    return value
