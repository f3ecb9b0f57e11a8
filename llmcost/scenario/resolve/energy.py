"""Energy, carbon and water: the operator, the place, its electricity, grid and water."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np

from llmcost.catalog import places, sites
from llmcost.scenario.resolve.inputs import Inputs
from llmcost.scenario.values import Distribution

#: The grid where none is named.
_DEFAULT_GRID = "USA"


def fill(inputs: Inputs) -> None:
    """Complete [energy] and [carbon]."""
    _pue(inputs)
    _water(inputs)
    _life_cycle(inputs)
    for key in (
        "energy.pue",
        "energy.server_power_ratio",
        "energy.power_utilisation",
        "carbon.hardware_lifetime_years",
        "carbon.fleet_utilisation",
        "carbon.water_l_per_kwh",
        "carbon.water_supply_l_per_kwh",
    ):
        inputs.default(key)
    _electricity(inputs)
    _grid(inputs)


def _year(day: Any) -> int | None:
    if day is None:
        return None
    return int(day.year if isinstance(day, date) else date.fromordinal(int(day)).year)


def _place(inputs: Inputs) -> Any:
    """Where electricity and water come from: energy.region, else the grid; None where nothing says."""
    region = inputs.word("energy.region")
    return inputs.word("carbon.grid") if region is None else region


def _take(inputs: Inputs, key: str, function: Any, *words: Any) -> None:
    """Take a figure of a place, with its range and its warning where it is one."""
    if any(isinstance(word, np.ndarray) for word in words):

        def value(*given: Any) -> float | None:
            figure = function(*given)
            return None if figure is None else float(figure.value)

        inputs.enter(key, inputs.look(value, *words), "axis")
        return
    figure = function(*words)
    if figure is None:
        return
    inputs.enter(key, figure.value, f"catalog: {figure.source}")
    if figure.warning:
        inputs.warnings.append(f"{key}: {figure.warning}")
    if 0 < figure.low < figure.high:
        error = Distribution(figure.low, figure.high, "lognormal", None, 0.0)
        inputs.intervals[key] = (key.rpartition(".")[2], error)


def _pue(inputs: Inputs) -> None:
    """Look the overhead of the operator's data centres up: at the place where it is known, else of its fleet."""
    key, operator, place = "energy.pue", inputs.word("energy.operator"), _place(inputs)
    if operator is None or inputs.has(key):
        return

    def there(operator: str, place: str | None, day: Any) -> places.Figure | None:
        if place is None or operator in inputs.catalog.own("operators"):
            return None
        return sites.operated("pue", operator, place, _year(day))

    words = operator, place, inputs.word("start_date")
    if not any(isinstance(word, np.ndarray) for word in words) and there(*words) is not None:
        _take(inputs, key, there, *words)
        return

    def pue(*words: Any) -> float:
        figure = there(*words)
        return float(inputs.entry("operators", words[0])["pue"] if figure is None else figure.value)

    value = inputs.look(pue, *words)
    source = inputs.named("operators", operator)
    inputs.enter(key, value, source if np.ndim(value) == 0 else "axis")


def _electricity(inputs: Inputs) -> None:
    """Look the price of electricity up, of the place and the year of the start."""
    key, start, place = "energy.electricity_usd_per_kwh", inputs.word("start_date"), _place(inputs)
    if start is None or inputs.has(key):
        return
    own = {int(year): entry for year, entry in inputs.catalog.own("electricity").items()}

    def of_place(name: str | None, day: Any) -> places.Figure:
        year, place = _year(day), name or _DEFAULT_GRID
        assert year is not None
        if place == _DEFAULT_GRID and own:  # the user's own prices are those of the United States
            nearest = min(own, key=lambda other: abs(other - year))
            entry = own[nearest]
            value = float(entry["usd_per_kwh"])
            low, high = (float(entry.get(f"usd_per_kwh_{end}", value)) for end in ("low", "high"))
            return places.Figure(value, low, high, f"electricity/{nearest} (your catalog)")
        return places.electricity(place, year)

    _take(inputs, key, of_place, place, start)


def _grid(inputs: Inputs) -> None:
    """Look the carbon intensity of the grid up, in the year of the start."""
    key, grid, start = (
        "carbon.grid_kgco2e_per_kwh",
        inputs.word("carbon.grid"),
        inputs.word("start_date"),
    )
    if inputs.has(key):
        return

    def of_year(word: str | None, day: Any) -> places.Figure:
        name = word or _DEFAULT_GRID
        entry, year = inputs.entry("grids", name), _year(day)
        value = float(entry["kgco2e_per_kwh"])
        own = name in inputs.catalog.own("grids")
        if year is None or own:
            low, high = (
                float(entry.get(f"kgco2e_per_kwh_{end}", value * factor))
                for end, factor in zip(("low", "high"), places.GRID_SPREAD, strict=True)
            )
            return places.Figure(value, low, high, f"grids/{name}")
        return places.grid(name, year, value, entry["date"].year)

    _take(inputs, key, of_year, grid, start)
    if grid is None and isinstance(inputs.sources.get(key), str):
        inputs.sources[key] = inputs.sources[key].replace(
            "catalog: ", f"default: grid {_DEFAULT_GRID}, catalog: ", 1
        )


def _water(inputs: Inputs) -> None:
    """Look up the water of generation by place, and that on site by operator and climate."""
    place, operator = _place(inputs), inputs.word("energy.operator")
    start = inputs.word("start_date")
    if place is not None and not inputs.has("carbon.water_supply_l_per_kwh"):
        _take(inputs, "carbon.water_supply_l_per_kwh", places.water_supply, place)
    if inputs.has("carbon.water_l_per_kwh") or (operator is None and place is None):
        return

    def on_site(operator: str | None, place: str | None, day: Any) -> places.Figure | None:
        return sites.site("l_per_kwh", operator, place, _year(day))

    _take(inputs, "carbon.water_l_per_kwh", on_site, operator, place, start)


def _life_cycle(inputs: Inputs) -> None:
    """Take the building's carbon and the end of life where they are asked for."""
    known = inputs.known
    if inputs.scenario.get("carbon.scope") == "life-cycle":
        inputs.default("carbon.construction_kgco2e_per_kw")
        inputs.default("carbon.end_of_life_share")
    for name in ("construction_kgco2e_per_kw", "end_of_life_share"):
        known.setdefault(name, 0.0)
