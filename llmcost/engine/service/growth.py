"""The service in later years: the same model and traffic on hardware that improves as a trainer's."""

from __future__ import annotations

from llmcost.engine.chain import Array, rule

_COTTIER = "Cottier et al. 2024, arXiv:2405.21015"
_FARABOSCHI = "Faraboschi et al. 2024, arXiv:2404.08811, table 4"


@rule(
    "inference_tokens_per_s_per_device",
    formula="base_inference_tokens_per_s_per_device * peak_ratio",
    reference=_COTTIER,
)
def inference_tokens_per_s_per_device(
    base_inference_tokens_per_s_per_device: Array, peak_ratio: Array
) -> Array:
    """Output tokens of a device of the year: memory is taken to keep up with its peak [tokens/s]."""
    return base_inference_tokens_per_s_per_device * peak_ratio


@rule(
    "service_device_power_w",
    formula="base_service_device_power_w * power_ratio",
    reference="Epoch AI, ML hardware",
)
def service_device_power_w(base_service_device_power_w: Array, power_ratio: Array) -> Array:
    """Average draw of a serving device of the year, its part of the server included [W]."""
    return base_service_device_power_w * power_ratio


@rule(
    "service_device_price_usd",
    formula="base_service_device_price_usd * lever_device_price",
    reference=_FARABOSCHI,
)
def service_device_price_usd(
    base_service_device_price_usd: Array, lever_device_price: Array
) -> Array:
    """Price of a serving device of the year, new [USD]."""
    return base_service_device_price_usd * lever_device_price


@rule(
    "service_purchase_price_usd",
    formula="base_service_purchase_price_usd * lever_device_price",
    reference=_FARABOSCHI,
)
def service_purchase_price_usd(
    base_service_purchase_price_usd: Array, lever_device_price: Array
) -> Array:
    """Price of buying a serving device with its share of the server [USD]."""
    return base_service_purchase_price_usd * lever_device_price


@rule(
    "service_cloud_usd_per_device_hour",
    formula="base_service_cloud_usd_per_device_hour * lever_device_price",
    reference=_FARABOSCHI,
)
def service_cloud_usd_per_device_hour(
    base_service_cloud_usd_per_device_hour: Array, lever_device_price: Array
) -> Array:
    """Rent of a serving device of the year, as its price [USD/h]."""
    return base_service_cloud_usd_per_device_hour * lever_device_price
