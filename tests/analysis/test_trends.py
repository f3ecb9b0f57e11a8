"""project: trends, and what each lever multiplies."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmcost.analysis.estimate import estimate
from llmcost.analysis.project import project, with_samples
from llmcost.analysis.sampling import Sampling
from llmcost.engine.levers import held_by_trend, lever_product
from llmcost.errors import InputError
from llmcost.scenario import load_scenario, parse_scenario
from tests.analysis.years import CATALOG, pulled, run


def test_compute_growth_gives_cost_and_cost_growth_gives_compute() -> None:
    by_compute = run("frontier", "projection.compute_growth_per_year=4.6", follow="frontier")
    flops = by_compute.result("flops")
    assert flops is not None
    assert flops[1:] / flops[:-1] == pytest.approx(4.6, rel=1e-12)
    by_cost = run("frontier", follow="frontier").result("flops")
    assert by_cost is not None
    # 2.4 times the money at 0.14 orders of magnitude more FLOPs a dollar: 3.3, below the published 4 to 5.
    assert by_cost[1] / by_cost[0] == pytest.approx(2.4 * 10**0.14, rel=0.01)
    both = ("projection.compute_growth_per_year=4.6", "projection.cost_growth_per_year=2.4")
    with pytest.raises(InputError, match="contradicts"):
        run("frontier", *both, follow="frontier")


def test_the_answers_of_the_two_published_trends_are_compared_in_a_line() -> None:
    by_cost = run("frontier", follow="frontier")
    (note,) = by_cost.notes
    assert "by that of compute, 4.6 times a year" in note
    assert "total of 2030 would be 11 times more" in note
    by_compute = run("frontier", "projection.compute_growth_per_year=4.6", follow="frontier")
    (note,) = by_compute.notes
    assert "by that of cost, 2.4 times a year" in note
    assert "11 times less" in note
    costs = [found.result("cost_total_usd") for found in (by_compute, by_cost)]
    assert costs[0] is not None
    assert costs[1] is not None
    assert costs[0][-1] / costs[1][-1] == pytest.approx(11, abs=0.5)
    assert not run("frontier", follow="frontier", until=2024).notes
    assert not run("frontier").notes


def test_the_frontier_takes_the_published_interval() -> None:
    """2.0 to 2.9 times a year: in 2030 wider than in 2023 by what seven years of it make."""
    sampling = Sampling(4000, 0, (0.05, 0.95), True)
    found = with_samples(run("frontier", follow="frontier"), sampling, CATALOG)
    growth = found.samples["cost_total_usd"] / found.samples["cost_total_usd"][:, :1]
    low, high = np.quantile(growth[:, -1], [0.05, 0.95])
    assert low == pytest.approx(2.0**7, rel=0.03)
    assert high == pytest.approx(2.9**7, rel=0.03)
    band = found.band("cost_total_usd")
    width = band["p95"] / band["p5"]
    assert np.all(np.diff(width) > 0)
    assert width[-1] > 4 * width[0]
    given = run("frontier", "projection.cost_growth_per_year=2.4", follow="frontier")
    pinned = with_samples(given, sampling, CATALOG).band("cost_total_usd")
    assert pinned["p95"][-1] / pinned["p5"][-1] < 1.1 * width[0]


gain = st.floats(1.0, 5.0)


@given(st.lists(gain, max_size=5), st.floats(0.2, 1e3))
def test_what_a_trend_contains_whole_is_not_counted_twice(gains: list[float], trend: float) -> None:
    """Trend and levers together gain what the greater of the two gains."""
    multipliers, shares = 1 / np.array(gains), np.ones(len(gains))
    active = np.ones(len(gains), dtype=bool)
    held = held_by_trend(multipliers, shares, active, np.asarray(trend))
    left = lever_product(multipliers, shares, active, held)
    together = max(trend, 1.0) / float(left)
    assert together == pytest.approx(max(trend, 1.0, float(np.prod(gains))), rel=1e-9)


@given(st.lists(st.tuples(st.floats(0.1, 3.0), st.floats(0, 1)), max_size=5), st.floats(0.2, 1e3))
def test_levers_gain_no_less_than_nothing_and_no_more_than_alone(
    levers: list[tuple[float, float]], trend: float
) -> None:
    multipliers, shares = np.array(levers).reshape(-1, 2).T
    active = np.ones(len(levers), dtype=bool)
    held = held_by_trend(multipliers, shares, active, np.asarray(trend))
    shares = np.where(multipliers < 1, shares, 0.0)  # a trend contains no loss
    beside = lever_product(multipliers, shares, active, held)
    alone = np.prod(multipliers)
    worse = np.prod(multipliers[multipliers > 1])
    assert alone * (1 - 1e-9) <= beside <= worse * (1 + 1e-9)
    free = lever_product(multipliers, np.zeros(len(levers)), active, held)
    assert free == pytest.approx(alone, rel=1e-12)


def test_twice_the_flops_of_a_device_halve_the_devices_and_what_they_are_made_of() -> None:
    base = pulled({"name": "a", "year": 2099, "flops": 0.5})
    found = pulled({"name": "a", "year": 2026, "flops_per_device": 2})
    for key, factor in (
        ("devices", 0.5), ("device_hours", 0.5), ("embodied_tco2e", 0.5), ("energy_mwh", 0.5),
        ("cost_total_usd", 0.5), ("peak_power_mw", 0.5), ("flops", 1.0), ("days", 1.0),
    ):  # fmt: skip
        before, after = base.result(key), found.result(key)
        assert before is not None
        assert after is not None
        assert after[2:] == pytest.approx(factor * before[2:], rel=2e-3), key


def test_the_roadmap_does_not_count_the_price_of_hardware_twice() -> None:
    """Its price levers are a sixteenth, of which the trend has brought a seventh by 2030."""
    found = run("roadmap-2030")
    prices = {
        lever.name: lever.in_trend
        for lever in found.levers
        if lever.device_price * lever.power / lever.flops_per_device < 1
    }
    assert prices == {
        "data-formats": 0,
        "efficient-hardware": 1,
        "competitive-accelerators": 1,
        "analog-in-memory-computing": 1,
    }
    cost, alone = found.result("cost_accelerator_usd"), pulled_by_trend()
    assert cost is not None
    trend = 10 ** (0.14 * 6)
    # MFU and FLOPs 32, number formats 2, the rest 8 where the trend has brought 6.9 of them.
    assert alone / cost[-1] == pytest.approx(32 * 2 * max(8 / trend, 1), rel=1e-9)


def pulled_by_trend() -> float:
    """Accelerators of the roadmap's last year without levers [USD]."""
    found = project(estimate(load_scenario("roadmap-2030")), CATALOG, with_levers=False)
    cost = found.result("cost_accelerator_usd")
    assert cost is not None
    return float(cost[-1])


