"""What stages are together: sums, and what the file says once: staff, items, the model in service."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from llmcost.engine.chain import Array, Rule
from llmcost.engine.evaluate import evaluate
from llmcost.engine.results import OWNERSHIP_PARTS, RESULTS
from llmcost.scenario.schema import KEYS, METHODS

#: What stages have together is the sum of what each has.
SUMMED = (
    "flops", "hardware_flops", "tokens", "days", "device_hours", "energy_mwh", "development_energy_mwh", "operational_tco2e",
    "embodied_tco2e", "total_tco2e", "development_tco2e", "water_m3", "cost_accelerator_usd", "cost_server_usd",
    "cost_interconnect_usd", "cost_energy_usd", "cost_amortized_usd", "cost_cloud_usd", "cost_purchase_usd", "cost_run_usd", "cost_experiments_usd", "cost_fully_used_usd",
    *OWNERSHIP_PARTS,
)  # fmt: skip
#: Results of the whole that follow from those sums and from what the file says once.
_ONCE = (
    "params", "active_params", "cost_staff_usd", "cost_development_usd", "cost_items_usd",
    "cost_total_usd", "breakeven_utilisation",
)  # fmt: skip
#: Of a run, what a base scenario must not say for all stages together.
_RUN = (
    "flops", "tokens_per_epoch", "tokens_per_param", "default_tokens_per_param", "devices", "days", "device_hours", "mfu",
    "goodput", "peak_flops", "bf16_peak_flops", "time_limit_days", "deadline_days", "typical_mfu",
)  # fmt: skip
#: The value of cost_method that stands for a purchase.
_PURCHASE = METHODS.index("purchase")
#: Beginnings of the names of what a service has.
_OF_SERVICE = ("inference_", "lifetime_", "training_share", "break_even_")


def sums(stages: list[Mapping[str, Array]]) -> dict[str, Array]:
    """What stages have together; a result that one of them lacks is not known."""
    found: dict[str, Array] = {}
    for key in SUMMED:
        if all(key in values for values in stages):
            parts = [np.asarray(values[key], dtype=np.float64) for values in stages]
            found[key] = np.asarray(sum(parts[1:], start=parts[0]))
    return found | _owned(stages)


def _owned(stages: list[Mapping[str, Array]]) -> dict[str, Array]:
    """Parts of owning that some stages count: nothing of the amortized cost of the others."""
    found: dict[str, Array] = {}
    for key in OWNERSHIP_PARTS:
        if not any(key in values for values in stages):
            continue
        total, counted = np.asarray(0.0), np.asarray(False)
        for values in stages:
            part = np.asarray(values.get(key, math.nan), dtype=np.float64)
            known = ~np.isnan(np.asarray(values.get("cost_amortized_usd", math.nan)))
            total = total + np.where(known & np.isnan(part), 0.0, part)
            counted = counted | ~np.isnan(part)
        found[key] = np.where(counted, total, math.nan)
    return found


def named(warnings: Iterable[tuple[str, Iterable[str]]]) -> list[str]:
    """Warnings of stages with the names of those that have them."""
    found: dict[str, list[str]] = {}
    for name, texts in warnings:
        for text in dict.fromkeys(texts):
            found.setdefault(text, []).append(name)
    return [f"{', '.join(names)}: {text}" for text, names in found.items()]


def once_known(known: Mapping[str, Any]) -> dict[str, Any]:
    """What a file says for all stages, without what it says of a run."""
    return {key: value for key, value in known.items() if key not in _RUN and key not in KEYS}


def whole(
    known: Mapping[str, Any], total: Mapping[str, Array]
) -> tuple[dict[str, Array], tuple[Rule, ...]]:
    """What follows from the sums over the stages and from what the file says once.

    Clusters of stages add up only where cost.method counts each of them; elsewhere nobody would
    buy one cluster a stage, and what they cost together is not known.

    Returns
    -------
    dict of str to ndarray
        Results of the whole, and the quantities that they rest on.
    tuple of Rule
        The formulas.
    """
    if "cost_purchase_usd" in total:
        counted = np.asarray(known.get("cost_method", 0.0)) == _PURCHASE
        total = {
            **total,
            "cost_purchase_usd": np.where(counted, total["cost_purchase_usd"], np.nan),
        }
    wanted = {*_ONCE, *(key for key in RESULTS if key.startswith(_OF_SERVICE))}
    found, steps = evaluate({**once_known(known), **total}, sorted(wanted))
    kept = {key: item for key, item in found.items() if key in wanted or key not in RESULTS}
    return {**kept, **total}, steps


def whole_values(known: Mapping[str, Any], total: Mapping[str, Array]) -> dict[str, Array]:
    """Results of the whole, as :func:`whole` has them."""
    return {key: item for key, item in whole(known, total)[0].items() if key in RESULTS}
