"""The total: whatever a scenario says the project costs, by whichever method."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmcost.engine.cost import item_parts
from llmcost.engine.results import ADDED_PARTS, COST_METHODS, METHOD_PARTS
from llmcost.errors import InputError
from llmcost.render.cost import cost_parts
from tests.conftest import Run, of, rows_of_csv

RUN = {
    "start_date": "2026-01-01",
    "model": {"params": "7B"},
    "data": {"tokens": "2T"},
    "training": {"mfu": 0.4},
    "cluster": {"accelerator": "h100-sxm", "devices": 64},
}
STAFF = {"fte": 3, "months": 12, "usd_per_fte_year": 150_000}
CLOUD = {"method": "cloud", "cloud_usd_per_device_hour": 2.5}

amount = st.one_of(st.just(0.0), st.floats(0.01, 1e8))
item = st.one_of(
    amount.map(lambda usd: {"usd": usd}),
    amount.map(lambda usd: {"usd_per_month": usd}),
    st.floats(0, 2).map(lambda share: {"share": share}),
)
staff = st.one_of(
    st.none(),
    st.builds(
        lambda fte, months: {"fte": fte, "months": months, "usd_per_fte_year": 3e5},
        st.floats(0, 1e3),
        st.floats(0, 60),
    ),
)


@given(st.sampled_from(sorted(COST_METHODS)), st.floats(0, 5), staff, st.lists(item, max_size=4))
def test_the_parts_add_up_to_the_total_by_every_method(
    method: str,
    experiments: float,
    people: dict[str, float] | None,
    items: list[dict[str, float]],
) -> None:
    named = [{"name": f"item {i}", **one} for i, one in enumerate(items)]
    sections: dict[str, Any] = {} if people is None else {"staff": people}
    cost = {**CLOUD, "method": method, "experiments_ratio": experiments, "items": named}
    found = of(**RUN, **sections, cost=cost)
    value = {key: found.result(key) or 0.0 for key in found.results if key.startswith("cost_")}
    parts = [value[key] for key in (*METHOD_PARTS[method], *ADDED_PARTS)]
    run = value[COST_METHODS[method]]
    about = pytest.approx(value["cost_total_usd"], rel=1e-9)
    assert math.fsum(parts) == about
    assert math.fsum(part.usd for part in cost_parts(found)) == about
    assert (1 + experiments) * run + value["cost_staff_usd"] + value["cost_items_usd"] == about
    assert value["cost_development_usd"] == pytest.approx(
        (1 + experiments) * run + value["cost_staff_usd"], rel=1e-12
    )
    assert (found.result("cost_staff_usd") is None) == (people is None)
    assert (found.result("cost_items_usd") is None) == (not items)
    assert [one.name for one in found.items] == [one["name"] for one in named]


@given(st.lists(item, max_size=6), st.floats(0, 1e9), st.floats(0, 60))
def test_an_item_is_a_share_of_everything_above_it(
    items: list[dict[str, float]], above: float, months: float
) -> None:
    total = above
    for one, part in zip(items, item_parts(items), strict=True):
        monthly = one.get("usd_per_month", 0.0) * months
        usd = one.get("usd", 0.0) + monthly + one.get("share", 0.0) * total
        found = part.share * above + part.usd_per_month * months + part.usd
        assert found == pytest.approx(usd, rel=1e-9, abs=1e-6)
        total += usd


def test_a_month_is_one_of_the_staff_or_else_of_the_run() -> None:
    storage = [{"name": "storage", "usd_per_month": 1000}]
    assert of(**RUN, staff=STAFF, cost={"items": storage}).items[0].usd == 12_000
    alone = of(**RUN, cost={"items": storage})
    days = alone.result("days")
    assert days is not None
    assert alone.items[0].usd == pytest.approx(1000 * days / (365.25 / 12))


def test_the_figures_of_the_issue() -> None:
    found = of(**RUN, staff=STAFF, cost={**CLOUD, "experiments_ratio": 0.5})
    cloud = found.result("cost_cloud_usd")
    assert cloud is not None
    assert found.result("cost_total_usd") == pytest.approx(1.5 * cloud + 450_000, rel=1e-12)
    assert found.result("cost_development_usd") == found.result("cost_total_usd")
    bare = of(**RUN, cost=CLOUD)
    assert bare.result("cost_total_usd") == bare.result("cost_cloud_usd") == cloud
    assert bare.result("cost_staff_usd") is None


@pytest.mark.parametrize("missing", sorted(STAFF))
def test_staff_given_in_part_leaves_no_total_that_looks_whole(missing: str) -> None:
    people = {key: value for key, value in STAFF.items() if key != missing}
    found = of(**RUN, staff=people, cost=CLOUD)
    assert found.result("cost_total_usd") is None
    assert found.result("cost_development_usd") is None
    assert found.result("cost_cloud_usd") is not None
    assert any(f"staff.{missing}" in note and "cost_total_usd" in note for note in found.warnings)


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([{"name": "a"}], "give one of usd, usd_per_month, share"),
        ([{"name": "a", "usd": 1, "share": 1}], "not usd and share"),
        ([{"usd": 1}], "name: is missing"),
        ([{"name": "a", "usd": 1}, {"name": "a", "usd": 2}], "is there already"),
        ([{"name": "a", "usd": -1}], "usd"),
        ([{"name": "a", "usdd": 1}], 'did you mean "usd"'),
        ([{"name": "a", "usd": {"low": 1, "high": 2}}], "is a range"),
        (3, "must be tables"),
    ],
)
def test_wrong_items_are_refused(items: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        of(**RUN, cost={"items": items})


SCENARIO = """name = "g"
start_date = 2026-01-01
[training]
mfu = 0.4
[model]
params = "7B"
[data]
tokens = "2T"
[cluster]
accelerator = "h100-sxm"
devices = 64
[cost]
method = "cloud"
cloud_usd_per_device_hour = 2.5
experiments_ratio = 0.5
[[cost.items]]
name = "Contingency"
share = 0.1
[staff]
fte = 3
months = 12
usd_per_fte_year = 150000
"""


def test_every_command_says_the_same_total(llmcost: Run, tmp_path: Path) -> None:
    (tmp_path / "g.toml").write_text(SCENARIO)
    done = llmcost("estimate", "g.toml", "--json")
    found = json.loads(done.stdout)
    total = found["results"]["cost_total_usd"]
    assert total == pytest.approx(1.1 * (1.5 * found["results"]["cost_cloud_usd"] + 450_000))
    item = {"name": "Contingency", "usd": found["results"]["cost_items_usd"]}
    assert found["cost_items"] == [item]
    rows = rows_of_csv(llmcost("estimate", "g.toml", "--format", "csv").stdout)
    assert float(rows[0]["cost_total_usd"]) == total
    swept = llmcost("sweep", "g.toml", "--axis", "cluster.devices=64", "--format", "jsonl").stdout
    assert json.loads(swept)["cost_total_usd"] == total
    years = json.loads(llmcost("project", "g.toml", "--json").stdout)["years"]
    assert years[0]["cost_total_usd"] == total
    compared = json.loads(llmcost("compare", "g.toml", "gpt-4", "--json").stdout)
    assert compared["scenarios"][0]["results"]["cost_total_usd"] == total
    for key, share in (("cost_development_usd", 1.1), ("cost_total_usd", 1.0)):
        solved = llmcost(
            "sweep", "g.toml", "--solve", "model.params", "--target", f"{key}=1e6",
            "--format", "jsonl",
        )  # fmt: skip
        row = json.loads(solved.stdout)
        assert row[key] == pytest.approx(1e6, rel=1e-9)
        assert row["cost_total_usd"] == pytest.approx(share * 1e6, rel=1e-9)


def test_the_table_shows_what_adds_up_and_the_other_methods_apart(
    llmcost: Run, tmp_path: Path
) -> None:
    (tmp_path / "g.toml").write_text(SCENARIO)
    printed = llmcost("estimate", "g.toml").stdout
    table, _, others = printed.partition("\nOther methods")
    cost = table.partition("\nCost ")[2]
    labels = [line[2:16].strip() for line in cost.splitlines()[1:] if line.strip()]
    assert labels == [
        "Cloud rental", "Experiments", "Staff", "Development", "Contingency", "Total",
    ]  # fmt: skip
    shares = [int(word[:-1]) for word in cost.split() if word.endswith("%")]
    assert sum(shares) == pytest.approx(100, abs=2)
    assert [line.split()[0] for line in others.splitlines()[1:3]] == ["Amortized", "Purchase"]
    page = llmcost("estimate", "g.toml", "--format", "markdown").stdout
    assert "| – Contingency |" in page
    assert "| Amortized (not in the total) |" in page
    assert "| Cloud rental |" in page


def test_a_budget_pays_staff_and_items_first(llmcost: Run, tmp_path: Path) -> None:
    (tmp_path / "g.toml").write_text(SCENARIO)
    done = llmcost("project", "g.toml", "--budget", "1e6", "--until", "2026", "--json")
    flops = json.loads(done.stdout)["budget"]["years"][0]["without_levers"]["flops"]
    run = json.loads(llmcost("estimate", "g.toml", "--json").stdout)["results"]
    bought = run["flops"] * (1e6 / 1.1 - 450_000) / (1.5 * run["cost_cloud_usd"])
    assert flops == pytest.approx(bought, rel=1e-9)
    poor = llmcost("project", "g.toml", "--budget", "400k", "--until", "2026")
    assert (poor.returncode, poor.stdout) == (1, "")
    assert "staff and items alone cost 495,000" in poor.stderr


def test_items_have_the_range_of_what_they_are_a_share_of(llmcost: Run, tmp_path: Path) -> None:
    more = (
        SCENARIO
        + '[[cost.items]]\nname = "Tools"\nusd_per_month = 1000\n[[cost.items]]\nname = "Fee"\nshare = 0.2\n'
    )
    rent = "cloud_usd_per_device_hour = { low = 1.5, high = 4 }"
    (tmp_path / "g.toml").write_text(more.replace("cloud_usd_per_device_hour = 2.5", rent))
    done = llmcost("estimate", "g.toml", "--samples", "500", "--json")
    found = json.loads(done.stdout)
    bands = found["intervals"]
    first, tools, fee = (item["interval"] for item in found["cost_items"])
    for name in ("p5", "p50", "p95"):
        development = bands["cost_development_usd"][name]
        assert first[name] == pytest.approx(0.1 * development)
        assert tools[name] == pytest.approx(12_000)
        assert fee[name] == pytest.approx(0.2 * (1.1 * development + 12_000))
        assert first[name] + tools[name] + fee[name] == pytest.approx(bands["cost_items_usd"][name])
    table = llmcost("estimate", "g.toml", "--samples", "500", "--details").stdout
    assert all(len(line.split("–")) == 2 for line in table.splitlines() if "Fee  " in line)


def test_months_that_are_not_known_leave_a_monthly_item_without_a_range(
    llmcost: Run, tmp_path: Path
) -> None:
    more = SCENARIO.replace("months = 12", "months = { low = 10, high = 14 }")
    more += '[[cost.items]]\nname = "Tools"\nusd_per_month = 1000\n'
    (tmp_path / "g.toml").write_text(more)
    items = json.loads(llmcost("estimate", "g.toml", "--samples", "99", "--json").stdout)[
        "cost_items"
    ]
    assert ["interval" in item for item in items] == [True, False]


CARD = {
    "start_date": "2026-01-01",
    "cost": {"interconnect_cost_fraction": 0.2},
    "cluster": {"accelerator": "rtx-4090", "devices": 1, "device_hours": 10},
}


def test_a_bare_card_is_bought_with_the_server_that_the_scenario_says() -> None:
    bare = of("cost.server_cost_ratio=1", **CARD).result("cost_purchase_usd")
    assert bare is not None
    assert of("cost.server_cost_ratio=1.5", **CARD).result("cost_purchase_usd") == pytest.approx(
        1.5 * bare
    )
    usual = of(**CARD)
    ratio = float(usual.inputs.known["server_cost_ratio"])
    assert usual.result("cost_purchase_usd") == pytest.approx(ratio * bare)
    whole = {**CARD, "cluster": {**CARD["cluster"], "accelerator": "h100-sxm"}}
    bought = of(**whole).result("cost_purchase_usd")  # its price is that of a server
    assert of("cost.server_cost_ratio=1", **whole).result("cost_purchase_usd") == bought
