"""Files: read with a limit and a clear error, written whole or not at all."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from llmcost.errors import InputError, NoAnswerError, odd_character

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
        found = tomli.loads(text)
        problem = _unreadable(found)
        if problem:
            raise InputError(f"{name}: {problem}")
        return found
    except tomli.TOMLDecodeError as error:
        raise InputError(f"{name}: invalid TOML: {error}") from None
    except (RecursionError, ValueError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise InputError(f"{name}: invalid TOML: {reason}") from None


#: Bits of a whole number that nothing here exceeds; as a float it would be infinite.
_MOST_BITS = 1000


def _unreadable(value: Any, place: str = "") -> str | None:
    """What is wrong with a value read from a file, wherever it stands: too large, or no plain text."""
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        return f"{place}: a whole number of more than 300 digits; no quantity has so many"
    if isinstance(value, str):
        odd = odd_character(value)
        return (
            odd
            and f"{place}: holds the character {odd}; a text is plain letters, no control characters"
        )
    if isinstance(value, list):
        return next(filter(None, (_unreadable(item, place) for item in value)), None)
    if isinstance(value, dict):
        for key, item in value.items():
            odd = odd_character(key)
            if odd:
                return f"{place or 'the file'}: holds a key with the character {odd}"
            problem = _unreadable(item, f"{place}.{key}" if place else key)
            if problem:
                return problem
    return None


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
    InputError
        If the name is empty.
    NoAnswerError
        If the file exists and `force` is false.
    """
    check_name(path)
    if not force and Path(path).exists():
        raise NoAnswerError(f"{path}: exists; use --force to overwrite it")


def check_name(path: str | Path) -> None:
    """See to it that an output file has a name.

    Raises
    ------
    InputError
        If it is empty.
    """
    if not str(path).strip():
        raise InputError('--output "": is empty; name a file')


#: How a file is made that must not be there yet; the last is Windows'.
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


@contextmanager
def atomic_stream(path: str | Path, binary: bool) -> Iterator[Any]:
    """A stream whose file appears under its name when all of it is written.

    Raises
    ------
    NoAnswerError
        If it cannot be written.
    """
    check_name(path)
    target = Path(path)
    temporary = None
    form: dict[str, Any] = (
        {"mode": "wb"} if binary else {"mode": "w", "encoding": "utf-8", "errors": "replace"}
    )
    try:
        if target.is_dir():
            raise IsADirectoryError(21, "is a directory")
        number = _open_already(target)
        if number is not None or (target.exists() and not target.is_file()):
            # A stream of this process, a pipe or a device: nothing to rename.
            with (
                os.fdopen(os.dup(number), **form)
                if number is not None
                else open(target, **form) as stream
            ):
                yield stream
            return
        target = Path(os.path.realpath(target))  # through a link to what it points to
        _remove_abandoned(target)
        # Named before it is made: an interruption right after finds what to remove.
        temporary = str(target.parent / f".{target.name}.{os.urandom(4).hex()}")
        handle = os.open(temporary, _NEW, 0o600)
        with os.fdopen(handle, **form) as stream:
            _lock(stream)
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask()
        os.chmod(temporary, mode)
        os.replace(temporary, target)
    except BaseException as error:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)
        if isinstance(error, BrokenPipeError):
            raise NoAnswerError(f"{path}: whoever reads it left before all was written") from None
        if isinstance(error, OSError):
            raise NoAnswerError(f"{path}: cannot write: {error.strerror or error}") from None
        raise


#: A temporary file that was not written to for so long, and that nobody holds, is nobody's [s].
_ABANDONED_S = 60.0


def _remove_abandoned(target: Path) -> None:
    """Remove the temporary files of a file that killed runs left; who still writes one holds it."""
    start = f".{target.name}."
    for name in os.listdir(target.parent):
        if not name.startswith(start) or not re.fullmatch("[0-9a-f]{8}", name[len(start) :]):
            continue
        path = target.parent / name
        try:
            with path.open("rb") as stream:
                old = time.time() - path.stat().st_mtime > _ABANDONED_S
                if old and _lock(stream):
                    path.unlink()
        except OSError:
            continue  # another user's, or gone by now


def _lock(stream: IO[Any]) -> bool:
    """Hold a file until it is closed; False where another process does, or the system has no locks."""
    try:
        import fcntl

        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, OSError):
        return False
    return True


_STREAM = re.compile(r"/dev/(stdin|stdout|stderr)|/(?:dev/fd|proc/self/fd)/([0-9]{1,6})")


def _open_already(path: Path) -> int | None:
    """The number of a stream of this process that a path names, such as /dev/stdout."""
    match = _STREAM.fullmatch(os.path.abspath(path))
    if match is None:
        return None
    return int(match[2]) if match[2] else ("stdin", "stdout", "stderr").index(match[1])


def _umask() -> int:
    value = os.umask(0)
    os.umask(value)
    return value
