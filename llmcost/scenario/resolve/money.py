"""Money: shares and defaults of the cost, what the devices cost to rent and to buy, the staff."""

from __future__ import annotations

import math
from datetime import date
from typing import Any

import numpy as np

from llmcost.catalog import prices, quotes, staff
from llmcost.engine.cost import item_parts
from llmcost.errors import nearest
from llmcost.scenario.resolve.inputs import Inputs
from llmcost.scenario.values import Distribution


def fill(inputs: Inputs) -> None:
    """Complete [cost]."""
    _currency(inputs)
    _value(inputs)
    _buy(inputs)
    for key in (
        "cost.server_cost_ratio",
        "cost.interconnect_cost_fraction",
        "cost.depreciation_ooms_per_year",
        "cost.owner_utilisation",
        "cost.experiments_ratio",
    ):
        inputs.default(key)
    known = inputs.known
    if "device_price_usd" in known:
        inputs.enter_missing(
            "cost.price_includes_server",
            1.0,
            "default: price of a device with its server",
            shown=True,
        )
    known.setdefault("cost_method", 0.0)
    _items(inputs)
    if "cost.method" not in inputs.sources:
        inputs.sources["cost.method"] = "default: amortized hardware and energy"
        inputs.shown["cost.method"] = "amortized"
    _cloud(inputs)


def _items(inputs: Inputs) -> None:
    """Take the scenario's own items, and what they are together."""
    given = inputs.scenario.items
    parts = item_parts([{k: v for k, v in item.items() if k != "name"} for item in given])
    for item, part in zip(given, parts, strict=True):
        inputs.items[str(item["name"])] = part
    if parts:
        together = (math.fsum(values) for values in zip(*parts, strict=True))
        names = ("items_share", "items_usd_per_month", "items_usd")
        inputs.known |= dict(zip(names, together, strict=True))


def _currency(inputs: Inputs) -> None:
    """Check that a currency of tables has its rate."""
    name, rate = inputs.scenario.get("cost.currency"), inputs.has("cost.usd_per_currency")
    if name is None and rate:
        inputs.problem("cost.currency", 'is missing beside cost.usd_per_currency, like "EUR"')
    if isinstance(inputs.scenario.get("cost.usd_per_currency"), Distribution):
        inputs.problem(
            "cost.usd_per_currency", "is a range; tables are in one currency at one rate"
        )
    if name is None:
        return
    if len(name) != 3 or not (name.isascii() and name.isalpha()):
        inputs.problem(
            "cost.currency", f'"{name[:60]}": is not a code of three letters, like "EUR"'
        )
    elif name.upper() != "USD" and not rate:
        inputs.problem(
            "cost.usd_per_currency", f"is missing: how many US dollars one {name.upper()} costs"
        )


def ordinal(start: Any) -> int | None:
    """The ordinal day of a start date."""
    if start is None:
        return None
    return start.toordinal() if isinstance(start, date) else int(start)


def amount(usd: float) -> str:
    """Dollars as a message says them, to four digits and whole from a thousand on."""
    return f"{usd:,.0f}" if usd >= 1000 else f"{usd:,.4g}"


def _quoted(inputs: Inputs, key: str, quote: quotes.Quote, source: str) -> None:
    """Take the figure, the range and the warning of a price."""
    inputs.enter(key, quote.usd, source)
    if quote.warning:
        inputs.warnings.append(f"{key}: {amount(quote.usd)} USD {quote.warning}")


def _range(inputs: Inputs, key: str, quantity: str, quote: quotes.Quote) -> None:
    inputs.intervals[key] = (
        quantity,
        Distribution(quote.low, quote.high, "lognormal", None, 0.0),
    )


def _purchase(word: str, day: Any) -> quotes.Quote | None:
    """What a device costs to buy on a day; None where nobody sells it, or the day is not known."""
    when = ordinal(day)
    if when is None or prices.not_sold(word):
        return None
    return quotes.buy(prices.purchases(word), when)


def _figure(quote: quotes.Quote | None, name: str) -> float | None:
    return None if quote is None else float(getattr(quote, name))


