"""Prices at a date: between known ones, stale ones, and the representative."""

from __future__ import annotations

import math
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmcost.catalog import prices, quotes
from llmcost.catalog.prices import Purchase, Rental

JUNE_2026 = date(2026, 6, 1).toordinal()


def rental(vendor: str, when: str | None, usd: float, term: str = "on-demand") -> Rental:
    day = None if when is None else date.fromisoformat(when).toordinal()
    return Rental("x", vendor, term, day, usd, "high", "test")


def purchase(when: str, usd: float, server: bool = True, **more: object) -> Purchase:
    day = date.fromisoformat(when).toordinal()
    base = Purchase("x", day, usd, server, "street", False, "high", "test")
    return base._replace(**more)


@pytest.mark.parametrize(
    "name",
    ["h100-sxm", "h200-sxm", "b200-sxm", "gb200-nvl72", "mi300x", "tpu-v5p", "tpu-v6e"],
)
def test_what_people_compare_rents_and_sells_in_2026(name: str) -> None:
    rent = quotes.rent(prices.rentals(name), JUNE_2026)
    assert rent is not None
    assert not rent.warning
    buy = quotes.buy(prices.purchases(name), JUNE_2026)
    if name.startswith("tpu"):
        assert buy is None
        assert "sells none" in prices.not_sold(name)
    else:
        assert buy is not None
        assert not buy.warning
        assert prices.not_sold(name) == ""


DAYS = st.integers(min_value=730000, max_value=740000)


@given(st.dictionaries(DAYS, st.floats(0.01, 100), min_size=1, max_size=6), DAYS)
def test_a_price_lies_between_those_around_it(points: dict[int, float], day: int) -> None:
    known = sorted(points.items())
    usd, nearest, between = quotes.at(known, day)
    assert nearest in points
    assert abs(nearest - day) == min(abs(other - day) for other in points)
    assert min(points.values()) * (1 - 1e-9) <= usd <= max(points.values()) * (1 + 1e-9)
    if day in points:
        assert usd == pytest.approx(points[day])
        assert not between
    if day >= known[-1][0] or day <= known[0][0]:
        assert usd == points[nearest]
        assert not between


def test_half_way_is_the_geometric_mean() -> None:
    usd, _, between = quotes.at([(1000, 4.0), (1100, 1.0)], 1050)
    assert usd == pytest.approx(2.0)
    assert between


def test_a_vendor_is_priced_along_its_own_dates_and_term() -> None:
    found = [
        rental("aws", "2024-01-01", 8.0),
        rental("aws", "2026-01-01", 2.0),
        rental("aws", "2025-01-01", 1.0, "1y"),
        rental("lambda", "2025-01-01", 99.0),
    ]
    quote = quotes.rent(found, date(2025, 1, 1).toordinal(), "aws")
    assert quote is not None
    assert quote.usd == pytest.approx(4.0, rel=2e-3)
    assert "aws" in quote.source
    assert "on-demand" in quote.source
    assert quotes.rent(found, JUNE_2026, "gcp") is None
    assert prices.terms(found, "aws") == ["on-demand", "1y"]


def test_the_representative_is_the_middle_gpu_cloud() -> None:
    found = [
        rental("lambda", "2026-01-01", 3.0),
        rental("nebius", "2026-01-01", 4.0),
        rental("crusoe", "2026-01-01", 5.0),
        rental("azure", "2026-01-01", 12.0),
        rental("vast", "2026-01-01", 1.0),
        rental("ornn", "2026-01-01", 0.5),
    ]
    quote = quotes.rent(found, JUNE_2026)
    assert quote is not None
    assert quote.usd == pytest.approx(4.0)
    assert "3 GPU clouds" in quote.source
    assert "azure" not in quote.source
    assert quote.others == (1.0, 12.0)
    assert quote.low < 4.0 < quote.high
    assert math.sqrt(quote.low * quote.high) == pytest.approx(quote.usd)


