"""project: year 0, the identity in every year, what is printed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from llmcost.analysis.milestones import crossing
from llmcost.analysis.project import project
from llmcost.analysis.stages import estimate_any as estimate
from llmcost.catalog import load_catalog
from llmcost.engine.results import RESULTS
from llmcost.errors import InputError, NoAnswerError
from llmcost.scenario import bundled_names, load_scenario
from tests.analysis.years import run
from tests.conftest import Run

CATALOG = load_catalog()


@pytest.mark.parametrize("follow", ["model", "frontier"])
@pytest.mark.parametrize("name", bundled_names())
def test_year_0_is_the_estimate_to_the_last_bit(name: str, follow: str) -> None:
    base = estimate(load_scenario(name))
    if follow == "frontier" and base.stages:
        with pytest.raises(InputError, match="stages"):
            project(base, CATALOG, follow)
        return
    if follow == "frontier" and base.result("cost_amortized_usd") is None:
        with pytest.raises(NoAnswerError):
            project(base, CATALOG, follow)
        return
    found = project(base, CATALOG, follow)
    for key in RESULTS:
        served = key.startswith(("inference_", "lifetime_", "training_share", "break_even_"))
        if follow == "frontier" and (served or key in ("params", "active_params", "tokens")):
            continue  # the frontier's model of a later year is not this one
        values = found.result(key)
        assert (None if values is None else float(values[0])) == base.result(key), key


@pytest.mark.parametrize(("growth", "year"), [(2.0, 2028), (2.4, 2027), (2.9, 2026)])
def test_a_billion_dollars_as_in_cottier_2024(growth: float, year: int) -> None:
    for name in ("gpt-4", "frontier"):
        found = run(name, f"projection.cost_growth_per_year={growth}", follow="frontier")
        assert crossing(found, "cost_amortized_usd", 1e9).year == year
        cost = found.result("cost_amortized_usd")
        assert cost is not None
        assert cost[1:] / cost[:-1] == pytest.approx(growth, rel=1e-12)


def test_identity_holds_in_every_year() -> None:
    for follow in ("model", "frontier"):
        found = run("gpt-4", follow=follow)
        values = {
            key: np.asarray(found.result(key))
            for key in ("flops", "devices", "days", "mfu", "goodput")
        }
        delivered = (
            values["devices"]
            * values["days"]
            * 86400
            * found.values["peak_flops"]
            * values["mfu"]
            * values["goodput"]
        )
        assert values["flops"] == pytest.approx(delivered, rel=1e-9)


def test_json_and_csv(llmcost: Run) -> None:
    done = llmcost(
        "project",
        "frontier",
        "--follow",
        "frontier",
        "--until",
        "2028",
        "--threshold",
        "cost_total_usd=1e9",
        "--json",
    )
    found = json.loads(done.stdout)
    assert [row["year"] for row in found["years"]] == list(range(2023, 2029))
    assert set(found["years"][0]) == {"year", *RESULTS}
    assert found["crossings"] == [
        {
            "metric": "cost_total_usd",
            "threshold": 1e9,
            "year": 2027,
            "date": "2027-03",
            "note": "rises above it",
        }
    ]
    trend = found["trends"]["projection.cost_growth_per_year"]
    assert trend["value"] == 2.4
    assert trend["source"].startswith("catalog: trends/frontier_cost")
    assert any("trends disagree" in note for note in found["notes"])
    lines = llmcost("project", "gpt-4", "--format", "csv").stdout.splitlines()
    assert lines[0].startswith("year,flops")
    assert len(lines) == 14
    rows = [
        json.loads(line)
        for line in llmcost("project", "gpt-4", "--format", "jsonl").stdout.splitlines()
    ]
    assert rows[0]["year"] == 2023
    assert "| Year |" in llmcost("project", "gpt-4", "--format", "markdown").stdout


def test_a_projection_says_of_what_year_its_money_is(llmcost: Run) -> None:
    found = json.loads(llmcost("project", "gpt-4", "--follow", "frontier", "--json").stdout)
    said = "Costs are in constant money of 2022: no inflation is added"
    dollars = found["dollars"]
    assert (dollars["basis"], dollars["base_year"]) == ("constant", 2022)  # as its prices
    assert dollars["note"].startswith(said)
    assert "the trend in cost is of inflation-adjusted costs" in dollars["note"]
    assert "the trend in electricity is of current prices" in dollars["note"]
    own = ("--set", "projection.electricity_growth_per_year=1.0")
    for form in ("table", "markdown"):
        text = " ".join(llmcost("project", "gpt-4", *own, "--format", form).stdout.split())
        assert f"{said}." in text
    staged = json.loads(llmcost("project", "olmo-2-13b-stages", "--until", "2025", "--json").stdout)
    assert staged["dollars"]["base_year"] == 2024


RENTED = """
name = "rented"
start_date = 2022-06-01
cluster = { accelerator = "a100-sxm-80gb", devices = 64 }
cost = { method = "cloud", cloud_usd_per_device_hour = 2.5, items = [{ name = "reserve", share = 0.1 }] }
staff = { fte = 2, months = 12, usd_per_fte_year = 150_000 }
"""


def test_a_budget_stands_beside_the_frontier_of_its_year(llmcost: Run, tmp_path: Path) -> None:
    (tmp_path / "rented.toml").write_text(RENTED)
    (tmp_path / "frontier").write_text("a file of the user's, not the bundled scenario")
    line = ("project", "rented.toml", "--budget", "1e6", "--until", "2027")
    model = ("--set", "model.params=7B", "--set", "data.tokens=1T")
    budget = json.loads(llmcost(*line, *model, "--json").stdout)["budget"]
    (tmp_path / "frontier").unlink()
    followed = llmcost("project", "frontier", "--follow", "frontier", "--until", "2027", "--json")
    frontier = {row["year"]: row for row in json.loads(followed.stdout)["years"]}
    assert budget["years"][0]["frontier"] is None  # 2022: before the first year of that scenario
    for row in budget["years"][1:]:
        run = frontier[row["year"]]
        assert row["frontier"] == {"flops": run["flops"], "cost_usd": run["cost_total_usd"]}
        assert row["without_levers"]["flops"] < run["flops"] / 100
    page = llmcost(*line, *model, "--format", "markdown").stdout
    assert "| $1.00M trains | params | tokens | FLOP | Frontier | FLOP |" in page
    assert "| 2023 |" in page.partition("trains")[2]


@pytest.mark.parametrize(
    ("sets", "said"),
    [
        ((), "give model.params and data.tokens, or training.flops"),
        (("training.flops=1e22", "cluster.accelerator=h800-sxm", "cost.cloud_usd_per_device_hour="), "give cost.cloud_usd_per_device_hour"),
        (("training.flops=1e22", "cost.method=amortized", "start_date=2026-01-01", "cluster.accelerator=h800-sxm"), 'give cost.device_price_usd; cost.method = "cloud" would do'),
        (("training.flops=1e22", "staff.months="), "staff.months"),
    ],
)  # fmt: skip
def test_a_budget_says_what_it_lacks(
    llmcost: Run, tmp_path: Path, sets: tuple[str, ...], said: str
) -> None:
    (tmp_path / "rented.toml").write_text(RENTED)
    given = [word for text in sets for word in ("--set", text)]
    done = llmcost("project", "rented.toml", "--budget", "1e6", "--until", "2027", *given)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr


@pytest.mark.parametrize("option", [("--budget", "1e6"), ("--roadmap", "--waterfall", "flops")])
def test_stages_are_no_one_run(llmcost: Run, option: tuple[str, ...]) -> None:
    done = llmcost("project", "olmo-2-13b-stages", "--until", "2026", *option)
    assert (done.returncode, done.stdout) == (2, "")
    assert "takes one run, here are 5 stages" in done.stderr


def test_tables_fit_and_plots_are_drawn(llmcost: Run, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    for arguments in (
        ("frontier", "--follow", "frontier", "--threshold", "peak_power_mw=1000"),
        ("roadmap-2030", "--waterfall", "cost_total_usd", "--budget", "1e6"),
        ("gpt-4", "--roadmap", "--waterfall", "energy_mwh"),
    ):
        done = llmcost("project", *arguments, "--plot", "out.svg")
        assert done.returncode == 0, done.stderr
        assert max(map(len, done.stdout.splitlines())) <= 80
        assert (tmp_path / "out.svg").read_text().startswith("<?xml")
    assert llmcost("project", "gpt-4", "--plot", "out.png").returncode == 0
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")


def test_bad_input(llmcost: Run, tmp_path: Path) -> None:
    (tmp_path / "lever.toml").write_text('name = "x"\nstart_date = 2024-01-01\n[[levers]]\nname = "mine"\nyear = 2026\n[[levers]]\nname = "yours"\nflops = 0.5\n')  # fmt: skip
    (tmp_path / "undated.toml").write_text('name = "x"\n')
    for arguments, code, message in (
        (["gpt-4", "--follow", "frontiers"], 2, 'did you mean "frontier"'),
        (["gpt-4", "--until", "2001"], 2, "is before 2023"),
        (["gpt-4", "--threshold", "cost_total=1e9"], 2, "is not a result"),
        (["gpt-4", "--threshold", "cost_total_usd"], 2, "result=value"),
        (["gpt-4", "--threshold", "cost_total_usd=much"], 2, "is not a number"),
        (["gpt-4", "--waterfall", "cost_total_usd"], 1, "no lever applies"),
        (["gpt-4", "--budget", "-3"], 2, "is not > 0"),
        (["gpt-4", "--plot", "x.gif"], 2, "svg, png, pdf"),
        (["lever.toml"], 2, "give flops, flops_per_device, device_price, power or mfu"),
        (["lever.toml"], 2, "year is missing"),
        (["undated.toml"], 2, "start_date"),
        (["deepseek-v3", "--follow", "frontier"], 1, "amortized cost"),
    ):
        done = llmcost("project", *arguments)
        assert (done.returncode, done.stdout) == (code, ""), (arguments, done.stderr)
        assert message in done.stderr, (arguments, done.stderr)
