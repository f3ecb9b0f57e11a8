"""What can go wrong, with the exit code that the command line gives it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")


class LlmcostError(Exception):
    """Base of every error that a user can cause or meet; carries one message a problem."""

    exit_code = 1

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems: list[str] = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(self.problems))


class InputError(LlmcostError):
    """The input is wrong: usage, scenario, catalog (exit code 2)."""

    exit_code = 2


class NoAnswerError(LlmcostError):
    """The question has no answer: infeasible, or an I/O failure (exit code 1)."""

    exit_code = 1


class ReaderGoneError(LlmcostError):
    """Whoever reads standard output has closed it (``| head``): nothing is wrong (exit code 0)."""

    exit_code = 0


def every(checks: Iterable[Callable[[], T]]) -> list[T]:
    """What checks give, in order.

    Raises
    ------
    InputError
        With what is wrong with any of them, at once.
    """
    found: list[T] = []
    problems: list[str] = []
    for check in checks:
        try:
            found.append(check())
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    return found


def whole(text: str, most: int) -> int | None:
    """The whole number that a text says in plain digits, None where it is another text or above `most`.

    Digits of other scripts (``²``) are digits to Python, and no number to ``int``.
    """
    if not (text.isascii() and text.isdigit()) or len(text.lstrip("0")) > len(str(most)):
        return None
    return int(text) if int(text) <= most else None


def printable(text: str) -> str:
    """A text without what moves a terminal's cursor or turns its letters round."""
    return "".join("?" if _moves(char) else char for char in text)


def odd_character(text: str) -> str | None:
    """Name of the first character of a text that no name holds: control, half a pair, bidirectional."""
    return next((f"U+{ord(char):04X}" for char in text if _moves(char)), None)


#: Characters that override the direction of what follows; marks of right-to-left scripts are none.
_TURNS = frozenset(map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x2028, 0x2029)))


def _moves(char: str) -> bool:
    code = ord(char)
    control = (code < 0x20 and char not in "\t\n") or 0x7F <= code < 0xA0
    return control or 0xD800 <= code < 0xE000 or char in _TURNS


def nearest(name: str, allowed: Iterable[str]) -> str:
    """Say which allowed name is nearest: ``; did you mean "accelerator"?`` or nothing."""
    from difflib import get_close_matches

    names = [str(item) for item in allowed]
    lowered = {item.lower(): item for item in reversed(names)}
    match = get_close_matches(name.lower(), lowered, n=1, cutoff=0.6)
    if not match:  # a short name inside a longer one, or a key given without its section
        match = [low for low in lowered if len(name) > 2 and name.lower() in low][:1]
    return f'; did you mean "{lowered[match[0]]}"?' if match else ""
