"""Carbon and water."""

from __future__ import annotations

import math

import numpy as np

from llmcost.engine.chain import Array, rule

#: Years that a data centre's building is in service; a judgement of ours.
BUILDING_YEARS = 20.0
#: Hours of an average year.
HOURS_PER_YEAR = 8766.0
#: One eighth of a server without its accelerators [kgCO2e], Luccioni et al. 2022.
SERVER_SHARE_KGCO2E = 312.5
#: Board, cooling, assembly and transport of one accelerator [kgCO2e]: what NVIDIA's product carbon
#: footprint summary of the HGX H100 leaves beside memory and integrated circuits, a GPU.
BOARD_KGCO2E = 64.0


@rule(
    "operational_tco2e",
    formula="energy_mwh * grid_kgco2e_per_kwh",
    reference="Patterson et al. 2021, arXiv:2104.10350; Wu et al. 2024, arXiv:2406.05303",
)
def operational_tco2e(energy_mwh: Array, grid_kgco2e_per_kwh: Array) -> Array:
    """Emissions of the electricity; kg per kWh is t per MWh [tCO2e]."""
    return energy_mwh * grid_kgco2e_per_kwh


@rule(
    "embodied_tco2e",
    formula="device_hours / (hardware_lifetime_years * 8766 * fleet_utilisation)"
    " * embodied_kgco2e_per_device * (1 + end_of_life_share) / 1000 + building_tco2e",
    reference="Gupta et al. 2022 (ACT); Luccioni et al. 2022, arXiv:2211.02001; "
    "Wu et al. 2024, arXiv:2406.05303",
)
def embodied_tco2e(
    device_hours: Array,
    hardware_lifetime_years: Array,
    fleet_utilisation: Array,
    embodied_kgco2e_per_device: Array,
    end_of_life_share: Array,
    building_tco2e: Array,
) -> Array:
    """Share of the manufacture of the hardware, its end of life and the building that falls to the run.

    Parameters
    ----------
    device_hours : array_like
        Device-hours of the run [h].
    hardware_lifetime_years : array_like
        Years in service [yr].
    fleet_utilisation : array_like
        Share of that time in use [1].
    embodied_kgco2e_per_device : array_like
        Emissions of making one device with its share of the server [kgCO2e].
    end_of_life_share : array_like
        Emissions of its end of life over those of making it, 0 where they do not count [1].
    building_tco2e : array_like
        Share of the building, 0 where it does not count [tCO2e].

    Returns
    -------
    ndarray
        Embodied emissions [tCO2e].

    References
    ----------
    .. [1] Gupta et al. (2022), ACT: designing sustainable computer systems.
    .. [2] Luccioni et al. (2022), arXiv:2211.02001.
    """
    share = device_hours / (hardware_lifetime_years * HOURS_PER_YEAR * fleet_utilisation)
    made = embodied_kgco2e_per_device * (1 + end_of_life_share)
    return share * made / 1000 + building_tco2e


@rule(
    "building_tco2e",
    formula="device_hours / (20 * 8766 * fleet_utilisation) * tdp_w / 1000 * server_power_ratio * pue"
    " * construction_kgco2e_per_kw / 1000, 0 where construction does not count",
    reference="life cycle of data centres: the building serves hardware of three generations",
)
def building_tco2e(
    device_hours: Array,
    fleet_utilisation: Array,
    server_power_ratio: Array,
    pue: Array,
    construction_kgco2e_per_kw: Array,
    tdp_w: float | Array = math.nan,
) -> Array:
    """Share of the data centre's construction that falls to the run, by the power it needs [tCO2e]."""
    share = device_hours / (BUILDING_YEARS * HOURS_PER_YEAR * fleet_utilisation)
    power_kw = np.asarray(tdp_w) / 1000 * server_power_ratio * pue
    built = share * power_kw * construction_kgco2e_per_kw / 1000
    return np.where(construction_kgco2e_per_kw > 0, built, 0.0)


@rule(
    "development_tco2e",
    formula="(1 + experiments_ratio) * total_tco2e",
    reference="Wu et al. 2024, arXiv:2406.05303; experiments as Cottier et al. 2024 count them",
)
def development_tco2e(experiments_ratio: Array, total_tco2e: Array) -> Array:
    """Emissions of the run and of its experiments [tCO2e]."""
    return (1 + experiments_ratio) * total_tco2e


@rule(
    "total_tco2e",
    formula="operational_tco2e + embodied_tco2e",
    reference="Wu et al. 2024, arXiv:2406.05303",
)
def total_tco2e(operational_tco2e: Array, embodied_tco2e: Array) -> Array:
    """Operational plus embodied emissions [tCO2e]."""
    return operational_tco2e + embodied_tco2e


@rule(
    "water_m3",
    formula="it_energy_mwh * water_l_per_kwh + energy_mwh * water_supply_l_per_kwh",
    reference="Li et al. 2023, arXiv:2304.03271",
)
def water_m3(
    it_energy_mwh: Array, water_l_per_kwh: Array, energy_mwh: Array, water_supply_l_per_kwh: Array
) -> Array:
    """Water consumed on site and in generation; litres per kWh are m3 per MWh [m3]."""
    return it_energy_mwh * water_l_per_kwh + energy_mwh * water_supply_l_per_kwh


def act_embodied_kgco2e(
    die_mm2: Array, fab_kgco2e_per_cm2: Array, memory_gb: Array, dram_kgco2e_per_gb: Array
) -> Array:
    """Embodied carbon of a device and its server share, from its silicon.

    Parameters
    ----------
    die_mm2 : array_like
        Area of the logic dies [mm2].
    fab_kgco2e_per_cm2 : array_like
        Footprint of the fab per area of good die [kgCO2e/cm2].
    memory_gb, dram_kgco2e_per_gb : array_like
        Memory [GB] and its footprint [kgCO2e/GB].

    Returns
    -------
    ndarray
        Embodied emissions [kgCO2e].

    References
    ----------
    .. [1] Gupta et al. (2022), ACT: designing sustainable computer systems.
    .. [2] NVIDIA, HGX H100 product carbon footprint summary.
    """
    silicon = die_mm2 / 100 * fab_kgco2e_per_cm2 + memory_gb * dram_kgco2e_per_gb
    return silicon + BOARD_KGCO2E + SERVER_SHARE_KGCO2E
