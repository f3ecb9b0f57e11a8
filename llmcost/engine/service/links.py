"""What the devices of a replica send one another: a time to start, and a time for each token."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array, rule
from llmcost.engine.kernels.collectives import domain_collective_s, expert_exchange_s

_NCCL = "ai-dynamo/aiconfigurator, measured collectives; NVIDIA nccl-tests"
_DEEPEP = "DeepSeek-AI, DeepEP; DeepSeek-V3, arXiv:2412.19437, section 3.4"
#: Bytes of a number of the activations, and of one sent to an expert.
ACTIVATION_BYTES, DISPATCH_BYTES = 2.0, 1.0


@rule(
    "service_blocks",
    formula="attention_layers + recurrent_layers + ffn_layers",
    reference="Shoeybi et al. 2019, arXiv:1909.08053: an all-reduce after each",
)
def service_blocks(attention_layers: Array, recurrent_layers: Array, ffn_layers: Array) -> Array:
    """Blocks of the model: what mixes a sequence, and feed-forwards [1]."""
    return attention_layers + recurrent_layers + ffn_layers


@rule(
    "service_reduce_wait_s",
    formula="service_blocks * (service_reduce_base_s + service_reduce_hop_s * hops), 0 where tp is 1",
    reference=_NCCL,
)
def service_reduce_wait_s(
    service_blocks: Array,
    service_tp: Array,
    service_reduce_base_s: Array,
    service_reduce_hop_s: Array,
) -> Array:
    """Latency of the all-reduces of a pass, one a block [s]."""
    one = domain_collective_s(
        "all_reduce", 0.0, service_tp, 1.0, 1.0, service_reduce_base_s, service_reduce_hop_s, 0.0
    )
    return service_blocks * one


@rule(
    "service_reduce_token_s",
    formula="service_blocks * 2 * (hidden_size * 2 bytes) * (tp - 1) / tp"
    " / (service_scale_up_gb_s * 1e9 * service_reduce_share), 0 where tp is 1",
    reference=_NCCL,
)
def service_reduce_token_s(
    service_blocks: Array,
    hidden_size: Array,
    service_tp: Array,
    service_scale_up_gb_s: Array,
    service_reduce_share: Array,
) -> Array:
    """Time of a token's numbers in the all-reduces of a pass [s].

    Parameters
    ----------
    service_blocks, hidden_size, service_tp : array_like
        Blocks, width of the model, tensor-parallel devices [1].
    service_scale_up_gb_s, service_reduce_share : array_like
        Bandwidth of a device into its domain, each way [GB/s], and the share reached [1].

    Returns
    -------
    ndarray
        Time [s].
    """
    size = hidden_size * ACTIVATION_BYTES
    bandwidth = service_scale_up_gb_s * 1e9
    one = domain_collective_s(
        "all_reduce", size, service_tp, bandwidth, service_reduce_share, 0.0, 0.0, 0.0
    )
    return service_blocks * one


@rule(
    "service_exchange_wait_s",
    formula="2 * moe_layers * service_exchange_base_s, 0 without expert parallelism",
    reference=_DEEPEP,
)
def service_exchange_wait_s(
    moe_layers: Array, service_exchange_base_s: Array, service_groups: Array
) -> Array:
    """Latency of sending tokens to their experts and back, in a pass [s]."""
    return np.where(service_groups > 1, 2 * moe_layers * service_exchange_base_s, 0.0)


@rule(
    "service_exchange_token_s",
    formula="moe_layers * max(bytes to other nodes / network, bytes inside / scale-up)"
    " of a token, 1 byte a number to each of its experts and 2 back; 0 without expert parallelism",
    reference=_DEEPEP,
)
def service_exchange_token_s(
    moe_layers: Array,
    hidden_size: Array,
    experts_per_token: Array,
    service_groups: Array,
    devices_per_replica: Array,
    service_domain: Array,
    service_scale_up_gb_s: Array,
    service_scale_out_gbit_s: Array,
    service_exchange_share: Array,
    service_exchange_net_share: Array,
) -> Array:
    """Time of a device's token on its way to the experts and back, in all layers.

    Parameters
    ----------
    moe_layers, hidden_size, experts_per_token : array_like
        Layers with experts, width of the model, experts of a token [1].
    service_groups, devices_per_replica, service_domain : array_like
        Groups with sequences of their own; devices of a replica and of a scale-up domain [1].
    service_scale_up_gb_s, service_scale_out_gbit_s : array_like
        Bandwidth of a device into its domain [GB/s] and into the network [Gbit/s].
    service_exchange_share, service_exchange_net_share : array_like
        Share of each that is reached [1].

    Returns
    -------
    ndarray
        Time [s], 0 where all devices work on the same sequences.

    References
    ----------
    .. [1] DeepSeek-AI, DeepEP: 8 bits to the experts, 16 bits back.
    """
    inside = np.minimum(devices_per_replica, service_domain)
    nodes = devices_per_replica / inside
    network = np.where(nodes > 1, service_scale_out_gbit_s, 1.0) / 8 * 1e9
    one = expert_exchange_s(
        1.0,
        hidden_size,
        DISPATCH_BYTES + ACTIVATION_BYTES,
        experts_per_token,
        nodes,
        inside,
        service_scale_up_gb_s * 1e9,
        network,
        service_exchange_share,
        service_exchange_net_share,
        0.0,
    )
    return np.where((service_groups > 1) & (moe_layers > 0), moe_layers * one, 0.0)
