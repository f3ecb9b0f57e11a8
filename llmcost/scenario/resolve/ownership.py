"""What owning a cluster costs beside its hardware: the figures that are asked for."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np

from llmcost.catalog.quotes import STALE_DAYS, at
from llmcost.scenario.resolve.inputs import Inputs
from llmcost.scenario.resolve.money import amount, ordinal
from llmcost.scenario.schema import DEFAULT
from llmcost.scenario.values import Distribution

_KEYS = (
    "cost.colocation_usd_per_kw_month",
    "cost.storage_tb_per_device",
    "cost.storage_usd_per_tb_month",
    "cost.support_share_per_year",
    "cost.capital_rate_per_year",
    "cost.setup_weeks",
)
#: The part of the cost that each of them counts.
_PARTS = {
    "cost.colocation_usd_per_kw_month": "cost_colocation_usd",
    "cost.storage_usd_per_tb_month": "cost_storage_usd",
    "cost.support_share_per_year": "cost_support_usd",
    "cost.capital_rate_per_year": "cost_capital_usd",
    "cost.setup_weeks": "cost_setup_usd",
}
#: Two keys that say nothing without one another.
_STORAGE = ("cost.storage_tb_per_device", "cost.storage_usd_per_tb_month")


def fill(inputs: Inputs) -> None:
    """Take the defaults that ``cost.ownership`` or the word "default" asks for."""
    asked = inputs.word("cost.ownership")
    for key in _KEYS:
        word = inputs.scenario.get(key) == DEFAULT and key not in inputs.arrays
        partner = key in _STORAGE and any(inputs.has(other) for other in _STORAGE)
        if word or (partner and not inputs.has(key)):
            _default(inputs, key, "full")
        elif asked is not None and not inputs.has(key):
            _default(inputs, key, asked)
    _missing(inputs)
    owned = [key for key in _KEYS if np.any(np.asarray(inputs.known.get(_quantity(key), 0.0)) > 0)]
    if owned and np.any(np.asarray(inputs.word("cost.method")) == "purchase"):
        inputs.warnings.append(
            f'{", ".join(owned)}: cost.method = "purchase" counts the price of the cluster alone;'
            ' cost_amortized_usd counts them (cost.method = "amortized")'
        )


def _missing(inputs: Inputs) -> None:
    """Say what keeps the rent of the floor from being known."""
    device = inputs.word("cluster.accelerator")
    asked = "colocation_usd_per_kw_month" in inputs.known and "tdp_w" not in inputs.known
    if asked and isinstance(device, str):
        inputs.warnings.append(
            f"cost_colocation_usd and cost_amortized_usd are not known: nobody published the power of {device};"
            " give cluster.tdp_w"
        )


def _quantity(key: str) -> str:
    return key.rpartition(".")[2]


def _default(inputs: Inputs, key: str, asked: Any) -> None:
    """The catalog's figure where `asked` is "full", nothing elsewhere."""
    entry = inputs.entry("defaults", key)
    if key in inputs.catalog.own("defaults"):  # the user's own figure is of no date
        entry = {name: value for name, value in entry.items() if name != "history"}
    start = inputs.word("start_date") if "history" in entry else None

    def value(word: str, day: Any) -> float:
        return _of_day(entry, day)[0] if word == "full" else 0.0

    if any(isinstance(word, np.ndarray) for word in (asked, start)):
        inputs.enter(key, inputs.look(value, asked, start), "axis")
        if isinstance(asked, np.ndarray) and key in _PARTS:
            inputs.uncounted[_PARTS[key]] = asked != "full"
        return
    if asked != "full":
        return
    usd, known = _of_day(entry, start)
    dated = f" of {date.fromordinal(known)}" if "history" in entry else ""
    inputs.enter(key, usd, f"default: {entry['source']}{dated} (catalog: defaults/{key})")
    scale = usd / float(entry["value"])
    low, high = (float(entry[end]) * scale for end in ("low", "high"))
    dist = entry.get("dist", "lognormal")
    inputs.intervals[key] = (_quantity(key), Distribution(low, high, dist, None, 0.0))
    if isinstance(start, date) and abs(start.toordinal() - known) > STALE_DAYS:
        years = (start.toordinal() - known) / 365.25
        inputs.warnings.append(
            f"{key}: {amount(usd)} USD is of {date.fromordinal(known)}, {abs(years):.1f} years"
            f" {'older' if years > 0 else 'newer'} than the run"
        )


def _of_day(entry: Any, start: Any) -> tuple[float, int]:
    """A figure at a day, and the day of the nearest that is known; of one without dates its own."""
    if "history" not in entry:
        return float(entry["value"]), entry["date"].toordinal()
    pairs = (pair.split() for pair in entry["history"].split(","))
    usd, known, _ = at(
        [(date.fromisoformat(on).toordinal(), float(usd)) for on, usd in pairs], ordinal(start)
    )
    return usd, known
