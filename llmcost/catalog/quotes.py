"""What a device costs to rent and to buy at a date, from the known prices.

A price that a scenario does not name is a stated representative:

- renting, the median of what GPU clouds offer at the run's date. A GPU cloud (CoreWeave, Lambda,
  Nebius …) rents its own clusters at a public price: what a training run without a contract of
  its own pays. Hyperscalers' lists are two to three times as high and are what their larger
  customers negotiate away; marketplaces let single cards of strangers. A median across them is
  nobody's price. Where no GPU cloud rents the device (a TPU), the next class that does;
- buying, a new device with its server, on the line between half-years' medians.

The offers of all vendors of that term give the range.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import date
from typing import NamedTuple

from llmcost.catalog.prices import Purchase, Rental, vendors

#: Whose offers stand for the market, first to last; `own` are the user's.
CLASSES = ("own", "gpu-cloud", "hyperscaler", "marketplace", "index")
#: A price this far from the run's date [days] says no longer what the market asks.
STALE_DAYS = 365
#: Half-width, as a factor, of a price that only one vendor quotes: regions and discounts.
#: A judgement of ours.
LONE_SPREAD = 1.25
#: More vendors than this are counted, not named.
_MOST_NAMED = 4
_DAYS_PER_YEAR = 365.25


class Offer(NamedTuple):
    """A vendor's price at a date: between two known ones, or the nearest one.

    `away_days` is the distance to the nearest known price, `day` that price's date.
    """

    vendor: str
    usd: float
    day: int | None
    away_days: int
    between: bool


class Quote(NamedTuple):
    """A price at a date, with its range (90 %, around it) and where it comes from.

    `others` are the lowest and the highest offer of any vendor; `warning` says that the price is
    of another time than the run; `day` is the ordinal day that a price of buying is of.
    """

    usd: float
    low: float
    high: float
    others: tuple[float, float]
    source: str
    warning: str = ""
    includes_server: bool = True
    day: int | None = None


def at(known: Sequence[tuple[int, float]], day: int | None) -> tuple[float, int, bool]:
    """A price at a day, on the line of its logarithm between the known ones.

    Parameters
    ----------
    known : sequence of (day, price)
        Sorted by day, at least one.
    day : int or None
        Ordinal day; the last known one if None.

    Returns
    -------
    (price, nearest known day, whether it lies between two known ones)
        Before the first and after the last, the nearest price as it is.
    """
    if day is None or day >= known[-1][0]:
        return known[-1][1], known[-1][0], False
    if day <= known[0][0]:
        return known[0][1], known[0][0], False
    after = next(i for i, (other, _) in enumerate(known) if other >= day)
    (first, low), (last, high) = known[after - 1], known[after]
    if day == last:  # as it is, to the last digit
        return high, last, False
    share = (day - first) / (last - first)
    nearest = last if last - day <= day - first else first
    usd = low if low == high else low ** (1 - share) * high**share  # equal ones to the last digit
    return usd, nearest, True


def offers(
    prices: Iterable[Rental], commitment: str, day: int | None, vendor: str | None = None
) -> list[Offer]:
    """Each vendor's price of a term at a day; of one vendor if named.

    Without a day, all are priced at the last date that any of them has.
    """
    series: dict[str, list[tuple[int, float]]] = {}
    undated: dict[str, float] = {}
    for price in prices:
        if price.commitment != commitment or vendor not in (None, price.vendor):
            continue
        if price.day is None:
            undated[price.vendor] = price.usd
        else:
            series.setdefault(price.vendor, []).append((price.day, price.usd))
    if day is None and series:
        day = max(known[-1][0] for known in map(sorted, series.values()))
    found = [Offer(name, usd, None, 0, False) for name, usd in undated.items()]
    for name, known in series.items():
        if name in undated:
            continue
        usd, nearest, between = at(sorted(known), day)
        away = 0 if day is None else abs(day - nearest)
        found.append(Offer(name, usd, nearest, away, between))
    return found


def rent(
    prices: Sequence[Rental],
    day: int | None,
    vendor: str | None = None,
    commitment: str = "on-demand",
) -> Quote | None:
    """Price of renting a device for an hour [USD], at a day.

    Parameters
    ----------
    prices : sequence of Rental
        Known prices of one accelerator; those of a vendor that `vendors` lacks are the user's.
    day : int or None
        Ordinal day of the run's start; without it, the last date that the prices have.
    vendor : str, optional
        Whose price; the representative described above if not given.
    commitment : str
        One of `COMMITMENTS`.

    Returns
    -------
    Quote or None
        None where nobody quotes such a price.
    """
    everyone = offers(prices, commitment, day)
    if vendor is not None:
        chosen = [offer for offer in everyone if offer.vendor == vendor]
    else:
        chosen = _representative(everyone)
    if not chosen:
        return None
    usd = _median([offer.usd for offer in chosen])
    current = [
        offer.usd
        for offer in everyone
        if _class(offer.vendor) != "index" and offer.away_days <= STALE_DAYS
    ]
    spread = [] if vendor is not None else current
    low, high = _range(usd, spread)
    others = (min(current), max(current)) if current else (usd, usd)
    source = f"{commitment}, {_names(chosen)}"
    if vendor is None and len(chosen) > 1:
        source = f"median {commitment} price of {len(chosen)} {_plural(chosen)}"
        few = len(chosen) <= _MOST_NAMED
        source += f": {_names(chosen)}" if few else _days(chosen)
    nearest = min(chosen, key=lambda offer: offer.away_days)
    return Quote(usd, low, high, others, source, _stale(nearest.day, day, nearest.between))


def _representative(everyone: list[Offer]) -> list[Offer]:
    """The offers of the first class that has any: of the run's time, or else of any."""
    for limit in (STALE_DAYS, math.inf):
        for kind in CLASSES:
            found = [
                offer
                for offer in everyone
                if _class(offer.vendor) == kind and offer.away_days <= limit
            ]
            if found:
                return found
    return []


