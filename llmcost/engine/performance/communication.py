"""Communication inside a replica: tensor, expert and context parallelism, and the bandwidths of all."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array, rule
from llmcost.engine.papers import KORTHIKANTI, NARAYANAN
from llmcost.engine.performance.layout import WIDTH


@rule(
    "scale_up_bytes_s",
    formula="scale_up_share * scale_up_gb_s_each_way * 1e9",
    reference="calibrated, benchmarks/calibrate.py",
)
def scale_up_bytes_s(scale_up_gb_s_each_way: Array, scale_up_share: Array) -> Array:
    """Bandwidth that collectives reach inside the scale-up domain, a device each way [B/s]."""
    return scale_up_gb_s_each_way * 1e9 * scale_up_share


@rule(
    "scale_out_bytes_s",
    formula="scale_out_share * scale_out_gbit_s_per_device / 8 * 1e9, 0 where there is no such network",
    reference="calibrated, benchmarks/calibrate.py",
)
def scale_out_bytes_s(scale_out_gbit_s_per_device: Array, scale_out_share: Array) -> Array:
    """Bandwidth that collectives reach between nodes, a device [B/s]."""
    return np.asarray(np.nan_to_num(scale_out_gbit_s_per_device) / 8 * 1e9 * scale_out_share)


@rule(
    "tensor_collectives_s",
    formula="per layer and micro-batch: 4 all-reduces (6 with full recompute) of micro_tokens *"
    " hidden_size numbers over the scale-up network, and their latency",
    reference=f"{NARAYANAN}; {KORTHIKANTI}",
)
def tensor_collectives_s(
    micro_tokens: Array,
    hidden_size: Array,
    tp: Array,
    recompute_level: Array,
    scale_up_bytes_s: Array,
    scale_up_domain: Array,
    scale_out_bytes_s: Array,
    tensor_exposure: Array,
    collective_latency_s: Array,
    devices_per_node: Array,
) -> Array:
    """Tensor-parallel all-reduces of a layer and micro-batch.

    Parameters
    ----------
    micro_tokens, hidden_size, tp, recompute_level : array_like
        Sizes, devices of the group, 2 where the forward is done again [1].
    scale_up_bytes_s, scale_out_bytes_s : array_like
        What collectives reach inside and outside the scale-up domain [B/s].
    scale_up_domain : array_like
        Devices that the fast network joins [1].
    tensor_exposure : array_like
        Share of the communication that computation does not hide [1].
    collective_latency_s : array_like
        Time to start a collective [s].
    devices_per_node : array_like
        Devices of a server, each with a network port [1].

    Returns
    -------
    ndarray
        Time [s].

    References
    ----------
    .. [1] Narayanan et al. (2021), arXiv:2104.04473.
    """
    # A ring through several nodes uses the network of all its members in a node.
    outside = np.maximum(scale_out_bytes_s * np.minimum(tp, devices_per_node), 1.0)
    bandwidth = np.where(
        tp <= scale_up_domain, scale_up_bytes_s, np.minimum(scale_up_bytes_s, outside)
    )
    count = np.where(recompute_level > 1, 6.0, 4.0)
    each = 2 * (tp - 1) / tp * WIDTH * micro_tokens * hidden_size / bandwidth
    found = count * (tensor_exposure * each + collective_latency_s)
    return np.where(tp > 1, found, 0.0)


@rule(
    "expert_exchange_s",
    formula="per layer with experts and micro-batch: 4 all-to-alls (6 with full recompute), each the slower of"
    " experts_per_token copies of a token inside the scale-up domain and one to each other domain"
    " with a chosen expert, and the latency unless fused_experts; times 1 - expert_overlap",
    reference="Lepikhin et al. 2020, arXiv:2006.16668; DeepSeek-AI 2024, arXiv:2412.19437, section 3.2.2",
)
def expert_exchange_s(
    micro_tokens: Array,
    hidden_size: Array,
    experts_per_token: Array,
    moe_layers: Array,
    layers: Array,
    ep: Array,
    tp: Array,
    expert_tp: Array,
    recompute_level: Array,
    scale_up_bytes_s: Array,
    scale_up_domain: Array,
    scale_out_bytes_s: Array,
    expert_exposure: Array,
    expert_overlap: Array,
    fused_experts: Array,
    collective_latency_s: Array,
) -> Array:
    """Expert-parallel all-to-alls of a layer and micro-batch, on average over the layers.

    Parameters
    ----------
    micro_tokens, hidden_size, experts_per_token : array_like
        Numbers that a device sends: tokens, their width, the experts chosen for each [1].
    moe_layers, layers : array_like
        Layers with experts, and all [1].
    ep, tp, expert_tp, recompute_level : array_like
        Devices that share the experts, the tokens, and an expert; 2 where the forward is done again [1].
    scale_up_bytes_s, scale_out_bytes_s : array_like
        What collectives reach inside and outside the scale-up domain [B/s].
    scale_up_domain : array_like
        Devices that the fast network joins [1].
    expert_exposure, expert_overlap : array_like
        Time of the exchange inside a domain over that of its bytes, and share of the exchange
        that the computation of another micro-batch hides [1].
    fused_experts : array_like
        1 where a graph of the whole step starts the exchange, not the host [1].
    collective_latency_s : array_like
        Time to start a collective [s].

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
    inside = experts_per_token * (near - 1) / near / scale_up_bytes_s
    reached = (domains - 1) * (1 - (1 - 1 / domains) ** experts_per_token)
    outside = reached / np.maximum(scale_out_bytes_s, 1.0)
    sent = WIDTH * micro_tokens * hidden_size / tp
    each = sent * np.maximum(expert_exposure * inside, outside)
    each = each + collective_latency_s * (1 - fused_experts)
    count = np.where(recompute_level > 1, 6.0, 4.0)
    shown = count * each * (1 - expert_overlap) * moe_layers / layers
    return np.where(ep > 1, shown, 0.0)


@rule(
    "context_ring_s",
    formula="per layer and micro-batch: keys and values once around the ring of cp devices, forward and"
    " backward, beyond what attention hides",
    reference="Liu et al. 2023, arXiv:2310.01889",
)
def context_ring_s(
    micro_tokens: Array,
    kv_heads: Array,
    head_dim: Array,
    cp: Array,
    tp: Array,
    attention_s: Array,
    scale_up_bytes_s: Array,
    scale_up_domain: Array,
    scale_out_bytes_s: Array,
) -> Array:
    """Context-parallel exchange of keys and values that attention does not hide [s]."""
    bandwidth = np.where(
        cp * tp <= scale_up_domain, scale_up_bytes_s, np.maximum(scale_out_bytes_s, 1.0)
    )
    volume = 3 * 2 * WIDTH * micro_tokens * kv_heads * head_dim / tp * (cp - 1)
    return np.maximum(volume / bandwidth - attention_s, 0.0)


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
