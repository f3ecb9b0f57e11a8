"""What can go wrong, with the exit code that the command line gives it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


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


def nearest(name: str, allowed: Iterable[str]) -> str:
    """Say which allowed name is nearest: ``; did you mean "accelerator"?`` or nothing."""
    from difflib import get_close_matches

    names = [str(item) for item in allowed]
    lowered = {item.lower(): item for item in reversed(names)}
    match = get_close_matches(name.lower(), lowered, n=1, cutoff=0.6)
    if not match:  # a short name inside a longer one, or a key given without its section
        match = [low for low in lowered if len(name) > 2 and name.lower() in low][:1]
    return f'; did you mean "{lowered[match[0]]}"?' if match else ""
