"""Energy, carbon and money of the service, by the formulas of a run with the service's figures."""

from __future__ import annotations

import math

import numpy as np

from llmcost.engine import carbon, cost, energy, ownership
from llmcost.engine.chain import Array, rule

_PATTERSON = "Patterson et al. 2021, arXiv:2104.10350"
_COTTIER = "Cottier et al. 2024, arXiv:2405.21015"
_WU = "Wu et al. 2024, arXiv:2406.05303"
JOULES_PER_MWH = 3.6e9


@rule(
    "inference_energy_mwh",
    formula="service_device_hours * service_device_power_w / 1e6 * pue",
    reference=_PATTERSON,
)
def inference_energy_mwh(
    service_device_hours: Array, service_device_power_w: Array, pue: Array
) -> Array:
    """Electricity of the service, data centre overhead included [MWh]."""
    used = energy.it_energy_mwh(service_device_hours, service_device_power_w)
    return np.asarray(energy.energy_mwh(used, pue))


@rule(
    "inference_j_per_token",
    formula="inference_energy_mwh * 3.6e9 / service_output_tokens",
    reference="definition",
)
def inference_j_per_token(inference_energy_mwh: Array, service_output_tokens: Array) -> Array:
    """Electricity for an output token, prompts, idle time and overhead included [J]."""
    return inference_energy_mwh * JOULES_PER_MWH / service_output_tokens


@rule(
    "inference_operational_tco2e",
    formula="inference_energy_mwh * grid_kgco2e_per_kwh",
    reference=f"{_PATTERSON}; {_WU}",
)
def inference_operational_tco2e(inference_energy_mwh: Array, grid_kgco2e_per_kwh: Array) -> Array:
    """Emissions of the service's electricity [tCO2e]."""
    return np.asarray(carbon.operational_tco2e(inference_energy_mwh, grid_kgco2e_per_kwh))


@rule(
    "inference_embodied_tco2e",
    formula="service_device_hours / (hardware_lifetime_years * 8766 * fleet_utilisation)"
    " * service_embodied_kgco2e / 1000",
    reference=f"Gupta et al. 2022 (ACT); {_WU}",
)
def inference_embodied_tco2e(
    service_device_hours: Array,
    hardware_lifetime_years: Array,
    fleet_utilisation: Array,
    service_embodied_kgco2e: Array,
    end_of_life_share: Array,
    construction_kgco2e_per_kw: Array,
    service_server_power_ratio: Array,
    pue: Array,
    service_tdp_w: float | Array = math.nan,
) -> Array:
    """Share of the manufacture of the hardware, and of the building, that falls to the service [tCO2e]."""
    building = carbon.building_tco2e(
        service_device_hours,
        fleet_utilisation,
        service_server_power_ratio,
        pue,
        construction_kgco2e_per_kw,
        service_tdp_w,
    )
    return np.asarray(
        carbon.embodied_tco2e(
            service_device_hours,
            hardware_lifetime_years,
            fleet_utilisation,
            service_embodied_kgco2e,
            end_of_life_share,
            building,
        )
    )


@rule(
    "service_start_value_usd",
    formula="price with server * 10 ** (-depreciation_ooms_per_year * age)",
    reference=_COTTIER,
)
def service_start_value_usd(
    service_device_price_usd: Array,
    service_price_includes_server: Array,
    service_server_cost_ratio: Array,
    depreciation_ooms_per_year: Array,
    start_day: Array,
    service_available_day: Array,
) -> Array:
    """Value of a serving device with its server at the scenario's date.

    Parameters
    ----------
    service_device_price_usd, service_price_includes_server, service_server_cost_ratio : array_like
        Price of a device, new [USD]; whether it has the server in it; server over devices [1].
    depreciation_ooms_per_year : array_like
        Progress of price-performance, orders of magnitude [1/yr].
    start_day, service_available_day : array_like
        Day that dates the scenario, and day of the hardware's market entry [days].

    Returns
    -------
    ndarray
        Value [USD].

    References
    ----------
    .. [1] Cottier et al. (2024), arXiv:2405.21015, section 2.
    """
    price = cost.server_price_usd(
        service_device_price_usd, service_price_includes_server, service_server_cost_ratio
    )
    age = cost.age_years(start_day, service_available_day)
    return np.asarray(cost.start_value_usd(price, depreciation_ooms_per_year, age))


@rule(
    "service_hourly_usd",
    formula="service_start_value_usd * depreciation_ooms_per_year * ln 10 / 8766 / owner_utilisation",
    reference=_COTTIER,
)
def service_hourly_usd(
    service_start_value_usd: Array, depreciation_ooms_per_year: Array, owner_utilisation: Array
) -> Array:
    """Depreciation of a serving device with its server [USD/h]."""
    return np.asarray(
        cost.hourly_usd(service_start_value_usd, depreciation_ooms_per_year, owner_utilisation)
    )


@rule(
    "service_hardware_usd",
    formula="service_hourly_usd * service_device_hours / (1 - interconnect_cost_fraction)",
    reference=_COTTIER,
)
def service_hardware_usd(
    service_hourly_usd: Array, service_device_hours: Array, interconnect_cost_fraction: Array
) -> Array:
    """Depreciation of the serving hardware with its network over the service [USD]."""
    hardware = cost.cost_hardware_usd(service_hourly_usd, service_device_hours)
    network = cost.cost_interconnect_usd(hardware, interconnect_cost_fraction)
    return np.asarray(hardware + network)


