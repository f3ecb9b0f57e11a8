"""YAML as data alone: no tags are obeyed, and size, depth and aliases are bounded."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

from llmcost.errors import InputError

#: A trainer's configuration has a few thousand values and a dozen levels; more is no configuration.
MOST_VALUES, MOST_LEVELS, MOST_ALIASES = 50_000, 40, 100
#: Without the C parser PyYAML reads 50 kB a second: what it can read in 2 s.
_SLOW_BYTES = 100_000

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9_]{0,40})$")
_FLOAT = re.compile(r"[-+]?([0-9][0-9_]{0,40})?\.?[0-9_]{0,40}([eE][-+]?[0-9]{1,4})?$")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"), False),
}


def parse_yaml(text: str, name: str) -> Any:
    """The first document of a YAML text, as mappings, lists and scalars.

    Parameters
    ----------
    text : str
        The text.
    name : str
        How an error names it.

    Raises
    ------
    InputError
        If PyYAML is not installed, the text is not YAML, or it is larger than any configuration.
    """
    try:
        import yaml
    except ImportError:
        raise InputError(f'{name}: YAML needs PyYAML: pip install "llmcost[yaml]"') from None
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    if loader is yaml.SafeLoader and len(text) > _SLOW_BYTES:
        raise InputError(
            f"{name}: larger than {_SLOW_BYTES:,} bytes, too large for a PyYAML without libyaml"
        )
    builder = _Builder(name)
    try:
        for event in yaml.parse(text, Loader=loader):
            if builder.take(event):
                break
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        reason = getattr(error, "problem", None) or "cannot be read"
        raise InputError(f"{name}: invalid YAML: {reason}{where}") from None
    return builder.result


def scalar(text: str) -> Any:
    """A plain scalar: null, a truth value, a number (``1e-5`` too) or text."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.match(text):
        return int(text.replace("_", ""))
    if _FLOAT.match(text):
        with suppress(ValueError):  # a point or a sign alone
            return float(text.replace("_", ""))
    return text


class _Builder:
    """Makes values of a parser's events, one at a time and with limits."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.result: Any = None
        self._open: list[Any] = []
        self._anchors: list[str | None] = []
        self._keys: list[str | None] = []
        self._known: dict[str, Any] = {}
        self._values = self._aliases = 0

    def take(self, event: Any) -> bool:
        """Take an event; whether the document ends with it."""
        kind = type(event).__name__
        if kind == "ScalarEvent":
            key = bool(self._open) and isinstance(self._open[-1], dict) and self._keys[-1] is None
            plain = event.implicit[0] and not key
            self._add(scalar(event.value) if plain else event.value, event.anchor)
        elif kind == "AliasEvent":
            self._aliases += 1
            if self._aliases > MOST_ALIASES:
                raise self._refused(f"more than {MOST_ALIASES} aliases")
            if event.anchor not in self._known:
                raise self._refused(f"alias *{event.anchor} of what is not read yet")
            self._add(self._known[event.anchor], None)
        elif kind in ("MappingStartEvent", "SequenceStartEvent"):
            if len(self._open) >= MOST_LEVELS:
                raise self._refused(f"more than {MOST_LEVELS} levels")
            self._open.append({} if kind.startswith("Mapping") else [])
            self._anchors.append(event.anchor)
            self._keys.append(None)
        elif kind in ("MappingEndEvent", "SequenceEndEvent"):
            self._keys.pop()
            self._add(self._open.pop(), self._anchors.pop())
        return kind == "DocumentEndEvent"

    def _add(self, value: Any, anchor: str | None) -> None:
        self._values += 1
        if self._values > MOST_VALUES:
            raise self._refused(f"more than {MOST_VALUES:,} values")
        if anchor is not None:
            self._known[anchor] = value
        if not self._open:
            self.result = value
            return
        inside = self._open[-1]
        if isinstance(inside, list):
            inside.append(value)
        elif self._keys[-1] is None:
            if isinstance(value, dict | list):
                raise self._refused("a key that is a table or a list")
            self._keys[-1] = str(value)
        else:
            key, self._keys[-1] = self._keys[-1], None
            if key == "<<":
                self._merge(inside, value)
            else:
                inside[key] = value

    def _merge(self, inside: dict[str, Any], value: Any) -> None:
        for table in value if isinstance(value, list) else [value]:
            if not isinstance(table, dict):
                raise self._refused("<< of what is no table")
            self._values += len(table)
            if self._values > MOST_VALUES:
                raise self._refused(f"more than {MOST_VALUES:,} values")
            for key, item in table.items():
                inside.setdefault(key, item)

    def _refused(self, reason: str) -> InputError:
        return InputError(f"{self.name}: no trainer's configuration: {reason}")
