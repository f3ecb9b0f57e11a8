"""What a device draws when it serves, from what it does."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array, rule
from llmcost.engine.kernels.products import power_demand_w
from llmcost.engine.service.prefill import CHUNK_TOKENS

_MEASURED = (
    "Chung et al. 2025, arXiv:2505.06371 (ML.ENERGY), measured boards; MLPerf Inference v5.1"
)


@rule(
    "service_flops_per_token",
    formula="2 * matmul_params * (1 + service_prompt_ratio) + service_decode_score_flops"
    " + service_prompt_ratio * service_prefill_score_flops",
    reference="Pope et al. 2022, arXiv:2211.05102",
)
def service_flops_per_token(
    matmul_params: Array,
    service_prompt_ratio: Array,
    service_decode_score_flops: Array,
    service_prefill_score_flops: Array,
) -> Array:
    """Arithmetic of an output token and the prompt tokens that come with it [FLOP]."""
    products = 2 * matmul_params * (1 + service_prompt_ratio)
    return (
        products + service_decode_score_flops + service_prompt_ratio * service_prefill_score_flops
    )


@rule(
    "service_bytes_per_token",
    formula="devices_per_replica * (service_step_bytes / service_batch + service_prompt_ratio"
    " * service_chunk_bytes / (4096 * service_groups))",
    reference="Pope et al. 2022, arXiv:2211.05102",
)
def service_bytes_per_token(
    devices_per_replica: Array,
    service_step_bytes: Array,
    service_batch: Array,
    service_prompt_ratio: Array,
    service_chunk_bytes: Array,
    service_groups: Array,
) -> Array:
    """Memory traffic of a replica for an output token and its prompt tokens [B]."""
    chunk = service_chunk_bytes / (CHUNK_TOKENS * service_groups)
    return devices_per_replica * (service_step_bytes / service_batch + service_prompt_ratio * chunk)


@rule(
    "service_flop_pj",
    formula="service_product_pj * service_flop_factor",
    reference="ai-dynamo/aiconfigurator, measured power of products",
)
def service_flop_pj(service_product_pj: Array, service_flop_factor: Array) -> Array:
    """Energy of an operation in service, from that of one in a large product [pJ]."""
    return service_product_pj * service_flop_factor


@rule(
    "service_active_share",
    formula="1 - service_host_s / service_batch / service_token_s",
    reference="devices wait for the host between steps",
)
def service_active_share(
    service_host_s: Array, service_batch: Array, service_token_s: Array
) -> Array:
    """Share of a busy replica's time in which its devices run kernels [1]."""
    return 1 - service_host_s / service_batch / service_token_s


@rule(
    "service_busy_power_w",
    formula="min(service_tdp_w, service_power_factor * (service_tdp_w * (service_idle_share + service_active_power_share"
    " * service_active_share) + inference_tokens_per_s_per_device * (service_flops_per_token"
    " * service_flop_pj + service_bytes_per_token * service_byte_pj) / 1e12))",
    reference=_MEASURED,
)
def service_busy_power_w(
    service_tdp_w: Array,
    service_idle_share: Array,
    service_active_power_share: Array,
    service_active_share: Array,
    inference_tokens_per_s_per_device: Array,
    service_flops_per_token: Array,
    service_flop_pj: Array,
    service_bytes_per_token: Array,
    service_byte_pj: Array,
    service_power_factor: Array,
) -> Array:
    """Draw of a device that has work, its board alone.

    Parameters
    ----------
    service_tdp_w : array_like
        Thermal design power, which a board does not exceed [W].
    service_idle_share, service_active_power_share : array_like
        Draw of an idle device over that power, and what running any kernel adds [1].
    service_active_share : array_like
        Share of the time in which kernels run [1].
    inference_tokens_per_s_per_device : array_like
        Output tokens a second [tokens/s].
    service_flops_per_token, service_bytes_per_token : array_like
        Arithmetic [FLOP] and memory traffic [B] that come with each.
    service_flop_pj, service_byte_pj : array_like
        Energy of an operation and of a byte from memory [pJ].
    service_power_factor : array_like
        1, but for uncertainty [1].

    Returns
    -------
    ndarray
        Power [W]: decode reads much and multiplies little, and draws less than training.

    References
    ----------
    .. [1] Chung et al. (2025), arXiv:2505.06371.
    """
    floor = service_tdp_w * (service_idle_share + service_active_power_share * service_active_share)
    rate = inference_tokens_per_s_per_device
    demand = power_demand_w(
        rate * service_flops_per_token,
        rate * service_bytes_per_token,
        floor,
        service_flop_pj,
        service_byte_pj,
    )
    return np.minimum(demand * service_power_factor, service_tdp_w)


@rule(
    "service_board_power_w",
    formula="service_busy_share * service_busy_power_w"
    " + (1 - service_busy_share) * service_idle_share * service_tdp_w",
    reference=_MEASURED,
)
def service_board_power_w(
    service_busy_share: Array,
    service_busy_power_w: Array,
    service_idle_share: Array,
    service_tdp_w: Array,
) -> Array:
    """Average draw of a device, with and without work [W]."""
    idle = service_idle_share * service_tdp_w
    return service_busy_share * service_busy_power_w + (1 - service_busy_share) * idle


@rule(
    "service_device_power_w",
    formula="service_board_power_w + (service_server_power_ratio - 1) * service_tdp_w"
    " * service_server_share",
    reference="MLPerf Inference v5.1, system power of 8 B200 against their boards",
)
def service_device_power_w(
    service_board_power_w: Array,
    service_server_power_ratio: Array,
    service_tdp_w: Array,
    service_server_share: Array,
) -> Array:
    """Average draw of a device with its part of the server.

    Parameters
    ----------
    service_board_power_w : array_like
        Draw of the board [W].
    service_server_power_ratio, service_tdp_w : array_like
        Rated power of the server over that of its devices [1], and of a device [W].
    service_server_share : array_like
        Draw of the rest of the server over its rated power [1].

    Returns
    -------
    ndarray
        Power [W].
    """
    rest = (service_server_power_ratio - 1) * service_tdp_w
    return service_board_power_w + rest * service_server_share
