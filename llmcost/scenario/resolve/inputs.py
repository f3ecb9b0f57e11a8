"""What the engine starts from, filled by the modules beside this one, subject by subject.

Each figure of the catalog is looked up by the words that pick it (accelerator, precision, vendor,
grid, dates …). Where such a word is an axis of a sweep, the look-up runs over that axis alone and
gives an array of that axis's shape, with NaN where nobody published the figure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import numpy as np

from llmcost.catalog import Catalog
from llmcost.engine.cost import ItemParts
from llmcost.engine.distributions import quantile
from llmcost.scenario.read import Scenario
from llmcost.scenario.schema import (
    CONTEXT_EXCHANGES,
    EXPERT_DISPATCH,
    KEYS,
    NUMBER,
    RECOMPUTE,
    SCHEDULES,
    SHARDINGS,
    Key,
)
from llmcost.scenario.values import Distribution, ValueProblem, check_number

#: Words that the engine knows by their place in a list.
_CODES: dict[str, tuple[str, ...]] = {
    "data.tokens_basis": ("total", "active"),
    "training.flops_method": ("params", "architecture"),
    "training.activation_recompute": RECOMPUTE,
    "parallelism.sharding": SHARDINGS,
    "parallelism.schedule": SCHEDULES,
    "parallelism.context_exchange": CONTEXT_EXCHANGES,
    "training.attention_flops": ("full", "causal"),
    "training.expert_dispatch": EXPERT_DISPATCH,
    "cost.method": ("amortized", "cloud", "purchase"),
}


class Inputs:
    """What the engine starts from, and where each value comes from.

    Attributes
    ----------
    known : dict
        Quantities by engine name; numbers or arrays that broadcast.
    sources : dict of str to str
        Source of each scenario key: ``file``, ``set``, ``catalog: …``, ``default: …``.
    shown : dict of str to object
        Value of each scenario key, as a user reads it.
    distributions : dict of str to Distribution
        Uncertain inputs by scenario key.
    intervals : dict of str to (str, Distribution)
        Published intervals of what was defaulted or looked up, by scenario key, with the
        engine's name of the quantity; not used unless asked for.
    constants : dict of str to str
        Source of each constant of the performance model, by engine name.
    items : dict of str to ItemParts
        What each of the scenario's own items takes, by its name.
    uncounted : dict of str to ndarray of bool
        Cells of a sweep in which a part of the cost is not counted, by the result.
    warnings, problems : list of str
        What looks doubtful, and what is wrong.
    """

    def __init__(
        self, scenario: Scenario, catalog: Catalog, arrays: Mapping[str, Any] | None = None
    ) -> None:
        self.scenario = scenario
        self.catalog = catalog
        self.arrays = arrays or {}
        self.known: dict[str, Any] = {}
        self.sources: dict[str, str] = {}
        self.shown: dict[str, Any] = {}
        self.distributions: dict[str, Distribution] = {}
        self.intervals: dict[str, tuple[str, Distribution]] = {}
        self.constants: dict[str, str] = {}
        self.items: dict[str, ItemParts] = {}
        self.uncounted: dict[str, Any] = {}
        self.warnings: list[str] = []
        self.problems: list[str] = []

    @property
    def searches(self) -> bool:
        """Whether the whole layout is to be found."""
        layout = ("tp", "pp", "vpp", "cp", "ep", "expert_tp", "dp", "micro_batch", "sharding")
        words = self.scenario.values
        bare = "parallelism.global_batch_seqs" in words and not any(
            f"parallelism.{name}" in words for name in layout
        )
        return bare or "parallelism" in words or self.scenario.get("cluster.devices") == "auto"

    @property
    def given(self) -> frozenset[str]:
        """Quantities that the user gave, in the file or with ``--set``."""
        return frozenset(
            KEYS[key].quantity for key, source in self.sources.items()
            if source in ("file", "set", "axis") and KEYS[key].quantity
        )  # fmt: skip

    # -- what the scenario and the catalog say ------------------------------------

    def word(self, key: str, default: Any = None) -> Any:
        """Text or date of a key: one, or an array of objects along its axis."""
        return self.arrays[key] if key in self.arrays else self.scenario.get(key, default)

    def has(self, key: str) -> bool:
        """Whether the user gave a key."""
        return key in self.arrays or key in self.scenario.values

    def entry(self, kind: str, name: str) -> Mapping[str, Any]:
        """An entry of the catalog."""
        return self.catalog.entry(kind, name)

    def look(self, function: Callable[..., Any], *words: Any) -> Any:
        """Apply a look-up to words, or over the axes that the words are arrays along."""
        if not any(isinstance(word, np.ndarray) for word in words):
            return function(*words)
        spread = np.broadcast_arrays(*[_objects(word) for word in words])
        found = {}
        flat = []
        for combination in zip(*(array.ravel() for array in spread), strict=True):
            if combination not in found:
                value = function(*combination)
                found[combination] = math.nan if value is None else float(value)
            flat.append(found[combination])
        result = np.array(flat, dtype=np.float64).reshape(spread[0].shape)
        return None if np.isnan(result).all() else result

    def figure(self, kind: str, words: Any, field: str) -> Any:
        """A field of the entries of the catalog that words name."""
        return self.look(lambda word: number(self.entry(kind, word).get(field)), words)

    @staticmethod
    def named(kind: str, words: Any) -> str:
        """The source of what one entry gives, or those along an axis."""
        return f"catalog: {kind}/{words}" if isinstance(words, str) else "axis"

    # -- what is filled in --------------------------------------------------------

    def take(self, key: Key) -> None:
        """Take the user's own value of a key."""
        if key.name in self.arrays:
            value = self.arrays[key.name]
            source = "axis"
        elif key.name in self.scenario.values:
            given = self.scenario.values[key.name]
            value, source = given.value, given.source
        else:
            return
        self.sources[key.name] = source
        self.shown[key.name] = value
        if isinstance(value, Distribution):
            self.distributions[key.name] = value
            value = self.shown[key.name] = float(quantile(value, 0.5))
        if key.quantity:
            numeric = isinstance(value, np.ndarray) and key.kind == NUMBER
            known = value if numeric else self.look(_encode(key), value)
            if known is not None:
                self.known[key.quantity] = known

    def enter(self, key: str, value: Any, source: str, shown: Any = None) -> None:
        """Take a value for a key that the user did not give."""
        spec = KEYS[key]
        if value is None:
            return
        if source.startswith("catalog: ") and self._out_of_bounds(spec, value, source):
            return
        self.sources[key] = source
        self.shown[key] = value if shown is None else shown
        if spec.quantity:
            self.known[spec.quantity] = value

    def enter_missing(self, key: str, value: Any, source: str, shown: Any = None) -> None:
        """Take a value for a key whose quantity nothing else gave."""
        if KEYS[key].quantity not in self.known:
            value = float(value) if np.ndim(value) == 0 else value
            self.enter(key, value, source, shown)

    def enter_word(self, key: str, word: Any, source: str) -> None:
        """Show the word that is taken for a key that the user did not give."""
        if key not in self.sources:
            self.sources[key] = source
            self.shown[key] = word

    def default(self, key: str, note: str = "") -> None:
        """Take the catalog's assumption for a key that nothing else gave, in the cells where nothing did."""
        looked_up = key in self.sources
        if looked_up and not self._has_gaps(key):
            return
        entry = self.entry("defaults", key)
        if looked_up:
            value = self.known[KEYS[key].quantity]
            self.known[KEYS[key].quantity] = np.where(np.isnan(value), float(entry["value"]), value)
            return
        source = f"default: {note or entry['source']}"
        if self._out_of_bounds(KEYS[key], entry["value"], source):
            return
        self.enter(key, float(entry["value"]), source)
        self.interval(key, entry, "")

    def _has_gaps(self, key: str) -> bool:
        """Whether a figure that was looked up along an axis is not known of some of its words."""
        value = self.known.get(KEYS[key].quantity)
        if key in self.arrays or not isinstance(value, np.ndarray):
            return False
        return bool(np.isnan(value).any())

    def interval(self, key: str, entry: Mapping[str, Any], field: str, quantity: str = "") -> None:
        """Remember the interval of a figure of the catalog; `field` is empty where it has its own."""
        ends = [f"{field}_low", f"{field}_high"] if field else ["low", "high"]
        if not all(end in entry for end in ends):
            return
        spec = KEYS[key]
        dist = entry.get("dist", "normal" if spec.high <= 1 else "lognormal")
        low, high = (float(entry[end]) for end in ends)
        found = Distribution(low, high, dist, None, spec.low, spec.high)
        self.intervals[key] = (quantity or spec.quantity, found)

    def problem(self, key: str, text: str) -> None:
        """Say what is wrong with a key."""
        self.problems.append(f"{self.scenario.where(key)}: {text}")

    def _out_of_bounds(self, spec: Key, value: Any, source: str) -> bool:
        """Whether a figure of a user's catalog is none that the key can hold; says so."""
        if spec.kind != NUMBER or not isinstance(value, int | float):
            return False
        try:
            check_number(spec._replace(whole=False), float(value))
        except ValueProblem as problem:
            self.problems.append(f"catalog: {spec.name}: {problem} ({source})")
            return True
        return False


def number(value: Any) -> float | None:
    """A figure of the catalog as a number: dates as day numbers, flags as 0 or 1."""
    if isinstance(value, date):
        return float(value.toordinal())
    return None if value is None else float(value)


def _objects(word: Any) -> Any:
    if isinstance(word, np.ndarray):
        return word
    array = np.empty((), dtype=object)
    array[()] = word
    return array


def _encode(key: Key) -> Callable[[Any], float | None]:
    """How a key's value becomes a number for the engine."""

    def encode(value: Any) -> float | None:
        if key.kind == NUMBER:
            return None if isinstance(value, str) else float(value)
        if key.name in _CODES:
            return float(_CODES[key.name].index(value))
        return number(value)

    return encode