def _value(inputs: Inputs) -> None:
    """Where the catalog has no price of a device at its launch, take the known one nearest to it.

    So every device has a price and the date of it, from which its value falls until the run starts.
    """
    accelerator, own_day = inputs.word("cluster.accelerator"), inputs.word("cost.available_date")
    known = inputs.known
    price = np.asarray(known.get("device_price_usd", math.nan))
    missing = np.isnan(price)
    if accelerator is None or inputs.has("cost.device_price_usd") or not missing.any():
        return

    def launch(word: str, own: Any) -> quotes.Quote | None:
        usual = inputs.entry("accelerators", word).get("available")
        return _purchase(word, usual if own is None else own)

    def field(name: str) -> Any:
        return inputs.look(lambda word, own: _figure(launch(word, own), name), accelerator, own_day)

    usd = field("usd")
    if usd is None:
        return
    one = isinstance(accelerator, str) and not isinstance(own_day, np.ndarray)
    quote = launch(accelerator, own_day) if one else None
    source = "axis"
    if quote is not None:
        source = f"default: first known price, {quote.source} (catalog: purchases/{accelerator})"
        _range(inputs, "cost.device_price_usd", "device_price_usd", quote)
    inputs.enter("cost.device_price_usd", np.where(missing, usd, price)[()], source)
    for key, quantity, name in (
        ("cost.price_includes_server", "price_includes_server", "includes_server"),
        ("cost.available_date", "available_day", "day"),
    ):
        if inputs.has(key):
            continue
        taken, had = field(name), known.get(quantity, math.nan)
        if name == "day":  # one of an order before the launch loses nothing until then
            taken = np.fmax(taken, had)
        shown: Any = None
        if quote is not None:
            shown = date.fromordinal(int(taken)) if name == "day" else quote.includes_server
        inputs.enter(key, np.where(missing, taken, had)[()], "derived", shown)


def _buy(inputs: Inputs) -> None:
    """Look up what a device costs to buy when the run starts."""
    accelerator = inputs.word("cluster.accelerator")
    start = inputs.word("start_date")
    if accelerator is None or inputs.has("cost.purchase_price_usd"):
        return
    one = isinstance(accelerator, str)
    if inputs.has("cost.device_price_usd"):
        return  # the user's own price is that of a purchase too

    if one:
        reason = prices.not_sold(accelerator)
        if reason:
            inputs.known["purchase_price_usd"] = math.nan
            inputs.warnings.append(
                f"cost_purchase_usd is not known: {accelerator} cannot be bought: {reason}; cost.device_price_usd gives a price"
            )
            return

    usd, whole = (
        inputs.look(
            lambda word, day, name=name: _figure(_purchase(word, day), name), accelerator, start
        )
        for name in ("usd", "includes_server")
    )
    bought = None
    if usd is not None and whole is not None:
        usual = inputs.entry("defaults", "cost.server_cost_ratio")["value"]
        ratio = inputs.known.get("server_cost_ratio", usual)  # of a bare device, as the value's is
        bought = np.where(np.asarray(whole) > 0, usd, usd * np.asarray(ratio, dtype=float))[()]
    sold = inputs.look(lambda word: 0.0 if prices.not_sold(word) else 1.0, accelerator)
    if bought is None or np.any(np.isnan(bought) & (np.asarray(sold) > 0)):
        if np.any(np.asarray(sold) < 1):
            inputs.known["device_sold"] = sold
        if bought is not None:
            inputs.known["quoted_price_usd"] = bought
        return
    plain = one and (start is None or isinstance(start, date))
    quote = _purchase(accelerator, start) if plain else None
    if quote is None or np.ndim(bought):
        inputs.enter("cost.purchase_price_usd", bought, "axis")
    else:
        scale = float(bought) / quote.usd
        found = quote._replace(usd=float(bought), low=quote.low * scale, high=quote.high * scale)
        server = (
            ""
            if quote.includes_server
            else f", times {float(ratio):g} for its server (cost.server_cost_ratio)"
        )
        source = f"default: {quote.source}{server} (catalog: purchases/{accelerator})"
        _quoted(inputs, "cost.purchase_price_usd", found, source)
        _range(inputs, "cost.purchase_price_usd", "purchase_price_usd", found)


def _vendor(inputs: Inputs, name: str, known: tuple[prices.Rental, ...]) -> str | None:
    """The short name of a vendor, however it is spelt; an unknown one is a problem."""

    def plain(text: str) -> str:
        return "".join(char for char in text.lower() if char.isalnum())

    spelt = {plain(item.vendor): item.vendor for item in known}
    for short, (full, _, _) in prices.vendors().items():
        spelt.setdefault(plain(short), short)
        spelt.setdefault(plain(full), short)
    found = spelt.get(plain(name))
    if found is None:
        names = sorted({*prices.vendors(), *(item.vendor for item in known)})
        inputs.problem(
            "cost.cloud_vendor",
            f'"{name[:60]}": no price of this vendor is known{nearest(name, names) or "; `llmcost catalog clouds` lists them"}',
        )
    return found


