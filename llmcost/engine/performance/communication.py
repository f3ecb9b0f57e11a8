"""Collectives of a layer: tensor, expert and context parallelism, and what of them computation hides."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array, rule
from llmcost.engine.papers import KORTHIKANTI, NARAYANAN
from llmcost.engine.performance.layout import WIDTH

_NCCL = "nccl-tests, performance: bus bandwidth of ring collectives"


@rule(
    "scale_up_bytes_s",
    formula="scale_up_share * scale_up_gb_s_each_way * 1e9",
    reference="all-reduces measured by NVIDIA aiconfigurator (NCCL inside a domain)",
)
def scale_up_bytes_s(scale_up_gb_s_each_way: Array, scale_up_share: Array) -> Array:
    """Bandwidth that collectives reach inside the scale-up domain, a device each way [B/s]."""
    return scale_up_gb_s_each_way * 1e9 * scale_up_share


@rule(
    "scale_out_bytes_s",
    formula="scale_out_share * scale_out_gbit_s_per_device / 8 * 1e9, 0 where there is no such network",
    reference="multi-node collectives of meta-pytorch/autoparallel and coreweave/nccl-tests",
)
def scale_out_bytes_s(scale_out_gbit_s_per_device: Array, scale_out_share: Array) -> Array:
    """Bandwidth that collectives reach between nodes, a device [B/s]."""
    return np.asarray(np.nan_to_num(scale_out_gbit_s_per_device) / 8 * 1e9 * scale_out_share)


def ring_s(
    numbers_bytes: Array,
    group: Array,
    stride: Array,
    scale_up_bytes_s: Array,
    scale_up_domain: Array,
    scale_out_bytes_s: Array,
    devices_per_node: Array,
    collective_latency_s: Array,
    network_latency_s: Array,
) -> Array:
    """Time of an all-gather or a reduce-scatter; an all-reduce is both.

    Parameters
    ----------
    numbers_bytes : array_like
        Bytes of the whole result [B].
    group, stride : array_like
        Devices that take part, every `stride`-th of a run of devices [1].
    scale_up_bytes_s, scale_up_domain : array_like
        Bandwidth of a device inside the fast network [B/s], and the devices that it joins [1].
    scale_out_bytes_s, devices_per_node : array_like
        Bandwidth of a device's port between nodes [B/s], devices of a server [1].
    collective_latency_s, network_latency_s : array_like
        Time to start a collective, and of a doubling of the nodes [s].

    Returns
    -------
    ndarray
        Time, 0 for a group of one [s].

    Notes
    -----
    A ring through several nodes uses the ports of all its members in a node, each for a ring
    of its own; groups that run beside it have ports of their own.
    """
    here = np.maximum(np.maximum(devices_per_node, scale_up_domain) / stride, 1.0)
    outside = np.maximum(scale_out_bytes_s * np.minimum(here, group), 1.0)
    fits = group * stride <= scale_up_domain
    bandwidth = np.where(fits, scale_up_bytes_s, np.minimum(scale_up_bytes_s, outside))
    doublings = np.where(fits, 0.0, np.log2(np.maximum(group / here, 1.0)))
    started = collective_latency_s + doublings * network_latency_s
    moved = numbers_bytes * (group - 1) / np.maximum(group, 1.0) / bandwidth
    return np.where(group > 1, started + moved, 0.0)


@rule(
    "tensor_forward_s",
    formula="per layer and micro-batch, forward: 2 all-gathers and 2 reduce-scatters of micro_tokens *"
    " hidden_size numbers over tp devices",
    reference=f"{NARAYANAN}; {KORTHIKANTI}; {_NCCL}",
)
def tensor_forward_s(
    micro_tokens: Array,
    hidden_size: Array,
    tp: Array,
    scale_up_bytes_s: Array,
    scale_up_domain: Array,
    scale_out_bytes_s: Array,
    devices_per_node: Array,
    collective_latency_s: Array,
    network_latency_s: Array,
) -> Array:
    """Tensor-parallel collectives of a layer and micro-batch, forward, before overlap [s]."""
    return 4 * ring_s(
        WIDTH * micro_tokens * hidden_size,
        tp,
        np.ones(()),
        scale_up_bytes_s,
        scale_up_domain,
        scale_out_bytes_s,
        devices_per_node,
        collective_latency_s,
        network_latency_s,
    )


@rule(
    "tensor_collectives_s",
    formula="tensor_forward_s in each of 2 passes (3 where the layer is done again, by recompute_share),"
    " less tensor_overlap of it, as far as it fits under the products; what is hidden takes comm_steal of them",
    reference=f"{NARAYANAN}; Jangda et al. 2022, arXiv:2105.05720",
)
def tensor_collectives_s(
    tensor_forward_s: Array,
    layer_products_s: Array,
    layer_recompute_share: Array,
    tensor_overlap: Array,
    comm_steal: Array,
) -> Array:
    """Tensor-parallel communication of a layer and micro-batch that computation does not hide.

    Parameters
    ----------
    tensor_forward_s, layer_products_s : array_like
        Collectives and products of a forward [s].
    layer_recompute_share : array_like
        Share of a forward that is done again [1].
    tensor_overlap : array_like
        Share of the communication that the software runs beside products [1].
    comm_steal : array_like
        Share of the processors that communication takes from what runs beside it [1].

    Returns
    -------
    ndarray
        Time [s].

    References
    ----------
    .. [1] Jangda et al. (2022), arXiv:2105.05720: tiles of a product travel while others are computed.
    """
    whole = (2 + layer_recompute_share) * tensor_forward_s
    hidden = np.minimum(tensor_overlap * whole, (3 + layer_recompute_share) * layer_products_s)
    return whole - hidden * (1 - comm_steal)


@rule(
    "expert_forward_s",
    formula="per layer with experts and micro-batch, forward: dispatch and combine, each the slower of"
    " experts_per_token copies of a token inside the scale-up domain and one to each other domain"
    " with a chosen expert, and their latency; on average over the layers",
    reference="Lepikhin et al. 2020, arXiv:2006.16668; DeepSeek-AI 2024, arXiv:2412.19437, section 3.2.2",
)
def expert_forward_s(
    micro_tokens: Array,
    hidden_size: Array,
    experts_per_token: Array,
    moe_layers: Array,
    layers: Array,
    ep: Array,
    tp: Array,
    expert_tp: Array,
    expert_imbalance: Array,
    scale_up_bytes_s: Array,
    scale_up_domain: Array,
    scale_out_bytes_s: Array,
    exchange_share: Array,
    exchange_latency_s: Array,
) -> Array:
    """Expert-parallel all-to-alls of a layer and micro-batch, forward, before overlap.

    Parameters
    ----------
    micro_tokens, hidden_size, experts_per_token : array_like
        Numbers that a device sends: tokens, their width, the experts chosen for each [1].
    moe_layers, layers : array_like
        Layers with experts, and all [1].
    ep, tp, expert_tp : array_like
        Devices that share the experts, the tokens, and an expert [1].
    expert_imbalance : array_like
        Rows of the busiest device over the mean [1].
    scale_up_bytes_s, scale_out_bytes_s : array_like
        What collectives reach inside and outside the scale-up domain [B/s].
    scale_up_domain : array_like
        Devices that the fast network joins [1].
    exchange_share : array_like
        Bandwidth of an exchange inside a domain over that of a ring collective [1].
    exchange_latency_s : array_like
        Time to start and to synchronise an exchange [s].

    Returns
    -------
    ndarray
        Time [s].

    References
    ----------
    .. [1] DeepSeek-AI (2024), arXiv:2412.19437: a token crosses the network once for each node
       and is copied to the chosen experts there. DeepEP's dispatch reaches the network's line
       rate (43 to 58 of 50 GB/s, its README), so nothing is added there.
    """
    near = np.minimum(ep, np.maximum(scale_up_domain / expert_tp, 1.0))
    domains = ep / near
    inside = experts_per_token * (near - 1) / near / (exchange_share * scale_up_bytes_s)
    reached = (domains - 1) * (1 - (1 - 1 / domains) ** experts_per_token)
    outside = reached / np.maximum(scale_out_bytes_s, 1.0)
    sent = WIDTH * micro_tokens * hidden_size / tp * expert_imbalance
    each = sent * np.maximum(inside, outside) + exchange_latency_s
    return np.where(ep > 1, 2 * each * moe_layers / layers, 0.0)


@rule(
    "expert_exchange_s",
    formula="expert_forward_s in each of 2 passes (3 where the layer is done again), times 1 - expert_overlap",
    reference="DeepSeek-AI 2024, arXiv:2412.19437, section 3.2.1",
)
def expert_exchange_s(
    expert_forward_s: Array, layer_recompute_share: Array, expert_overlap: Array
) -> Array:
    """Exchange between experts of a layer and micro-batch that computation does not hide [s]."""
    return (2 + layer_recompute_share) * expert_forward_s * (1 - expert_overlap)


@rule(
    "context_ring_s",
    formula="per layer and micro-batch: keys and values once around the ring of cp devices, forward and"
    " backward with their gradients, beyond what attention hides",
    reference="Liu et al. 2023, arXiv:2310.01889",
)
def context_ring_s(
    micro_tokens: Array,
    kv_heads: Array,
    head_dim: Array,
    kv_lora_rank: Array,
    heads: Array,
    cp: Array,
    tp: Array,
    attention_forward_s: Array,
    attention_backward_s: Array,
    layer_recompute_share: Array,
    scale_up_bytes_s: Array,
    scale_up_domain: Array,
    scale_out_bytes_s: Array,
    collective_latency_s: Array,
) -> Array:
    """Context-parallel exchange of keys and values that attention does not hide [s]."""
    bandwidth = np.where(
        cp * tp <= scale_up_domain, scale_up_bytes_s, np.maximum(scale_out_bytes_s, 1.0)
    )
    shown = np.where(kv_lora_rank > 0, heads, kv_heads)
    once = 2 * WIDTH * micro_tokens * shown * head_dim / tp * (cp - 1) / bandwidth
    forward = np.maximum(once - attention_forward_s, 0.0) * (1 + layer_recompute_share)
    backward = np.maximum(2 * once - attention_backward_s, 0.0)
    return np.where(cp > 1, forward + backward + collective_latency_s, 0.0)


@rule(
    "layer_collectives_s",
    formula="tensor_collectives_s + expert_exchange_s + context_ring_s",
    reference=NARAYANAN,
)
def layer_collectives_s(
    tensor_collectives_s: Array, expert_exchange_s: Array, context_ring_s: Array
) -> Array:
    """Exposed communication of a layer and micro-batch: tensor, expert, context parallelism [s]."""
    return tensor_collectives_s + expert_exchange_s + context_ring_s
