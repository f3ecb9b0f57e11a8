"""Money: amortized hardware and energy, purchase, cloud rental; experiments, staff and items."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from llmcost.engine import ownership  # noqa: F401  (its parts are planned before their sum)
from llmcost.engine.carbon import HOURS_PER_YEAR
from llmcost.engine.chain import Array, rule

_COTTIER = "Cottier et al. 2024, arXiv:2405.21015"
DAYS_PER_YEAR = 365.25
DAYS_PER_MONTH = DAYS_PER_YEAR / 12


@rule(
    "server_price_usd",
    formula="device_price_usd where it includes the server, else * server_cost_ratio",
    reference=_COTTIER,
)
def server_price_usd(
    device_price_usd: Array, price_includes_server: Array, server_cost_ratio: Array
) -> Array:
    """Price of one device with its share of the server, new [USD]."""
    return device_price_usd * np.where(price_includes_server > 0, 1.0, server_cost_ratio)


@rule(
    "age_years",
    formula="max(0, start_day - available_day) / 365.25",
    reference=_COTTIER,
)
def age_years(start_day: Array, available_day: Array) -> Array:
    """Years from the market entry of the hardware to the start of training [yr]."""
    return np.maximum(start_day - available_day, 0.0) / DAYS_PER_YEAR


@rule(
    "start_value_usd",
    formula="server_price_usd * 10 ** (-depreciation_ooms_per_year * age_years)",
    reference=_COTTIER,
)
def start_value_usd(
    server_price_usd: Array, depreciation_ooms_per_year: Array, age_years: Array
) -> Array:
    """Value of one device with its server when training starts [USD]."""
    return server_price_usd * np.exp(-math.log(10) * depreciation_ooms_per_year * age_years)


@rule(
    "hourly_usd",
    formula="start_value_usd * depreciation_ooms_per_year * 2.302585092994046 / 8766 / owner_utilisation",
    reference=_COTTIER,
)
def hourly_usd(
    start_value_usd: Array, depreciation_ooms_per_year: Array, owner_utilisation: Array
) -> Array:
    """Depreciation of one device with its server, at the pace that hardware improves.

    Parameters
    ----------
    start_value_usd : array_like
        Value when training starts [USD].
    depreciation_ooms_per_year : array_like
        Progress of price-performance, orders of magnitude per year [1/yr].
    owner_utilisation : array_like
        Share of the hours that runs pay for; the paper's is 1 [1].

    Returns
    -------
    ndarray
        Depreciation per hour of a run [USD/h].

    References
    ----------
    .. [1] Cottier et al. (2024), arXiv:2405.21015, section 2.
    """
    pace = depreciation_ooms_per_year * math.log(10) / HOURS_PER_YEAR
    return start_value_usd * pace / owner_utilisation


@rule("cost_hardware_usd", formula="hourly_usd * device_hours", reference=_COTTIER)
def cost_hardware_usd(hourly_usd: Array, device_hours: Array) -> Array:
    """Amortized cost of accelerators and servers [USD]."""
    return hourly_usd * device_hours


@rule("cost_accelerator_usd", formula="cost_hardware_usd / server_cost_ratio", reference=_COTTIER)
def cost_accelerator_usd(cost_hardware_usd: Array, server_cost_ratio: Array) -> Array:
    """Amortized cost of the accelerators alone [USD]."""
    return cost_hardware_usd / server_cost_ratio


@rule("cost_server_usd", formula="cost_hardware_usd - cost_accelerator_usd", reference=_COTTIER)
def cost_server_usd(cost_hardware_usd: Array, cost_accelerator_usd: Array) -> Array:
    """Amortized cost of the rest of the servers [USD]."""
    return cost_hardware_usd - cost_accelerator_usd


@rule(
    "cost_interconnect_usd",
    formula="cost_hardware_usd * interconnect_cost_fraction / (1 - interconnect_cost_fraction)",
    reference=_COTTIER,
)
def cost_interconnect_usd(cost_hardware_usd: Array, interconnect_cost_fraction: Array) -> Array:
    """Amortized cost of the network, a fraction of the cluster's cost [USD]."""
    return cost_hardware_usd * interconnect_cost_fraction / (1 - interconnect_cost_fraction)


@rule("cost_energy_usd", formula="energy_mwh * 1000 * electricity_usd_per_kwh", reference=_COTTIER)
def cost_energy_usd(energy_mwh: Array, electricity_usd_per_kwh: Array) -> Array:
    """Cost of the electricity [USD]."""
    return energy_mwh * 1000 * electricity_usd_per_kwh


