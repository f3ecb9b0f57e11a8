"""Levers that say which keys of the scenario they change: what the engine makes of each.

Such a lever is tied to what it is: fewer tokens, a narrower format, experts, a better layout. The
scenario is estimated with the levers before it and with it, and what its cost is divided by stands
beside the figure that the lever's source states. A lever of multipliers alone has that figure only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmcost.analysis.estimate import Estimate
from llmcost.analysis.stages import estimate_any, overridden
from llmcost.catalog import Catalog
from llmcost.engine.chain import scalar
from llmcost.errors import InputError, LlmcostError
from llmcost.scenario import Scenario
from llmcost.scenario.read import Given, searched_again

#: Results that a lever divides by its factors.
DIVIDED = ("flops", "device_hours", "energy_mwh", "total_tco2e", "cost_total_usd")
#: What a lever of multipliers multiplies, beside the price.
_TERMS = {
    "flops": "flops",
    "flops_per_device": "peak_flops",
    "power": "device_power_w",
    "mfu": "mfu",
}
#: What shows the price of hardware by each method: of all hours where it is amortized.
_PRICES = {
    "amortized": "cost_hardware_usd",
    "cloud": "cloud_usd_per_device_hour",
    "purchase": "purchase_price_usd",
}


class Pulled(NamedTuple):
    """A lever, and what it divides each result by after those before it.

    `stated` is what its source says that the cost is divided by, None where it says nothing;
    `factors` are empty, and `after` is None, where it changes no key.
    """

    name: str
    changes: Mapping[str, Any]
    stated: float | None
    factors: Mapping[str, float | None]
    after: Estimate | None


def is_tied(scenario: Scenario) -> bool:
    """Whether a lever of the scenario changes keys."""
    return any("changes" in lever for lever in scenario.levers)


class States:
    """A scenario with some of its levers' changes made, each estimated once.

    Parameters
    ----------
    base : Estimate
        The scenario without them.
    catalog : Catalog
        What it is looked up in.
    part : callable, optional
        What is wanted of an estimate: a stage, for one.
    """

    def __init__(
        self, base: Estimate, catalog: Catalog, part: Callable[[Estimate], Estimate] | None = None
    ) -> None:
        self.base = base
        self.scenario = base.given or base.inputs.scenario
        self._catalog = catalog
        self._part = part or (lambda found: found)
        self._found: dict[tuple[int, ...], Estimate] = {(): base}

    def of_part(self, part: Callable[[Estimate], Estimate]) -> States:
        """The same states, of which a part is wanted."""
        other = States(self.base, self._catalog, part)
        other._found = self._found
        return other

    def state(self, pulled: Sequence[int]) -> Estimate:
        """The scenario with the changes of the levers of these places, in their order.

        Raises
        ------
        InputError, NoAnswerError
            As an estimate, with the name of the last lever.
        """
        levers = self.scenario.levers
        places = tuple(i for i in pulled if i < len(levers) and "changes" in levers[i])
        if places not in self._found:
            values: Mapping[str, Given] = self.scenario.values
            for place in places:
                changes = levers[place]["changes"]
                if "parallelism" in changes:
                    values = searched_again(values)
                values = overridden(values, changes)
            changed = self.scenario._replace(values=dict(values), levers=())
            where = str(levers[places[-1]]["where"])
            _check_stages(changed, levers[places[-1]]["changes"], where)
            try:
                self._found[places] = estimate_any(changed, self._catalog)
            except LlmcostError as error:
                named = [text if where in text else f"{where}: {text}" for text in error.problems]
                raise type(error)(named) from None
        return self._part(self._found[places])

    def along(self, active: NDArray[np.bool_]) -> tuple[list[Estimate], NDArray[np.int64]]:
        """The different states of sets of levers, and which of them each set is in.

        Parameters
        ----------
        active : array of bool, shape (n, levers)
            The levers of each set.
        """
        sets = [tuple(map(int, np.flatnonzero(row))) for row in active]
        found: dict[int, Estimate] = {}
        each = [self.state(places) for places in sets]
        for estimate in each:
            found.setdefault(id(estimate), estimate)
        order = list(found)
        return list(found.values()), np.array([order.index(id(item)) for item in each])


def _check_stages(scenario: Scenario, changes: Mapping[str, Given], where: str) -> None:
    """Refuse a change that every stage takes back."""
    for key in changes:
        if scenario.stages and all(key in given.values for given in scenario.stages):
            raise InputError(
                f"{where} {key}: every stage gives it itself, so the lever would change nothing"
            )


def shown(changes: Mapping[str, Given]) -> dict[str, Any]:
    """What a lever changes, as a scenario file holds it."""
    return {
        key: given.value.isoformat() if isinstance(given.value, date) else given.value
        for key, given in changes.items()
    }


def multipliers(before: Estimate, after: Estimate) -> dict[str, float]:
    """What changes multiply, in the terms of a lever that has no keys; 1 of what is not known."""
    found = {part: _divided(after, before, key) for part, key in _TERMS.items()}
    found["device_price"] = _price(after, before)
    return {part: 1.0 if value is None else value for part, value in found.items()}


def _price(after: Estimate, before: Estimate) -> float | None:
    """What the price of a device's hour by cost.method is multiplied by."""
    method = str(before.inputs.shown.get("cost.method", "amortized"))
    ratio = _divided(after, before, _PRICES[method])
    hours = _divided(before, after, "device_hours")
    if method == "amortized" and ratio is not None:
        return None if hours is None else ratio * hours
    return ratio


