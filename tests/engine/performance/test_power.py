"""A device draws what it does: between idle and its limit, less where it waits."""

from __future__ import annotations

from typing import Any

import pytest

from llmcost.analysis.estimate import Estimate
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


def test_devices_whose_operations_nobody_measured_draw_the_published_share() -> None:
    tpu = made("tpu-v5p")
    values = {
        name: float(tpu.values[name])
        for name in ("tdp_w", "server_power_ratio", "rated_utilisation")
    }
    assert watts(tpu) == pytest.approx(
        values["tdp_w"] * values["server_power_ratio"] * values["rated_utilisation"]
    )
