"""One scenario through the engine: results, provenance, contradictions, explanations."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, NamedTuple

import numpy as np

from llmcost.analysis.hints import counts_whole_scores, hints
from llmcost.catalog import Catalog
from llmcost.engine.chain import Array, Rule, scalar
from llmcost.engine.cost import cost_items_usd
from llmcost.engine.evaluate import evaluate
from llmcost.engine.identity import TOLERANCE, compared, comparisons
from llmcost.engine.results import RESULTS
from llmcost.errors import InputError, NoAnswerError
from llmcost.scenario import Inputs, Scenario, check_params, place, resolve
from llmcost.scenario.resolve import PARAMS_ERROR, params_gap
from llmcost.scenario.schema import FLAG, KEYS, by_quantity


class Item(NamedTuple):
    """An item of ``[[cost.items]]`` and what it costs [USD], with its range where one was asked for."""

    name: str
    usd: float
    interval: Mapping[str, float | None] = {}


class Estimate(NamedTuple):
    """What the engine made of one scenario; `given` is that scenario where the inputs are of stages."""

    inputs: Inputs
    values: Mapping[str, Array]
    steps: tuple[Rule, ...]
    warnings: list[str]
    intervals: Mapping[str, Mapping[str, float | None]] = {}
    samples: Mapping[str, Array] = {}
    search: Any = None
    stages: tuple[Any, ...] = ()
    levers: tuple[Any, ...] = ()
    given: Scenario | None = None
    item_intervals: Mapping[str, Mapping[str, float | None]] = {}

    @property
    def name(self) -> str:
        """Name of the scenario."""
        return self.inputs.scenario.name

    def result(self, key: str) -> float | None:
        """A result, or None where the scenario does not determine it."""
        return scalar(self.values.get(key))

    @property
    def results(self) -> dict[str, float | None]:
        """All results by key."""
        return {key: self.result(key) for key in RESULTS}

    @property
    def items(self) -> list[Item]:
        """The scenario's own items, which add up to ``cost_items_usd``; none where that is not known."""
        if self.result("cost_items_usd") is None:
            return []
        found = self.item_costs(self.values).items()
        return [Item(name, float(usd), self.item_intervals.get(name, {})) for name, usd in found]

    def item_costs(self, values: Mapping[str, Array]) -> dict[str, Array]:
        """What each item costs [USD] by results, or samples of them."""
        facts = {**self.inputs.known, **values}  # a whole of stages has no months of its own
        time = {name: np.asarray(facts[name]) for name in ("months", "days") if name in facts}
        base = values["cost_development_usd"]
        return {
            name: cost_items_usd(*map(np.asarray, part), base, **time)
            for name, part in self.inputs.items.items()
        }

    def source(self, key: str) -> str:
        """Where the value of a scenario key comes from."""
        return self.inputs.sources.get(key, "derived")

    def provenance(self) -> dict[str, dict[str, Any]]:
        """Every input, default and derived key with its value and its source."""
        shown = {}
        for key in KEYS.values():
            if key.name in self.inputs.sources:
                value = self.inputs.shown[key.name]
                entry: dict[str, Any] = {
                    "value": _plain(value, key.kind),
                    "source": self.inputs.sources[key.name],
                }
                if key.name in self.inputs.distributions:
                    entry["distribution"] = self.inputs.distributions[key.name].as_dict()
                shown[key.name] = entry
            elif key.quantity in self.values and not _is_assumed_zero(
                key.name, self.values[key.quantity]
            ):
                value = scalar(self.values[key.quantity])
                if value is not None:
                    value = bool(value) if key.kind == FLAG else value
                    shown[key.name] = {"value": value, "source": self._derived(key.quantity)}
        return shown

    def _derived(self, quantity: str) -> str:
        if quantity == "mfu" and any(
            step.function.__name__ == "mfu_by_default" for step in self.steps
        ):
            return f"default: {self.inputs.constants['default_mfu']}"
        return "derived"

    def step(self, quantity: str) -> Rule | None:
        """The formula that gave a quantity, None where it is an input."""
        return next((step for step in self.steps if step.gives == quantity), None)


#: Keys whose 0 only says that the model has no such part.
_OPTIONAL_PARTS = ("experts", "lora", "rope", "v_head_dim", "dense_layers")


def _is_assumed_zero(name: str, value: Array) -> bool:
    words = any(part in name for part in _OPTIONAL_PARTS)
    return KEYS[name].kind != "number" or (words and not np.any(value))


