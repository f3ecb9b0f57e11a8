"""What a place means for a run: electricity price, grid, water, and the data centre's efficiency.

A place is a country (``FRA``), a US state (``USA-TX``) or a cloud region (``gcp:europe-west9``),
which lies in a country or a state; the tables are in ``data/places``. What is not known of a
place is taken from the one that it lies in, at last from the United States, and the figure's
`warning` says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date
from functools import cache
from typing import Any, NamedTuple

from llmcost.catalog.tables import header, rows

#: Where a figure is taken from that nobody knows for a place.
FALLBACK = "USA"
#: 90 % interval of a figure, as factors, by confidence: contracts and regions differ. The first
#: is that of the US prices, the last the range of Epoch AI's computation behind Cottier 2024.
SPREAD = {"high": (0.75, 1.33), "medium": (0.7, 1.45), "low": (0.6, 1.7)}
#: The same of a grid's carbon intensity: hour and method of accounting, and of water.
GRID_SPREAD, WATER_SPREAD = (0.9, 1.11), (0.6, 1.6)
#: Where the yearly figures of grids and generation are.
_SITE = "https://ourworldindata.org/electricity-mix"
_CLIMATE_YEAR = 2024
#: Years of the past that make a trend.
TREND_YEARS = 10
#: A figure this many years from the run says no longer what the run meets.
STALE_YEARS = 1


class Figure(NamedTuple):
    """A figure of a place, its 90 % interval, where it comes from and what to warn of."""

    value: float
    low: float
    high: float
    source: str
    warning: str = ""


class Place(NamedTuple):
    """A country, a state or a cloud region; `parent` is what it lies in, empty for a country.

    `aliases` are other names, with semicolons between them.
    """

    name: str
    full_name: str
    parent: str
    climate: str
    aliases: str


@cache
def place(name: str) -> Place | None:
    """A place by its name; None where the catalog does not know it."""
    return next((Place(*row) for row in rows("places/places.csv", name)), None)


def chain(name: str) -> list[str]:
    """The place, what it lies in, and so on."""
    found = []
    while name:
        found.append(name)
        known = place(name)
        name = known.parent if known else ""
    return found


@cache
def _source(key: str) -> list[str]:
    return rows("places/sources.csv", key)[0]


def title(source: str) -> str:
    """What a source of the tables is."""
    return _source(source)[1]


def address(source: str) -> str:
    """Where it is."""
    return _source(source)[2]


def full_name_of(name: str) -> str:
    """A place as a person says it."""
    known = place(name)
    return known.full_name if known else name


class Series(NamedTuple):
    """A yearly figure, and the source and confidence of each year's."""

    years: Mapping[int, float]
    sources: Mapping[int, str]
    confidence: Mapping[int, str]

    def at(self, year: int) -> tuple[float, int]:
        """Value at a year, on the line of its logarithm between known ones, and the nearest of them."""
        known = sorted(self.years)
        nearest = min(known, key=lambda other: (abs(other - year), other))
        if year in self.years or year < known[0] or year > known[-1]:
            return self.years[nearest], nearest
        first = max(other for other in known if other < year)
        last = min(other for other in known if other > year)
        share = (year - first) / (last - first)
        return self.years[first] ** (1 - share) * self.years[last] ** share, nearest


@cache
def electricity_series(name: str) -> Series | None:
    """Industrial electricity prices of a place [USD/kWh]."""
    found = rows("places/electricity.csv", name)
    if not found:
        return None
    return Series(
        {int(row[1]): float(row[2]) for row in found},
        {int(row[1]): title(row[4]) for row in found},
        {int(row[1]): row[3] for row in found},
    )