def _cloud(inputs: Inputs) -> None:
    """Look up what a device costs to rent when the run starts."""
    key = "cost.cloud_usd_per_device_hour"
    accelerator, vendor = inputs.word("cluster.accelerator"), inputs.word("cost.cloud_vendor")
    own = prices.from_entries(inputs.catalog.own("clouds")) + inputs.catalog.price_lists
    if isinstance(vendor, str) and _vendor(inputs, vendor, own) is None:
        return
    if inputs.has(key) or accelerator is None:
        return
    commitment = inputs.word("cost.cloud_commitment", "on-demand")
    start = inputs.word("start_date")

    def known(word: str) -> tuple[prices.Rental, ...]:
        mine = tuple(item for item in own if item.accelerator == word)
        replaced = {(item.vendor, item.day) for item in mine}
        rest = (item for item in prices.rentals(word) if (item.vendor, item.day) not in replaced)
        return (*rest, *mine)

    def quote(word: str, vendor: str | None, term: str, start: Any) -> quotes.Quote | None:
        short = None if vendor is None else _vendor(inputs, vendor, own)
        if vendor is not None and short is None:
            return None
        return quotes.rent(known(word), ordinal(start), short, term)

    def usd(*words: Any) -> float | None:
        found = quote(*words)
        return None if found is None else found.usd

    if any(isinstance(word, np.ndarray) for word in (accelerator, vendor, commitment, start)):
        value = inputs.look(usd, accelerator, vendor, commitment, start)
        inputs.enter(key, value, "axis")
        return
    found = quote(accelerator, vendor, commitment, start)
    if found is None:
        if vendor is not None:
            short = _vendor(inputs, vendor, own)
            quoted = prices.terms(known(accelerator), short)
            has = f"; it quotes {', '.join(quoted)}" if quoted else ""
            inputs.warnings.append(
                f"cost_cloud_usd is not known: no {commitment} price of {accelerator} at {vendor} is known{has}; give {key}"
            )
        return
    low, high = found.others
    others = f"; others {low:.2f} to {high:.2f}" if vendor is None and high > low else ""
    source = f"{found.source}{others} (catalog: clouds/{accelerator})"
    _quoted(inputs, key, found, f"default: {source}" if vendor is None else f"catalog: {source}")
    if vendor is None:
        _range(inputs, key, "cloud_usd_per_device_hour", found)


def fill_staff(inputs: Inputs) -> None:
    """Complete [staff]; where it is given in part, say what is missing."""
    by_head = inputs.has("staff.people")
    needed = ["staff.people" if by_head else "staff.fte", "staff.months"]
    needed += [] if by_head else ["staff.usd_per_fte_year"]
    given = any(inputs.has(key) for key in (*needed, "staff.fte_share", "staff.usd_per_fte_year"))
    missing = [key for key in needed if not inputs.has(key)]
    if given and missing:
        # A total without them would look like one with them.
        inputs.known["cost_staff_usd"] = math.nan
        inputs.warnings.append(
            f"cost_staff_usd, cost_development_usd and cost_total_usd are not known: they need {' and '.join(missing)} as well"
        )
    if by_head:
        _by_headcount(inputs)


def _by_headcount(inputs: Inputs) -> None:
    """Shares of their time that contributors give, and what a year of one costs."""
    if inputs.has("staff.fte"):
        inputs.problem("staff.people", "contradicts staff.fte; give one of them")
        return
    entries = inputs.catalog.kind("staff")
    people = inputs.known["people"]
    for key, quantity, average in (
        ("staff.fte_share", "fte_share", staff.fte_share),
        ("staff.usd_per_fte_year", "usd_per_fte_year", staff.usd_per_fte_year),
    ):
        if inputs.has(key):
            continue
        value = inputs.look(lambda count, of=average: of(entries, float(count)).value, people)
        source = "default: Epoch AI's computation for Cottier et al. 2024, arXiv:2405.21015 (catalog: staff)"
        inputs.enter(key, value, source)
        if np.ndim(people) == 0:
            found = average(entries, float(people))
            error = Distribution(found.low, found.high, "lognormal", None, 0.0)
            inputs.intervals[key] = (quantity, error)