@rule(
    "cost_amortized_usd",
    formula="cost_accelerator_usd + cost_server_usd + cost_interconnect_usd + cost_energy_usd, and of"
    " colocation, storage, support, capital and set-up what the scenario asks for",
    reference=_COTTIER,
)
def cost_amortized_usd(
    cost_accelerator_usd: Array,
    cost_server_usd: Array,
    cost_interconnect_usd: Array,
    cost_energy_usd: Array,
    cost_colocation_usd: float | Array = 0.0,
    cost_storage_usd: float | Array = 0.0,
    cost_support_usd: float | Array = 0.0,
    cost_capital_usd: float | Array = 0.0,
    cost_setup_usd: float | Array = 0.0,
) -> Array:
    """Amortized hardware plus energy, and what else owning it costs where that is counted [USD]."""
    hardware = cost_accelerator_usd + cost_server_usd + cost_interconnect_usd + cost_energy_usd
    owning = cost_colocation_usd + cost_storage_usd + cost_support_usd + cost_capital_usd
    return np.asarray(hardware + (owning + cost_setup_usd))


@rule(
    "purchase_price_usd",
    formula="server_price_usd, where the device is sold and has no quoted_price_usd",
    reference="the price of the scenario, where nobody quotes one of the run's time",
)
def purchase_price_usd(
    server_price_usd: Array,
    device_sold: float | Array = 1.0,
    quoted_price_usd: float | Array = math.nan,
) -> Array:
    """Price of buying one device with its share of the server when the run starts [USD].

    `device_sold` is 0 where its vendor only rents it out [1]; `quoted_price_usd` is the price of the
    run's time, NaN for those devices of an axis that nobody quotes [USD].
    """
    own = np.where(np.asarray(device_sold) > 0, server_price_usd, np.nan)
    return np.where(np.isnan(quoted_price_usd), own, quoted_price_usd)


@rule(
    "cost_purchase_usd",
    formula="devices * purchase_price_usd / (1 - interconnect_cost_fraction)",
    reference=_COTTIER,
)
def cost_purchase_usd(
    devices: Array, purchase_price_usd: Array, interconnect_cost_fraction: Array
) -> Array:
    """Price of the whole cluster, new [USD]."""
    return devices * purchase_price_usd / (1 - interconnect_cost_fraction)


@rule(
    "cost_fully_used_usd",
    formula="owner_utilisation * (cost_amortized_usd - cost_energy_usd)",
    reference="an owner's hardware costs the less an hour the more hours are used",
)
def cost_fully_used_usd(
    owner_utilisation: Array, cost_amortized_usd: Array, cost_energy_usd: Array
) -> Array:
    """Amortized cost without electricity, as it were if every hour of the hardware were used [USD]."""
    return owner_utilisation * (cost_amortized_usd - cost_energy_usd)


@rule(
    "breakeven_utilisation",
    formula="cost_fully_used_usd / (cost_cloud_usd - cost_energy_usd)",
    reference="an owner's hardware costs the less an hour the more hours are used; rented hours cost the same",
)
def breakeven_utilisation(
    cost_fully_used_usd: Array, cost_cloud_usd: Array, cost_energy_usd: Array
) -> Array:
    """Share of its life that an owned cluster must be used to cost what renting does [1].

    Above 1 owning never pays; negative or undefined where rent is below the electricity, NaN.
    """
    rent = cost_cloud_usd - cost_energy_usd
    return np.where(rent > 0, cost_fully_used_usd / np.where(rent > 0, rent, 1.0), np.nan)


@rule("cost_cloud_usd", formula="device_hours * cloud_usd_per_device_hour", reference=_COTTIER)
def cost_cloud_usd(device_hours: Array, cloud_usd_per_device_hour: Array) -> Array:
    """Cost of renting the devices [USD]."""
    return device_hours * cloud_usd_per_device_hour


@rule(
    "fte",
    formula="people * fte_share",
    reference=_COTTIER,
)
def fte_by_headcount(people: Array, fte_share: Array) -> Array:
    """Full-time equivalents of contributors by headcount [persons]."""
    return people * fte_share


@rule("cost_staff_usd", formula="fte * months / 12 * usd_per_fte_year", reference=_COTTIER)
def cost_staff_usd(fte: Array, months: Array, usd_per_fte_year: Array) -> Array:
    """Cost of the staff [USD]."""
    return fte * months / 12 * usd_per_fte_year


