"""project: crossings, waterfalls, budgets."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmcost.analysis.estimate import estimate
from llmcost.analysis.milestones import budget, crossing, waterfall
from llmcost.catalog import load_catalog
from llmcost.scenario import load_scenario
from tests.analysis.years import pulled, run

CATALOG = load_catalog()


def test_nine_halvings_are_1_512th() -> None:
    found = pulled(*({"name": f"step {i}", "year": 2025, "flops": 0.5} for i in range(9)))
    for key in ("flops", "cost_total_usd", "energy_mwh"):
        values = found.result(key)
        assert values is not None
        assert values[1] == values[0] / 512
    steps = waterfall(found, "cost_total_usd")
    assert steps[-1].value == steps[0].value / 512
    assert [step.value for step in steps] == [steps[0].value / 2**i for i in range(10)]


multiplier = st.floats(0.3, 1.0)


@given(st.lists(st.tuples(multiplier, multiplier, multiplier), min_size=1, max_size=4))
def test_shapley_is_the_mean_over_all_orders(parts: list[tuple[float, float, float]]) -> None:
    levers = [
        {"name": str(i), "year": 2025, "flops": f, "device_price": d, "power": p}
        for i, (f, d, p) in enumerate(parts)
    ]
    steps = waterfall(pulled(*levers, until=2025), "cost_total_usd")
    total = steps[-1].value - steps[0].value
    assert sum(step.change for step in steps) == pytest.approx(total, rel=1e-9, abs=1e-6)
    assert sum(step.shapley for step in steps) == pytest.approx(total, rel=1e-9, abs=1e-6)
    mean = {lever["name"]: 0.0 for lever in levers}
    orders = list(permutations(levers))
    for order in orders:
        for step in waterfall(pulled(*order, until=2025), "cost_total_usd")[1:]:
            mean[step.name] += step.change / len(orders)
    for step in steps[1:]:
        assert step.shapley == pytest.approx(mean[step.name], rel=1e-6, abs=1e-6)


def test_budget_inverts_120_p_squared() -> None:
    base = estimate(load_scenario("roadmap-2030"))
    rows = budget(base, CATALOG, 1e6, 2026, False)
    first = rows[0]["without_levers"]
    assert first["flops"] == pytest.approx(120 * first["params"] ** 2)
    assert first["tokens"] == pytest.approx(20 * first["params"])
    trained = estimate(load_scenario("roadmap-2030", [f"model.params={first['params']!r}"]))
    assert trained.result("cost_total_usd") == pytest.approx(1e6, rel=1e-9)
    assert rows[0]["with_levers"] == first
    assert rows[2]["with_levers"]["params"] > rows[2]["without_levers"]["params"] > first["params"]
    moe = budget(estimate(load_scenario("faraboschi-moe")), CATALOG, 1e6, 2026, False)[0][
        "without_levers"
    ]
    assert moe["params"] == pytest.approx(first["params"] * 8**0.5)


def test_crossing() -> None:
    found = run("frontier", follow="frontier")
    cost = found.result("cost_total_usd")
    assert cost is not None
    at_a_year = crossing(found, "cost_total_usd", float(cost[2]) * (1 - 1e-9))
    assert at_a_year.date == f"{found.years[2]}-06"
    assert "above it in every year" in crossing(found, "cost_total_usd", 1.0).note
    assert "below it in every year" in crossing(found, "cost_total_usd", 1e15).note
    assert crossing(found, "cost_staff_usd", 1.0).note == "not determined by the scenario"
    falling = run("roadmap-2030")
    assert "falls" in crossing(falling, "cost_total_usd", 1e6).note
