"""A device draws what it does: between idle and its limit, less where it waits."""

from __future__ import annotations

from typing import Any

import pytest

from llmcost.analysis.estimate import Estimate
from llmcost.scenario.resolve.layout import _ESTIMATED
from tests.layouts import LAYOUT_8, run


def watts(result: Estimate) -> float:
    """Draw of a device with its share of the server [W]."""
    return float(result.values["device_power_w"])


def made(accelerator: str = "h100-sxm", **more: Any) -> Estimate:
    return run(cluster={"accelerator": accelerator, "devices": 512}, parallelism=LAYOUT_8, **more)


def test_nodes_draw_what_mlperf_measured() -> None:
    """MLPerf Training v4.0, 64 HGX H100 on GPT-3 in 8 bits: 6,848 W a node."""
    gpt3 = run(
        model={"preset": "gpt-3-175b", "seq_len": 2048},
        cluster={"accelerator": "h100-sxm", "devices": 512},
        parallelism={"tp": 4, "pp": 8, "micro_batch": 1, "global_batch_seqs": 1536},
        training={"precision": "fp8"},
    )
    assert watts(gpt3) == pytest.approx(6848 / 8, rel=0.08)


def test_power_falls_with_the_mfu_and_stays_below_the_limit() -> None:
    busy = made()
    slow = run(
        cluster={"accelerator": "h100-sxm", "devices": 512, "scale_out_gbit_s_per_device": 5},
        parallelism={**LAYOUT_8, "sharding": "none"},
    )
    assert (slow.result("mfu") or 1) < 0.8 * (busy.result("mfu") or 0)
    assert watts(slow) < 0.95 * watts(busy)
    for accelerator in ("a100-sxm-80gb", "h100-sxm", "h200-sxm", "b200-sxm"):
        result = made(accelerator)
        device = float(result.values["activity_power_w"])
        tdp = float(result.values["tdp_w"])
        assert 0.15 * tdp < device <= tdp
        # Energy of the run is that draw, for as long as it lasts.
        energy = (
            watts(result) * (result.result("device_hours") or 0) / 1e6 * float(result.values["pue"])
        )
        assert result.result("energy_mwh") == pytest.approx(energy)


def test_a_scenario_may_say_what_a_device_draws() -> None:
    constant = made(energy={"power_model": "constant"})
    assert watts(constant) == pytest.approx(700 * 10200 / 5600 * 0.75)
    given = made(energy={"power_utilisation": 0.6})
    assert watts(given) == pytest.approx(700 * 10200 / 5600 * 0.6)
    assert watts(made(energy={"device_power_w": 500})) == 500


UNMEASURED = ("v100-sxm-32gb", "mi250x", "mi300x", "tpu-v4", "tpu-v5p", "gaudi2", "trainium2")


@pytest.mark.parametrize("accelerator", UNMEASURED)
def test_devices_whose_operations_nobody_measured_draw_less_where_they_wait(
    accelerator: str,
) -> None:
    busy = made(accelerator)
    slow = {"accelerator": accelerator, "devices": 512, "scale_out_gbit_s_per_device": 1.0,
            "scale_up_gb_s_each_way": 5.0}  # fmt: skip
    waits = run(cluster=slow, parallelism=LAYOUT_8)
    for result in (busy, waits):
        assert "estimated from the rated power" in result.inputs.sources["energy.power_model"]
        device, tdp = (float(result.values[name]) for name in ("activity_power_w", "tdp_w"))
        assert float(result.values["idle_share"]) * tdp < device <= tdp
    assert (waits.result("mfu") or 1) < 0.6 * (busy.result("mfu") or 0)
    assert watts(waits) < 0.9 * watts(busy)


def test_the_estimate_holds_where_it_was_measured() -> None:
    """Measured energies of operations over those by the rated power: all within the stated range."""
    low, high = _ESTIMATED.low, _ESTIMATED.high
    found = []
    for accelerator in (
        "a100-sxm-80gb",
        "h100-sxm",
        "h200-sxm",
        "b200-sxm",
        "gb200-nvl72",
        "b300-sxm",
    ):
        for precision in ("bf16", "fp8"):
            if accelerator == "a100-sxm-80gb" and precision == "fp8":
                continue
            v = made(accelerator, training={"precision": precision}).values
            names = (*_RATED, "drawn_flop_pj")
            ratio, idle, tdp, share, peak, measured = (float(v[name]) for name in names)
            found.append(measured / (1e12 * ratio * (1 - idle) * tdp / (share * peak)))
    assert low < min(found)
    assert max(found) < high
    bf16 = [found[0], *found[1::2]]
    assert sorted(bf16)[len(bf16) // 2] == pytest.approx(1, abs=0.1)


_RATED = ("rated_energy_ratio", "idle_share", "tdp_w", "product_efficiency", "peak_flops")


def test_an_estimated_power_has_a_range() -> None:
    error = made("mi300x").inputs.intervals["energy.power_model"]
    assert error == ("drawn_factor", _ESTIMATED)
    assert "energy.power_model" not in made("h100-sxm").inputs.intervals


def test_tpus_draw_what_google_measured() -> None:
    """Chips of v3 and v4 in production, their share of the host included (Patterson et al. 2021, table 4)."""
    assert 245 < watts(made("tpu-v3")) < 310
    assert 326 * 0.95 < watts(made("tpu-v4")) < 378.5
