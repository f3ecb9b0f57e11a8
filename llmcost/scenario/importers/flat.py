"""Values of configurations: tables inside tables as dotted keys, with references between them put in."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from llmcost.errors import InputError

#: No configuration has more values or levels.
MOST_VALUES, MOST_LEVELS = 20_000, 40
#: References are followed this often, and no value is longer than this.
_MOST_ROUNDS, _LONGEST, _LONGEST_REFERRED = 20, 10_000, 500


#: What the origin of a trainer's default ends with.
DEFAULT = "(the default)"


class Item(NamedTuple):
    """A value, its key as the file writes it, the file, and whether it is an option of a command."""

    label: str
    value: Any
    where: str
    option: bool = False


def flatten(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Tables inside tables as dotted keys; a list stays a value.

    Raises
    ------
    InputError
        If there are more values or levels than a configuration has.
    """
    flat: dict[str, Any] = {}

    def walk(table: Mapping[str, Any], prefix: str, level: int) -> None:
        if level > MOST_LEVELS:
            raise InputError(f"{name}: no trainer's configuration: more than {MOST_LEVELS} levels")
        for key, value in table.items():
            if isinstance(value, dict) and value:
                walk(value, f"{prefix}{key}.", level + 1)
            else:
                flat[f"{prefix}{key}"] = value
            if len(flat) > MOST_VALUES:
                raise InputError(
                    f"{name}: no trainer's configuration: more than {MOST_VALUES:,} values"
                )

    walk(data, "", 1)
    return {key: _interpolated(value, key, flat) for key, value in flat.items()}


_REFERENCE = re.compile(r"\$\{([^${}]*)\}")


def _interpolated(value: Any, key: str, flat: Mapping[str, Any]) -> Any:
    """A value with OmegaConf's references put in: ``${data.size}``, ``${multiply:4,${.width}}``."""
    for _ in range(_MOST_ROUNDS):
        if not isinstance(value, str) or "${" not in value or len(value) > _LONGEST:
            return value
        whole = _REFERENCE.fullmatch(value)
        if whole:
            found = _referred(whole[1], key, flat)
            if found is None:
                return value
            value = found
            continue

        def text(match: re.Match[str]) -> str:
            found = _referred(match[1], key, flat)
            return match[0] if found is None else str(found)

        after = _REFERENCE.sub(text, value)
        if after == value:
            return value
        value = after
    return value


_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "multiply": lambda a, b: a * b,
    "sum": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "divide_floor": lambda a, b: a // b,
    "divide_ceil": lambda a, b: -(-a // b),
}


def _referred(reference: str, key: str, flat: Mapping[str, Any]) -> Any:
    """What a reference stands for; None where it cannot be told."""
    function, colon, rest = reference.partition(":")
    if colon and function == "oc.env":
        return rest.partition(",")[2].strip() or None
    if colon and function in _ARITHMETIC:
        try:
            numbers = [float(part) for part in rest.split(",")]
            result = numbers[0]
            for number in numbers[1:]:
                result = _ARITHMETIC[function](result, number)
            return int(result)
        except (ValueError, ZeroDivisionError, OverflowError, IndexError):
            return None
    dots = len(reference) - len(reference.lstrip("."))
    parts = key.split(".")
    if dots:
        names = [".".join([*parts[: len(parts) - dots], reference[dots:]])]
    else:  # from the top, from where the file was put, or without the group it is put under
        names = [".".join([*parts[:depth], reference]) for depth in range(len(parts))]
        names.append(reference.partition(".")[2])
    found = next((flat[name] for name in names if flat.get(name) is not None), None)
    return None if isinstance(found, str) and len(found) > _LONGEST_REFERRED else found
