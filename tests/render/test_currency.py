"""A currency of tables: every amount is the dollars at the rate, and nothing else changes."""

from __future__ import annotations

import contextlib
import io
import json
import math
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmcost.cli.main import run
from llmcost.engine.results import ADDED_PARTS, COST_METHODS, METHOD_PARTS, RESULTS
from llmcost.render.numbers import mixed_currencies, readable, show_in
from llmcost.scenario import parse_scenario


@pytest.fixture(autouse=True, scope="module")
def _dollars_again() -> Iterator[None]:
    """Leave the tables of other tests in dollars."""
    yield
    show_in()


#: Every price of a scenario that counts all that it can [USD].
PRICES = {
    "cost.device_price_usd": 40_000.0,
    "cost.purchase_price_usd": 35_000.0,
    "cost.cloud_usd_per_device_hour": 2.5,
    "cost.colocation_usd_per_kw_month": 180.0,
    "cost.storage_usd_per_tb_month": 4.0,
    "energy.electricity_usd_per_kwh": 0.08,
    "staff.usd_per_fte_year": 200_000.0,
}
ITEM_USD, ITEM_USD_PER_MONTH, BUDGET = 30_000.0, 2_000.0, 4e6
BASE = """start_date = 2026-06-01
model.params = "7B"
data.tokens = "500B"
training.mfu = 0.4
cluster = {{ accelerator = "h100-sxm", devices = 64 }}
staff = {{ fte = 3, months = 12 }}
[cost]
available_date = 2024-01-01
experiments_ratio = 0.5
ownership = "full"
{currency}
[[cost.items]]
name = "Licences"
usd = {item}
[[cost.items]]
name = "Tools"
usd_per_month = {monthly}
[[cost.items]]
name = "Contingency"
share = 0.1
"""
#: What is asked of a scenario; `{usd}` is the budget.
COMMANDS = {
    "estimate": "estimate FILE",
    "estimate, markdown": "estimate FILE --format markdown",
    "compare": "compare FILE --with cost.method=cloud,amortized --metrics cost",
    "compare, markdown": "compare FILE --with cost.method=cloud,amortized --metrics cost --format markdown",
    "sweep": "sweep FILE --axis cluster.devices=64,128,256 --axis cost.method=amortized,cloud --minimize cost_total_usd",
    "sweep, front": "sweep FILE --axis model.params=7B,13B,30B --axis cluster.devices=64,512 --pareto cost_total_usd,days",
    "project": "project FILE --until 2029 --threshold cost_total_usd={usd}",
    "project, markdown": "project FILE --until 2029 --format markdown --threshold cost_total_usd={usd}",
    "solve": "sweep FILE --solve data.tokens --target cost_total_usd={usd}",
    "waterfall": "project FILE --until 2032 --roadmap --waterfall cost_total_usd",
    "ranges": "estimate FILE --samples 200 --uncertainty defaults --tornado cost_total_usd",
    "report": "report FILE --samples 200 --until 2028 --output -",
}
#: A rate that floats divide by without rounding, so that equal amounts are equal text.
rates = st.integers(-6, 6).map(lambda exponent: 2.0**exponent)


def said(command: str, name: str, scale: float = 1.0, currency: str = "") -> str:
    """What a command prints for the scenario with its prices over `scale`."""
    text = BASE.format(currency=currency, item=ITEM_USD / scale, monthly=ITEM_USD_PER_MONTH / scale)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.toml")
        path.write_text(f'name = "x"\n{text}')
        words = command.format(usd=BUDGET / scale).split()
        prices = [f"--set={key}={usd / scale!r}" for key, usd in PRICES.items()]
        line = [str(path) if word == "FILE" else word for word in words]
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run([*line, *prices, "--quiet"])
        assert code == 0, (name, err.getvalue())
    return out.getvalue()


def shown(text: str) -> list[str]:
    """Words of a page that are no input: its amounts with what stands around them.

    Inputs keep the unit that their key names, and a chart of a page is drawn to its own scale.
    """
    lines = re.sub(r"<svg.*?</svg>", "", text, flags=re.S).splitlines()
    return [line.replace("€", "$") for line in lines if not re.search(r"\busd|USD", line)]


def in_euros(rate: float) -> str:
    return f'currency = "EUR"\nusd_per_currency = {rate!r}'


@settings(max_examples=3)
@given(rate=rates.filter(lambda rate: rate != 1.0))
@pytest.mark.parametrize("name", list(COMMANDS))
def test_a_table_in_euros_is_the_table_of_prices_in_euros(name: str, rate: float) -> None:
    euros = said(COMMANDS[name].replace("{usd}", repr(BUDGET)), name, 1.0, in_euros(rate))
    dollars = said(COMMANDS[name], name, rate)
    assert "€" in euros
    assert "$" not in euros
    assert shown(euros) == shown(dollars)


