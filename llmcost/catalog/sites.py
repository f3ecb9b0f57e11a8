"""The data centres of operators: PUE, and water used on site, at a place or of the whole fleet."""

from __future__ import annotations

from datetime import date
from typing import Any

from llmcost.catalog.places import Figure, address, chain, full_name_of, place, title
from llmcost.catalog.tables import header, rows


def operated(what: str, operator: str, name: str | None, year: int | None) -> Figure | None:
    """A figure of an operator's data centres, as :func:`site` takes them; of its fleet without a place.

    Returns
    -------
    Figure or None
        None where the operator publishes none of that place or of what it lies in.
    """
    column = header("places/sites.csv").index(what)
    own = [row for row in rows("places/sites.csv", operator) if row[column]]
    for one in chain(name) if name else [""]:
        there = [row for row in own if row[1] == one]
        if there:
            row = min(there, key=lambda row: (abs(int(row[2]) - (year or 9999)), -int(row[2])))
            place_text = f" in {full_name_of(one)}" if one else ""
            source = f"operators/{operator}{place_text} {row[2]} ({title(row[6])})"
            return _with_spread(what, float(row[column]), source)
    return None


def site(what: str, operator: str | None, name: str | None, year: int | None) -> Figure | None:
    """PUE, or water used on site per IT energy [L/kWh], of a data centre.

    The operator's own at the place, else its fleet's, each of the year nearest to the run's; for
    a place without an operator that is known, that of its climate.

    Parameters
    ----------
    what : str
        ``pue`` or ``l_per_kwh``.
    operator, name : str, optional
        Operator and place.
    year : int, optional
        Year of the run.

    Returns
    -------
    Figure or None
        None where neither operator nor place tells.
    """
    if operator is not None:
        own = operated(what, operator, name, year) or operated(what, operator, None, year)
        if own is not None:
            return own
    known = place(name) if name else None
    if known is None or not known.climate:
        return None
    row = rows("places/climates.csv", known.climate)[0]
    value = float(row[header("places/climates.csv").index(what)])
    return _with_spread(what, value, f"climates/{known.climate} ({title(row[4])})")


def _with_spread(what: str, value: float, source: str) -> Figure:
    """An interval: the overhead above 1 of a PUE, or the water itself, by factors of 2/3 and 3/2."""
    base = 1.0 if what == "pue" else 0.0
    low, high = (base + (value - base) * factor for factor in (2 / 3, 3 / 2))
    return Figure(value, low, high, source)


def entries() -> dict[str, dict[str, Any]]:
    """Every figure of an operator as an entry of the catalog, ``fleet`` where it is of all sites."""
    found: dict[str, dict[str, Any]] = {}
    for operator, where, year, pue, water, confidence, source, note in rows("places/sites.csv"):
        entry: dict[str, Any] = {"operator": operator, "full_name": full_name_of(where) or "fleet"}
        entry |= {"year": int(year)}
        entry |= {"pue": float(pue)} if pue else {}
        entry |= {"l_per_kwh": float(water)} if water else {}
        entry |= {"source": title(source), "url": address(source), "date": date(int(year), 12, 31)}
        entry |= {"confidence": confidence} | ({"note": note} if note else {})
        found[f"{operator}.{where or 'fleet'}.{year}"] = entry
    return found
