"""The fields that a word of a script falls into when its variables are put in."""

from __future__ import annotations

import re

#: Longer text than this holds nothing that was left to be run.
_LONGEST_FIELDS = 20_000
#: What unquoted text falls into: at spaces, but for those inside what was left to be run.
_FIELD = re.compile(r"(?:\$\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)|`[^`]*`|\S)+")


class Word:
    """The fields that a word falls into, as its pieces are put in."""

    def __init__(self) -> None:
        self._done: list[str] = []
        self._current: list[str] = []
        self._started = self._array = False

    def add(self, text: str) -> None:
        """Text that does not split."""
        self._current.append(text)
        self._started = True

    def add_quoted(self, values: list[str]) -> None:
        """The items of an array inside quotes: each a field, none where there are none."""
        self._array = self._array or not values
        for number, value in enumerate(values):
            if number:
                self._end()
            self.add(value)

    def add_split(self, values: list[str]) -> None:
        """Text outside quotes: it splits at spaces, and between the items of an array."""
        for number, value in enumerate(values):
            if number or value[:1].isspace():
                self._end()
            for place, part in enumerate(_fields(value)):
                if place:
                    self._end()
                self.add(part)
            if value[-1:].isspace():
                self._end()

    def fields(self) -> list[str]:
        """The fields; a word of an empty array alone has none."""
        if self._array and not any(self._current):
            self._started = False
        self._end()
        return self._done

    def _end(self) -> None:
        if self._started:
            self._done.append("".join(self._current))
        self._current, self._started = [], False


def _fields(value: str) -> list[str]:
    """What unquoted text falls into."""
    return _FIELD.findall(value) if len(value) < _LONGEST_FIELDS else value.split()