@pytest.mark.parametrize("form", ["table", "json", "csv"])
@pytest.mark.parametrize(
    "command",
    [
        "estimate FILE --tornado cost_total_usd --samples 200 --uncertainty defaults",
        "project FILE --until 2029 --metrics cost_total_usd",
        "project FILE --until 2032 --roadmap --waterfall cost_total_usd",
        "sweep FILE --axis model.params=7B:70B:log:5 --minimize cost_total_usd",
        "sweep FILE --axis cluster.devices=64,128,256 --pareto cost_total_usd,days",
    ],
)
def test_a_plot_is_in_the_currency_whatever_is_printed_beside_it(
    command: str, form: str, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    drawn = tmp_path / "drawn.svg"
    said(f"{command} --plot {drawn} --format {form}", command, 1.0, in_euros(1.25))
    text = drawn.read_text()
    assert "€" in text
    assert "$" not in text


def objects(command: str, currency: str = "") -> Any:
    """The JSON of a command, without the inputs that a currency is."""
    found = json.loads(said(f"{command} --format json", command, 1.0, currency))
    for item in [found, *found.get("scenarios", ())]:
        for key in ("cost.currency", "cost.usd_per_currency"):
            item.get("inputs", {}).pop(key, None)
    return found


@settings(max_examples=4)
@given(rate=st.floats(1e-3, 1e3))
@pytest.mark.parametrize(
    "command",
    [
        "estimate FILE",
        "compare FILE --with cost.method=cloud,purchase,amortized",
        "sweep FILE --axis model.params=7B,13B,30B --axis cluster.devices=64,512 --pareto cost_total_usd,days",
        "sweep FILE --axis cluster.devices=64,128,256 --minimize cost_total_usd --top 2",
        "sweep FILE --solve data.tokens --target cost_total_usd=4e6",
        "project FILE --until 2029 --budget 4e6 --threshold cost_total_usd=4e6",
    ],
)
def test_json_stays_in_dollars_at_any_rate(command: str, rate: float) -> None:
    assert objects(command, in_euros(rate)) == objects(command)


@given(usd=st.floats(1e-6, 1e14), rate=st.floats(1e-4, 1e4))
def test_an_amount_is_the_dollars_over_the_rate(usd: float, rate: float) -> None:
    euros = {"currency": "EUR", "usd_per_currency": rate}
    scenario = parse_scenario({"name": "x", "cost": euros})
    plain = parse_scenario({"name": "x"})
    for result in RESULTS.values():
        show_in(scenario)
        there = readable(usd, result.unit)
        show_in(plain)
        if result.unit == "USD":
            assert there == readable(usd / rate, result.unit).replace("$", "€")
        else:
            assert there == readable(usd, result.unit)


def amounts(text: str) -> list[float]:
    """Amounts of a table, as they are written."""
    scale = {"": 1.0, "k": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}
    found = re.findall(r"[€$]([\d.,]+)([kMBT]?)", text)
    return [float(number.replace(",", "")) * scale[suffix] for number, suffix in found]


@settings(max_examples=10)
@given(rate=st.floats(0.01, 100), method=st.sampled_from(sorted(COST_METHODS)))
def test_parts_add_up_in_each_currency(rate: float, method: str) -> None:
    command = f"estimate FILE --set cost.method={method}"
    values = objects(command)["results"]
    keys = (*METHOD_PARTS[method], *ADDED_PARTS)
    assert math.fsum(values[key] or 0 for key in keys) == pytest.approx(values["cost_total_usd"])
    for currency in ("", in_euros(rate)):
        text = said(command, command, 1.0, currency)
        cost = text.partition("\nCost ")[2].partition("\nOther methods")[0]
        lines = [line for line in cost.splitlines() if "%" in line or "  Total" in line]
        *parts, total = [amounts(line)[0] for line in lines]
        assert math.fsum(parts) == pytest.approx(total, rel=0.01)


@pytest.mark.parametrize("log", [False, True])
def test_ticks_stand_at_round_amounts_of_the_currency(log: bool) -> None:
    pytest.importorskip("matplotlib")
    from llmcost.render.plots import figure, label_ticks

    show_in(parse_scenario({"name": "t", "cost": {"currency": "EUR", "usd_per_currency": 1.16}}))
    panel = figure().subplots()
    panel.plot([0, 1], [300_000 if log else 0, 800_000])
    panel.set_yscale("log" if log else "linear")
    label_ticks(panel.yaxis, lambda value: readable(value, "USD"), "USD")
    low, high = panel.get_ylim()
    places = [*panel.yaxis.get_majorticklocs(), *panel.yaxis.get_minorticklocs()]
    inside = [place / 1.16 for place in places if low <= place <= high]
    assert len(inside) >= 3
    for euros in inside:
        assert round(euros, -4) == pytest.approx(euros, abs=1e-3)  # whole tens of thousands


def test_scenarios_in_two_currencies_are_shown_in_dollars_and_say_so() -> None:
    euros = parse_scenario({"name": "t", "cost": {"currency": "EUR", "usd_per_currency": 1.16}})
    weak = parse_scenario({"name": "t", "cost": {"currency": "EUR", "usd_per_currency": 1.02}})
    plain = parse_scenario({"name": "t"})
    assert mixed_currencies(euros, euros) == mixed_currencies(plain, plain) == []
    assert mixed_currencies(euros, plain) == [
        "cost.currency: differs (EUR, USD); money is in US dollars"
    ]
    assert mixed_currencies(euros, weak) == [
        "cost.usd_per_currency: differs; money is in US dollars"
    ]
