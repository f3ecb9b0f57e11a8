"""The serving model: what a step, a replica and a life of a model add up to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmcost.analysis.estimate import Estimate, estimate
from llmcost.scenario import parse_scenario, resolve
from tests.layouts import CATALOG

SPEED, JOULES = "inference_tokens_per_s_per_device", "inference_j_per_token"


def served(model: str = "llama-3.1-70b", **inference: Any) -> Estimate:
    table = {
        "name": "x",
        "start_date": "2025-01-01",
        "model": {"preset": model},
        "data": {"tokens": 15e12},
        "training": {"mfu": 0.4},
        "cluster": {"accelerator": "h100-sxm", "devices": 4096},
        "inference": {
            "output_tokens_per_day": 1e10,
            "prompt_tokens_per_day": 3e10,
            "context_tokens": 2000,
            "precision": "fp8",
            **inference,
        },
    }
    return estimate(parse_scenario(table), CATALOG)


def value(found: Estimate, name: str) -> float:
    return float(found.values[name])


def test_a_lone_sequence_waits_for_the_weights() -> None:
    """A step of one sequence cannot be faster than the memory reads every weight."""
    found = served(batch=1, devices_per_replica=4, prompt_tokens_per_day=0)
    bytes_a_device = 69.5e9 / 4
    fastest = 3.35e12 / bytes_a_device / 4
    assert 0.2 * fastest < value(found, SPEED) < fastest


def test_many_sequences_share_the_weights_until_arithmetic_binds() -> None:
    speeds = [
        value(served(batch=batch, devices_per_replica=4, context_tokens=200), SPEED)
        for batch in (1, 16, 128, 512)
    ]
    assert speeds == sorted(speeds)
    assert 8 < speeds[1] / speeds[0] < 16
    peak = 1979e12 / (2 * 69.5e9)
    assert speeds[-1] < peak


def test_a_long_context_is_read_by_every_sequence() -> None:
    short, long = (served(batch=32, devices_per_replica=8, context_tokens=n) for n in (1e3, 3e4))
    per_token = 2 * 8 * 128 * 80 * 2  # keys and values, kv-heads, width, layers, bytes
    assert value(long, "service_kv_bytes_per_sequence") == per_token * 3e4
    attention = "service_attention_s"
    assert value(long, attention) == pytest.approx(30 * value(short, attention))
    assert value(long, SPEED) < 0.6 * value(short, SPEED)


def test_latent_attention_keeps_a_small_cache() -> None:
    found = served("deepseek-v3", devices_per_replica=16, tp=1, ep=16)
    assert value(found, "service_kv_bytes_per_sequence") == (512 + 64) * 61 * 2 * 2000


def test_a_batch_is_what_there_is_room_for() -> None:
    found = served(devices_per_replica=2, batch=5000)
    held = (
        value(found, "service_weights_gb")
        + value(found, "service_batch") * value(found, "service_kv_bytes_per_sequence") / 2 / 1e9
    )
    assert held == pytest.approx(0.9 * 80)
    assert any("room for" in text for text in found.warnings)
    assert value(served(devices_per_replica=8, batch=64), "service_batch") == 64


def test_weights_without_room_are_no_number() -> None:
    found = served(devices_per_replica=1)
    assert found.result(SPEED) is None
    assert found.result("lifetime_cost_usd") is None
    assert any("leave no room" in text for text in found.warnings)


def test_the_fewest_devices_with_room_make_a_replica() -> None:
    sizes = {
        name: value(served(name), "devices_per_replica")
        for name in ("llama-3.1-8b", "llama-3.1-70b", "llama-3.1-405b", "deepseek-v3")
    }
    assert sizes == {
        "llama-3.1-8b": 1, "llama-3.1-70b": 2, "llama-3.1-405b": 8, "deepseek-v3": 16,
    }  # fmt: skip


def test_a_dense_model_beyond_a_node_is_cut_into_stages() -> None:
    """Two stages of eight hold half of the weights each and write as fast a device as one."""
    two, one = (
        served("llama-3.1-405b", precision="fp8", devices_per_replica=n, tp=8, batch=b)
        for n, b in ((16, 64), (8, 32))
    )
    assert value(two, "service_weights_gb") == pytest.approx(value(one, "service_weights_gb") / 2)
    assert value(two, SPEED) == pytest.approx(value(one, SPEED), rel=1e-9)
    whole = served("llama-3.1-405b", precision="bf16")
    assert value(whole, "devices_per_replica") == 16
    assert whole.result(SPEED) is not None


def test_experts_are_read_as_the_batch_visits_them() -> None:
    def touched(batch: float) -> float:
        found = served("deepseek-v3", devices_per_replica=16, tp=1, ep=16, batch=batch)
        return value(found, "service_experts_touched")

    assert touched(1) == pytest.approx(8)
    assert touched(16) < 16 * 8
    assert touched(512) == pytest.approx(256, rel=1e-3)


def test_an_exchange_costs_and_a_node_has_none_of_the_network() -> None:
    inside = served("deepseek-v3", accelerator="h200-sxm", devices_per_replica=8, tp=1, ep=8)
    across = served("deepseek-v3", accelerator="h200-sxm", devices_per_replica=64, tp=1, ep=64)
    token = "service_exchange_token_s"
    assert 0 < value(inside, token) < value(across, token)
    assert value(served(devices_per_replica=8), token) == 0


def test_prompts_take_time_and_flops() -> None:
    with_prompts, without = served(batch=32), served(batch=32, prompt_tokens_per_day=0)
    assert value(with_prompts, SPEED) < value(without, SPEED)
    more = value(with_prompts, "inference_flops") - value(without, "inference_flops")
    assert more > 2 * 69.5e9 * 3e10 * 365


def test_a_prompt_and_half_of_the_output_make_the_context() -> None:
    found = served()
    prompt = value(found, "service_prompt_tokens")
    assert prompt + prompt / 3 / 2 == pytest.approx(2000)


def test_devices_keep_up_at_the_utilisation() -> None:
    found = served(utilisation=0.5)
    written = value(found, SPEED) * value(found, "inference_devices") * 86400
    assert written * 0.5 >= 1e10
    assert value(found, "service_busy_share") <= 0.5


def test_idle_devices_draw_and_a_board_stays_below_its_limit() -> None:
    busy, idle = served(utilisation=1.0), served(utilisation=0.25)
    assert value(idle, JOULES) > 1.2 * value(busy, JOULES)
    for found in (busy, idle):
        assert value(found, "service_busy_power_w") <= 700
        assert value(found, "service_board_power_w") > 0.12 * 700


def test_measured_figures_replace_the_model_s() -> None:
    found = served(tokens_per_s_per_device=500, device_power_w=600, utilisation=1.0)
    devices, days = value(found, "inference_devices"), 365
    assert devices == np.ceil(1e10 / 86400 / 500 / 2) * 2
    used = devices * days * 24 * 600 / 1e6 * value(found, "pue")
    assert value(found, "inference_energy_mwh") == pytest.approx(used)
    assert "inference.tokens_per_s_per_device" not in found.inputs.intervals


def test_training_and_service_make_the_life() -> None:
    found = served(days=1000)
    for whole, run, service in (
        ("lifetime_energy_mwh", "energy_mwh", "inference_energy_mwh"),
        ("lifetime_tco2e", "total_tco2e", "inference_tco2e"),
        ("lifetime_cost_usd", "cost_total_usd", "inference_cost_usd"),
    ):
        assert value(found, whole) == pytest.approx(value(found, run) + value(found, service))
    share = value(found, "training_share_of_lifetime_tco2e")
    assert share == pytest.approx(value(found, "total_tco2e") / value(found, "lifetime_tco2e"))


@pytest.mark.parametrize(
    ("even", "run", "service"),
    [
        ("break_even_tokens_energy", "energy_mwh", "inference_energy_mwh"),
        ("break_even_tokens_tco2e", "total_tco2e", "inference_tco2e"),
        ("break_even_tokens_cost", "cost_total_usd", "inference_cost_usd"),
    ],
)
def test_service_is_even_after_the_break_even(even: str, run: str, service: str) -> None:
    """Served for as long as it takes to write those tokens, service equals training."""
    tokens = value(served(), even)
    found = served(days=tokens / 1e10)
    assert value(found, service) == pytest.approx(value(found, run), rel=1e-9)


def test_every_cost_method_prices_the_service() -> None:
    for method, name in (("amortized", "amortized"), ("cloud", "cloud"), ("purchase", "purchase")):
        table = {
            "name": "x", "start_date": "2025-01-01", "model": {"preset": "llama-3.1-8b"},
            "cost": {"method": method},
            "inference": {"accelerator": "h100-sxm", "output_tokens_per_day": 1e9},
        }  # fmt: skip
        found = estimate(parse_scenario(table), CATALOG)
        assert value(found, "inference_cost_usd") == value(found, f"service_cost_{name}_usd") > 0
        assert found.result("lifetime_cost_usd") is None


@given(
    batch=st.lists(st.floats(1, 500), min_size=2, max_size=5),
    context=st.lists(st.floats(100, 1e5), min_size=1, max_size=3),
)
def test_an_array_is_as_its_elements(batch: list[float], context: list[float]) -> None:
    sizes, lengths = np.array(batch)[:, None], np.array(context)[None, :]
    table = {
        "name": "x",
        "model": {"preset": "deepseek-v3"},
        "cluster": {"accelerator": "h100-sxm"},
        "inference": {"output_tokens_per_day": 1e9, "devices_per_replica": 16, "tp": 1, "ep": 16},
    }
    scenario = parse_scenario(table)
    arrays = {"inference.batch": sizes, "inference.context_tokens": lengths}
    from llmcost.engine.evaluate import evaluate

    together, _ = evaluate(resolve(scenario, CATALOG, arrays).known, [SPEED, JOULES])
    for i, size in enumerate(batch):
        for j, length in enumerate(context):
            sets = [f"inference.batch={size!r}", f"inference.context_tokens={length!r}"]
            one = estimate(parse_scenario(table, sets=sets), CATALOG)
            for name in (SPEED, JOULES):
                np.testing.assert_allclose(
                    np.broadcast_to(together[name], (len(batch), len(context)))[i, j],
                    one.values[name],
                    rtol=1e-12,
                )
