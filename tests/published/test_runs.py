"""Published runs: energy, carbon and cost of the bundled scenarios."""

from __future__ import annotations

import pytest

from llmcost.analysis.estimate import estimate
from llmcost.scenario import load_scenario
from tests.conftest import of

PUBLISHED = [
    ("gpt-3", "energy_mwh", 1287, 0.005),
    ("gpt-3", "operational_tco2e", 552.1, 0.005),
    ("gpt-3", "flops", 3.14e23, 0.005),
    ("bloom-176b", "energy_mwh", 433.2, 0.001),
    ("bloom-176b", "operational_tco2e", 24.7, 0.002),
    ("bloom-176b", "embodied_tco2e", 11.2, 0.01),
    ("llama-2-70b", "operational_tco2e", 291.42, 0.001),
    ("llama-3.1-405b", "operational_tco2e", 8930, 0.05),
    ("llama-3.1-405b", "flops", 3.8e25, 0.005),
    ("llama-3.1-405b", "device_hours", 30.84e6, 0.01),
    ("llama-3.1-8b", "operational_tco2e", 420, 0.05),
    ("deepseek-v3", "cost_cloud_usd", 5.576e6, 1e-9),
    ("deepseek-v3", "cost_total_usd", 5.576e6, 1e-9),
    ("gpt-4", "cost_amortized_usd", 40155933.94, 1e-3),
    ("palm-540b", "cost_accelerator_usd", 1344543.0, 1e-3),
    ("palm-540b", "cost_server_usd", 860507.5, 1e-3),
    ("palm-540b", "cost_interconnect_usd", 517234.1, 1e-3),
    ("palm-540b", "operational_tco2e", 271.4, 0.08),
    ("palm-540b", "flops", 2.5272e24, 0.005),
]
#: Epoch AI's power of a TPU v4: the mean of the chip, taken for its peak (docs/method/power.md).
EPOCH_TPU_V4_W = 170 * 1.56 * 0.43


@pytest.mark.parametrize(("name", "key", "published", "tolerance"), PUBLISHED)
def test_bundled(name: str, key: str, published: float, tolerance: float) -> None:
    result = estimate(load_scenario(name))
    assert result.result(key) == pytest.approx(published, rel=tolerance)


def test_gemini_costs_what_epoch_says_with_epochs_power() -> None:
    same = estimate(load_scenario("gemini-1.0-ultra", [f"energy.device_power_w={EPOCH_TPU_V4_W}"]))
    assert same.result("cost_amortized_usd") == pytest.approx(29.8e6, rel=0.03)
    own = estimate(load_scenario("gemini-1.0-ultra"))
    assert own.result("energy_mwh") == pytest.approx(
        (same.result("energy_mwh") or 0) * 352 / EPOCH_TPU_V4_W, rel=0.01
    )


@pytest.mark.parametrize(
    ("accelerator", "measured"),
    [("tpu-v2", [208]), ("tpu-v3", [310, 289, 288, 245]), ("tpu-v4", [326, 378.5])],
)
def test_a_tpu_draws_what_google_measured(accelerator: str, measured: list[float]) -> None:
    """The mean of the runs [W], and a peak that none of them exceeds."""
    run = of(cluster={"accelerator": accelerator, "devices": 1, "days": 1}, energy={"pue": 1.0})
    power = (run.result("energy_mwh") or 0) / 24 * 1e6
    assert power == pytest.approx(sum(measured) / len(measured), rel=0.005)
    assert (run.result("peak_power_mw") or 0) * 1e6 > max(measured)


def test_llama_2_7b() -> None:
    result = of(
        cluster={"device_hours": 184320},
        energy={"device_power_w": 400, "pue": 1.1},
        carbon={"grid_kgco2e_per_kwh": 0.385},
    )
    assert result.result("operational_tco2e") == pytest.approx(31.22, rel=0.01)
    assert result.result("flops") is None


def test_gpt2_on_one_node_costs_about_20_dollars() -> None:
    result = estimate(load_scenario("gpt2-124m"))
    assert result.result("cost_total_usd") == pytest.approx(20, rel=0.06)


@pytest.mark.parametrize("params", [1e9, 7e10, 1e12])
def test_faraboschi(params: float) -> None:
    dense = estimate(load_scenario("faraboschi-dense", [f"model.params={params}"]))
    moe = estimate(load_scenario("faraboschi-moe", [f"model.params={params}"]))
    assert dense.result("flops") == pytest.approx(120 * params**2, rel=1e-12)
    assert moe.result("flops") == pytest.approx(120 * params**2 / 8, rel=1e-12)
    twice = estimate(load_scenario("faraboschi-dense", [f"model.params={2 * params}"]))
    assert twice.result("flops") == 4 * (dense.result("flops") or 0)