def pulled(base: Estimate, catalog: Catalog) -> tuple[Pulled, ...]:
    """The levers of a scenario one after the other, in the order given.

    Returns
    -------
    tuple of Pulled
        Empty where no lever changes a key. The factors of a result multiply to that of all levers.

    Raises
    ------
    InputError, NoAnswerError
        As an estimate, of a lever's changes.
    """
    scenario = base.inputs.scenario
    if not is_tied(scenario):
        return ()
    states = States(base, catalog)
    found, before = [], base
    for place, lever in enumerate(scenario.levers):
        name = str(lever["name"])
        stated = catalog.kind("levers").get(name, {}).get("cost_factor")
        stated = None if stated is None else float(stated)
        changes: Mapping[str, Given] = lever.get("changes", {})
        if not changes:
            found.append(Pulled(name, {}, stated, {}, None))
            continue
        after = states.state(range(place + 1))
        factors = {key: _divided(before, after, key) for key in DIVIDED}
        found.append(Pulled(name, shown(changes), stated, factors, after))
        before = after
    return tuple(found)


def with_levers(base: Estimate, catalog: Catalog) -> Estimate:
    """The same estimate with what its levers do, where they say which keys they change."""
    levers = pulled(base, catalog)
    notes = list(base.warnings)
    for lever in levers:
        if lever.after is not None:
            notes += [f"{lever.name}: {text}" for text in lever.after.warnings if text not in notes]
    return base._replace(levers=levers, warnings=notes)


def _divided(before: Estimate, after: Estimate, key: str) -> float | None:
    old, new = scalar(before.values.get(key)), scalar(after.values.get(key))
    return None if old is None or not new else old / new


def together(levers: Sequence[Pulled], key: str) -> float | None:
    """What all levers that change keys divide a result by: the product of their factors."""
    factors = [lever.factors[key] for lever in levers if lever.factors]
    known = [factor for factor in factors if factor is not None]
    return math.prod(known) if len(known) == len(factors) else None


def stated_together(levers: Sequence[Pulled]) -> float | None:
    """What the source says that those levers which change keys divide the cost by."""
    factors = [lever.stated for lever in levers if lever.factors]
    known = [factor for factor in factors if factor is not None]
    return math.prod(known) if len(known) == len(factors) else None


def in_states(states: Sequence[Mapping[str, Any]], which: NDArray[np.int64]) -> dict[str, Any]:
    """Values that differ by state, along a last axis.

    Parameters
    ----------
    states : sequence of mapping
        Values by name in each state.
    which : array of int, shape (n,)
        State of each place of that axis.

    Returns
    -------
    dict
        Those that all states know: as they are where there is one state, else of shape (..., n).
    """
    if len(states) == 1:
        return dict(states[0])
    names = [name for name in states[0] if all(name in state for state in states)]
    found = {}
    for name in names:
        each = np.broadcast_arrays(*(np.asarray(state[name], dtype=float) for state in states))
        found[name] = np.stack(each, axis=-1)[..., which]
    return found
