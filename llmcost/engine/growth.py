"""A run in a later year: hardware, prices and grids move on, and levers pull.

The run of year 0 is given as ``base_*``; every quantity of year t is that of year 0 times a
ratio that is exactly 1 in year 0, so that year 0 is the estimate to the last bit. The hardware
of year t is a device of the same price, with more FLOP/s and other power.
"""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array, rule

_COTTIER = "Cottier et al. 2024, arXiv:2405.21015"
_EFFICIENCY = "Epoch AI 2024, energy efficiency of leading ML hardware"
_FARABOSCHI = "Faraboschi et al. 2024, arXiv:2404.08811"


@rule(
    "trend_peak_ratio",
    formula="10 ** (hardware_price_performance_ooms_per_year * elapsed_years)",
    reference=_COTTIER,
)
def trend_peak_ratio(
    hardware_price_performance_ooms_per_year: Array, elapsed_years: Array
) -> Array:
    """FLOP/s of a device of the same price by the trend, over that of year 0 [1]."""
    return np.power(10.0, hardware_price_performance_ooms_per_year * elapsed_years)


@rule(
    "efficiency_ratio",
    formula="energy_efficiency_growth_per_year ** elapsed_years",
    reference=_EFFICIENCY,
)
def efficiency_ratio(energy_efficiency_growth_per_year: Array, elapsed_years: Array) -> Array:
    """FLOP/s per watt by the trend, over those of year 0 [1]."""
    return energy_efficiency_growth_per_year**elapsed_years


@rule(
    "algorithm_ratio",
    formula="algorithmic_efficiency_growth_per_year ** elapsed_years",
    reference="Ho et al. 2024, arXiv:2403.05812",
)
def algorithm_ratio(algorithmic_efficiency_growth_per_year: Array, elapsed_years: Array) -> Array:
    """What a FLOP trains by the trend, over year 0 [1]."""
    return algorithmic_efficiency_growth_per_year**elapsed_years


@rule(
    "peak_ratio",
    formula="trend_peak_ratio * lever_flops_per_device",
    reference=f"{_COTTIER}; {_FARABOSCHI}",
)
def peak_ratio(trend_peak_ratio: Array, lever_flops_per_device: Array) -> Array:
    """FLOP/s of a device of the same price with levers, over that of year 0 [1]."""
    return trend_peak_ratio * lever_flops_per_device


@rule(
    "power_ratio",
    formula="peak_ratio / efficiency_ratio * lever_power",
    reference=_EFFICIENCY,
)
def power_ratio(peak_ratio: Array, efficiency_ratio: Array, lever_power: Array) -> Array:
    """Power of a device, over that of year 0 [1]."""
    return peak_ratio / efficiency_ratio * lever_power


@rule(
    "electricity_ratio",
    formula="electricity_growth_per_year ** elapsed_years",
    reference="US EIA industrial prices",
)
def electricity_ratio(electricity_growth_per_year: Array, elapsed_years: Array) -> Array:
    """Price of electricity, over that of year 0 [1]."""
    return electricity_growth_per_year**elapsed_years


@rule(
    "mfu",
    formula="min(base_mfu * lever_mfu, 1)",
    reference=_FARABOSCHI,
)
def mfu(base_mfu: Array, lever_mfu: Array) -> Array:
    """MFU with the levers that raise it [1]."""
    return np.minimum(base_mfu * lever_mfu, np.maximum(base_mfu, 1.0))


@rule(
    "trend_hours_ratio",
    formula="compute_growth_per_year ** elapsed_years / algorithm_ratio / trend_peak_ratio",
    reference="Epoch AI 2024, training compute of frontier models; Ho et al. 2024, arXiv:2403.05812",
)
def trend_hours_ratio(
    compute_growth_per_year: Array,
    elapsed_years: Array,
    algorithm_ratio: Array,
    trend_peak_ratio: Array,
) -> Array:
    """Device-hours of the trend in compute, over those of year 0, before levers.

    Parameters
    ----------
    compute_growth_per_year : array_like
        Growth of the compute; 1 for the same model [1/yr].
    elapsed_years : array_like
        Years since year 0 [yr].
    algorithm_ratio : array_like
        What a FLOP trains over year 0; divides the compute of the same model [1].
    trend_peak_ratio : array_like
        FLOP/s of a device over that of year 0 [1].

    Returns
    -------
    ndarray
        Ratio [1].
    """
    return compute_growth_per_year**elapsed_years / algorithm_ratio / trend_peak_ratio