@rule(
    "cost_run_usd",
    formula="cost_amortized_usd, cost_cloud_usd or cost_purchase_usd by cost.method",
    reference=_COTTIER,
)
def cost_run_usd(
    cost_method: Array,
    cost_amortized_usd: float | Array = math.nan,
    cost_cloud_usd: float | Array = math.nan,
    cost_purchase_usd: float | Array = math.nan,
) -> Array:
    """The final run by the chosen method: 0 amortized, 1 cloud, 2 purchase [USD]."""
    if cost_method.ndim == 0:
        chosen = (cost_amortized_usd, cost_cloud_usd, cost_purchase_usd)[int(cost_method)]
        return np.asarray(chosen)
    rest = np.where(cost_method < 2, cost_cloud_usd, cost_purchase_usd)
    return np.where(cost_method < 1, cost_amortized_usd, rest)


@rule(
    "cost_experiments_usd",
    formula="experiments_ratio * cost_run_usd",
    reference=_COTTIER,
)
def cost_experiments_usd(experiments_ratio: Array, cost_run_usd: Array) -> Array:
    """Cost of the experiments, by the method of the run [USD]."""
    return experiments_ratio * cost_run_usd


@rule(
    "cost_development_usd",
    formula="cost_run_usd + cost_experiments_usd + cost_staff_usd",
    reference=_COTTIER,
)
def cost_development_usd(
    cost_run_usd: Array, cost_experiments_usd: Array, cost_staff_usd: float | Array = 0.0
) -> Array:
    """Cost of developing the model: final run, experiments and, where given, staff [USD]."""
    return np.asarray(cost_run_usd + cost_experiments_usd + cost_staff_usd)


@rule(
    "cost_items_usd",
    formula="items_share * cost_development_usd + items_usd_per_month * (months, or days / 30.4375)"
    " + items_usd",
    reference="the scenario's [[cost.items]]",
)
def cost_items_usd(
    items_share: Array,
    items_usd_per_month: Array,
    items_usd: Array,
    cost_development_usd: Array,
    months: float | Array = math.nan,
    days: float | Array = math.nan,
) -> Array:
    """Cost of items of the user's own, each of which may be a share of what stands above it.

    Parameters
    ----------
    items_share : array_like
        What :func:`item_parts` makes of the items: their share of the development cost [1].
    items_usd_per_month, items_usd : array_like
        What they cost a month [USD/month], and once [USD].
    cost_development_usd : array_like
        What stands above the first item [USD].
    months : array_like
        Time that the staff works; without staff the run's own time counts [months].
    days : array_like
        Wall-clock time of the run [days].

    Returns
    -------
    ndarray
        Cost [USD].
    """
    time = np.where(np.isnan(months), np.asarray(days) / DAYS_PER_MONTH, months)
    monthly = np.where(items_usd_per_month > 0, items_usd_per_month * time, 0.0)
    return items_share * cost_development_usd + monthly + items_usd


@rule(
    "cost_total_usd",
    formula="cost_development_usd + cost_items_usd",
    reference=_COTTIER,
)
def cost_total_usd(cost_development_usd: Array, cost_items_usd: float | Array = 0.0) -> Array:
    """All that the scenario says the project costs [USD]."""
    return np.asarray(cost_development_usd + cost_items_usd)


class ItemParts(NamedTuple):
    """An item as a share of the development cost [1], an amount a month and an amount [USD]."""

    share: float
    usd_per_month: float
    usd: float


def item_parts(items: Sequence[Mapping[str, float]]) -> list[ItemParts]:
    """Solve items that stand on one another for what each takes of the development cost.

    Parameters
    ----------
    items : sequence of mapping
        Each with one of ``usd`` [USD], ``usd_per_month`` [USD/month] and ``share`` [1], the
        last of everything above it: development and the items before it.

    Returns
    -------
    list of ItemParts
        One an item; :func:`cost_items_usd` takes their sum.
    """
    found: list[ItemParts] = []
    share, monthly, once = 1.0, 0.0, 0.0
    for item in items:
        of = item.get("share", 0.0)
        part = ItemParts(
            of * share,
            of * monthly + item.get("usd_per_month", 0.0),
            of * once + item.get("usd", 0.0),
        )
        share, monthly, once = share + part.share, monthly + part.usd_per_month, once + part.usd
        found.append(part)
    return found