def test_another_class_stands_in_where_no_gpu_cloud_rents() -> None:
    found = [rental("gcp", "2026-01-01", 4.0), rental("ornn", "2026-01-01", 1.0)]
    quote = quotes.rent(found, JUNE_2026)
    assert quote is not None
    assert quote.usd == 4.0
    assert quote.high / quote.usd == pytest.approx(quotes.LONE_SPREAD)
    only_index = quotes.rent(found[1:], JUNE_2026)
    assert only_index is not None
    assert only_index.usd == 1.0


def test_an_old_price_gives_way_to_a_current_one_and_warns_alone() -> None:
    old = rental("lambda", "2023-01-01", 9.0)
    alone = quotes.rent([old], JUNE_2026)
    assert alone is not None
    assert alone.usd == 9.0
    assert "2023-01-01" in alone.warning
    assert "3.4 years older" in alone.warning
    both = quotes.rent([old, rental("aws", "2026-05-01", 2.0)], JUNE_2026)
    assert both is not None
    assert both.usd == 2.0
    assert not both.warning
    later = quotes.rent([rental("lambda", "2026-01-01", 9.0)], date(2024, 1, 1).toordinal())
    assert later is not None
    assert "later than the run" in later.warning


def test_a_wide_gap_between_known_prices_warns() -> None:
    found = [rental("lambda", "2022-01-01", 8.0), rental("lambda", "2026-01-01", 2.0)]
    quote = quotes.rent(found, date(2024, 1, 1).toordinal())
    assert quote is not None
    assert "lies between known prices" in quote.warning


def test_a_users_own_prices_come_first_and_need_no_date() -> None:
    found = [rental("lambda", "2026-01-01", 3.0), rental("our-cluster", None, 0.7)]
    quote = quotes.rent(found, date(2031, 1, 1).toordinal())
    assert quote is not None
    assert quote.usd == 0.7
    assert not quote.warning


def test_without_a_date_the_last_known_price_is_taken() -> None:
    found = [rental("lambda", "2024-01-01", 3.0), rental("lambda", "2026-01-01", 2.0)]
    quote = quotes.rent(found, None)
    assert quote is not None
    assert quote.usd == 2.0
    assert not quote.warning


def test_buying_follows_the_dates_and_not_the_launch() -> None:
    found = prices.purchases("a100-sxm-80gb")
    launch = quotes.buy(found, date(2021, 6, 30).toordinal())
    later = quotes.buy(found, JUNE_2026)
    assert launch is not None
    assert later is not None
    assert later.usd < 0.6 * launch.usd


def test_buying_prefers_a_price_with_server_and_new() -> None:
    found = [
        purchase("2026-05-01", 40000),
        purchase("2026-05-01", 30000, server=False),
        purchase("2026-05-01", 9000, used=True),
        purchase("2026-06-01", 90000, confidence="low"),
    ]
    quote = quotes.buy(found, JUNE_2026)
    assert quote is not None
    assert quote.usd == 40000
    assert quote.includes_server
    bare = quotes.buy([purchase("2022-05-01", 40000), found[1]], JUNE_2026)
    assert bare is not None
    assert bare.usd == 30000
    assert not bare.includes_server
    assert quotes.buy(found[2:3], JUNE_2026) is None


def test_quotes_of_a_half_year_are_one_point() -> None:
    found = [purchase("2025-02-01", 20000), purchase("2025-04-01", 45000)]
    middle = quotes.buy(found, date(2025, 3, 3).toordinal())
    assert middle is not None
    assert middle.usd == pytest.approx(30000)
    assert middle.others == (20000, 45000)
    assert middle.low < 25000
    assert middle.high > 36000


def test_a_price_of_nothing_is_a_price() -> None:
    found = [rental("ours", None, 0.0), rental("lambda", "2026-01-01", 3.0)]
    quote = quotes.rent(found, JUNE_2026)
    assert quote is not None
    assert quote.usd == quote.low == quote.high == 0
