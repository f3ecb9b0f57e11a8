"""Places: electricity, grids by year, water, and the data centre's own figures."""

from __future__ import annotations

import math

import pytest

from llmcost.catalog import load_catalog, places, sites, tables

GRIDS = load_catalog().kind("grids")
COUNTRIES = [row[0] for row in tables.rows("places/places.csv") if not row[2] and row[0] != "world"]
FILES = [
    "electricity", "generation_mix", "grid_intensity", "places", "sites", "water_fuels",
    "water_supply", "climates", "sources",
]  # fmt: skip


@pytest.mark.parametrize("name", [f"places/{name}.csv" for name in FILES])
def test_a_table_can_be_read_by_key(name: str) -> None:
    columns, found = tables.header(name), tables.rows(name)
    assert '"' not in tables.text(name)
    assert {len(row) for row in found} == {len(columns)}
    for key in dict.fromkeys(row[0] for row in found):
        assert tables.rows(name, key) == [row for row in found if row[0] == key], key


def test_every_figure_has_a_known_source() -> None:
    known = {row[0]: row for row in tables.rows("places/sources.csv")}
    assert all(row[2].startswith("https://") for row in known.values())
    used = {"owid"}
    for name in FILES:
        columns = tables.header(f"places/{name}.csv")
        if "source" in columns and name != "sources":
            at, sure = columns.index("source"), columns.index("confidence")
            for row in tables.rows(f"places/{name}.csv"):
                assert row[sure] in ("high", "medium", "low"), row
                used.add(row[at])
    assert used == set(known)


def test_every_grid_of_the_catalog_is_a_place_with_a_way_to_a_country() -> None:
    for name in GRIDS:
        assert places.place(name), name
        assert places.chain(name)[-1] in (*COUNTRIES, "world")


def test_places_of_tables_are_places() -> None:
    for name in ("electricity", "generation_mix", "grid_intensity", "water_supply"):
        for row in tables.rows(f"places/{name}.csv"):
            assert places.place(row[0]), (name, row[0])
    climates = {row[0] for row in tables.rows("places/climates.csv")}
    assert {row[3] for row in tables.rows("places/places.csv")} == climates


@pytest.mark.parametrize("name", COUNTRIES)
def test_each_country_has_its_own_electricity_water_and_grid(name: str) -> None:
    power = places.electricity(name, 2024)
    assert 0.02 < power.value < 0.5
    assert power.low < power.value < power.high
    assert f"electricity/{name} " in power.source
    assert not power.warning
    water = places.water_supply(name)
    assert 0.1 < water.value < 18
    assert water.low < water.value < water.high
    assert not water.warning
    grid = places.grid(name, 2024)
    assert 0 <= grid.value < 1
    assert not grid.warning


def test_six_countries_differ() -> None:
    six = ("USA", "France", "Germany", "Norway", "India", "Japan")
    codes = {GRIDS[code].get("full_name"): code for code in GRIDS}
    names = [codes.get(name, "USA") for name in six[1:]] + ["USA"]
    assert len({places.electricity(name, 2026).value for name in names}) == 6
    assert len({places.water_supply(name).value for name in names}) == 6
    assert places.electricity("DEU", 2026).value > 1.5 * places.electricity("USA", 2026).value


def test_us_prices_are_those_of_the_catalog() -> None:
    for year, entry in load_catalog().kind("electricity").items():
        assert places.electricity("USA", int(year)).value == pytest.approx(entry["usd_per_kwh"])


def test_a_state_has_its_own_price_and_follows_the_country() -> None:
    texas = places.electricity("USA-TX", 2023)
    assert texas.value == pytest.approx(0.066)
    moved = places.electricity("USA-TX", 2025)
    country = places.electricity("USA", 2025).value / places.electricity("USA", 2023).value
    assert moved.value == pytest.approx(0.066 * country)
    assert "moved on with United States" in moved.source
    assert not moved.warning


def test_a_cloud_region_is_where_it_stands() -> None:
    assert places.chain("gcp:us-south1") == ["gcp:us-south1", "USA-TX", "USA"]
    for year in (2023, 2026):
        assert places.electricity("gcp:us-south1", year) == places.electricity("USA-TX", year)
    assert places.water_supply("gcp:europe-west9") == places.water_supply("FRA")


def test_what_is_not_known_is_said_with_what_is_used_instead() -> None:
    power = places.electricity("XXX", 2025)
    assert power.value == places.electricity("USA", 2025).value
    assert "XXX is not known: taken from United States" in power.warning
    assert "give energy.electricity_usd_per_kwh" in power.warning
    wyoming = places.electricity("USA-WY", 2025)
    assert "Wyoming is not known" in wyoming.warning
    utah = places.water_supply("USA-UT")
    assert "Utah is not known" in utah.warning
    assert "water_supply_l_per_kwh" in utah.warning
    assert "taken from World average" in places.grid("XXX", 2024).warning