@rule(
    "hours_ratio",
    formula="trend_hours_ratio * lever_flops / lever_flops_per_device / (mfu / base_mfu)",
    reference=_FARABOSCHI,
)
def hours_ratio(
    trend_hours_ratio: Array,
    lever_flops: Array,
    lever_flops_per_device: Array,
    mfu: Array,
    base_mfu: Array,
) -> Array:
    """Device-hours over those of year 0, with levers [1]."""
    return trend_hours_ratio * lever_flops / lever_flops_per_device / (mfu / base_mfu)


@rule(
    "flops",
    formula="base_flops * trend_hours_ratio * trend_peak_ratio * lever_flops",
    reference=_FARABOSCHI,
)
def flops(
    base_flops: Array, trend_hours_ratio: Array, trend_peak_ratio: Array, lever_flops: Array
) -> Array:
    """Training compute of the year [FLOP]."""
    return base_flops * (trend_hours_ratio * trend_peak_ratio) * lever_flops


@rule("device_hours", formula="base_device_hours * hours_ratio", reference="llmcost growth")
def device_hours(base_device_hours: Array, hours_ratio: Array) -> Array:
    """Device-hours of the year [h]."""
    return base_device_hours * hours_ratio


@rule(
    "exact_devices",
    formula="base_devices * hours_ratio / run_length_growth_per_year ** elapsed_years",
    reference="Epoch AI 2024, length of frontier training runs",
)
def exact_devices(
    base_devices: Array,
    hours_ratio: Array,
    run_length_growth_per_year: Array,
    elapsed_years: Array,
) -> Array:
    """Devices that do the work in the time of the trend, not rounded [1]."""
    return base_devices * hours_ratio / run_length_growth_per_year**elapsed_years


@rule("devices", formula="ceil(exact_devices)", reference="llmcost growth")
def devices(exact_devices: Array) -> Array:
    """Devices of the year, whole [1]."""
    return np.ceil(exact_devices * (1 - 1e-12))


@rule(
    "days",
    formula="base_days * run_length_growth_per_year ** elapsed_years * exact_devices / devices",
    reference="Epoch AI 2024, length of frontier training runs",
)
def days(
    base_days: Array,
    run_length_growth_per_year: Array,
    elapsed_years: Array,
    exact_devices: Array,
    devices: Array,
) -> Array:
    """Time of the run in the year [days]."""
    return base_days * run_length_growth_per_year**elapsed_years * (exact_devices / devices)


@rule("peak_flops", formula="base_peak_flops * peak_ratio", reference=_COTTIER)
def peak_flops(base_peak_flops: Array, peak_ratio: Array) -> Array:
    """Dense peak of a device of the year [FLOP/s]."""
    return base_peak_flops * peak_ratio


@rule("device_power_w", formula="base_device_power_w * power_ratio", reference=_EFFICIENCY)
def device_power_w(base_device_power_w: Array, power_ratio: Array) -> Array:
    """Average draw of a device of the year [W]."""
    return base_device_power_w * power_ratio


@rule("tdp_w", formula="base_tdp_w * power_ratio", reference=_EFFICIENCY)
def tdp_w(base_tdp_w: Array, power_ratio: Array) -> Array:
    """Rated power of a device of the year [W]."""
    return base_tdp_w * power_ratio


@rule(
    "device_price_usd", formula="base_device_price_usd * lever_device_price", reference=_FARABOSCHI
)
def device_price_usd(base_device_price_usd: Array, lever_device_price: Array) -> Array:
    """Price of a device of the year, new [USD]."""
    return base_device_price_usd * lever_device_price


@rule(
    "purchase_price_usd",
    formula="base_purchase_price_usd * lever_device_price",
    reference=_FARABOSCHI,
)
def purchase_price_usd(base_purchase_price_usd: Array, lever_device_price: Array) -> Array:
    """Price of buying one device with its share of the server [USD]."""
    return base_purchase_price_usd * lever_device_price


