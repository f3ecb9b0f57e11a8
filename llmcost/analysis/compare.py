"""Scenarios side by side: what differs between their inputs, and between their results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from llmcost.analysis.estimate import Estimate
from llmcost.analysis.expression import Expression
from llmcost.analysis.names import nearest_result
from llmcost.analysis.uncertainty import cheaper
from llmcost.engine.results import (
    ADDED_PARTS,
    BY_UNIT,
    GROUPS,
    OWNERSHIP_PARTS,
    RESULTS,
    of_group,
)
from llmcost.errors import InputError

#: Results that a comparison shows unless asked for others.
METRICS = (
    "flops", "devices", "days", "mfu", "device_hours", "energy_mwh", "peak_power_mw", "total_tco2e",
    "water_m3", *OWNERSHIP_PARTS, "cost_amortized_usd", "cost_purchase_usd", "cost_cloud_usd", "breakeven_utilisation", *ADDED_PARTS, "cost_total_usd",
    "inference_devices", "inference_tokens_per_s_per_device", "inference_energy_mwh", "inference_cost_usd",
    "inference_usd_per_million_tokens", "inference_j_per_token", "lifetime_energy_mwh", "lifetime_tco2e",
    "lifetime_cost_usd", "training_share_of_lifetime_tco2e",
)  # fmt: skip

#: What differs between places.
PLACE_METRICS = ("operational_tco2e", "total_tco2e", "water_m3", "cost_energy_usd")


class Difference(NamedTuple):
    """A result against the baseline's."""

    difference: float | None
    ratio: float | None


class Comparison(NamedTuple):
    """Estimates by unique name, and which of them is the baseline."""

    estimates: dict[str, Estimate]
    baseline: str

    def differing_inputs(self) -> dict[str, dict[str, Any]]:
        """Given, looked-up and defaulted keys whose values are not the same everywhere."""
        tables = {name: item.provenance() for name, item in self.estimates.items()}
        keys = dict.fromkeys(key for table in tables.values() for key in table)
        found = {}
        for key in keys:
            if key in ("name", "description", "schema_version"):
                continue
            entries = [table.get(key) for table in tables.values()]
            if all(entry is None or entry["source"] == "derived" for entry in entries):
                continue
            values = {
                name: (table[key]["value"] if key in table else None)
                for name, table in tables.items()
            }
            if len({repr(value) for value in values.values()}) > 1:
                found[key] = values
        return found

    def difference(self, name: str, key: str) -> Difference:
        """A result of a scenario against the baseline's; None where one is not known."""
        mine, base = self.estimates[name].result(key), self.estimates[self.baseline].result(key)
        if mine is None or base is None:
            return Difference(None, None)
        return Difference(mine - base, mine / base if base else None)

    def differences(self) -> dict[str, dict[str, dict[str, float | None]]]:
        """All results of all scenarios but the baseline, against it."""
        return {
            name: {key: self.difference(name, key)._asdict() for key in RESULTS}
            for name in self.estimates
            if name != self.baseline
        }

    @property
    def sampled(self) -> bool:
        """Whether the estimates have samples, which are common to them."""
        return all(item.samples for item in self.estimates.values())

    def below(self, name: str, key: str) -> float | None:
        """Probability that a scenario's result is below the baseline's."""
        return cheaper(self.estimates[name], self.estimates[self.baseline], key)

    def probabilities(self) -> dict[str, dict[str, float | None]]:
        """Those probabilities for all results of all scenarios but the baseline."""
        others = [name for name in self.estimates if name != self.baseline]
        return {name: {key: self.below(name, key) for key in RESULTS} for name in others}

    def failing(self, condition: Expression) -> list[str]:
        """Scenarios other than the baseline for which a condition holds.

        Names are results, and results with ``.ratio`` or ``.difference`` behind them.

        Raises
        ------
        InputError
            If the condition names something else.
        """
        names = [f"{key}{part}" for key in RESULTS for part in ("", ".ratio", ".difference")]
        condition.check(names)
        found = []
        for name, item in self.estimates.items():
            if name == self.baseline:
                continue
            values: dict[str, float] = {}
            for key in RESULTS:
                difference = self.difference(name, key)
                for part, value in (
                    ("", item.result(key)),
                    (".ratio", difference.ratio),
                    (".difference", difference.difference),
                ):
                    values[key + part] = float("nan") if value is None else value
            if condition.holds(values):
                found.append(name)
        return found


def compare(estimates: Sequence[Estimate], baseline: str | None = None) -> Comparison:
    """Set estimates side by side.

    Parameters
    ----------
    estimates : sequence of Estimate
        Two or more; equal names get a number.
    baseline : str, optional
        Name of the one that the others are measured against; the first by default.

    Raises
    ------
    InputError
        If there are fewer than two, or none of that name.
    """
    if len(estimates) < 2:
        raise InputError("compare: name two scenarios, or vary one with --set-b")
    named: dict[str, Estimate] = {}
    for item in estimates:
        name, count = item.name, 2
        while name in named:
            name, count = f"{item.name} ({count})", count + 1
        named[name] = item
    first = next(iter(named)) if baseline is None else baseline
    if first not in named:
        raise InputError(
            f'--baseline "{first}": is none of the scenarios; they are {", ".join(named)}'
        )
    return Comparison(named, first)


def default_metrics(found: Comparison) -> list[str]:
    """Results that a comparison shows: of what may be left out only what costs something."""
    items, asked = found.estimates.values(), (*OWNERSHIP_PARTS, *ADDED_PARTS)
    return [key for key in METRICS if key not in asked or any(item.result(key) for item in items)]


def checked_metrics(text: str | None, default: Sequence[str]) -> list[str]:
    """Results named by a comma-separated list, one by one or by group (``cost``, ``carbon``).

    Raises
    ------
    InputError
        If one is not a result, or there is none.
    """
    if text is None:
        return list(default)
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise InputError("--metrics: names no result")
    words = (*GROUPS, *BY_UNIT)
    problems = [
        f'--metrics "{name}": is neither a result nor a group of them ({", ".join(words)})'
        f"{nearest_result(name, words)}"
        for name in names
        if name not in RESULTS and name not in words
    ]
    if problems:
        raise InputError(problems)
    found: list[str] = []
    for name in names:
        found += [name] if name in RESULTS else of_group(name)
    return list(dict.fromkeys(found))
