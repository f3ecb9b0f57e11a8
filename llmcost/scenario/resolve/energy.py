"""Energy, carbon and water: the operator, the price of electricity, the grid."""

from __future__ import annotations

from datetime import date
from typing import Any

from llmcost.scenario.resolve.inputs import Inputs

#: The grid where none is named.
_DEFAULT_GRID = "USA"


def fill(inputs: Inputs) -> None:
    """Complete [energy] and [carbon]."""
    operator = inputs.word("energy.operator")
    if operator is not None and not inputs.has("energy.pue"):
        value = inputs.look(lambda word: inputs.entry("operators", word)["pue"], operator)
        inputs.enter(
            "energy.pue",
            value,
            f"catalog: operators/{operator}" if isinstance(operator, str) else "axis",
        )
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


def _electricity(inputs: Inputs) -> None:
    """Look the price of electricity up in the year of the start."""
    start = inputs.word("start_date")
    if start is None or inputs.has("energy.electricity_usd_per_kwh"):
        return
    prices = {int(year): entry for year, entry in inputs.catalog.kind("electricity").items()}

    def year_of(day: Any) -> int:
        year = day.year if isinstance(day, date) else date.fromordinal(int(day)).year
        return min(max(year, min(prices)), max(prices))

    value = inputs.look(lambda day: prices[year_of(day)]["usd_per_kwh"], start)
    source = "axis"
    if isinstance(start, date):
        year = year_of(start)
        note = "" if year == start.year else f", the nearest year to {start.year}"
        source = f"catalog: electricity/{year} (United States, industrial{note})"
    inputs.enter("energy.electricity_usd_per_kwh", value, source)
    if isinstance(start, date):
        inputs.interval("energy.electricity_usd_per_kwh", prices[year_of(start)], "usd_per_kwh")


def _grid(inputs: Inputs) -> None:
    """Look the carbon intensity of the grid up."""
    if inputs.has("carbon.grid_kgco2e_per_kwh"):
        return
    grid = inputs.word("carbon.grid")
    if grid is None:
        value = inputs.entry("grids", _DEFAULT_GRID)["kgco2e_per_kwh"]
        source = f"default: grid {_DEFAULT_GRID} (catalog: grids/{_DEFAULT_GRID})"
    else:
        value = inputs.look(lambda word: inputs.entry("grids", word)["kgco2e_per_kwh"], grid)
        source = f"catalog: grids/{grid}" if isinstance(grid, str) else "axis"
    inputs.enter("carbon.grid_kgco2e_per_kwh", value, source)
    if grid is None or isinstance(grid, str):
        entry = inputs.entry("grids", grid or _DEFAULT_GRID)
        inputs.interval("carbon.grid_kgco2e_per_kwh", entry, "kgco2e_per_kwh")