def electricity(name: str, year: int) -> Figure:
    """Industrial electricity price of a place in a year [USD/kWh].

    Between known years on the line of the logarithm. A state's last figure is moved on as the
    country's; otherwise the nearest year's stands, with a warning if it is over a year away.
    """
    line = chain(name)
    used = next((one for one in line if electricity_series(one)), FALLBACK)
    series = electricity_series(used)
    assert series is not None
    last = max(series.years)
    value, nearest = series.at(year)
    shown, note = nearest, ""
    wider = [one for one in chain(used)[1:] if electricity_series(one)]
    if wider and year > last:
        above = electricity_series(wider[0])
        assert above is not None
        (then, _), (now, nearest) = above.at(last), above.at(year)
        value, note = value * now / then, f", moved on with {full_name_of(wider[0])}"
    low, high = SPREAD[series.confidence[shown]]
    source = f"electricity/{used} {shown}{note} ({series.sources[shown]})"
    warning = _join(
        _borrowed(name, used, "the electricity price", "energy.electricity_usd_per_kwh"),
        _dated(f"the electricity price of {full_name_of(used)}", nearest, year),
    )
    return Figure(value, value * low, value * high, source, warning)


def _borrowed(name: str, used: str, what: str, key: str) -> str:
    """What to say of a figure of another place; a cloud region's is that of where it stands."""
    line = chain(name)
    if used == name or (":" in name and used in line[1:2]):
        return ""
    return (
        f"{what} of {full_name_of(name)} is not known: taken from {full_name_of(used)}; give {key}"
    )


def _dated(what: str, known: int, year: int) -> str:
    """What to say of a figure of another time than the run's."""
    years = abs(year - known)
    if years <= STALE_YEARS:
        return ""
    return f"{what} is of {known}, {years} years {'before' if known < year else 'after'} the run"


def _join(*warnings: str) -> str:
    return "; ".join(one for one in warnings if one)


@cache
def grid_series(name: str) -> Series | None:
    """Carbon intensity of a place's generation by year [kgCO2e/kWh]."""
    found = rows("places/grid_intensity.csv", name)
    if not found:
        return None
    known = {
        int(year): float(cell) / 1000
        for year, cell in zip(header("places/grid_intensity.csv")[1:], found[0][1:], strict=True)
        if cell
    }
    return Series(known, dict.fromkeys(known, title("owid")), dict.fromkeys(known, "high"))


@cache
def grid_growth(name: str) -> float:
    """Growth of a place's carbon intensity a year, of the line through its last ten years.

    Of the country where the place has no series of its own, and of the world without any.
    """
    series = next((one for one in map(grid_series, chain(name)) if one), None)
    series = series or grid_series("world")
    assert series is not None
    years = sorted(series.years)[-TREND_YEARS - 1 :]
    logs = [math.log(series.years[year]) for year in years]
    middle, level = sum(years) / len(years), sum(logs) / len(logs)
    slope = sum((y - middle) * (v - level) for y, v in zip(years, logs, strict=True))
    return math.exp(slope / sum((year - middle) ** 2 for year in years))


def grid(name: str, year: int, known: float | None = None, known_year: int = 2023) -> Figure:
    """Carbon intensity of a place's electricity in a year [kgCO2e/kWh], location-based.

    Parameters
    ----------
    name : str
        A country, state or cloud region.
    year : int
        Year of the run.
    known, known_year : float and int, optional
        The place's figure in the catalog of grids, and its year; it is moved by the trend of the
        place's yearly figures, or of the country's that it lies in. Without it, those figures.

    Returns
    -------
    Figure
        Beyond the last known year moved on by the line through the last ten years.
    """
    own = next((one for one in chain(name) if grid_series(one)), "world")
    series = grid_series(own)
    assert series is not None
    last = max(series.years)
    reached, _ = series.at(min(year, last))
    growth = grid_growth(own)
    if year > last:
        reached *= growth ** (year - last)
    value, source = reached, f"grids/{own} {min(year, last)} ({title('owid')})"
    if known is not None:
        value = known * reached / series.at(known_year)[0]
        source = f"grids/{name} {known_year}"
        if year != known_year:
            source += f", moved to {year} with the grid of {full_name_of(own)}"
    if year > last:
        source += f", after {last} by its trend of {growth - 1:+.1%} a year"
    beyond = _dated(
        f"the grid of {full_name_of(own)}", min(max(year, min(series.years)), last), year
    )
    warning = beyond and f"{beyond}, and moved on by its trend" if year > last else beyond
    if known is None:
        borrowed = _borrowed(name, own, "the grid", "carbon.grid_kgco2e_per_kwh")
        warning = _join(borrowed, warning)
    return Figure(value, value * GRID_SPREAD[0], value * GRID_SPREAD[1], source, warning)


