"""What moves a scenario over the years: growth trends and the levers of the roadmap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmcost.analysis.estimate import Estimate
from llmcost.catalog import Catalog
from llmcost.engine.chain import Array
from llmcost.engine.growth import lever_product
from llmcost.errors import InputError, nearest
from llmcost.scenario import Scenario

_MULTIPLIERS = ("flops", "device_price", "power", "mfu")
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


class Lever(NamedTuple):
    """A step of the roadmap: multipliers that apply from a year on."""

    name: str
    year: int
    flops: float
    device_price: float
    power: float
    mfu: float
    source: str


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
        entry = {**known.get(name, {}), **item}
        if "year" not in entry:
            problems.append(
                f'{scenario.label}: [[levers]] "{name}": year is missing{nearest(name, known)}'
            )
        elif not any(part in entry for part in _MULTIPLIERS):
            problems.append(
                f'{scenario.label}: [[levers]] "{name}": give flops, device_price, power or mfu'
            )
        else:
            source = f"catalog: levers/{name}" if name in known and len(item) == 1 else "file"
            multipliers = {part: float(entry.get(part, 1.0)) for part in _MULTIPLIERS}
            found.append(Lever(name, int(entry["year"]), source=source, **multipliers))
    if problems:
        raise InputError(problems)
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


def pull(levers: Sequence[Lever], active: NDArray[np.bool_]) -> dict[str, Array]:
    """What the active levers multiply, by engine name."""
    return {
        f"lever_{part}": lever_product(np.array([getattr(lever, part) for lever in levers]), active)
        for part in _MULTIPLIERS
    }
