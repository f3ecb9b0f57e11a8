"""Scenarios and their variants, as ``compare`` takes them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from llmcost.analysis.estimate import Estimate
from llmcost.analysis.sampling import Sampling
from llmcost.analysis.uncertainty import estimate_uncertain
from llmcost.catalog import Catalog
from llmcost.errors import InputError
from llmcost.scenario import Scenario, load_scenario, with_sets

#: Scenarios that a comparison may have.
MOST_VARIANTS = 40


def estimate_variants(
    sources: Sequence[str],
    sets: Sequence[str],
    variants: Sequence[Sequence[str] | None],
    catalog: Catalog,
    sampling: Sampling | None = None,
    ranges: Sequence[str] = (),
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
    ranges : sequence of str
        ``KEY=values`` as an axis has them: a copy of the first scenario for each value, of several
        for each combination.

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
                changed = _changes(own[index])
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
    for items in _combined(ranges, catalog):
        if not scenarios:
            break
        try:
            scenarios.append(with_sets(scenarios[0], items, _changes(items), catalog))
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(list(dict.fromkeys(problems)))
    return [estimate_uncertain(scenario, catalog, sampling) for scenario in scenarios]


def _changes(items: Sequence[str]) -> str:
    """Settings as the name of a variant, keys in full where two would be the same."""
    keys = [item.partition("=")[0] for item in items]
    ends = [key.rpartition(".")[2] for key in keys]
    shown = [key if ends.count(end) > 1 else end for key, end in zip(keys, ends, strict=True)]
    return ", ".join(
        f"{name}={item.partition('=')[2]}" for name, item in zip(shown, items, strict=True)
    )


def _combined(ranges: Sequence[str], catalog: Catalog) -> list[list[str]]:
    """Settings of a variant for each combination of the ranges' values.

    Raises
    ------
    InputError
        If a range is wrong, or they make more variants than anybody compares.
    """
    if not ranges:
        return []
    from itertools import product

    from llmcost.analysis.axes import parse_axis

    parsed = [parse_axis(text, "--with", catalog) for text in ranges]
    count = math.prod(len(values) for _, values in parsed)
    if count > MOST_VARIANTS:
        raise InputError(
            f"--with: {count:,} variants; at most {MOST_VARIANTS} stand side by side, `llmcost sweep` takes more"
        )
    settings = [[f"{key.name}={_written(value)}" for value in values] for key, values in parsed]
    return [list(items) for items in product(*settings)]


def _written(value: object) -> str:
    """A value as --set takes it."""
    if isinstance(value, float):
        return f"{int(value)}" if value.is_integer() and abs(value) < 1e15 else f"{float(value)!r}"
    return str(value).lower() if isinstance(value, bool) else str(value)


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
        Names of the catalog of grids, or of its places: the grid of a state is that of its country.

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
            settings, notes = _settings_of(name, catalog)
            one = estimate_uncertain(
                with_sets(scenario, settings, name, catalog), catalog, sampling
            )
            found.append(one._replace(warnings=[*one.warnings, *notes]))
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    return found


def _settings_of(name: str, catalog: Catalog) -> tuple[list[str], list[str]]:
    """What picks a place, and what to warn of: a state's grid is not known, but its country's."""
    try:
        return [f"carbon.grid={catalog.find('grids', name, '--places')}"], []
    except InputError as error:
        from llmcost.catalog.places import chain, full_name_of

        try:
            region = catalog.find("places", name, "--places")
        except InputError:
            raise error from None
        grids = catalog.kind("grids")
        grid = next((one for one in chain(region) if one in grids), None)
        if grid is None:
            raise
        note = (
            f"the grid of {full_name_of(region)} is not known: taken from {full_name_of(grid)};"
            " give carbon.grid_kgco2e_per_kwh"
        )
        return [f"carbon.grid={grid}", f"energy.region={region}"], [note]