@cache
def _fuels() -> dict[str, tuple[float, float, float]]:
    return {
        fuel: (float(value), float(low), float(high))
        for fuel, value, low, high, *_ in rows("places/water_fuels.csv")
    }


def generation_mix(name: str) -> tuple[int, dict[str, float]] | None:
    """Year and shares by fuel of a country's generation."""
    found = rows("places/generation_mix.csv", name)
    if not found:
        return None
    names = header("places/generation_mix.csv")[2:]
    shares = {fuel: float(cell) / 100 for fuel, cell in zip(names, found[0][2:], strict=True)}
    return int(found[0][1]), shares


def water_supply(name: str) -> Figure:
    """Water that a place's generation consumes per electricity [L/kWh].

    The published factor of the place where there is one (WRI, Reig et al. 2020), else the shares
    of its generation times the medians of Macknick et al. 2012: what evaporates, also from the
    reservoirs of hydropower, which is the part that sources differ on most.
    """
    for one in (*chain(name), FALLBACK):
        published = next(iter(rows("places/water_supply.csv", one)), None)
        warning = _borrowed(name, one, "the water of generation", "carbon.water_supply_l_per_kwh")
        if published:
            value = float(published[2])
            ends = value * WATER_SPREAD[0], value * WATER_SPREAD[1]
            return Figure(value, *ends, f"water/{one} ({title(published[4])})", warning)
        mix = generation_mix(one)
        if mix:
            year, shares = mix
            parts = [
                sum(share * _fuels()[fuel][end] for fuel, share in shares.items())
                for end in range(3)
            ]
            source = f"water/{one} generation of {year} ({title('owid')}) times {title('macknick')}"
            return Figure(parts[0], parts[1], parts[2], source, warning)
    raise AssertionError("the fallback has a factor")


def entries() -> dict[str, dict[str, Any]]:
    """Every place as an entry of the catalog: its last known figures, and where they come from."""
    found: dict[str, dict[str, Any]] = {}
    for name, full_name, parent, climate, aliases in rows("places/places.csv"):
        prices = electricity_series(name)
        entry: dict[str, Any] = {"full_name": full_name, "climate": climate}
        if aliases:
            entry["aliases"] = aliases.split(";")
        if parent:
            entry["lies_in"] = parent
        if prices:
            year = max(prices.years)
            entry |= {
                "electricity_usd_per_kwh": prices.years[year],
                "electricity_year": year,
                "electricity_source": prices.sources[year],
                "electricity_confidence": prices.confidence[year],
            }
        carbon = grid_series(name)
        if carbon:
            year = max(carbon.years)
            entry |= {"grid_kgco2e_per_kwh": carbon.years[year], "grid_year": year}
            entry["grid_source"] = carbon.sources[year]
        water = water_supply(name)
        if not water.warning:
            entry |= {"water_supply_l_per_kwh": round(water.value, 3), "water_source": water.source}
        entry["source"] = "; ".join(
            dict.fromkeys(str(v) for k, v in entry.items() if k.endswith("_source"))
        )
        entry["source"] = entry["source"] or f"figures of {full_name_of(parent)}"
        last = max(int(entry.get(key, 0)) for key in ("electricity_year", "grid_year"))
        entry["url"] = _SITE
        entry["date"] = date(last or _CLIMATE_YEAR, 12, 31)
        entry["confidence"] = entry.get("electricity_confidence", "medium")
        found[name] = entry
    return found