def _class(vendor: str) -> str:
    return vendors()[vendor][1] if vendor in vendors() else "own"


def _plural(chosen: list[Offer]) -> str:
    kind = _class(chosen[0].vendor)
    return {
        "own": "of your price list",
        "index": "indexes",
        "gpu-cloud": "GPU clouds",
    }.get(kind, f"{kind}s")


def _names(chosen: list[Offer]) -> str:
    """Vendors with their prices' dates, lowest price first."""
    ordered = sorted(chosen, key=lambda offer: offer.usd)
    return ", ".join(f"{offer.vendor} {_when(offer)}".rstrip() for offer in ordered)


def _days(chosen: list[Offer]) -> str:
    """First and last date of many vendors' prices."""
    days = sorted(offer.day for offer in chosen if offer.day is not None)
    if not days:
        return ""
    first, last = (date.fromordinal(day).isoformat() for day in (days[0], days[-1]))
    return f", {first} to {last}"


def _when(offer: Offer) -> str:
    if offer.day is None:
        return ""
    day = date.fromordinal(offer.day).isoformat()
    return f"between dates near {day}" if offer.between else day


def _stale(known: int | None, day: int | None, between: bool) -> str:
    """What to say of a price of another time than the run's."""
    if known is None or day is None or abs(day - known) <= STALE_DAYS:
        return ""
    years, when = abs(day - known) / _DAYS_PER_YEAR, date.fromordinal(known)
    if between:
        return f"lies between known prices, the nearest of {when}, {years:.1f} years away"
    side = "older" if known < day else "later"
    return f"is of {when}, {years:.1f} years {side} than the run"


def _range(usd: float, current: Sequence[float]) -> tuple[float, float]:
    """A 90 % interval around a price, as wide as the offers from their 5th to 95th percentile."""
    factor = LONE_SPREAD
    if sum(price > 0 for price in current) > 1:
        ordered = sorted(math.log(price) for price in current if price > 0)
        factor = max(factor, math.exp((_percentile(ordered, 95) - _percentile(ordered, 5)) / 2))
    return usd / factor, usd * factor


def _percentile(ordered: Sequence[float], percent: float) -> float:
    place = (len(ordered) - 1) * percent / 100
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def _median(prices: Sequence[float]) -> float:
    """The middle price; the geometric mean of the two middle ones of an even number."""
    ordered = sorted(prices)
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    return math.sqrt(low * high)


def buy(prices: Sequence[Purchase], day: int) -> Quote | None:
    """Price of buying a new device [USD], at a day.

    The price with its share of the server, unless that of the bare device is nearer by more than
    a year: what a server adds is an average of other devices. The quotes of half a year are one point: their
    median at their mean date, without those of low confidence where there are others.

    Parameters
    ----------
    prices : sequence of Purchase
        Known prices of one accelerator.
    day : int
        Ordinal day of the purchase.

    Returns
    -------
    Quote or None
        None where no price of a new device is known.
    """
    found = []
    for server in (True, False):
        quotes = [price for price in prices if price.includes_server == server and not price.used]
        if not quotes:
            continue
        usd, nearest, between = at(_half_years(quotes), day)
        around = [price for price in quotes if abs(price.day - day) <= STALE_DAYS]
        found.append((abs(nearest - day), server, usd, nearest, between, around))
    if not found:
        return None
    _, server, usd, nearest, between, around = min(
        found, key=lambda one: one[0] + (0 if one[1] else STALE_DAYS)
    )
    low, high = _range(usd, [price.usd for price in around])
    closest = min(
        (price for price in prices if price.includes_server == server and not price.used),
        key=lambda price: abs(price.day - day),
    )
    others = [price.usd for price in around] or [usd]
    what = "with its server" if server else "bare device"
    where = f"nearest {date.fromordinal(closest.day)}, {closest.basis}, {closest.source}"
    return Quote(
        usd, low, high, (min(others), max(others)), f"{what}, {where}",
        _stale(nearest, day, between), server, day if between else nearest,
    )  # fmt: skip


def _half_years(quotes: Iterable[Purchase]) -> list[tuple[int, float]]:
    """One point for the quotes of each half-year: mean day and median price."""
    groups: dict[tuple[int, bool], list[Purchase]] = {}
    for price in quotes:
        when = date.fromordinal(price.day)
        groups.setdefault((when.year, when.month > 6), []).append(price)
    points = []
    for _, group in sorted(groups.items()):
        sound = [price for price in group if price.confidence != "low"] or group
        mean = round(sum(price.day for price in sound) / len(sound))
        points.append((mean, _median([price.usd for price in sound])))
    return points
