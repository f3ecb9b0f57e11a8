"""A trainer's keys and values, taken one by one so that what is left over is known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from llmcost.scenario.importers.flat import DEFAULT, Item
from llmcost.scenario.schema import SHARDINGS

if TYPE_CHECKING:
    from llmcost.scenario.importers.documents import Document
    from llmcost.scenario.importers.run import Run

#: What stands for "as the trainer finds best" or "not set".
_OPEN = ("auto", "")


def plain(name: str) -> str:
    """A key however it is written: ``--micro-batch-size`` is ``micro_batch_size``."""
    return name.lstrip("-").replace("-", "_")


class Keys:
    """The keys of the files of one trainer; of a key that several give the first file's counts.

    Parameters
    ----------
    documents : sequence of Document
        What the files say.
    run : Run
        Collects what is read and what is not.
    prefixes : iterable of str
        Sections whose keys are known by their names alone, ``model.`` for one.
    """

    def __init__(
        self, documents: Sequence[Document], run: Run, prefixes: Iterable[str] = ()
    ) -> None:
        self.run = run
        self.documents = documents
        self._items: dict[str, list[Item]] = {}
        self._read: set[str] = set()
        longest = sorted(prefixes, key=len, reverse=True)
        for document in documents:
            for label, value in document.values.items():
                name = plain(label)
                prefix = next((item for item in longest if name.startswith(item)), "")
                item = Item(label, value, document.where, document.command)
                self._items.setdefault(name[len(prefix) :], []).append(item)

    def __contains__(self, name: str) -> bool:
        return any(item.value is not None for item in self._items.get(name, ()))

    def mentions(self, *names: str) -> bool:
        """Whether the files have one of the keys, with a value or without."""
        return any(name in self._items for name in names)

    def sections(self) -> set[str]:
        """First parts of the keys."""
        return {name.partition(".")[0] for name in self._items}

    def items(self, name: str) -> list[Item]:
        """All items of a key, of several sections that are known by their names alone."""
        self._read.add(name)
        return [item for item in self._items.get(name, ()) if item.value is not None]

    def item(self, *names: str) -> Item | None:
        """The first of `names` that says something; all of them count as read."""
        found = None
        for name in names:
            self._read.add(name)
            for item in self._items.get(name, ()):
                if found is None and item.value is not None and not _is_open(item.value):
                    found = item
        return found

    def label(self, *names: str) -> str:
        """How the file writes the first of `names` that says something."""
        found = self.item(*names)
        return found.label if found else f"{names[0]} {DEFAULT}"

    def take(self, *names: str) -> Any:
        """The value of the first of `names` that says something, None where none does."""
        found = self.item(*names)
        return None if found is None else found.value

    def whole(self, *names: str, low: int = 1) -> int | None:
        """A whole number of at least `low`; anything else is a problem, or not known yet."""
        number = self.number(*names)
        if number is None:
            return None
        if number != int(number) or number < low:
            item = self.item(*names)
            assert item is not None
            self.run.problem(item, f"is not a whole number ≥ {low}")
            return None
        return int(number)

    def give(self, key: str, *names: str, low: int = 1) -> None:
        """Take a whole number as the value of a scenario key."""
        self.run.put(key, self.whole(*names, low=low), self.label(*names))

    def zero(self, *names: str, default: int | None = None) -> None:
        """Take ZeRO's stage, the trainer's default where the files are silent, as what replicas share."""
        given = self.whole(*names, low=0)
        stage = default if given is None else given
        if stage is not None:
            self.run.put("parallelism.sharding", SHARDINGS[min(stage, 3)], self.label(*names))

    def degree(self, key: str, *names: str, default: int | None = 1) -> int | None:
        """A whole number of the layout, the trainer's default where the files are silent.

        Where they say what is not known here, the scenario's key is left open, and None returned.
        """
        value = self.whole(*names)
        item = self.item(*names)
        if value is None and item is not None:
            self.run.leave_open(key, item)
            return None
        return default if value is None else value

    def number(self, *names: str) -> float | None:
        """A number; text that hangs on what is not known here is left as not understood."""
        item = self.item(*names)
        if item is None:
            return None
        value = item.value
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if isinstance(value, str):
            if is_unknown(value):
                self.run.not_understood(item)
                return None
            with suppress(ValueError):
                value = float(value.replace("_", "")) if len(value) < 50 else value
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.run.problem(item, "is not a number")
            return None
        if not abs(value) < 1e18:
            self.run.problem(item, "is no number of a configuration")
            return None
        return value

    def flag(self, *names: str) -> bool | None:
        """True or false; an option without a value is true."""
        item = self.item(*names)
        if item is None:
            return None
        value = item.value
        if isinstance(value, bool):
            return value
        text = str(value).strip().lower()
        if text in ("true", "yes", "1", "on", "enable", "enabled"):
            return True
        if text in ("false", "no", "0", "off", "disable", "disabled"):
            return False
        if item.option:
            return True  # what follows is the next word of the command
        self.run.not_understood(item)
        return None

    def word(self, *names: str) -> str | None:
        """Text."""
        item = self.item(*names)
        if item is None:
            return None
        value = item.value
        if isinstance(value, list):
            value = " ".join(str(part) for part in value)
        if is_unknown(value):
            self.run.not_understood(item)
            return None
        return str(value)

    def title(self, *names: str) -> str:
        """Text that only names the run, empty where there is none or it is not known here."""
        value = self.take(*names)
        return "" if value is None or is_unknown(value) else str(value)

    def ignore(self, patterns: Iterable[str]) -> None:
        """Leave out what has no bearing on cost: names, or patterns with ``*``."""
        exact = {name for name in patterns if "*" not in name}
        starts = tuple(name[:-1] for name in patterns if "*" not in name[:-1] and name[-1] == "*")
        others = [name for name in patterns if "*" in name[:-1]]
        for name in self._items:
            if (
                name in exact
                or name.startswith(starts)
                or any(fnmatchcase(name, pattern) for pattern in others)
            ):
                self._read.add(name)

    def finish(self) -> None:
        """Say which keys nobody read; one that is empty or off says nothing."""
        for name, items in self._items.items():
            if name in self._read:
                continue
            for item in items:
                if item.value not in (None, False, {}, []):
                    self.run.not_understood(item)


def _is_open(value: Any) -> bool:
    return isinstance(value, str) and value.strip().lower() in _OPEN


def is_unknown(value: Any) -> bool:
    """Whether a value hangs on the environment, a template or a place left to fill in."""
    text = str(value)
    return any(mark in text for mark in ("$", "`", "{{")) or (
        text.startswith("<") and text.endswith(">")
    )
