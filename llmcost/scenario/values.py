"""Values of scenario keys: numbers with suffixes, distributions, dates; each checked on its own."""

from __future__ import annotations

import math
from datetime import date, datetime
from typing import Any, NamedTuple

from llmcost.errors import nearest, odd_character
from llmcost.scenario.schema import CHOICE, DATE, ENTRY, FLAG, NUMBER, Key

SUFFIXES = {"k": 1e3, "M": 1e6, "B": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
#: Powers of ten of the same suffixes, to scale decimal text without rounding twice.
_EXPONENTS = {"k": 3, "M": 6, "B": 9, "T": 12, "P": 15, "E": 18}
SHAPES = ("lognormal", "normal", "uniform", "triangular")


class Distribution(NamedTuple):
    """A number that is not known exactly, by its 90 % interval (5th and 95th percentile).

    `mode` is that of a triangle; of a lognormal it is the median, where that is not the middle.
    `floor` and `ceiling` are the physical bounds of the key, at which it is truncated.
    """

    low: float
    high: float
    dist: str = "lognormal"
    mode: float | None = None
    floor: float = -math.inf
    ceiling: float = math.inf

    def as_dict(self) -> dict[str, Any]:
        """The way that a scenario writes it."""
        mode = {} if self.mode is None else {"mode": self.mode}
        return {"low": self.low, "high": self.high, "dist": self.dist, **mode}


class ValueProblem(ValueError):
    """A value that its key cannot hold; the message goes behind the key's name."""


def parse_number(value: object) -> float:
    """Read a number, or text with a suffix k, M, B, T, P, E.

    Raises
    ------
    ValueProblem
        If it is neither, or not finite.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueProblem(f"{show(value)} is not a number")
    text = value.strip() if isinstance(value, str) else value
    number = math.nan
    try:
        if isinstance(text, str) and text[-1:] in _EXPONENTS:
            body = text[:-1].strip()
            if "e" in body or "E" in body:
                number = float(body) * SUFFIXES[text[-1]]
            else:
                number = float(f"{body.replace('_', '')}e{_EXPONENTS[text[-1]]}")
        else:
            number = float(text)
    except (ValueError, OverflowError):
        hint = ""
        if isinstance(text, str):
            hint = "; suffixes are k, M, B, T, P and E, case as written"
        raise ValueProblem(f"{show(value)} is not a number{hint}") from None
    if not math.isfinite(number):
        raise ValueProblem(f"{show(value)} is not a finite number")
    return number


def check_number(key: Key, number: float) -> float:
    """Check a number against the bounds of its key.

    Raises
    ------
    ValueProblem
        If it is out of bounds, or not whole where it must be.
    """
    low = number <= key.low if key.open_low else number < key.low
    high = number >= key.high if key.open_high else number > key.high
    if low or high:
        sign = " is negative" if number < 0 else " is out of range"
        raise ValueProblem(f"{number:g}{sign}; it must be {key.allowed}")
    if key.whole and number != round(number):
        raise ValueProblem(f"{number:g} is not whole; it must be {key.allowed}")
    return number


def parse_distribution(key: Key, table: dict[str, Any]) -> Distribution:
    """Read ``{ low, high, dist, mode }``.

    Raises
    ------
    ValueProblem
        If the table is not a distribution that the key can hold.
    """
    allowed = ("low", "high", "dist", "mode")
    for name in table:
        if name not in allowed:
            hint = nearest(name, allowed)
            raise ValueProblem(
                f"unknown key {name} of a distribution{hint}; keys are low, high, dist, mode"
            )
    if "low" not in table or "high" not in table:
        raise ValueProblem("a distribution needs low and high, the bounds of its 90 % interval")
    dist = table.get("dist", "lognormal")
    if dist not in SHAPES:
        raise ValueProblem(
            f"dist {show(dist)} is not one of {', '.join(SHAPES)}{nearest(str(dist), SHAPES)}"
        )
    low, high = (_inside(key, parse_number(table[name]), name) for name in ("low", "high"))
    if not low < high:
        raise ValueProblem(f"low {low:g} is not below high {high:g}")
    if dist == "lognormal" and low <= 0:
        raise ValueProblem(
            f'low {low:g} is not > 0, as a lognormal needs; dist = "normal" takes it'
        )
    mode = None
    if dist == "triangular":
        if "mode" not in table:
            raise ValueProblem("a triangular distribution needs its mode")
        mode = parse_number(table["mode"])
        if not low <= mode <= high:
            raise ValueProblem(f"mode {mode:g} is not between low {low:g} and high {high:g}")
    elif "mode" in table:
        raise ValueProblem(f"mode goes with triangular, not with {dist}")
    return Distribution(low, high, dist, mode, key.low, key.high)


def _inside(key: Key, number: float, name: str) -> float:
    try:
        return check_number(key, number)
    except ValueProblem as problem:
        raise ValueProblem(f"{name} {problem}") from None


def parse_date(value: object) -> date:
    """Read a date: a TOML date, or text like 2024-02-24.

    Raises
    ------
    ValueProblem
        If it is no date.
    """
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    if isinstance(value, str):
        try:
            return date.fromisoformat(value.strip())
        except ValueError:
            pass
    raise ValueProblem(f"{show(value)} is not a date; write it like 2024-02-24")


def parse_value(key: Key, value: object) -> Any:
    """Read the value of a key.

    Returns
    -------
    float, Distribution, bool, str or date
        By the kind of the key. A name is not looked up here.

    Raises
    ------
    ValueProblem
        If the key cannot hold it.
    """
    if key.kind == NUMBER:
        if isinstance(value, dict):
            return parse_distribution(key, value)
        if isinstance(value, str) and value in key.words:
            return value
        try:
            number = parse_number(value)
        except ValueProblem as problem:
            words = "".join(f', or "{word}"' for word in key.words)
            raise ValueProblem(f"{problem}{words}") from None
        return check_number(key, number)
    if key.kind == DATE:
        return parse_date(value)
    if key.kind == FLAG:
        if isinstance(value, bool):
            return value
        if value in ("true", "false"):
            return value == "true"
        raise ValueProblem(f"{show(value)} is not true or false")
    if not isinstance(value, str):
        raise ValueProblem(f"{show(value)} is not text")
    odd = odd_character(value)
    if odd is not None:
        raise ValueProblem(f"holds the character {odd}; a text is plain letters")
    if not value.strip():
        raise ValueProblem(f"is empty; it must be {key.allowed}")
    if key.kind == CHOICE and value not in key.choices:
        raise ValueProblem(f"{show(value)} is not {key.allowed}{nearest(value, key.choices)}")
    if key.kind == ENTRY:
        return value.strip()
    return value


def show(value: object) -> str:
    """A value as an error message quotes it, shortened."""
    if isinstance(value, int) and value.bit_length() > 1000:
        return "a number of more than 300 digits"
    text = f'"{value}"' if isinstance(value, str) else repr(value)
    if isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, date):
        text = value.isoformat()
    elif isinstance(value, dict | list):
        text = f"a {'table' if isinstance(value, dict) else 'list'}"
    text = "".join(char if char.isprintable() else "?" for char in text)
    return text if len(text) <= 60 else text[:57] + "..."
