"""Context parallelism: keys and values of a sequence that devices share, around a ring or heads for tokens."""

from __future__ import annotations

import numpy as np

from llmcost.engine.architecture import value_width
from llmcost.engine.chain import Array, rule
from llmcost.engine.kernels.collectives import collective_s, send_s, span_bytes_s

_ULYSSES = "Jacobs et al. 2023, arXiv:2309.14509"


@rule(
    "context_ring_s",
    formula="per block of attention and micro-batch: keys and values once around the ring of cp devices, forward and"
    " backward with their gradients, beyond what attention hides; mean over the layers",
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
    tensor_bytes_s: Array,
    scale_up_domain: Array,
    node_bytes_s: Array,
    node_devices: Array,
    scale_out_bytes_s: Array,
    send_share: Array,
    send_latency_s: Array,
    activation_width: Array,
    attending_share: Array,
    windowed_share: Array,
) -> Array:
    """Context-parallel exchange of keys and values that attention does not hide [s]."""
    bandwidth = span_bytes_s(
        cp * tp, tensor_bytes_s, scale_up_domain, node_bytes_s, node_devices, scale_out_bytes_s
    )
    shown = np.where(kv_lora_rank > 0, heads, kv_heads)
    part = 2 * activation_width * micro_tokens * shown * head_dim / tp
    blocks = attending_share + windowed_share
    once = blocks * (cp - 1) * send_s(part, bandwidth, send_share, send_latency_s)
    forward = np.maximum(once - attention_forward_s, 0.0) * (1 + layer_recompute_share)
    backward = np.maximum(2 * once - attention_backward_s, 0.0)
    return np.where(cp > 1, forward + backward, 0.0)


@rule(
    "context_all_to_all_s",
    formula="per block of attention and micro-batch: an all-to-all of queries, keys and values over cp devices, another of"
    " the output, in each of 2 passes (3 where the layer is done again); mean over the layers",
    reference=_ULYSSES,
)
def context_all_to_all_s(
    micro_tokens: Array,
    heads: Array,
    kv_heads: Array,
    head_dim: Array,
    qk_rope_head_dim: Array,
    v_head_dim: Array,
    kv_lora_rank: Array,
    cp: Array,
    tp: Array,
    attending_share: Array,
    windowed_share: Array,
    layer_recompute_share: Array,
    activation_width: Array,
    tensor_bytes_s: Array,
    scale_up_domain: Array,
    node_bytes_s: Array,
    node_devices: Array,
    scale_out_bytes_s: Array,
    copies_domain_share: Array,
    copies_base_s: Array,
    copies_hop_s: Array,
    copies_pipeline: Array,
    copies_nic_share: Array,
    copies_net_base_s: Array,
    copies_peer_s: Array,
    context_exchange: Array,
) -> Array:
    """Context-parallel exchange of tokens for heads, which nothing hides: attention waits for it.

    Parameters
    ----------
    micro_tokens : array_like
        Tokens of a micro-batch on one device [tokens].
    heads, kv_heads, head_dim, qk_rope_head_dim, v_head_dim, kv_lora_rank : array_like
        Sizes of attention; keys and values with fewer heads than devices are copied [1].
    cp, tp : array_like
        Devices that share a sequence, a layer [1].
    attending_share, windowed_share, layer_recompute_share : array_like
        Blocks of attention a layer, and share of the layers that are done again [1].
    activation_width : array_like
        Bytes of a number [B].
    tensor_bytes_s, scale_up_domain, node_bytes_s, node_devices, scale_out_bytes_s : array_like
        The networks, as :func:`llmcost.engine.performance.communication.gather`.
    copies_domain_share, copies_base_s, copies_hop_s, copies_pipeline : array_like
        Constants of an all-to-all in :func:`llmcost.engine.kernels.collectives.domain_collective_s`.
    copies_nic_share, copies_net_base_s, copies_peer_s : array_like
        Those of :func:`llmcost.engine.kernels.collectives.network_all_to_all_s`.
    context_exchange : array_like
        1 where heads are exchanged for tokens, 0 for a ring [1].

    Returns
    -------
    ndarray
        Time [s].

    References
    ----------
    .. [1] Jacobs et al. (2023), arXiv:2309.14509 (DeepSpeed-Ulysses).
    """
    if not np.any((context_exchange > 0) & (cp > 1)):
        return np.zeros(())
    domain = {
        "domain_share": copies_domain_share,
        "base_s": copies_base_s,
        "hop_s": copies_hop_s,
        "pipeline": copies_pipeline,
    }
    network = {
        "nic_share": copies_nic_share,
        "base_s": copies_net_base_s,
        "peer_s": copies_peer_s,
    }
    here = np.maximum(node_devices / tp, 1.0)
    joined = np.minimum(cp, here) * tp <= scale_up_domain
    inside = np.where(joined, tensor_bytes_s, node_bytes_s)
    value = value_width(head_dim, v_head_dim)
    key = head_dim + qk_rope_head_dim
    shown = np.where(kv_lora_rank > 0, heads, np.minimum(np.maximum(kv_heads, cp * tp), heads))

    def once(width: Array) -> Array:
        size = activation_width * micro_tokens * width / tp
        return collective_s(
            "all_to_all", size, cp, here, inside, scale_out_bytes_s, domain, network
        )

    both = once(heads * key + shown * (key + value)) + once(heads * value)
    found = (attending_share + windowed_share) * (2 + layer_recompute_share) * both
    return np.where((context_exchange > 0) & (cp > 1), found, 0.0)


@rule(
    "context_exchange_s",
    formula="context_ring_s, or context_all_to_all_s by context_exchange",
    reference=f"Liu et al. 2023, arXiv:2310.01889; {_ULYSSES}",
)
def context_exchange_s(
    context_exchange: Array, context_ring_s: Array, context_all_to_all_s: Array
) -> Array:
    """Exposed context-parallel exchange of a layer and micro-batch [s]."""
    return np.where(context_exchange > 0, context_all_to_all_s, context_ring_s)
