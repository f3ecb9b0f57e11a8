"""Staff: a team's averages, against what Epoch AI printed for four models."""

from __future__ import annotations

import math

import pytest

from llmcost.catalog import staff
from llmcost.files import packaged, read_toml

ENTRIES = read_toml(packaged("catalog", "data", "staff.toml"), "catalog")


def test_values_are_the_means_of_their_intervals() -> None:
    for name, entry in ENTRIES.items():
        sigma = math.log(entry["high"] / entry["low"]) / (2 * 1.6448536)
        mean = math.sqrt(entry["low"] * entry["high"]) * math.exp(sigma**2 / 2)
        assert entry["value"] == pytest.approx(mean, rel=1e-4), name
        assert entry["source"]
        assert entry["url"].startswith("http")
        assert entry["unit"]


@pytest.mark.parametrize(
    ("people", "months", "inflation", "published"),
    [
        # 2023 USD of Epoch AI's notebook; months are its medians, inflation to 2023 its price index.
        (25, 8.3, 1.06, 2.34e6),
        (19, 6.31, 1.015, 1.156e6),
        (284, 12, 1.015, 35.8e6),
    ],
    ids=["gpt-3", "opt-175b", "gpt-4"],
)
def test_a_headcount_costs_what_epoch_found(
    people: int, months: float, inflation: float, published: float
) -> None:
    share = staff.fte_share(ENTRIES, people).value
    pay = staff.usd_per_fte_year(ENTRIES, people).value
    assert people * share * months / 12 * pay * inflation == pytest.approx(published, rel=0.12)


def test_a_larger_team_has_a_narrower_average() -> None:
    for figure in (staff.fte_share, staff.usd_per_fte_year):
        one, few, many = (figure(ENTRIES, people) for people in (1, 10, 1000))
        assert one.value == few.value == many.value
        assert one.low < few.low < many.low < many.value < many.high < few.high < one.high


def test_one_person_has_the_interval_of_one() -> None:
    one = staff.fte_share(ENTRIES, 1)
    assert (one.low, one.high) == pytest.approx((0.05, 0.8))


def test_equity_can_be_left_out() -> None:
    paid = staff.usd_per_fte_year(ENTRIES, 19, equity=False)
    with_equity = staff.usd_per_fte_year(ENTRIES, 19)
    assert paid.value == pytest.approx(
        ENTRIES["salary"]["value"] * ENTRIES["overhead"]["value"], rel=1e-3
    )
    assert with_equity.value - paid.value == pytest.approx(ENTRIES["equity"]["value"], rel=1e-3)
    assert paid.high / paid.low < with_equity.high / with_equity.low
