"""Known prices: the tables, and what a user adds."""

from __future__ import annotations

from datetime import date

import pytest

from llmcost.catalog import load_catalog, prices, tables
from llmcost.catalog.quotes import CLASSES, at

ACCELERATORS = load_catalog().kind("accelerators")


@pytest.mark.parametrize("name", ["prices/rental.csv", "prices/purchase.csv"])
def test_a_table_can_be_read_by_key(name: str) -> None:
    columns, found = tables.header(name), tables.rows(name)
    assert '"' not in tables.text(name)
    assert {len(row) for row in found} == {len(columns)}
    keys = [row[0] for row in found]
    for key in dict.fromkeys(keys):
        assert tables.rows(name, key) == [row for row in found if row[0] == key], key
    assert tables.rows(name, "h100") == [] == tables.rows(name, "nothing")


def test_every_rental_price_has_date_vendor_and_source() -> None:
    seen = set()
    for price in prices.rentals():
        assert price.accelerator in ACCELERATORS
        assert price.vendor in prices.vendors()
        assert price.commitment in prices.COMMITMENTS
        assert price.confidence in ("high", "medium", "low")
        assert price.source
        assert price.url.startswith("http")
        assert 0.05 < price.usd < 30
        assert price.day
        assert date(2021, 1, 1) <= date.fromordinal(price.day) <= date(2026, 12, 31)
        key = (price.accelerator, price.vendor, price.commitment, price.day)
        assert key not in seen, f"two prices of {key}"
        seen.add(key)


def test_every_purchase_price_has_date_basis_and_source() -> None:
    for price in prices.purchases():
        assert price.accelerator in ACCELERATORS
        assert price.basis in ("list", "street", "disclosure", "analyst")
        assert price.confidence in ("high", "medium", "low")
        assert price.source
        assert price.url.startswith("http") or price.confidence == "low"
        assert not prices.not_sold(price.accelerator)


def test_vendors_have_a_class() -> None:
    for full, kind, url in prices.vendors().values():
        assert full
        assert url.startswith("http")
        assert kind in CLASSES


@pytest.mark.parametrize("name", ["h100-sxm", "a100-sxm-80gb"])
def test_usual_devices_have_vendors_and_terms_from_2023_on(name: str) -> None:
    found = prices.rentals(name)
    assert set(prices.terms(found)) == set(prices.COMMITMENTS)
    for year in (2023, 2024, 2025, 2026):
        of_year = {p.vendor for p in found if p.day and date.fromordinal(p.day).year == year}
        assert len(of_year) >= 5, year


@pytest.mark.parametrize(
    "name",
    [
        "h100-sxm", "h100-pcie", "h200-sxm", "b200-sxm", "b300-sxm", "gb200-nvl72", "gh200", "a100-sxm-40gb", "a100-sxm-80gb",
        "mi300x", "mi325x", "mi355x", "l40s", "rtx-3090", "rtx-4090", "rtx-5090", "rtx-6000-ada", "rtx-pro-6000",
    ],
)  # fmt: skip
def test_what_people_rent_has_vendors_of_the_last_two_years(name: str) -> None:
    recent = [
        price for price in prices.rentals(name) if date.fromordinal(price.day or 1).year >= 2025
    ]
    assert len({price.vendor for price in recent if price.commitment == "on-demand"}) >= 2


def test_no_accelerator_is_both_sold_and_not() -> None:
    for name, reason in tables.rows("prices/not_sold.csv"):
        assert name in ACCELERATORS
        assert reason
        assert prices.purchases(name) == ()


def test_a_users_catalog_tables_are_prices_too() -> None:
    entry = {
        "accelerator": "x", "vendor": "ours", "date": date(2026, 1, 1), "source": "contract",
        "on_demand_usd_per_device_hour": 2, "three_year_usd_per_device_hour": 1.5,
    }  # fmt: skip
    found = prices.from_entries({"x.ours": entry})
    assert [(p.commitment, p.usd, p.source) for p in found] == [
        ("on-demand", 2.0, "contract"),
        ("3y", 1.5, "contract"),
    ]


def test_between_equal_prices_the_price_is_theirs() -> None:
    assert all(at([(0, 35_625.0), (365, 35_625.0)], day)[0] == 35_625 for day in range(365))
    assert at([(0, 100.0), (10, 400.0)], 5)[0] == pytest.approx(200)
