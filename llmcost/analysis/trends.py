"""What moves a scenario over the years: growth trends and the levers of the roadmap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmcost.analysis.estimate import Estimate
from llmcost.analysis.roadmap import States, multipliers, shown
from llmcost.catalog import Catalog
from llmcost.engine.chain import Array
from llmcost.engine.evaluate import evaluate
from llmcost.engine.levers import held_by_trend, lever_product
from llmcost.errors import InputError, nearest
from llmcost.scenario import Scenario
from llmcost.scenario.schema import LEVER_MULTIPLIERS

#: The trend that may contain a multiplier, by the engine's name of its gain since year 0.
_TRENDS = {
    "trend_peak_ratio": ("device_price", "flops_per_device"),
    "efficiency_ratio": ("power", "flops_per_device"),
    "algorithm_ratio": ("flops",),
}
#: The trend in hardware that a lever may be a part of.
PRICE_PERFORMANCE = "hardware_price_performance_ooms_per_year"
#: Trends that do not move the same model; the frontier follows them.
_NEUTRAL = {
    "compute_growth_per_year": 1.0,
    "run_length_growth_per_year": 1.0,
    "algorithmic_efficiency_growth_per_year": 1.0,
}


class Trend(NamedTuple):
    """A growth rate and where it comes from."""

    value: float
    source: str


class Dollars(NamedTuple):
    """Of what year's money a projection speaks, and whether inflation is in it."""

    basis: str
    base_year: int
    note: str


class Lever(NamedTuple):
    """A step of the roadmap: multipliers that apply from a year on.

    Where it changes keys of the scenario, the multipliers are what those changes do; `cost_factor` is
    what its source divides the cost by.
    """

    name: str
    year: int
    flops: float
    flops_per_device: float
    device_price: float
    power: float
    mfu: float
    in_trend: float
    source: str
    changes: Mapping[str, Any] = {}
    cost_factor: float | None = None


def resolve_levers(
    scenario: Scenario, catalog: Catalog, roadmap: bool = False
) -> tuple[Lever, ...]:
    """The scenario's levers; those that the catalog knows by name take what is not given from it.

    Parameters
    ----------
    roadmap : bool
        Take the whole roadmap of the catalog where the scenario has no levers of its own.

    Raises
    ------
    InputError
        If a lever has no year or no multiplier.
    """
    known = catalog.kind("levers")
    given: Sequence[Mapping[str, Any]] = scenario.levers
    if not given and roadmap:
        given = [{"name": name} for name in known]
    found, problems = [], []
    for item in given:
        name = str(item["name"])
        changes = shown(item.get("changes", {}))
        entry = {**known.get(name, {}), **item}
        if "year" not in entry:
            problems.append(
                f'{scenario.label}: [[levers]] "{name}": year is missing{nearest(name, known)}'
            )
        elif not changes and not any(part in entry for part in LEVER_MULTIPLIERS):
            problems.append(
                f'{scenario.label}: [[levers]] "{name}": give {", ".join(LEVER_MULTIPLIERS[:-1])} or {LEVER_MULTIPLIERS[-1]}, or keys that it changes'
            )
        else:
            bare = name in known and not set(item) - {"name", "changes", "where"}
            source = f"catalog: levers/{name}" if bare else "file"
            stated = {} if changes else entry
            multipliers = {part: float(stated.get(part, 1.0)) for part in LEVER_MULTIPLIERS}
            share = float(entry.get("in_trend", 0.0))
            found.append(
                Lever(
                    name,
                    int(entry["year"]),
                    in_trend=share,
                    source=source,
                    changes=changes,
                    cost_factor=entry.get("cost_factor"),
                    **multipliers,
                )
            )
    if problems:
        raise InputError(problems)
    return tuple(found)


def measured(levers: Sequence[Lever], states: States) -> tuple[Lever, ...]:
    """The levers with what the changes of each multiply, after those before it."""
    found = []
    for place, lever in enumerate(levers):
        if lever.changes:
            before, after = states.state(range(place)), states.state(range(place + 1))
            lever = lever._replace(**multipliers(before, after))  # type: ignore[arg-type]
        found.append(lever)
    return tuple(found)


