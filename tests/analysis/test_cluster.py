"""The search for a cluster agrees with the same number given by hand."""

from __future__ import annotations

from typing import Any

import pytest

from llmcost.analysis.estimate import Estimate, estimate
from llmcost.errors import NoAnswerError
from llmcost.scenario import parse_scenario
from tests.layouts import CATALOG, scenario


def made(devices: Any, accelerator: str = "h100-sxm", **more: Any) -> Estimate:
    cluster = {"accelerator": accelerator, "devices": devices, **more}
    return estimate(parse_scenario(scenario(cluster=cluster, parallelism="auto")), CATALOG)


@pytest.mark.parametrize(("accelerator", "deadline"), [("h100-sxm", 40), ("gb200-nvl72", 30)])
def test_auto_and_by_hand_agree(accelerator: str, deadline: float) -> None:
    found = made("auto", accelerator, deadline_days=deadline)
    devices = found.result("devices") or 0
    assert (found.result("days") or 1e9) <= deadline
    by_hand = made(int(devices), accelerator)
    for key in ("days", "step_time_s", "mfu", "cost_total_usd", "memory_gb_per_device"):
        assert found.result(key) == by_hand.result(key), key
    assert any("global_batch_seqs" in note for note in found.warnings)
    node = {"h100-sxm": 8, "gb200-nvl72": 72}[accelerator]  # whole servers, whole racks
    smaller = made(max(int(devices) - node, node), accelerator)
    assert (smaller.result("days") or 0) > deadline


def test_a_given_batch_bounds_the_cluster_and_is_named() -> None:
    table = scenario(
        cluster={"accelerator": "h100-sxm", "devices": "auto", "deadline_days": 0.1},
        parallelism={"global_batch_seqs": 64},
    )
    with pytest.raises(NoAnswerError, match="global_batch_seqs"):
        estimate(parse_scenario(table), CATALOG)


def test_power_caps_the_cluster() -> None:
    free = made("auto", deadline_days=30)
    assert free.result("peak_power_mw") is not None
    power = free.result("peak_power_mw") or 0
    within = made("auto", deadline_days=30, max_power_mw=power * 1.001)
    assert within.results == free.results
    with pytest.raises(NoAnswerError, match="max_power_mw"):
        made("auto", deadline_days=30, max_power_mw=power * 0.9)
    with pytest.raises(NoAnswerError, match="max_power_mw"):
        made(512, max_power_mw=0.01)


def test_a_longer_context_is_never_cheaper() -> None:
    hours = []
    for length in (4096, 32768, 131072):
        table = scenario(
            model={"preset": "llama-3.1-70b", "seq_len": length},
            cluster={"accelerator": "h100-sxm", "devices": 256},
            parallelism={"tp": 8, "pp": 4, "micro_batch": 1, "global_batch_seqs": 256},
        )
        hours.append(estimate(parse_scenario(table), CATALOG).result("device_hours") or 0)
    assert hours == sorted(hours)
    assert hours[-1] > 1.5 * hours[0]


def test_time_does_not_depend_on_how_attention_is_counted() -> None:
    def counted(how: str) -> Estimate:
        table = scenario(
            model={"preset": "llama-3.1-8b", "seq_len": 1_048_576},
            training={"attention_flops": how},
            cluster={"accelerator": "tpu-v5p", "devices": 256},
            parallelism={"tp": 8, "cp": 8, "micro_batch": 1, "global_batch_seqs": 4},
        )
        return estimate(parse_scenario(table), CATALOG)

    full, causal = counted("full"), counted("causal")
    assert full.result("days") == pytest.approx(causal.result("days"), rel=1e-12)
    assert full.result("step_time_s") == pytest.approx(causal.result("step_time_s"), rel=1e-12)
    assert (full.result("mfu") or 0) > 1.5 * (causal.result("mfu") or 0)
    assert full.result("mfu") == full.result("predicted_mfu")
    assert (causal.result("mfu") or 2) < 1
    if (full.result("mfu") or 0) > 1:
        assert any("attention_flops" in note for note in full.warnings)
