"""The arithmetic of a shell: whole numbers, the usual signs, variables by name."""

from __future__ import annotations

import re
from collections.abc import Callable

#: Larger numbers, and longer sums, are no part of a configuration.
_LARGEST, _LONGEST = 10**30, 500
_TOKEN = re.compile(
    r"\s*(?:(\d{1,18})|\$?\{?([A-Za-z_]\w*)\}?|(\*\*|[<>=!]=|&&|\|\||[-+*/%()<>?:!]))"
)
#: Signs by how tightly they bind, the loosest first.
_BINDING = (("||",), ("&&",), ("==", "!="), ("<", ">", "<=", ">="), ("+", "-"), ("*", "/", "%"))


class _CannotTell(Exception):
    """An unknown variable, a division by zero, a sign that is none."""


def calculate(text: str, number: Callable[[str], int | None]) -> int | None:
    """The value of an expression like ``(8*$NODES)/TP``; None where it cannot be told.

    Parameters
    ----------
    text : str
        The expression.
    number : callable
        The value of a variable, None where it has none.
    """
    if len(text) > _LONGEST:
        return None
    tokens: list[str] = []
    at = 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        if match is None:
            return None
        tokens.append(match[0].strip())
        at = match.end()
    if not tokens:
        return None
    try:
        value, rest = _choice(tokens, 0, number)
    except (_CannotTell, RecursionError):
        return None
    return value if rest == len(tokens) else None


def _choice(tokens: list[str], at: int, number: Callable[[str], int | None]) -> tuple[int, int]:
    value, at = _signs(tokens, at, number, 0)
    if at < len(tokens) and tokens[at] == "?":
        yes, at = _choice(tokens, at + 1, number)
        if at >= len(tokens) or tokens[at] != ":":
            raise _CannotTell
        no, at = _choice(tokens, at + 1, number)
        return (yes if value else no), at
    return value, at


def _signs(
    tokens: list[str], at: int, number: Callable[[str], int | None], level: int
) -> tuple[int, int]:
    if level == len(_BINDING):
        return _power(tokens, at, number)
    left, at = _signs(tokens, at, number, level + 1)
    while at < len(tokens) and tokens[at] in _BINDING[level]:
        sign = tokens[at]
        right, at = _signs(tokens, at + 1, number, level + 1)
        left = _apply(sign, left, right)
    return left, at


def _power(tokens: list[str], at: int, number: Callable[[str], int | None]) -> tuple[int, int]:
    base, at = _atom(tokens, at, number)
    if at < len(tokens) and tokens[at] == "**":
        exponent, at = _power(tokens, at + 1, number)
        if not 0 <= exponent <= 64 or abs(base) > 10**6:
            raise _CannotTell
        base = _bounded(base**exponent)
    return base, at


def _atom(tokens: list[str], at: int, number: Callable[[str], int | None]) -> tuple[int, int]:
    if at >= len(tokens):
        raise _CannotTell
    token = tokens[at]
    if token == "(":
        value, at = _choice(tokens, at + 1, number)
        if at >= len(tokens) or tokens[at] != ")":
            raise _CannotTell
        return value, at + 1
    if token in ("-", "+", "!"):
        value, at = _atom(tokens, at + 1, number)
        return {"-": -value, "+": value, "!": int(not value)}[token], at
    if token.isdecimal():
        return int(token), at + 1
    value_of = number(token.strip("${}"))
    if value_of is None:
        raise _CannotTell
    return value_of, at + 1


def _apply(sign: str, left: int, right: int) -> int:
    if sign in ("/", "%"):
        if right == 0:
            raise _CannotTell
        quotient = abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)
        return quotient if sign == "/" else left - quotient * right
    if sign in ("+", "-", "*"):
        return _bounded({"+": left + right, "-": left - right, "*": left * right}[sign])
    truth = {
        "||": bool(left or right),
        "&&": bool(left and right),
        "==": left == right,
        "!=": left != right,
        "<": left < right,
        ">": left > right,
        "<=": left <= right,
        ">=": left >= right,
    }
    return int(truth[sign])


def _bounded(value: int) -> int:
    if abs(value) > _LARGEST:
        raise _CannotTell
    return value
