"""Hybrid sharding: states are shared inside groups of replicas, and gradients summed between them."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array, rule
from llmcost.engine.performance.communication import gather


@rule(
    "copies_sum_s",
    formula="all-reduce of trained_share of the gradients of own_params over the dp * cp / sharers groups that share states,"
    " a layer at a time; 0 where there is one",
    reference="Zhao et al. 2023, arXiv:2304.11277, section 3.2.2 (hybrid sharding)",
)
def copies_sum_s(
    reduced_bytes: Array,
    trained_share: Array,
    own_params: Array,
    stage_layers: Array,
    dp: Array,
    cp: Array,
    tp: Array,
    sharers: Array,
    data_bytes_s: Array,
    scale_up_domain: Array,
    node_bytes_s: Array,
    scale_out_bytes_s: Array,
    node_devices: Array,
    gather_domain_share: Array,
    gather_base_s: Array,
    gather_hop_s: Array,
    gather_pipeline: Array,
    net_ring_share: Array,
    net_quick_share: Array,
    net_ring_net_hop_s: Array,
    net_quick_net_hop_s: Array,
    net_ring_hop_s: Array,
    net_quick_hop_s: Array,
) -> Array:
    """Summing gradients between groups that share states (slices of TPUs, HSDP), before overlap [s].

    Each device sums its shard with those of the same place in the other groups, which are as far
    apart as a group is large.
    """
    groups = np.asarray(dp * cp / sharers)
    if not np.any(groups > 1):
        return np.zeros(())
    each = reduced_bytes * trained_share * own_params / stage_layers
    once = gather(
        each,
        groups,
        sharers * tp,
        data_bytes_s,
        scale_up_domain,
        node_bytes_s,
        scale_out_bytes_s,
        node_devices,
        gather_domain_share,
        gather_base_s,
        gather_hop_s,
        gather_pipeline,
        net_ring_share,
        net_quick_share,
        net_ring_net_hop_s,
        net_quick_net_hop_s,
        net_ring_hop_s,
        net_quick_hop_s,
    )
    return 2 * stage_layers * once