@rule(
    "cloud_usd_per_device_hour",
    formula="base_cloud_usd_per_device_hour * lever_device_price",
    reference=_FARABOSCHI,
)
def cloud_usd_per_device_hour(
    base_cloud_usd_per_device_hour: Array, lever_device_price: Array
) -> Array:
    """Rent of a device of the year, as its price [USD/h]."""
    return base_cloud_usd_per_device_hour * lever_device_price


@rule(
    "electricity_usd_per_kwh",
    formula="base_electricity_usd_per_kwh * electricity_ratio",
    reference="US EIA industrial prices",
)
def electricity_usd_per_kwh(base_electricity_usd_per_kwh: Array, electricity_ratio: Array) -> Array:
    """Price of electricity in the year [USD/kWh]."""
    return base_electricity_usd_per_kwh * electricity_ratio


@rule(
    "grid_kgco2e_per_kwh",
    formula="base_grid_kgco2e_per_kwh * grid_carbon_growth_per_year ** elapsed_years",
    reference="Our World in Data and Ember, US grid 2013 to 2023",
)
def grid_kgco2e_per_kwh(
    base_grid_kgco2e_per_kwh: Array, grid_carbon_growth_per_year: Array, elapsed_years: Array
) -> Array:
    """Carbon intensity of the grid in the year [kgCO2e/kWh]."""
    return base_grid_kgco2e_per_kwh * grid_carbon_growth_per_year**elapsed_years


@rule(
    "budget_flops",
    formula="flops * (budget_usd - fixed_usd) / (cost_total_usd - fixed_usd), none below 0",
    reference="the run's cost is proportional to its compute at a given machine",
)
def budget_flops(budget_usd: Array, flops: Array, cost_total_usd: Array, fixed_usd: Array) -> Array:
    """Compute that a budget buys at the cost per FLOP of the year, fixed costs paid first [FLOP]."""
    bought = flops * (budget_usd - fixed_usd) / (cost_total_usd - fixed_usd)
    return np.maximum(bought, 0.0)


@rule(
    "fixed_usd",
    formula="cost_total_usd - (cost_run_usd + cost_experiments_usd) * (1 + items_share)",
    reference="staff and items that do not grow with the run",
)
def fixed_usd(
    cost_total_usd: Array,
    cost_run_usd: Array,
    cost_experiments_usd: Array,
    items_share: float | Array = 0.0,
) -> Array:
    """What the project costs however much it computes: staff and fixed items [USD]."""
    return cost_total_usd - (cost_run_usd + cost_experiments_usd) * (1 + items_share)


@rule(
    "budget_params",
    formula="sqrt(budget_flops / (lever_flops * changed_flops) * sparsity_ratio"
    " / (flops_per_param_token * budget_tokens_per_param))",
    reference=f"{_FARABOSCHI}; Hoffmann et al. 2022, arXiv:2203.15556",
)
def budget_params(
    budget_flops: Array,
    lever_flops: Array,
    sparsity_ratio: Array,
    flops_per_param_token: Array,
    budget_tokens_per_param: Array,
    changed_flops: float | Array = 1.0,
) -> Array:
    """Parameters of the largest compute-optimal model that a budget trains: 120·P²/K inverted.

    Parameters
    ----------
    budget_flops : array_like
        Compute that the budget buys [FLOP].
    lever_flops : array_like
        FLOPs that levers leave of those of the formula [1].
    sparsity_ratio : array_like
        Total over active parameters, K [1].
    flops_per_param_token, budget_tokens_per_param : array_like
        C0 [FLOP] and tokens per parameter [tokens].
    changed_flops : array_like, default 1
        FLOPs that levers which change the scenario's keys leave of those of the formula [1].

    Returns
    -------
    ndarray
        Parameters [1].

    References
    ----------
    .. [1] Faraboschi et al. (2024), arXiv:2404.08811.
    """
    compute = budget_flops / (lever_flops * changed_flops) * sparsity_ratio
    return np.sqrt(compute / (flops_per_param_token * budget_tokens_per_param))


@rule("budget_tokens", formula="budget_params * budget_tokens_per_param", reference=_FARABOSCHI)
def budget_tokens(budget_params: Array, budget_tokens_per_param: Array) -> Array:
    """Tokens of that model [tokens]."""
    return budget_params * budget_tokens_per_param