def test_an_old_electricity_price_warns() -> None:
    assert places.electricity("FRA", 2025).warning == ""
    assert "is of 2024, 3 years before the run" in places.electricity("FRA", 2027).warning
    assert "is of 2021, 3 years after the run" in places.electricity("DEU", 2018).warning


def test_between_years_the_price_is_on_their_line() -> None:
    first, last = (places.electricity("GBR", year).value for year in (2023, 2025))
    assert places.electricity("GBR", 2024).value == pytest.approx(math.sqrt(first * last))


def test_a_known_grid_keeps_its_year_and_moves_by_the_countrys_trend() -> None:
    known = GRIDS["USA"]["kgco2e_per_kwh"]
    assert places.grid("USA", 2023, known).value == known
    series = places.grid_series("USA")
    assert series is not None
    moved = places.grid("USA", 2024, known)
    assert moved.value == pytest.approx(known * series.years[2024] / series.years[2023])
    assert "moved to 2024" in moved.source
    assert moved.low < moved.value < moved.high
    region = places.grid("gcp:us-south1", 2024, 0.3)
    assert region.value / 0.3 == pytest.approx(moved.value / known)


def test_after_the_last_year_the_grid_follows_its_trend() -> None:
    series = places.grid_series("DEU")
    assert series is not None
    last = max(series.years)
    growth = places.grid_growth("DEU")
    assert 0.9 < growth < 1
    at_last = places.grid("DEU", last).value
    assert places.grid("DEU", last + 1).value == pytest.approx(at_last * growth)
    assert places.grid("DEU", last + 1).warning == ""
    assert "moved on by its trend" in places.grid("DEU", last + 5).warning
    assert "is of 2015" in places.grid("DEU", 2010).warning


def test_the_trend_of_a_steady_decline_is_that_decline() -> None:
    years = range(2015, 2026)
    fake = places.Series({year: 0.9 ** (year - 2015) for year in years}, {}, {})
    places.grid_growth.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(places, "grid_series", lambda name: fake)
        assert places.grid_growth("USA") == pytest.approx(0.9)
    places.grid_growth.cache_clear()


def test_water_is_the_mix_times_macknick_unless_published() -> None:
    mix = places.generation_mix("NOR")
    assert mix is not None
    assert sum(mix[1].values()) == pytest.approx(1, abs=0.005)
    fuels = {row[0]: float(row[1]) for row in tables.rows("places/water_fuels.csv")}
    wanted = sum(share * fuels[fuel] for fuel, share in mix[1].items())
    assert places.water_supply("NOR").value == pytest.approx(wanted)
    assert places.water_supply("USA").value == 3.142
    published = [row[0] for row in tables.rows("places/water_supply.csv") if "USA-" not in row[0]]
    for name in published:
        found = places.generation_mix(name)
        assert found is not None
        modelled = sum(share * fuels[fuel] for fuel, share in found[1].items())
        assert 0.3 < modelled / places.water_supply(name).value < 2, name


def test_an_operators_own_figure_at_the_place_comes_first() -> None:
    for year, pue in ((2022, 1.172), (2024, 1.16)):  # published for 2022 and 2023
        here = sites.site("pue", "microsoft", "SWE", year)
        assert here is not None
        assert here.value == pue
        assert "Sweden" in here.source
    fleet = sites.site("pue", "microsoft", "DEU", 2024)
    assert fleet is not None
    assert fleet.value == 1.16
    assert sites.site("pue", "google", None, 2023).value == 1.1  # type: ignore[union-attr]
    assert sites.site("pue", "google", None, 2026).value == 1.09  # type: ignore[union-attr]


def test_without_an_operator_the_climate_tells() -> None:
    water = {
        name: sites.site("l_per_kwh", None, name, 2026)
        for name in ("SWE", "USA", "SGP", "ARE", "gcp:us-west4")
    }
    values = {name: figure.value for name, figure in water.items() if figure}
    assert values["SWE"] < values["USA"] < values["SGP"] < values["ARE"]
    assert values["gcp:us-west4"] == values["ARE"]
    assert sites.site("pue", None, None, 2026) is None
    assert sites.site("pue", None, "XXX", 2026) is None
    google = sites.site("l_per_kwh", "google", "FRA", 2026)
    assert google is not None
    assert "climates/cool" in google.source


def test_every_site_is_an_entry_with_its_source() -> None:
    entries = load_catalog().kind("sites")
    assert len(entries) == len(tables.rows("places/sites.csv"))
    operators = load_catalog().kind("operators")
    for name, entry in entries.items():
        assert entry["operator"] in operators, name
        assert "pue" in entry or "l_per_kwh" in entry, name
        assert 1 <= entry.get("pue", 1) < 2, name
        assert 0 <= entry.get("l_per_kwh", 0) < 3, name
        assert entry["url"].startswith("https://"), name
    published = {(entry["operator"], entry["full_name"]) for entry in entries.values()}
    for place in ("Ireland", "Singapore", "Germany", "Virginia"):
        assert ("amazon", place) in published
