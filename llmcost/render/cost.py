"""What a total is made of: the parts that add up to it, and the methods that were not chosen."""

from __future__ import annotations

from typing import NamedTuple

from llmcost.analysis.estimate import Estimate
from llmcost.engine.results import (
    ADDED_PARTS,
    COST_METHODS,
    LAYOUT,
    LIFE,
    METHOD_PARTS,
    RESULTS,
    SERVICE,
)


class Part(NamedTuple):
    """A part of the total: a result, or an item of the scenario's own."""

    label: str
    key: str
    usd: float


def method_of(result: Estimate) -> str:
    """The method of accounting whose cost the total counts."""
    return str(result.inputs.shown["cost.method"])


def cost_parts(result: Estimate) -> list[Part]:
    """What adds up to the total by the chosen method; parts that cost nothing are left out."""
    found = []
    for key in (*METHOD_PARTS[method_of(result)], *ADDED_PARTS):
        usd = result.result(key)
        if key == "cost_items_usd" and usd is not None:
            found += [Part(item.name, key, item.usd) for item in result.items]
        elif usd:
            found.append(Part(RESULTS[key].label, key, usd))
    return found


def alternatives(result: Estimate) -> list[str]:
    """Results of the methods that were not chosen, each for the run alone."""
    chosen = method_of(result)
    return [
        key
        for method, key in COST_METHODS.items()
        if method != chosen and result.result(key) is not None
    ]


def cost_note(result: Estimate) -> str:
    """What the total counts, in a sentence."""
    added = [part.label.lower() for part in cost_parts(result) if part.key in ADDED_PARTS]
    more = f" with {', '.join(added)}" if added else ""
    counted = f"the {method_of(result)} cost{more} (cost.method)"
    known = result.result("cost_total_usd") is not None
    return f"Total is {counted}." if known else f"The total, {counted}, is not known."


def undetermined(result: Estimate) -> list[str]:
    """Labels of what is not known; nobody misses a layout, a service or items that nobody gave,
    nor a publisher's count that is ours, nor the loss by a law that nobody chose."""
    missed = [
        item.label.lower()
        for item in RESULTS.values()
        if result.result(item.key) is None
        and item.group not in (LAYOUT, SERVICE, LIFE)
        and (item.key != "cost_items_usd" or result.inputs.items)
        and item.key not in ("published_active_params", "loss")
    ]
    return list(dict.fromkeys(missed))


def cost_label(result: Estimate, key: str) -> str:
    """The label of a result; costs of the methods that were not chosen say so."""
    label, method = RESULTS[key].label, method_of(result)
    others = {
        part
        for name, parts in METHOD_PARTS.items()
        if name != method
        for part in (*parts, COST_METHODS[name])
    }
    return f"{label} (not in the total)" if key in others else label
