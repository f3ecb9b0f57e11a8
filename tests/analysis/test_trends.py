"""project: trends, and what each lever multiplies."""

from __future__ import annotations

import pytest

from llmcost.errors import InputError
from tests.analysis.years import pulled, run


def test_compute_growth_gives_cost_and_cost_growth_gives_compute() -> None:
    by_compute = run(
        "frontier",
        "projection.cost_growth_per_year=",
        "projection.compute_growth_per_year=4.6",
        follow="frontier",
    )
    flops = by_compute.result("flops")
    assert flops is not None
    assert flops[1:] / flops[:-1] == pytest.approx(4.6, rel=1e-12)
    by_cost = run("frontier", follow="frontier").result("flops")
    assert by_cost is not None
    # 2.4 times the money at 0.14 orders of magnitude more FLOPs a dollar: 3.3, below the published 4 to 5.
    assert by_cost[1] / by_cost[0] == pytest.approx(2.4 * 10**0.14, rel=0.01)
    with pytest.raises(InputError, match="contradicts"):
        run("frontier", "projection.compute_growth_per_year=4.6", follow="frontier")


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