@rule(
    "service_ownership_usd",
    formula="of colocation, storage, support, capital and set-up what the scenario asks for, as for a run",
    reference="docs/money.md",
)
def service_ownership_usd(
    service_device_hours: Array,
    owner_utilisation: Array,
    service_start_value_usd: Array,
    interconnect_cost_fraction: Array,
    service_hardware_usd: Array,
    service_server_power_ratio: float | Array = math.nan,
    service_tdp_w: float | Array = math.nan,
    colocation_usd_per_kw_month: float | Array = 0.0,
    storage_tb_per_device: float | Array = 0.0,
    storage_usd_per_tb_month: float | Array = 0.0,
    support_share_per_year: float | Array = 0.0,
    capital_rate_per_year: float | Array = 0.0,
    setup_share: float | Array = 0.0,
) -> Array:
    """What owning the serving hardware costs beside it; 0 where nothing of it is counted [USD]."""
    years = ownership.owned_device_years(service_device_hours, owner_utilisation)
    value = ownership.cluster_value_usd(service_start_value_usd, interconnect_cost_fraction)
    rent = np.asarray(colocation_usd_per_kw_month)
    floor = ownership.cost_colocation_usd(
        years, np.asarray(service_server_power_ratio), rent, service_tdp_w
    )
    running = (
        np.where(rent > 0, floor, 0.0)
        + ownership.cost_storage_usd(
            years, np.asarray(storage_tb_per_device), np.asarray(storage_usd_per_tb_month)
        )
        + ownership.cost_support_usd(years, value, np.asarray(support_share_per_year))
        + ownership.cost_capital_usd(years, value, np.asarray(capital_rate_per_year))
    )
    return np.asarray(running + setup_share * (service_hardware_usd + running))


@rule(
    "service_cost_energy_usd",
    formula="inference_energy_mwh * 1000 * electricity_usd_per_kwh",
    reference=_COTTIER,
)
def service_cost_energy_usd(inference_energy_mwh: Array, electricity_usd_per_kwh: Array) -> Array:
    """Cost of the service's electricity [USD]."""
    return np.asarray(cost.cost_energy_usd(inference_energy_mwh, electricity_usd_per_kwh))


@rule(
    "service_cost_amortized_usd",
    formula="service_hardware_usd + service_cost_energy_usd + service_ownership_usd",
    reference=_COTTIER,
)
def service_cost_amortized_usd(
    service_hardware_usd: Array, service_cost_energy_usd: Array, service_ownership_usd: Array
) -> Array:
    """Service on own hardware: its depreciation with the network, electricity, and what else is owned [USD]."""
    return service_hardware_usd + service_cost_energy_usd + service_ownership_usd


@rule(
    "service_cost_cloud_usd",
    formula="service_device_hours * service_cloud_usd_per_device_hour",
    reference=_COTTIER,
)
def service_cost_cloud_usd(
    service_device_hours: Array, service_cloud_usd_per_device_hour: Array
) -> Array:
    """Service on rented devices [USD]."""
    return np.asarray(cost.cost_cloud_usd(service_device_hours, service_cloud_usd_per_device_hour))


@rule(
    "service_cost_purchase_usd",
    formula="inference_devices * price with server / (1 - interconnect_cost_fraction)",
    reference=_COTTIER,
)
def service_cost_purchase_usd(
    inference_devices: Array,
    service_device_price_usd: Array,
    service_price_includes_server: Array,
    service_server_cost_ratio: Array,
    interconnect_cost_fraction: Array,
    service_purchase_price_usd: float | Array = math.nan,
) -> Array:
    """Price of all serving hardware at the scenario's date, where nobody quotes one its price new [USD]."""
    new = cost.server_price_usd(
        service_device_price_usd, service_price_includes_server, service_server_cost_ratio
    )
    quoted = np.asarray(service_purchase_price_usd)
    price = np.where(np.isnan(quoted), new, quoted)
    return np.asarray(cost.cost_purchase_usd(inference_devices, price, interconnect_cost_fraction))


@rule(
    "inference_cost_usd",
    formula="service_cost_amortized_usd, service_cost_cloud_usd or service_cost_purchase_usd"
    " by cost.method",
    reference=_COTTIER,
)
def inference_cost_usd(
    service_cost_method: Array,
    service_cost_amortized_usd: float | Array = math.nan,
    service_cost_cloud_usd: float | Array = math.nan,
    service_cost_purchase_usd: float | Array = math.nan,
) -> Array:
    """Cost of the service by the method of the run [USD]."""
    return np.asarray(
        cost.cost_run_usd(
            service_cost_method,
            service_cost_amortized_usd,
            service_cost_cloud_usd,
            service_cost_purchase_usd,
        )
    )


@rule(
    "inference_usd_per_million_tokens",
    formula="inference_cost_usd / service_output_tokens * 1e6",
    reference="definition",
)
def inference_usd_per_million_tokens(
    inference_cost_usd: Array, service_output_tokens: Array
) -> Array:
    """Cost of a million output tokens, their prompts included [USD]."""
    return inference_cost_usd / service_output_tokens * 1e6
