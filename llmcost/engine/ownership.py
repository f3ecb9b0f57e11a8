"""What owning a cluster costs beside its hardware: floor, storage, support, set-up time, capital.

Each is paid for every hour that the cluster is owned, so that a run bears its own hours and, by
``owner_utilisation``, the idle ones. The cluster is valued at the start of the run, as its
depreciation is.
"""

from __future__ import annotations

import math

import numpy as np

from llmcost.engine.carbon import HOURS_PER_YEAR
from llmcost.engine.chain import Array, rule

_CBRE = "CBRE 2025, North America Data Center Trends: rent by contracted kW and month, power apart"
_JORGENSON = (
    "Jorgenson 1963, Capital Theory and Investment Behavior: an asset's user cost is its price"
    " times the rates of interest and depreciation"
)
MONTHS_PER_YEAR = 12
WEEKS_PER_YEAR = 365.25 / 7


@rule(
    "owned_device_years",
    formula="device_hours / 8766 / owner_utilisation",
    reference="definition: an owner pays for the idle hours too",
)
def owned_device_years(device_hours: Array, owner_utilisation: Array) -> Array:
    """Time that devices are owned for the run, their share of idle hours included [yr]."""
    return device_hours / HOURS_PER_YEAR / owner_utilisation


@rule(
    "cluster_value_usd",
    formula="start_value_usd / (1 - interconnect_cost_fraction)",
    reference="Cottier et al. 2024, arXiv:2405.21015",
)
def cluster_value_usd(start_value_usd: Array, interconnect_cost_fraction: Array) -> Array:
    """Value of one device with its server and network when the run starts [USD]."""
    return start_value_usd / (1 - interconnect_cost_fraction)


@rule(
    "cost_colocation_usd",
    formula="owned_device_years * 12 * tdp_w * server_power_ratio / 1000"
    " * colocation_usd_per_kw_month",
    reference=_CBRE,
)
def cost_colocation_usd(
    owned_device_years: Array,
    server_power_ratio: Array,
    colocation_usd_per_kw_month: Array,
    tdp_w: float | Array = math.nan,
) -> Array:
    """Rent of the floor, by the power that the servers may draw; electricity is not in it [USD].

    Parameters
    ----------
    owned_device_years : array_like
        Time that devices are owned for the run [yr].
    server_power_ratio : array_like
        Power of the server over that of its devices [1].
    colocation_usd_per_kw_month : array_like
        Rent of a kilowatt of IT power [USD/kW/month].
    tdp_w : array_like
        Thermal design power of the device [W].

    Returns
    -------
    ndarray
        Cost [USD]; NaN where nobody published the device's power.
    """
    kilowatts = np.asarray(tdp_w) * server_power_ratio / 1000
    return owned_device_years * MONTHS_PER_YEAR * kilowatts * colocation_usd_per_kw_month


@rule(
    "cost_storage_usd",
    formula="owned_device_years * 12 * storage_tb_per_device * storage_usd_per_tb_month",
    reference="definition: capacity times its price",
)
def cost_storage_usd(
    owned_device_years: Array, storage_tb_per_device: Array, storage_usd_per_tb_month: Array
) -> Array:
    """Storage beside the cluster, for data and checkpoints [USD]."""
    per_month = storage_tb_per_device * storage_usd_per_tb_month
    return owned_device_years * MONTHS_PER_YEAR * per_month


@rule(
    "cost_support_usd",
    formula="owned_device_years * cluster_value_usd * support_share_per_year",
    reference="CTWatch Quarterly 2006, Designing and Supporting High-End Computational Facilities",
)
def cost_support_usd(
    owned_device_years: Array, cluster_value_usd: Array, support_share_per_year: Array
) -> Array:
    """Support and repair of servers and network by their vendor [USD]."""
    return owned_device_years * cluster_value_usd * support_share_per_year


@rule(
    "cost_capital_usd",
    formula="owned_device_years * cluster_value_usd * capital_rate_per_year",
    reference=_JORGENSON,
)
def cost_capital_usd(
    owned_device_years: Array, cluster_value_usd: Array, capital_rate_per_year: Array
) -> Array:
    """Interest on what the cluster is still worth [USD].

    Parameters
    ----------
    owned_device_years : array_like
        Time that devices are owned for the run [yr].
    cluster_value_usd : array_like
        Value of a device with server and network at the start, not yet depreciated [USD].
    capital_rate_per_year : array_like
        Interest, or the return that the money would bring elsewhere [1/yr].

    Returns
    -------
    ndarray
        Cost [USD]; with the depreciation, value times (interest + depreciation) times years.

    References
    ----------
    .. [1] Jorgenson (1963), Capital Theory and Investment Behavior, American Economic Review 53(2).
    """
    return owned_device_years * cluster_value_usd * capital_rate_per_year


@rule(
    "setup_share",
    formula="10 ** (depreciation_ooms_per_year * setup_weeks / 52.17857142857143) - 1",
    reference="definition: a cluster ages while it is set up; what that takes is spread over the hours"
    " in use as its depreciation is",
)
def setup_share(depreciation_ooms_per_year: Array, setup_weeks: Array) -> Array:
    """Cost of the weeks before first use over the cost of the hours in use [1].

    A cluster of value V loses V·(1 - exp(-κw)) in w years before its first run. To recover all of V
    by a charge that falls as the value does, every hour has to bear exp(κw) of it.
    """
    years = setup_weeks / WEEKS_PER_YEAR
    return np.expm1(math.log(10) * depreciation_ooms_per_year * years)


@rule(
    "cost_setup_usd",
    formula="setup_share * (cost_hardware_usd + cost_interconnect_usd + cost_colocation_usd"
    " + cost_storage_usd + cost_support_usd + cost_capital_usd)",
    reference="definition: what is owned is paid for while it is set up; electricity is not used",
)
def cost_setup_usd(
    setup_share: Array,
    cost_hardware_usd: Array,
    cost_interconnect_usd: Array,
    cost_colocation_usd: float | Array = 0.0,
    cost_storage_usd: float | Array = 0.0,
    cost_support_usd: float | Array = 0.0,
    cost_capital_usd: float | Array = 0.0,
) -> Array:
    """The run's part of the weeks in which the cluster was bought and not yet used [USD]."""
    paid = cost_hardware_usd + cost_interconnect_usd + cost_colocation_usd
    return setup_share * (paid + cost_storage_usd + cost_support_usd + cost_capital_usd)