def resolve_trends(base: Estimate, catalog: Catalog, follow: str) -> dict[str, Trend]:
    """Growth rates by engine name: the scenario's, then the catalog's.

    Raises
    ------
    InputError
        If the scenario gives growth of cost and of compute.
    """
    inputs = base.inputs
    entries = {
        entry["key"].rpartition(".")[2]: (name, entry)
        for name, entry in catalog.kind("trends").items()
    }
    trends = {}
    for key, (name, entry) in entries.items():
        given = inputs.sources.get(f"projection.{key}")
        if given is not None:
            trends[key] = Trend(float(inputs.known[key]), given)
        elif follow == "model" and key in _NEUTRAL:
            trends[key] = Trend(_NEUTRAL[key], "default: the same model")
        else:
            trends[key] = Trend(float(entry["value"]), f"catalog: trends/{name}, {entry['source']}")
    cost, compute = (f"projection.{key}_growth_per_year" for key in ("cost", "compute"))
    if cost in inputs.sources and compute in inputs.sources:
        raise InputError(
            f"{inputs.scenario.where(compute)}: contradicts {cost}: one follows from the other; give one of them"
        )
    if follow == "model" or compute in inputs.sources:
        trends.pop("cost_growth_per_year")
    else:
        trends.pop("compute_growth_per_year")
    if follow == "frontier":
        # The compute of the trend is physical; better algorithms come on top of it.
        trends["algorithmic_efficiency_growth_per_year"] = Trend(
            1.0, "default: compute is physical"
        )
    return trends


def dollars(year: int, trends: Mapping[str, Trend], catalog: Catalog) -> Dollars:
    """What the costs of a projection are stated in, with the trends of the catalog that are not.

    Parameters
    ----------
    year : int
        The year whose prices year 0 takes.
    """
    note = f"Costs are in constant money of {year}: no inflation is added"
    for entry in catalog.kind("trends").values():
        trend = trends.get(entry["key"].rpartition(".")[2])
        stated = entry.get("dollars")
        if trend is None or stated is None or not trend.source.startswith("catalog"):
            continue
        note += f"; the trend in {entry['key'].partition('.')[2].partition('_')[0]} is of {stated}"
    return Dollars("constant", year, note)


def other_trend(trends: Mapping[str, Trend], catalog: Catalog) -> tuple[str, Trend] | None:
    """The published trend of the frontier that a projection does not follow: compute, or cost."""
    for entry in catalog.kind("trends").values():
        name = entry["key"].rpartition(".")[2]
        if name in ("cost_growth_per_year", "compute_growth_per_year") and name not in trends:
            return name, Trend(float(entry["value"]), f"catalog: trends, {entry['source']}")
    return None


def unsaid(scenario: Scenario, levers: Sequence[Lever]) -> str:
    """A warning on levers of hardware of which nothing says what the trends contain; empty if none."""
    said = {str(item["name"]) for item in scenario.levers if "in_trend" in item}
    names = [
        f'"{lever.name}"'
        for lever in levers
        if lever.source == "file"
        and lever.name not in said
        and not lever.in_trend
        and min(lever.device_price, lever.power, 1 / lever.flops_per_device) < 1
    ]
    if not names:
        return ""
    return (
        f"levers {', '.join(names)}: counted on top of the trends in price-performance and energy efficiency; "
        "in_trend says which share of a lever they already contain"
    )


def pull(
    levers: Sequence[Lever], active: NDArray[np.bool_], known: Mapping[str, Any]
) -> dict[str, Array]:
    """What the active levers multiply, by engine name, beside the trends that contain a part of them.

    Parameters
    ----------
    levers : sequence of Lever
        The levers.
    active : array of bool, shape (..., levers)
        Which of them apply.
    known : mapping
        Year 0, the trends and the years, as the engine's growth rules take them.
    """
    part = {
        name: np.array([getattr(lever, name) for lever in levers]) for name in LEVER_MULTIPLIERS
    }
    shares = np.array([lever.in_trend for lever in levers])
    gains, _ = evaluate(known, list(_TRENDS))
    # More FLOP/s of a device of the same price and power is less of both for a FLOP/s.
    less = {**part, "flops_per_device": 1 / part["flops_per_device"]}
    held, inside = {}, {}
    for trend, names in _TRENDS.items():
        each = np.prod([less[name] for name in names], axis=0)
        held[trend] = held_by_trend(each, shares, active, gains[trend])
        inside[trend] = np.where(each < 1, shares, 0.0)
    # What changes keys is in year 0's figures already.
    counted = np.array([0.0 if lever.changes else 1.0 for lever in levers])

    def product(name: str, trend: str) -> Array:
        return lever_product(less[name], inside[trend], active, held[trend], counted)

    return {
        "lever_flops": product("flops", "algorithm_ratio"),
        "lever_flops_per_device": 1 / product("flops_per_device", "trend_peak_ratio"),
        "lever_device_price": product("device_price", "trend_peak_ratio"),
        "lever_power": product("power", "efficiency_ratio")
        * product("flops_per_device", "efficiency_ratio"),
        "lever_mfu": lever_product(
            part["mfu"], np.zeros(len(levers)), active, np.asarray(0.0), counted
        ),
    }
