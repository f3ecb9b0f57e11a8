"""One scenario through the engine: results, provenance, contradictions, explanations."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date
from typing import Any, NamedTuple

import numpy as np

from llmcost.catalog import Catalog
from llmcost.engine.chain import Array, Rule
from llmcost.engine.cost import cost_items_usd
from llmcost.engine.evaluate import evaluate
from llmcost.engine.identity import TOLERANCE, compared, comparisons
from llmcost.engine.results import RESULTS
from llmcost.errors import InputError, NoAnswerError, nearest
from llmcost.scenario import Inputs, Scenario, check_params, place, resolve
from llmcost.scenario.resolve import PARAMS_ERROR, params_gap
from llmcost.scenario.schema import FLAG, KEYS, by_quantity

#: An MFU above this is derived from inputs that do not fit together, or fits no published run; those
#: of narrow formats are the highest of the published step times.
HIGHEST_PUBLISHED_MFU = 0.75
HIGHEST_NARROW_MFU = {"fp8": 0.46, "fp4": 0.32}


class Item(NamedTuple):
    """An item of ``[[cost.items]]`` and what it costs [USD]."""

    name: str
    usd: float


class Estimate(NamedTuple):
    """What the engine made of one scenario; `given` is that scenario where the inputs are of stages.

    `passes` are those of a stage that does more than train.
    """

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
    passes: Any = None

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
        facts = {**self.inputs.known, **self.values}  # a whole of stages has no months of its own
        time = {name: np.asarray(facts[name]) for name in ("months", "days") if name in facts}
        base = self.values["cost_development_usd"]
        return [
            Item(name, float(cost_items_usd(*map(np.asarray, part), base, **time)))
            for name, part in self.inputs.items.items()
        ]

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


def scalar(value: Any) -> float | None:
    """A number, or None for what is absent, NaN or infinite."""
    if value is None or np.size(value) != 1:
        return None
    number = float(np.asarray(value).reshape(()))
    return number if math.isfinite(number) else None


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


def counts_whole_scores(inputs: Inputs, values: Mapping[str, Array]) -> bool:
    """Whether an MFU above 1 only says how attention is counted: its time is the layout's own."""
    predicted = "predicted_mfu" in values and "mfu" not in inputs.given | set(inputs.known)
    return predicted and not np.any(inputs.known.get("causal_flops", 0.0))


def hints(inputs: Inputs, values: Mapping[str, Array]) -> list[str]:
    """What keeps a wanted result from being known, and what looks doubtful."""
    found = []
    scenario = inputs.scenario
    device = "cluster.accelerator" in inputs.sources
    hours = scalar(values.get("device_hours")) is not None
    if scenario.start is None and device and hours:
        found.append(
            "amortized and energy cost are not known: start_date is missing (--set start_date=2026-01-01)"
        )
    elif "device_price_usd" not in values and device and hours:
        found.append(
            f"amortized and purchase cost are not known: nobody published a price of {scenario.get('cluster.accelerator')}; give cost.device_price_usd"
        )
    if "device_power_w" not in values and device and hours:
        found.append(
            f"energy, its cost and carbon are not known: nobody published the power of {scenario.get('cluster.accelerator')}; give energy.device_power_w or cluster.tdp_w"
        )
    if scenario.start is not None and any(
        lever.get("year", 9999) <= scenario.start.year for lever in scenario.levers
    ):
        found.append(
            "levers are not pulled by an estimate; `llmcost project` applies them from their year on"
        )
    if "predicted_mfu" in values and np.isnan(values["predicted_mfu"]).any():
        found.append(
            "the layout predicts nothing: the accelerator lacks a bandwidth or memory figure that the prediction needs"
        )
    need = scalar(values.get("memory_gb_per_device"))
    room = scalar(inputs.known.get("memory_gb"))
    if need is not None and room is not None and need > room:
        found.append(
            f'the layout needs {need:,.0f} GB a device and a device has {room:,.0f}: it does not fit; more tp, pp, sharding or recompute would, and parallelism = "auto" finds a layout that does'
        )
    mfu = scalar(values.get("mfu"))
    if mfu is not None and mfu > HIGHEST_PUBLISHED_MFU and counts_whole_scores(inputs, values):
        found.append(
            f'an MFU of {mfu:.2f} counts the whole score matrix, of which causal kernels compute half; training.attention_flops = "causal" counts what they compute, and the time stays the same'
        )
    elif mfu is not None and mfu > HIGHEST_PUBLISHED_MFU:
        found.append(
            f"an MFU of {mfu:.2f} is above any published run ({HIGHEST_PUBLISHED_MFU}); check the inputs"
        )
    precision = str(inputs.shown.get("training.precision"))
    narrow = HIGHEST_NARROW_MFU.get(precision)
    if mfu is not None and narrow is not None and narrow < mfu <= HIGHEST_PUBLISHED_MFU:
        found.append(
            f"an MFU of {mfu:.2f} of the {precision} peak is above any published step in that format ({narrow}); "
            "one that was measured in 16 bits does not hold on another peak"
        )
    if "loss_floor" in values:
        from llmcost.analysis.loss import loss_hints

        found += loss_hints(inputs, values)
    if "service_wanted_batch" in values:
        from llmcost.analysis.service import service_hints

        found += service_hints(inputs, values)
    known = scenario.get("cost.available_date") or inputs.shown.get("cost.available_date")
    if isinstance(known, date) and scenario.start is not None and scenario.start < known:
        derived = inputs.sources.get("cost.available_date") == "derived"
        what = "first known price of the hardware" if derived else "hardware came to market"
        found.append(
            f"start_date {scenario.start} is before the {what} ({known}); its price is taken undepreciated"
        )
    return found


def explain_quantities(result: Estimate, key: str | None) -> list[str]:
    """The quantities that an explanation shows: one with all it rests on, or every result.

    Raises
    ------
    InputError
        If `key` names nothing that the scenario determines.
    """
    if key is None and result.stages:
        formulas = {step.gives for step in result.steps}
        return [name for name in RESULTS if name in formulas or result.result(name) is not None]
    if key is None:
        return [step.gives for step in result.steps if step.gives in RESULTS]
    name = key if key in RESULTS or key in result.values else by_key(key)
    if name not in result.values:
        names = [*RESULTS, *result.values]
        if name in RESULTS:
            why = ""
            if name == "loss" and "loss_floor" not in result.values:
                from llmcost.analysis.loss import CHOOSE

                why = f"; {CHOOSE}"
            raise InputError(f"--explain {key}: this scenario does not determine it{why}")
        raise InputError(f"--explain {key}: no such result{nearest(key, names)}")
    wanted = {name}
    for step in reversed(result.steps):
        if step.gives in wanted:
            wanted.update(step.needs, *[[o] for o in step.optional if o in result.values])
    order = [step.gives for step in result.steps if step.gives in wanted]
    return order or [name]


def by_key(key: str) -> str:
    """The engine's name of a scenario key, or the name itself."""
    return KEYS[key].quantity if key in KEYS and KEYS[key].quantity else key


def input_place(quantity: str) -> str | None:
    """The scenario key of a quantity, as its file shows it."""
    key = by_quantity().get(quantity)
    return None if key is None else place(key.name)


def published_run(result: Estimate, catalog: Catalog) -> Mapping[str, Any] | None:
    """What was published about the run that a scenario describes, None where nothing was."""
    runs = catalog.kind("runs").values()
    return next((run for run in runs if run.get("scenario") == result.name), None)
