"""The device-hours that the frontier's cost buys in a later year, as :mod:`llmcost.engine.growth` takes them."""

from __future__ import annotations

from llmcost.engine.chain import Array, rule

_COTTIER = "Cottier et al. 2024, arXiv:2405.21015"


@rule(
    "trend_hours_ratio",
    formula="cost_growth_per_year ** elapsed_years / ((base_hardware_usd + (base_cost_energy_usd * electricity_ratio"
    " + base_floor_usd) * trend_peak_ratio / efficiency_ratio) / (base_hardware_usd + base_cost_energy_usd + base_floor_usd))",
    reference=_COTTIER,
)
def trend_hours_ratio_of_cost(
    cost_growth_per_year: Array,
    elapsed_years: Array,
    base_hardware_usd: Array,
    base_cost_energy_usd: Array,
    base_floor_usd: Array,
    trend_peak_ratio: Array,
    efficiency_ratio: Array,
    electricity_ratio: Array,
) -> Array:
    """Device-hours that the trend in amortized cost buys, over those of year 0, before levers.

    Parameters
    ----------
    cost_growth_per_year : array_like
        Growth of the amortized cost [1/yr].
    elapsed_years : array_like
        Years since year 0 [yr].
    base_hardware_usd, base_cost_energy_usd, base_floor_usd : array_like
        What the amortized cost of year 0 is made of [USD].
    trend_peak_ratio, efficiency_ratio, electricity_ratio : array_like
        FLOP/s of a device, FLOP/s per watt, price of electricity, each over year 0 [1].

    Returns
    -------
    ndarray
        Ratio [1].

    References
    ----------
    .. [1] Cottier et al. (2024), arXiv:2405.21015.
    """
    power = trend_peak_ratio / efficiency_ratio
    moved = base_hardware_usd + base_cost_energy_usd * power * electricity_ratio
    unit = (moved + base_floor_usd * power) / (
        base_hardware_usd + base_cost_energy_usd + base_floor_usd
    )
    return cost_growth_per_year**elapsed_years / unit


@rule(
    "base_hardware_usd",
    formula="(base_cost_hardware_usd + base_cost_interconnect_usd + base_cost_storage_usd"
    " + base_cost_support_usd + base_cost_capital_usd) * (1 + base_setup_share)",
    reference=_COTTIER,
)
def base_hardware_usd(
    base_cost_hardware_usd: Array,
    base_cost_interconnect_usd: Array,
    base_cost_storage_usd: Array,
    base_cost_support_usd: Array,
    base_cost_capital_usd: Array,
    base_setup_share: Array,
) -> Array:
    """What of the amortized cost of year 0 goes by device-hours: hardware, network, their keep [USD]."""
    hardware = base_cost_hardware_usd + base_cost_interconnect_usd
    kept = base_cost_storage_usd + base_cost_support_usd + base_cost_capital_usd
    return (hardware + kept) * (1 + base_setup_share)


@rule(
    "base_floor_usd",
    formula="base_cost_colocation_usd * (1 + base_setup_share)",
    reference=_COTTIER,
)
def base_floor_usd(base_cost_colocation_usd: Array, base_setup_share: Array) -> Array:
    """What of the amortized cost of year 0 goes by the rated power of the devices [USD]."""
    return base_cost_colocation_usd * (1 + base_setup_share)