def _plain(value: Any, kind: str) -> Any:
    """A value as a scenario file holds it."""
    if kind == FLAG:
        return bool(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, np.generic | np.ndarray):
        value = float(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return int(value)
    return value


def estimate(scenario: Scenario, catalog: Catalog | None = None) -> Estimate:
    """Estimate one scenario.

    Parameters
    ----------
    scenario : Scenario
        The scenario as given.
    catalog : Catalog, optional
        The catalog to look up in.

    Returns
    -------
    Estimate
        Results, each None where the scenario does not determine it.

    Raises
    ------
    InputError
        If the inputs are wrong or contradict one another.
    NoAnswerError
        If no run fits the inputs.
    """
    inputs = resolve(scenario, catalog)
    found = None
    if inputs.searches or "bf16_peak_flops" in inputs.known:
        from llmcost.analysis.cluster import find, wants_search

        if wants_search(inputs):
            inputs, found = find(inputs)
    values, steps = evaluate(inputs.known)
    check(inputs, values)
    return Estimate(inputs, values, steps, [*inputs.warnings, *hints(inputs, values)], search=found)


def _given(inputs: Inputs, values: Mapping[str, Array]) -> frozenset[str]:
    """The given quantities, and the FLOPs where a given model and its tokens fix them."""
    given = set(inputs.given)
    if given & {"tokens_per_epoch", "tokens_per_param"} and "active_params" in values:
        given.add("flops")
    return frozenset(given)


def quantities_to_check(inputs: Inputs) -> set[str]:
    """What :func:`check_consistent` has to know of a scenario, beside what is asked for."""
    return compared(_given(inputs, {"active_params": np.array(np.nan)}))


def check_consistent(inputs: Inputs, values: Mapping[str, Array]) -> None:
    """Refuse inputs that contradict one another, in any cell.

    Raises
    ------
    InputError
        With the keys and the two values of the cell in which they are furthest apart.
    """
    check_params(inputs, values)
    problems = []
    for item in comparisons(_given(inputs, values), values):
        if not np.any(item.gap > TOLERANCE):
            continue
        names, what, (left, right) = item.names, item.quantity, item.worst
        keys = [by_quantity()[name].name for name in names if name in inputs.given]
        if "flops" in names and "flops" not in inputs.given:
            keys = ["model and data", *keys]
        problems.append(
            f"{inputs.scenario.label}: {', '.join(keys)} contradict each other: they make "
            f"{what} {left:.6g} and {right:.6g}; leave one out (--set KEY= removes a key)"
        )
    if problems:
        raise InputError(problems)


def without_answer(inputs: Inputs, values: Mapping[str, Array]) -> Any:
    """Cells in which no run can be: inputs contradict one another, the accelerator has no peak in
    that precision, the layout cannot exist or a search found none, the MFU would have to be above
    1, or failures come faster than training.

    Returns
    -------
    ndarray of bool
        Broadcast over what it depends on.
    """
    bad: Any = np.zeros((), dtype=bool)
    for item in comparisons(_given(inputs, values), values):
        bad = bad | (item.gap > TOLERANCE)
    gap = params_gap(inputs, values)
    if gap is not None:
        bad = bad | (gap > PARAMS_ERROR)
    if "mfu" in values and not counts_whole_scores(inputs, values):
        bad = bad | (values["mfu"] > 1)
    for name in ("goodput", "peak_flops"):
        if name in values:
            bad = bad | np.isnan(values[name])
    if inputs.searches and "tp" in values:
        bad = bad | np.isnan(values["tp"])
    if "bf16_peak_flops" in values:
        from llmcost.engine.performance.faults import at_fault

        bad = bad | at_fault(values)
    return bad


def check(inputs: Inputs, values: Mapping[str, Array]) -> None:
    """Refuse inputs that contradict one another, and runs that cannot be.

    Raises
    ------
    InputError, NoAnswerError
        As :func:`estimate`.
    """
    check_consistent(inputs, values)
    mfu = float(np.max(values["mfu"])) if np.size(values.get("mfu", ())) else 0.0
    if mfu > 1 and not counts_whole_scores(inputs, values):
        raise NoAnswerError(
            f"{inputs.scenario.label}: no run fits: it would need an MFU of {mfu:.3g}, more than the "
            "devices can do; give more device-hours, a faster accelerator or less compute"
        )
    for quantity in ("goodput",):
        if (
            quantity in values
            and scalar(values[quantity]) is None
            and np.size(values[quantity]) == 1
        ):
            raise NoAnswerError(
                f"{inputs.scenario.label}: no cluster meets the time limit: devices would fail faster than they train; "
                "allow more time or give a longer reliability.device_mtbf_hours"
            )


def input_place(quantity: str) -> str | None:
    """The scenario key of a quantity, as its file shows it."""
    key = by_quantity().get(quantity)
    return None if key is None else place(key.name)


def published_run(result: Estimate, catalog: Catalog) -> Mapping[str, Any] | None:
    """What was published about the run that a scenario describes, None where nothing was."""
    runs = catalog.kind("runs").values()
    return next((run for run in runs if run.get("scenario") == result.name), None)
