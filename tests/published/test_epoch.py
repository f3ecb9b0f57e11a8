"""The worked cost cases of Epoch AI's training-cost-trends (Cottier et al. 2024)."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest

from tests.conftest import of

CASES = list(csv.DictReader((Path(__file__).parent / "epoch_costs.csv").open()))
COMPONENTS = ("accelerator", "server", "interconnect", "energy", "amortized")


@pytest.mark.parametrize("case", CASES, ids=[case["model"] for case in CASES])
def test_own_inputs(case: dict[str, str]) -> None:
    number = {key: float(case[key]) for key in case if case[key] and _numeric(case[key])}
    result = of(
        start_date=case["training_start"],
        cluster={
            "tdp_w": number["tdp_w"],
            "devices": number["devices"],
            "device_hours": number["device_hours"],
        },
        cost={
            "device_price_usd": number["start_value_per_device_usd"],
            "available_date": case["training_start"],
            "server_cost_ratio": number["server_cost_ratio"],
        },
        energy={
            name: number[name]
            for name in (
                "server_power_ratio",
                "power_utilisation",
                "pue",
                "electricity_usd_per_kwh",
            )
        },
    )
    for name in COMPONENTS:
        key = f"cost_{name}_usd"
        assert result.result(key) == pytest.approx(number[key], rel=1e-3), key


@pytest.mark.parametrize("case", CASES, ids=[case["model"] for case in CASES])
def test_name_and_dates_alone(case: dict[str, str]) -> None:
    watts = [float(case[name]) for name in ("tdp_w", "server_power_ratio", "power_utilisation")]
    # Of TPUs the source takes a third of what Google measured (docs/method/power.md).
    power = {"device_power_w": math.prod(watts)} if "TPU" in case["accelerator"] else {}
    result = of(
        energy=power,
        start_date=case["training_start"],
        cluster={
            "accelerator": case["accelerator"],
            "devices": float(case["devices"]),
            "device_hours": float(case["device_hours"]),
        },
    )
    published = float(case["cost_amortized_usd"])
    assert result.result("cost_amortized_usd") == pytest.approx(published, rel=0.03)


def _numeric(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
