"""Training and service together, and after how many tokens service has taken more."""

from __future__ import annotations

from llmcost.engine.chain import Array, rule

_WU = "Wu et al. 2024, arXiv:2406.05303"


@rule(
    "lifetime_energy_mwh",
    formula="energy_mwh + inference_energy_mwh",
    reference=_WU,
)
def lifetime_energy_mwh(energy_mwh: Array, inference_energy_mwh: Array) -> Array:
    """Electricity of training and service [MWh]."""
    return energy_mwh + inference_energy_mwh


@rule(
    "inference_tco2e",
    formula="inference_operational_tco2e + inference_embodied_tco2e",
    reference=_WU,
)
def inference_tco2e(inference_operational_tco2e: Array, inference_embodied_tco2e: Array) -> Array:
    """Operational and embodied emissions of the service [tCO2e]."""
    return inference_operational_tco2e + inference_embodied_tco2e


@rule(
    "lifetime_tco2e",
    formula="total_tco2e + inference_tco2e",
    reference=_WU,
)
def lifetime_tco2e(total_tco2e: Array, inference_tco2e: Array) -> Array:
    """Emissions of training and service, operational and embodied [tCO2e]."""
    return total_tco2e + inference_tco2e


@rule(
    "lifetime_cost_usd",
    formula="cost_total_usd + inference_cost_usd",
    reference="definition",
)
def lifetime_cost_usd(cost_total_usd: Array, inference_cost_usd: Array) -> Array:
    """Cost of training and service [USD]."""
    return cost_total_usd + inference_cost_usd


@rule(
    "training_share_of_lifetime_tco2e",
    formula="total_tco2e / lifetime_tco2e",
    reference=_WU,
)
def training_share_of_lifetime_tco2e(total_tco2e: Array, lifetime_tco2e: Array) -> Array:
    """Share of the life's emissions that training makes [1]."""
    return total_tco2e / lifetime_tco2e


def break_even_tokens(training: Array, service: Array, output_tokens: Array) -> Array:
    """Output tokens after which service has taken as much as training did.

    Parameters
    ----------
    training, service : array_like
        What training and the service over its days take, in one unit.
    output_tokens : array_like
        Output tokens of those days [tokens].

    Returns
    -------
    ndarray
        Tokens; service is taken to go on as it is.
    """
    return training / service * output_tokens


@rule(
    "break_even_tokens_energy",
    formula="energy_mwh / inference_energy_mwh * service_output_tokens",
    reference=_WU,
)
def break_even_tokens_energy(
    energy_mwh: Array, inference_energy_mwh: Array, service_output_tokens: Array
) -> Array:
    """Output tokens after which service has used as much electricity as training [tokens]."""
    return break_even_tokens(energy_mwh, inference_energy_mwh, service_output_tokens)


@rule(
    "break_even_tokens_tco2e",
    formula="total_tco2e / inference_tco2e * service_output_tokens",
    reference=_WU,
)
def break_even_tokens_tco2e(
    total_tco2e: Array, inference_tco2e: Array, service_output_tokens: Array
) -> Array:
    """Output tokens after which service has emitted as much as training [tokens]."""
    return break_even_tokens(total_tco2e, inference_tco2e, service_output_tokens)


@rule(
    "break_even_tokens_cost",
    formula="cost_total_usd / inference_cost_usd * service_output_tokens",
    reference=_WU,
)
def break_even_tokens_cost(
    cost_total_usd: Array, inference_cost_usd: Array, service_output_tokens: Array
) -> Array:
    """Output tokens after which service has cost as much as training [tokens]."""
    return break_even_tokens(cost_total_usd, inference_cost_usd, service_output_tokens)
