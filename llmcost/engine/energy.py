"""Power and energy."""

from __future__ import annotations

from llmcost.engine.chain import Array, rule

_COTTIER = "Cottier et al. 2024, arXiv:2405.21015"


@rule(
    "device_power_w", formula="tdp_w * server_power_ratio * power_utilisation", reference=_COTTIER
)
def device_power_w(tdp_w: Array, server_power_ratio: Array, power_utilisation: Array) -> Array:
    """Average draw attributed to one device, its share of the server included.

    Parameters
    ----------
    tdp_w : array_like
        Thermal design power of the device [W].
    server_power_ratio : array_like
        Power of the server over that of its devices [1].
    power_utilisation : array_like
        Average draw over the rated power [1].

    Returns
    -------
    ndarray
        Power [W].

    References
    ----------
    .. [1] Cottier et al. (2024), arXiv:2405.21015, appendix on energy.
    """
    return tdp_w * server_power_ratio * power_utilisation


@rule(
    "it_energy_mwh",
    formula="device_hours * device_power_w / 1e6",
    reference="Patterson et al. 2021, arXiv:2104.10350",
)
def it_energy_mwh(device_hours: Array, device_power_w: Array) -> Array:
    """Electricity of the servers, data centre overhead left out [MWh]."""
    return device_hours * device_power_w / 1e6


@rule(
    "energy_mwh",
    formula="it_energy_mwh * pue",
    reference="Patterson et al. 2021, arXiv:2104.10350; " + _COTTIER,
)
def energy_mwh(it_energy_mwh: Array, pue: Array) -> Array:
    """Electricity of the run, data centre overhead included [MWh]."""
    return it_energy_mwh * pue


@rule(
    "development_energy_mwh",
    formula="(1 + experiments_ratio) * energy_mwh",
    reference=_COTTIER,
)
def development_energy_mwh(experiments_ratio: Array, energy_mwh: Array) -> Array:
    """Electricity of the run and of its experiments [MWh]."""
    return (1 + experiments_ratio) * energy_mwh


@rule(
    "peak_power_mw",
    formula="devices * tdp_w * server_power_ratio * pue / 1e6",
    reference=_COTTIER,
)
def peak_power_mw(devices: Array, tdp_w: Array, server_power_ratio: Array, pue: Array) -> Array:
    """Power that the site must provide [MW]."""
    return devices * tdp_w * server_power_ratio * pue / 1e6
