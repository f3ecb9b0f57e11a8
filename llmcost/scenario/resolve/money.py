"""Money: shares and defaults of the cost, and the rental price."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np

from llmcost.engine.cost import item_parts
from llmcost.scenario.resolve.inputs import Inputs

_COMMITMENT_FIELDS = {
    "on-demand": "on_demand_usd_per_device_hour",
    "1y": "one_year_usd_per_device_hour",
    "3y": "three_year_usd_per_device_hour",
}


def fill(inputs: Inputs) -> None:
    """Complete [cost]."""
    for key in (
        "cost.server_cost_ratio",
        "cost.interconnect_cost_fraction",
        "cost.depreciation_ooms_per_year",
        "cost.experiments_ratio",
    ):
        inputs.default(key)
    known = inputs.known
    if "device_price_usd" in known:
        inputs.enter_missing(
            "cost.price_includes_server",
            1.0,
            "default: price of a device with its server",
            shown=True,
        )
    known.setdefault("cost_method", 0.0)
    _items(inputs)
    if "cost.method" not in inputs.sources:
        inputs.sources["cost.method"] = "default: amortized hardware and energy"
        inputs.shown["cost.method"] = "amortized"
    _cloud(inputs)


def _items(inputs: Inputs) -> None:
    """Take the scenario's own items, and what they are together."""
    given = inputs.scenario.items
    parts = item_parts([{k: v for k, v in item.items() if k != "name"} for item in given])
    for item, part in zip(given, parts, strict=True):
        inputs.items[str(item["name"])] = part
    if parts:
        together = (math.fsum(values) for values in zip(*parts, strict=True))
        names = ("items_share", "items_usd_per_month", "items_usd")
        inputs.known |= dict(zip(names, together, strict=True))


def _cloud(inputs: Inputs) -> None:
    """Look the rental price up: nearest to the start date, the median over vendors."""
    if inputs.has("cost.cloud_usd_per_device_hour"):
        return
    accelerator = inputs.word("cluster.accelerator")
    if accelerator is None:
        return
    vendor = inputs.word("cost.cloud_vendor")
    commitment = inputs.word("cost.cloud_commitment", "on-demand")
    start = inputs.word("start_date")
    by_device: dict[str, list[Mapping[str, Any]]] = {}
    for entry in inputs.catalog.kind("clouds").values():
        by_device.setdefault(entry["accelerator"], []).append(entry)
    notes: list[str] = []

    def price(word: str, vendor: str | None, term: str, start: Any) -> float | None:
        day = start.toordinal() if isinstance(start, date) else start
        field = _COMMITMENT_FIELDS[term]
        nearest_of: dict[str, tuple[float, Mapping[str, Any]]] = {}
        for entry in by_device.get(word, []):
            if field not in entry or (vendor is not None and entry["vendor"] != vendor):
                continue
            away = 0.0 if day is None else abs(entry["date"].toordinal() - day)
            away = -entry["date"].toordinal() if day is None else away
            if entry["vendor"] not in nearest_of or away < nearest_of[entry["vendor"]][0]:
                nearest_of[entry["vendor"]] = (away, entry)
        if not nearest_of:
            return None
        prices = [float(entry[field]) for _, entry in nearest_of.values()]
        notes[:] = [f"{name} {entry['date']}" for name, (_, entry) in sorted(nearest_of.items())]
        return _median(prices)

    value = inputs.look(price, accelerator, vendor, commitment, start)
    if value is None:
        if vendor is not None and isinstance(accelerator, str):
            inputs.warnings.append(
                f"cost_cloud_usd is not known: the catalog has no {commitment} price of {accelerator} at {vendor}; give cost.cloud_usd_per_device_hour"
            )
        return
    if isinstance(value, np.ndarray):
        source = "axis"
    elif vendor is not None:
        source = f"catalog: clouds/{accelerator} {commitment}, {notes[0]}"
    else:
        source = f"default: median {commitment} price of {', '.join(notes)} (catalog: clouds/{accelerator})"
    inputs.enter("cost.cloud_usd_per_device_hour", value, source)


def _median(numbers: list[float]) -> float:
    """The middle; `numpy.median` would import the masked arrays, 10 ms of a start-up."""
    ordered, half = sorted(numbers), len(numbers) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
