"""No figure of the catalog is of another order or unit than its kind can have."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import Any

import pytest

from llmcost.catalog import prices, tables
from llmcost.catalog.load import builtin

#: Fields of accelerators by what they may be: from any part that trained a language model (P100) to a rack's.
ACCELERATORS = {
    "bf16_tflops": (20, 5000),
    "fp32_tflops": (5, 500),
    "memory_gb": (16, 512),
    "memory_tb_s": (0.5, 12),
    "tdp_w": (100, 2000),
    "scale_up_gb_s_each_way": (16, 2000),
    "scale_out_gbit_s_per_device": (10, 1600),
    "host_link_gb_s_each_way": (12, 512),
    "host_memory_gb_s": (10, 600),
    "price_usd": (1000, 100_000),
    "server_cost_ratio": (1, 2.2),
    "server_power_ratio": (1, 2.2),
    "power_utilisation": (0.3, 1),
    "embodied_kgco2e": (100, 2000),
    "die_mm2": (250, 3500),
    "fab_kgco2e_per_cm2": (1, 6),
    "dram_kgco2e_per_gb": (0.05, 2),
}
#: One field over another: what a process node, a memory technology and a bus allow.
RATIOS = {
    "FLOP/s a watt [1e12/W]": ("bf16_tflops", "tdp_w", 0.05, 3),
    "bytes of memory traffic a FLOP": ("memory_tb_s", "bf16_tflops", 0.0015, 0.04),
    "time to read the memory [ms]": ("memory_gb", "memory_tb_s", 10, 80),
    "eight bits over sixteen": ("fp8_tflops", "bf16_tflops", 1, 2.05),
    "four bits over eight": ("fp4_tflops", "fp8_tflops", 1.95, 4.05),
    "fp16 over bf16": ("fp16_tflops", "bf16_tflops", 0.25, 2),
    "tf32 over bf16": ("tf32_tflops", "bf16_tflops", 0.25, 1),
    "fp32 over bf16": ("fp32_tflops", "bf16_tflops", 0.03, 0.55),
    "scale-up over memory [1e9/1e12]": ("scale_up_gb_s_each_way", "memory_tb_s", 25, 400),
    "host link over memory [1e9/1e12]": ("host_link_gb_s_each_way", "memory_tb_s", 7, 120),
    "scale-out over scale-up [bit/B]": (
        "scale_out_gbit_s_per_device", "scale_up_gb_s_each_way", 0.05, 7,
    ),
    "price of a peak [USD per 1e12 FLOP/s]": ("price_usd", "bf16_tflops", 5, 1000),
    "carbon of a watt [kg/W]": ("embodied_kgco2e", "tdp_w", 0.3, 4),
}  # fmt: skip
#: Fields of the other kinds.
FIELDS = {
    "grids": {"kgco2e_per_kwh": (0.001, 1.2)},
    "electricity": {"usd_per_kwh": (0.03, 0.3)},
    "operators": {"pue": (1, 2)},
    "sites": {"pue": (1, 2), "l_per_kwh": (0, 5), "year": (2015, 2026)},
    "places": {
        "grid_kgco2e_per_kwh": (0.001, 1.2),
        "electricity_usd_per_kwh": (0.02, 0.5),
        "water_supply_l_per_kwh": (0.1, 20),
    },
    "purchases": {"usd_per_device": (500, 100_000)},
    "runs": {
        "flops": (1e20, 1e27),
        "tokens": (1e10, 1e14),
        "devices": (8, 200_000),
        "days": (1, 400),
        "mfu": (0.1, 0.7),
        "device_power_w": (100, 2000),
        "pue": (1, 2),
        "grid_kgco2e_per_kwh": (0.001, 1.2),
    },
}


def _outside(
    entries: Mapping[str, Mapping[str, Any]], field: str, low: float, high: float
) -> list[str]:
    return [
        f"{name} {entry[field]}"
        for name, entry in entries.items()
        if field in entry and not low <= entry[field] <= high
    ]


@pytest.mark.parametrize(("field", "bounds"), ACCELERATORS.items())
def test_a_figure_of_an_accelerator_is_of_its_order(
    field: str, bounds: tuple[float, float]
) -> None:
    assert any(field in entry for entry in builtin("accelerators").values())
    assert _outside(builtin("accelerators"), field, *bounds) == []


@pytest.mark.parametrize("ratio", RATIOS)
def test_an_accelerator_is_one_that_can_be_built(ratio: str) -> None:
    """Dense peaks, bytes and bits, one direction and both: a figure of the wrong kind leaves its ratio."""
    above, below, low, high = RATIOS[ratio]
    found = {
        name: entry[above] / entry[below]
        for name, entry in builtin("accelerators").items()
        if above in entry and below in entry
    }
    assert len(found) >= 5
    assert {name: value for name, value in found.items() if not low <= value <= high} == {}


@pytest.mark.parametrize(
    ("kind", "field"), [(kind, field) for kind, fields in FIELDS.items() for field in fields]
)
def test_a_figure_is_of_the_order_of_its_kind(kind: str, field: str) -> None:
    assert any(field in entry for entry in builtin(kind).values())
    assert _outside(builtin(kind), field, *FIELDS[kind][field]) == []


def test_what_is_low_is_not_above_what_is_high() -> None:
    for kind in ("accelerators", "defaults", "trends"):
        for name, entry in builtin(kind).items():
            for field in entry:
                if field.endswith("_low"):
                    key = field.removesuffix("_low")
                    ends = entry[field], entry[key], entry[f"{key}_high"]
                    assert list(ends) == sorted(ends), (name, key)


def test_a_year_of_rent_is_of_the_order_of_the_price() -> None:
    """A vendor recovers a device in some months to some years, never in weeks or decades."""
    found = {}
    for name in builtin("accelerators"):
        hour = [price.usd for price in prices.rentals(name) if price.commitment == "on-demand"]
        bought = [price.usd for price in prices.purchases(name) if not price.used]
        if hour and bought:
            found[name] = median(hour) * 8760 / median(bought)
    assert len(found) >= 15
    assert {name: share for name, share in found.items() if not 0.3 <= share <= 5} == {}


def test_a_peak_rents_at_the_price_of_others_of_its_time() -> None:
    """USD for an hour of 1e15 FLOP/s in 16 bits: above a P100's list no part has ever been."""
    accelerators = builtin("accelerators")
    for price in prices.rentals():
        peak = accelerators[price.accelerator]["bf16_tflops"] / 1000
        assert 0.3 <= price.usd / peak <= 100, price


#: Tables with a note and a confidence in each row.
NOTED = (
    "prices/rental.csv", "prices/purchase.csv", "places/electricity.csv", "places/climates.csv",
    "places/water_supply.csv", "places/sites.csv",
)  # fmt: skip
#: Rows whose source nobody has read since they were written down; a new one is not to be among them.
FROM_MEMORY = 37


def test_what_nobody_has_read_again_is_not_called_sure_and_grows_fewer() -> None:
    found = []
    for name in NOTED:
        columns = tables.header(name)
        for row in tables.rows(name):
            fields = dict(zip(columns, row, strict=True))
            if "from memory" in fields["note"]:
                found.append(fields["confidence"])
    assert "high" not in found
    assert len(found) <= FROM_MEMORY
