"""Scenarios and their variants, as ``compare`` takes them."""

from __future__ import annotations

from collections.abc import Sequence

from llmcost.analysis.estimate import Estimate
from llmcost.analysis.uncertainty import Sampling, estimate_uncertain
from llmcost.catalog import Catalog
from llmcost.errors import InputError
from llmcost.scenario import Scenario, load_scenario, with_sets


def estimate_variants(
    sources: Sequence[str],
    sets: Sequence[str],
    variants: Sequence[Sequence[str] | None],
    catalog: Catalog,
    sampling: Sampling | None = None,
) -> list[Estimate]:
    """Estimate scenarios, the second to fourth with settings of their own.

    Parameters
    ----------
    sources : sequence of str
        Scenarios; one that a variant has no source for is a copy of the first.
    sets : sequence of str
        Settings of all of them.
    variants : sequence of (sequence of str or None)
        Settings of the second scenario, the third, and so on.
    catalog : Catalog
        Where names are looked up.
    sampling : Sampling, optional
        How to sample what is uncertain; the scenarios share the samples of a key that they share.

    Raises
    ------
    InputError
        With the problems of all scenarios.
    """
    if list(sources).count("-") > 1:
        raise InputError("compare: standard input can be read once only")
    own = {index: list(items) for index, items in enumerate(variants, 1) if items}
    count = max([len(sources), *(index + 1 for index in own)])
    scenarios: list[Scenario] = []
    problems: list[str] = []
    for index in range(count):
        if index >= len(sources) and index not in own:
            raise InputError(f"compare: --set-{'bcd'[index - 1]} is missing before a later one")
        try:
            if index < len(sources):
                scenario = load_scenario(sources[index], sets, catalog)
            else:
                scenario = scenarios[0]
            if index in own:
                changed = ", ".join(
                    item.partition("=")[0].rpartition(".")[2] + "=" + item.partition("=")[2]
                    for item in own[index]
                )
                scenario = with_sets(
                    scenario,
                    own[index],
                    f"{scenario.name}, {changed}" if index < len(sources) else changed,
                    catalog,
                )
            scenarios.append(scenario)
        except InputError as error:
            problems += error.problems
            if not scenarios:
                break
    if problems:
        raise InputError(problems)
    return [estimate_uncertain(scenario, catalog, sampling) for scenario in scenarios]


def estimate_places(
    source: str,
    sets: Sequence[str],
    places: Sequence[str],
    catalog: Catalog,
    sampling: Sampling | None = None,
) -> list[Estimate]:
    """Estimate a scenario in several places: each picks the grid, the electricity and the water.

    Parameters
    ----------
    source, sets, catalog, sampling
        As :func:`estimate_variants`.
    places : sequence of str
        Names of the catalog of grids.

    Raises
    ------
    InputError
        If a place is not known, or the scenario itself gives what the place would.
    """
    scenario = load_scenario(source, sets, catalog)
    fixed = [
        key
        for key in (
            "carbon.grid_kgco2e_per_kwh",
            "energy.electricity_usd_per_kwh",
            "carbon.water_supply_l_per_kwh",
            "energy.region",
        )
        if scenario.get(key) is not None
    ]
    if fixed:
        raise InputError(
            f"--places: {scenario.where(fixed[0])} is given, which a place would say; --set {fixed[0]}= removes it"
        )
    found, problems = [], []
    for place in places:
        name = place.strip()
        try:
            one = with_sets(scenario, [f"carbon.grid={name}"], name, catalog)
            found.append(estimate_uncertain(one, catalog, sampling))
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    return found
