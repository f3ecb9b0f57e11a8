"""What a total is made of: the parts that add up to it, and the methods that were not chosen."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from llmcost.analysis.estimate import Estimate
from llmcost.engine.results import (
    ADDED_PARTS,
    COST,
    COST_METHODS,
    ENERGY,
    LAYOUT,
    LIFE,
    METHOD_PARTS,
    OWNERSHIP_PARTS,
    RESULTS,
    SERVICE,
)


class Part(NamedTuple):
    """A part of the total: a result, or an item of the scenario's own; its range where one is known."""

    label: str
    key: str
    usd: float
    interval: Mapping[str, float | None] = {}


def methods_of(result: Estimate) -> list[str]:
    """The methods of accounting that the total counts: of each stage its own, in their order."""
    runs = _runs(result)
    return list(dict.fromkeys(str(run.inputs.shown["cost.method"]) for run, _ in runs))


def method_words(result: Estimate) -> str:
    """The methods that the total counts, in words."""
    return " and ".join(methods_of(result))


def _runs(result: Estimate) -> list[tuple[Estimate, str]]:
    """The runs that the total counts with their names: the stages, or the one run."""
    return [(stage.estimate, stage.name) for stage in result.stages] or [(result, "")]


def cost_parts(result: Estimate) -> list[Part]:
    """What adds up to the total, each run's by its own method; parts that cost nothing are left out.

    Where stages differ in their method, a part says whose it is.
    """
    found = []
    for method in COST_METHODS:
        runs = [one for one in _runs(result) if methods_of(one[0]) == [method]]
        whose = f" ({', '.join(name for _, name in runs)})" if len(methods_of(result)) > 1 else ""
        for key in METHOD_PARTS[method] if runs else ():
            usd = math.fsum(run.result(key) or 0.0 for run, _ in runs)
            if usd:
                band = result.intervals.get(key, {}) if not whose else {}
                found.append(Part(RESULTS[key].label + whose, key, usd, band))
    for key in ADDED_PARTS:
        amount = result.result(key)
        if key == "cost_items_usd" and amount is not None:
            found += [Part(item.name, key, item.usd, item.interval) for item in result.items]
        elif amount:
            found.append(Part(RESULTS[key].label, key, amount, result.intervals.get(key, {})))
    return found


def subtotal(result: Estimate) -> str | None:
    """The result that the parts of the run add up to, where it is none of them."""
    methods = methods_of(result)
    key = COST_METHODS[methods[0]]
    return key if len(methods) == 1 and key not in METHOD_PARTS[methods[0]] else None


def alternatives(result: Estimate) -> list[str]:
    """Results of the methods that the total does not count as they are, each for the run alone."""
    methods = methods_of(result)
    return [
        key
        for method, key in COST_METHODS.items()
        if methods != [method] and result.result(key) is not None
    ]


def cost_note(result: Estimate) -> str:
    """What the total counts, in a sentence."""
    added = [part.label.lower() for part in cost_parts(result) if part.key in ADDED_PARTS]
    more = f" with {', '.join(added)}" if added else ""
    counted = f"the {method_words(result)} cost{more} (cost.method)"
    known = result.result("cost_total_usd") is not None
    return f"Total is {counted}." if known else f"The total, {counted}, is not known."


#: What a group is called where nothing of it is known.
_WHOLE = {ENERGY: "energy, carbon and water of the run", COST: "costs of the run"}


def undetermined(result: Estimate) -> list[str]:
    """Labels of what is not known; nobody misses a layout, a service or items that nobody gave,
    nor a publisher's count that is ours, nor the loss by a law that nobody chose."""
    asked = [
        item
        for item in RESULTS.values()
        if item.group not in (LAYOUT, SERVICE, LIFE)
        and (item.key != "cost_items_usd" or result.inputs.items)
        and (item.key not in OWNERSHIP_PARTS or item.key in result.values)
        and item.key not in ("published_active_params", "loss")
    ]
    missed = [item for item in asked if result.result(item.key) is None]
    found = []
    for item in missed:
        whole = _WHOLE.get(item.group)
        if whole and all(other in missed for other in asked if other.group == item.group):
            found.append(whole)
        else:
            found.append(item.label if item.label.isupper() else item.label.lower())
    return list(dict.fromkeys(found))


def cost_label(result: Estimate, key: str) -> str:
    """The label of a result; costs of the methods that the total does not count as they are say so."""
    label, methods = RESULTS[key].label, methods_of(result)
    counting = [name for name, parts in METHOD_PARTS.items() if key in (*parts, COST_METHODS[name])]
    if not counting or methods == counting:
        return label
    return f"{label} ({'partly' if set(counting) & set(methods) else 'not'} in the total)"
