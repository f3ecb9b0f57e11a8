"""Numbers as a reader likes them: few digits, a unit, a suffix."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

_SUFFIXES = ((1e18, " E"), (1e15, " P"), (1e12, " T"), (1e9, " B"), (1e6, " M"))
#: Units that come in thousands: MWh, GWh, …
_SCALED = {
    "MWh": ((1e6, "TWh"), (1e3, "GWh"), (1.0, "MWh"), (1e-3, "kWh")),
    "MW": ((1e3, "GW"), (1.0, "MW"), (1e-3, "kW"), (1e-6, "W")),
    "tCO2e": ((1e6, "Mt CO2e"), (1e3, "kt CO2e"), (1.0, "t CO2e"), (1e-3, "kg CO2e")),
    "m3": ((1.0, "m³"), (1e-3, "L")),
    "days": ((1.0, "days"), (1 / 24, "h"), (1 / 1440, "min")),
    "s": ((1.0, "s"), (1e-3, "ms")),
    "GB": ((1.0, "GB"), (1e-3, "MB")),
}


def shown_size(number: float, unit: str) -> float:
    """What a reader counts such a number in: an hour of half a day, a euro of dollars where tables are in euros."""
    if unit == "USD":
        return _Currency.usd
    sizes = [size for size, _ in _SCALED.get(unit, ((1.0, ""),))]
    return next((size for size in sizes if abs(number) >= size), sizes[-1])


def significant(number: float, digits: int = 3) -> str:
    """A number with that many significant digits and thousands separators, not in exponents."""
    if not math.isfinite(number):
        return "—"
    if number == 0:
        return "0"
    decimals = max(digits - 1 - math.floor(math.log10(abs(number))), 0)
    if decimals <= 9 and round(number, decimals):  # 99.96 has one digit more when rounded
        decimals = max(digits - 1 - math.floor(math.log10(abs(round(number, decimals)))), 0)
    if decimals > 9:
        return f"{number:.{digits - 1}e}"
    text = f"{round(number, decimals):,.{decimals}f}"
    return text


def readable(number: float | None, unit: str) -> str:
    """A result with its unit, as a table shows it; a dash for what is not known."""
    if number is None or not math.isfinite(number):
        return "—"
    if unit == "USD":
        return dollars(number)
    if unit == "1":
        return f"{significant(100 * number)} %"
    if unit == "FLOP":
        mantissa, _, exponent = f"{number:.3g}".partition("e")
        if not exponent:
            mantissa, _, exponent = f"{number:.2e}".partition("e")
        return f"{mantissa}e{int(exponent)} FLOP"
    if unit == "nats/token":
        return f"{significant(number, 4)} {unit}"  # a hundredth of it is much
    if unit in _SCALED:
        fits = [scale for scale in _SCALED[unit] if abs(number) >= scale[0]]
        size, name = fits[0] if fits else _SCALED[unit][-1]
        return f"{significant(number / size, 4 if unit == 'MWh' else 3)} {name}"
    plural = f" {unit}" if unit and unit != "tokens" else ""
    if float(number).is_integer() and abs(number) < 1e7:
        return f"{number:,.0f}{plural}"
    return compact(number) + plural


def span(band: Any, unit: str) -> str:
    """The range between the first and the last quantile, the unit written once where it is the same."""
    ends = list(band.values())
    if not ends or ends[0] is None or ends[0] == ends[-1]:
        return ""
    low, high = readable(ends[0], unit), readable(ends[-1], unit)
    money = _Currency.sign
    tail = high.removeprefix(money).lstrip("-0123456789.,")
    if (
        tail
        and low.endswith(tail)
        and low[: -len(tail)]
        .removeprefix(money)
        .lstrip("-")
        .replace(".", "")
        .replace(",", "")
        .isdigit()
    ):
        low = low[: -len(tail)].rstrip()
    if low.startswith(money):
        high = high.removeprefix(money)
    return f"{low}–{high}"


def range_heading(intervals: Mapping[str, Mapping[str, Any]]) -> str:
    """What a column of ranges is called: by its first and last quantile."""
    names = list(next(iter(intervals.values()), {}))
    if not names or (names[0], names[-1]) == ("p5", "p95"):
        return "90 % range"
    return f"{names[0]}–{names[-1]}"


def compact(number: float) -> str:
    """A large number with a suffix M, B, T …"""
    for size, suffix in _SUFFIXES:
        if abs(number) >= size:
            return significant(number / size) + suffix
    return significant(number)


class _Currency:
    """The currency of tables: its sign, and dollars that one of it costs."""

    sign, usd = "$", 1.0


#: Signs of currencies; others stand as their code before the number.
_SIGNS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "INR": "₹"}


def show_in(*scenarios: Any) -> None:
    """Show money of the tables that follow in the scenarios' currency, in dollars where they differ."""
    found = {(item.get("cost.currency"), item.get("cost.usd_per_currency")) for item in scenarios}
    name, usd = found.pop() if len(found) == 1 else (None, None)
    name, usd = (str(name).upper(), float(usd)) if name and usd else ("USD", 1.0)
    _Currency.sign, _Currency.usd = _SIGNS.get(name, f"{name} "), usd


def mixed_currencies(*scenarios: Any) -> list[str]:
    """A warning where scenarios that are shown together have currencies of their own."""
    codes = {str(item.get("cost.currency") or "USD").upper() for item in scenarios}
    rates = {item.get("cost.usd_per_currency") for item in scenarios}
    if len(codes) > 1:
        return [f"cost.currency: differs ({', '.join(sorted(codes))}); money is in US dollars"]
    return ["cost.usd_per_currency: differs; money is in US dollars"] if len(rates) > 1 else []


def dollars(number: float) -> str:
    """An amount of dollars with a suffix, in the currency of the table."""
    number = number / _Currency.usd
    sign, size = ("-" if number < 0 else "") + _Currency.sign, abs(number)
    if size >= 1e4:
        for base, suffix in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
            if size >= base:
                return f"{sign}{significant(size / base)}{suffix}"
    if size >= 1000:
        return f"{sign}{size:,.0f}"
    return f"{sign}{size:,.2f}" if size >= 0.01 or size == 0 else f"{sign}{significant(size)}"


def plain(value: Any) -> str:
    """An input value, short."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        number = float(value)
        if 1e6 <= abs(number) < 1e21:
            return compact(number).replace(" ", "")
        if number.is_integer() and abs(number) < 1e6:
            return f"{number:,.0f}"
        return f"{number:,.0f}" if 1e4 <= abs(number) < 1e6 else f"{number:.4g}"
    return str(value)


def share_bar(share: float, width: int = 10) -> str:
    """A bar of blocks, in eighths of a character."""
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    full, rest = divmod(eighths, 8)
    return "█" * full + ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")[rest]


def short_source(reference: str) -> str:
    """First author and year of a reference: ``Cottier 2024``."""
    import re

    first = re.split(r"[;,(]", reference)[0].strip()
    match = re.match(r"(.+?)(?: et al\.)? (\d{4})", first)
    return f"{match[1].split()[0].rstrip(',')} {match[2]}" if match else first[:18]
