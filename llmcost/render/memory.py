"""The memory of the fullest device, part by part, against what a device has."""

from __future__ import annotations

from typing import NamedTuple

from llmcost.analysis.estimate import Estimate
from llmcost.engine.chain import scalar
from llmcost.engine.results import MEMORY_BESIDE, MEMORY_IN_USE, MEMORY_PARTS, RESULTS
from llmcost.render.numbers import readable

#: The fullest stage, by its number.
_STAGES = ("first", "second", "last")


class Ledger(NamedTuple):
    """The heading of the table, of its shares, and its rows, shares of a device; the last is the sum."""

    heading: str
    of: str
    rows: list[tuple[str, str, float | None]]


def ledger(result: Estimate) -> Ledger | None:
    """The parts, each as its share of a device's memory where that is known; None without a layout."""
    need = result.result(MEMORY_IN_USE)
    if not need or result.stages:
        return None
    room = room_of(result)
    stage = _STAGES[int(scalar(result.values.get("fullest_stage")) or 0)]
    pipelined = (scalar(result.values.get("pp")) or 1) > 1
    rows = []
    for name in (*MEMORY_PARTS, *MEMORY_BESIDE, MEMORY_IN_USE):
        value = result.result(name)
        if value:
            label = "In use" if name == MEMORY_IN_USE else RESULTS[name].label
            rows.append((label, readable(value, "GB"), value / room if room else None))
    heading = f"Memory, {stage} stage" if pipelined else "Memory"
    return Ledger(heading, f"Of {room:,.1f} GB" if room else "", rows)


def room_of(result: Estimate) -> float | None:
    """What a device's memory has to use [GB]; None where nobody knows it."""
    if scalar(result.inputs.known.get("memory_gb")) is None:
        return None
    return scalar(result.inputs.known.get("usable_memory_gb"))