def test_a_lever_of_which_nothing_says_what_the_trend_contains_is_warned_of() -> None:
    lever = {"name": "mine", "year": 2026, "device_price": 0.5}
    table = {
        "name": "x", "start_date": "2024-01-01", "model": {"params": 1e12}, "training": {"mfu": 0.4},
        "cluster": {"accelerator": "h100-sxm", "devices": 8192},
    }  # fmt: skip

    def warnings(**more: float) -> str:
        base = estimate(parse_scenario({**table, "levers": [{**lever, **more}]}))
        return " ".join(project(base, CATALOG).warnings)

    assert 'levers "mine": counted on top of the trends' in warnings()
    assert "in_trend" not in warnings(in_trend=0)
    assert "in_trend" not in warnings(in_trend=0.5)


def test_each_multiplier_acts_where_it_should() -> None:
    base = pulled({"name": "a", "year": 2099, "flops": 0.5})
    for lever, halved, same in (
        ({"mfu": 2}, ["cost_total_usd", "energy_mwh", "device_hours"], ["flops"]),
        ({"power": 0.5}, ["energy_mwh", "operational_tco2e", "peak_power_mw", "cost_energy_usd"], ["cost_accelerator_usd", "device_hours"]),
        ({"device_price": 0.5}, ["cost_accelerator_usd", "cost_server_usd", "cost_interconnect_usd", "cost_purchase_usd", "cost_cloud_usd"], ["energy_mwh"]),
    ):  # fmt: skip
        found = pulled({"name": "a", "year": 2026, **lever})
        for keys, factor in ((halved, 0.5), (same, 1.0)):
            for key in keys:
                before, after = base.result(key), found.result(key)
                assert before is not None
                assert after is not None
                assert after[1] == before[1]
                assert after[2:] == pytest.approx(
                    factor * before[2:], rel=2e-3 if key == "peak_power_mw" else 1e-12
                ), (lever, key)
