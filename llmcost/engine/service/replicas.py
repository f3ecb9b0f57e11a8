"""How fast a replica writes, and how many it takes."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array, rule

SECONDS_PER_DAY = 86400.0


@rule(
    "service_token_s",
    formula="(service_device_step_s + service_host_s) / service_batch"
    " + service_prompt_ratio * service_prefill_token_s",
    reference="Agrawal et al. 2023, arXiv:2308.16369: prompts are read between steps",
)
def service_token_s(
    service_device_step_s: Array,
    service_host_s: Array,
    service_batch: Array,
    service_prompt_ratio: Array,
    service_prefill_token_s: Array,
) -> Array:
    """Time of a replica for an output token and the prompt tokens that come with it.

    Parameters
    ----------
    service_device_step_s, service_host_s : array_like
        Time of a step on devices, and of the host between steps [s].
    service_batch : array_like
        Sequences that get a token in a step [1].
    service_prompt_ratio, service_prefill_token_s : array_like
        Prompt tokens for each output token [1] and the time of one [s].

    Returns
    -------
    ndarray
        Time [s].
    """
    step = (service_device_step_s + service_host_s) / service_batch
    return step + service_prompt_ratio * service_prefill_token_s


@rule(
    "inference_tokens_per_s_per_device",
    formula="service_speed_factor / service_token_s / devices_per_replica",
    reference="Pope et al. 2022, arXiv:2211.05102",
)
def inference_tokens_per_s_per_device(
    service_speed_factor: Array, service_token_s: Array, devices_per_replica: Array
) -> Array:
    """Output tokens that a device writes in a second while it has work [tokens/s]."""
    return service_speed_factor / service_token_s / devices_per_replica


@rule(
    "service_replica_tokens_per_day",
    formula="inference_tokens_per_s_per_device * devices_per_replica * 86400",
    reference="definition",
)
def service_replica_tokens_per_day(
    inference_tokens_per_s_per_device: Array, devices_per_replica: Array
) -> Array:
    """Output tokens that a replica could write in a day without a pause [tokens]."""
    return inference_tokens_per_s_per_device * devices_per_replica * SECONDS_PER_DAY


@rule(
    "service_replicas",
    formula="ceil(output_tokens_per_day / (service_replica_tokens_per_day * service_utilisation))",
    reference="definition",
)
def service_replicas(
    output_tokens_per_day: Array, service_replica_tokens_per_day: Array, service_utilisation: Array
) -> Array:
    """Replicas that keep up with the service at the utilisation that is meant [1]."""
    return np.ceil(output_tokens_per_day / (service_replica_tokens_per_day * service_utilisation))


@rule(
    "inference_devices",
    formula="service_replicas * devices_per_replica",
    reference="definition",
)
def inference_devices(service_replicas: Array, devices_per_replica: Array) -> Array:
    """Devices that serve the model [1]."""
    return service_replicas * devices_per_replica


@rule(
    "service_busy_share",
    formula="output_tokens_per_day / (service_replica_tokens_per_day * service_replicas)",
    reference="definition",
)
def service_busy_share(
    output_tokens_per_day: Array, service_replica_tokens_per_day: Array, service_replicas: Array
) -> Array:
    """Share of the time in which a replica has work; at most the utilisation [1]."""
    return output_tokens_per_day / (service_replica_tokens_per_day * service_replicas)


@rule(
    "service_device_hours",
    formula="inference_devices * service_days * 24",
    reference="devices are held day and night",
)
def service_device_hours(inference_devices: Array, service_days: Array) -> Array:
    """Device-hours of the service, idle ones included [h]."""
    return inference_devices * service_days * 24


@rule(
    "service_output_tokens",
    formula="output_tokens_per_day * service_days",
    reference="definition",
)
def service_output_tokens(output_tokens_per_day: Array, service_days: Array) -> Array:
    """Output tokens of the service over its days [tokens]."""
    return output_tokens_per_day * service_days
