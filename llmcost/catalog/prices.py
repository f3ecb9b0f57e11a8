"""Known prices of renting and of buying a device: rows with a date and a source each.

They are ``rental.csv`` and ``purchase.csv`` of ``data/prices``, and what a user adds: the tables of
``[clouds]`` and price lists. What a price is at a date is for `llmcost.catalog.quotes` to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from functools import cache
from typing import Any, NamedTuple

from llmcost.catalog.tables import rows

#: Terms of a rental, shortest first.
COMMITMENTS = ("on-demand", "spot", "1m", "6m", "1y", "3y")


class Rental(NamedTuple):
    """One price of renting, per device and hour; `day` is None where it holds at any date."""

    accelerator: str
    vendor: str
    commitment: str
    day: int | None
    usd: float
    confidence: str
    source: str
    url: str = ""
    note: str = ""


class Purchase(NamedTuple):
    """One price of buying, per device."""

    accelerator: str
    day: int
    usd: float
    includes_server: bool
    basis: str
    used: bool
    confidence: str
    source: str
    url: str = ""
    note: str = ""


@cache
def vendors() -> dict[str, tuple[str, str, str]]:
    """Full name, class and address of each vendor, by its short name."""
    return {name: (full, kind, url) for name, full, kind, url in rows("prices/vendors.csv")}


@cache
def sources() -> dict[str, tuple[str, str]]:
    """Title and address of each source of prices, by its key."""
    return {key: (title, url) for key, title, url in rows("prices/sources.csv")}


def _source(key: str, url: str) -> tuple[str, str]:
    title, address = sources()[key]
    return title, url or address


@cache
def rentals(accelerator: str | None = None) -> tuple[Rental, ...]:
    """Known prices of renting an accelerator, by vendor, term and date; of all without a name."""
    return tuple(
        Rental(
            name, vendor, term, date.fromisoformat(day).toordinal(), float(usd), confidence,
            *_source(source, url), note,
        )
        for name, vendor, term, day, usd, confidence, source, url, note in rows(
            "prices/rental.csv", accelerator
        )
    )  # fmt: skip


@cache
def purchases(accelerator: str | None = None) -> tuple[Purchase, ...]:
    """Known prices of buying an accelerator; of all without a name."""
    return tuple(
        Purchase(
            name, date.fromisoformat(day).toordinal(), float(usd), server == "yes", basis,
            condition == "used", confidence, *_source(source, url), note,
        )
        for name, day, usd, server, basis, condition, confidence, source, url, note in rows(
            "prices/purchase.csv", accelerator
        )
    )  # fmt: skip


def from_entries(entries: Mapping[str, Mapping[str, Any]]) -> tuple[Rental, ...]:
    """Prices of the user's own ``[clouds.NAME]`` tables."""
    return tuple(
        Rental(
            entry["accelerator"], entry["vendor"], term, entry["date"].toordinal(),
            float(entry[field]), entry.get("confidence", "medium"), entry["source"],
            entry.get("url", ""),
        )
        for entry in entries.values()
        for term, field in FIELDS.items()
        if field in entry
    )  # fmt: skip


#: The field of an entry of kind ``clouds`` by the term of its price.
FIELDS = {
    "on-demand": "on_demand_usd_per_device_hour",
    "spot": "spot_usd_per_device_hour",
    "1m": "one_month_usd_per_device_hour",
    "6m": "six_months_usd_per_device_hour",
    "1y": "one_year_usd_per_device_hour",
    "3y": "three_year_usd_per_device_hour",
}


def rental_entries() -> dict[str, dict[str, Any]]:
    """All prices of renting as entries of the catalog: one an accelerator, vendor and date."""
    found: dict[str, dict[str, Any]] = {}
    for item in rentals():
        assert item.day is not None
        day = date.fromordinal(item.day)
        entry = found.setdefault(
            f"{item.accelerator}.{item.vendor}.{day}",
            {"accelerator": item.accelerator, "vendor": item.vendor},
        )
        entry[FIELDS[item.commitment]] = item.usd
        entry |= {
            "source": item.source, "url": item.url, "date": day, "confidence": item.confidence,
        } | ({"note": item.note} if item.note else {})  # fmt: skip
    return found


def purchase_entries() -> dict[str, dict[str, Any]]:
    """All prices of buying as entries of the catalog."""
    found: dict[str, dict[str, Any]] = {}
    for item in purchases():
        day = date.fromordinal(item.day)
        name = stem = f"{item.accelerator}.{day}"
        count = 1
        while name in found:
            count += 1
            name = f"{stem}.{count}"
        found[name] = {
            "accelerator": item.accelerator, "usd_per_device": item.usd, "includes_server": item.includes_server,
            "basis": item.basis, "used": item.used, "source": item.source, "url": item.url,
            "date": day, "confidence": item.confidence,
        } | ({"note": item.note} if item.note else {})  # fmt: skip
    return found


def not_sold(accelerator: str) -> str:
    """Why an accelerator has no purchase price; empty where that is not known."""
    return next((reason for _, reason in rows("prices/not_sold.csv", accelerator)), "")


def terms(prices: Iterable[Rental], vendor: str | None = None) -> list[str]:
    """Terms that somebody, or one vendor, quotes; for a message where another was asked for."""
    quoted = {price.commitment for price in prices if vendor in (None, price.vendor)}
    return [term for term in COMMITMENTS if term in quoted]
