"""Data parallelism: what a device holds and shares, the exchange of gradients, the optimizer."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array, rule
from llmcost.engine.papers import KORTHIKANTI
from llmcost.engine.performance.layout import WIDTH


@rule(
    "device_dense_params",
    formula="(attention, dense feed-forward blocks, shared experts and routers) / (tp * pp) + embeddings / tp",
    reference=KORTHIKANTI,
)
def device_dense_params(
    layers: Array,
    attention_params: Array,
    moe_layers: Array,
    ffn_params: Array,
    experts: Array,
    shared_experts: Array,
    expert_params: Array,
    vocab_size: Array,
    hidden_size: Array,
    tied_embeddings: Array,
    tp: Array,
    pp: Array,
) -> Array:
    """Parameters outside the routed experts on the device that holds most, the first stage with its embedding.

    Parameters
    ----------
    layers, attention_params, moe_layers, ffn_params, experts, shared_experts, expert_params : array_like
        Sizes of the blocks [1].
    vocab_size, hidden_size, tied_embeddings : array_like
        Size of the embedding, and whether the head is the same [1].
    tp, pp : array_like
        Devices that share them [1].

    Returns
    -------
    ndarray
        Parameters [1].

    References
    ----------
    .. [1] Korthikanti et al. (2022), arXiv:2205.05198.
    """
    dense = layers * attention_params + (layers - moe_layers) * ffn_params
    dense = dense + moe_layers * (shared_experts * expert_params + hidden_size * experts)
    tables = np.where((pp > 1) | (tied_embeddings > 0), 1.0, 2.0)
    return (dense / pp + tables * vocab_size * hidden_size) / tp


@rule(
    "device_expert_params",
    formula="moe_layers * experts * expert_params / (ep * expert_tp * pp)",
    reference="Lepikhin et al. 2020, arXiv:2006.16668",
)
def device_expert_params(
    moe_layers: Array,
    experts: Array,
    expert_params: Array,
    ep: Array,
    expert_tp: Array,
    pp: Array,
) -> Array:
    """Parameters of the routed experts on a device [1]."""
    return moe_layers * experts * expert_params / (ep * expert_tp * pp)


@rule(
    "sharers",
    formula="dp * cp; with zero3 on slices those of one: min(dp * cp, scale_up_domain / tp)",
    reference="MaxText documentation: fully sharded inside a slice, replicated between slices",
)
def sharers(
    dp: Array, cp: Array, tp: Array, scale_up_domain: Array, sharding: Array, slices: Array
) -> Array:
    """Replicas that share states where they are sharded [1].

    `slices` is 1 for TPUs, whose slices are joined by the data centre's network.
    """
    group = dp * cp
    inside = (slices > 0) & (sharding > 2)
    return np.where(inside, np.minimum(group, np.maximum(scale_up_domain / tp, 1.0)), group)


@rule(
    "expert_sharers",
    formula="sharers * tp / (ep * expert_tp), at least 1",
    reference="Rajbhandari et al. 2022, arXiv:2201.05596",
)
def expert_sharers(sharers: Array, tp: Array, ep: Array, expert_tp: Array) -> Array:
    """Replicas of an expert that share its states: fewer than of the rest of the model [1]."""
    return np.maximum(sharers * tp / (ep * expert_tp), 1.0)


@rule(
    "own_params",
    formula="device_dense_params / sharers + device_expert_params / expert_sharers",
    reference="Rajbhandari et al. 2020, arXiv:1910.02054",
)
def own_params(
    device_dense_params: Array, device_expert_params: Array, sharers: Array, expert_sharers: Array
) -> Array:
    """Parameters that a device looks after where its replicas share them [1]."""
    return device_dense_params / sharers + device_expert_params / expert_sharers


@rule(
    "data_parallel_s",
    formula="gradients and parameters of the device over the network of their sharers or expert_sharers,"
    " once a step, or with zero3 twice gathered and once reduced each micro-batch;"
    " gradients of own_params between groups of sharers; less what overlap hides of the compute",
    reference="Rajbhandari et al. 2020, arXiv:1910.02054; Zhao et al. 2023, arXiv:2304.11277",
)
def data_parallel_s(
    device_dense_params: Array,
    device_expert_params: Array,
    own_params: Array,
    dp: Array,
    cp: Array,
    sharers: Array,
    expert_sharers: Array,
    ep: Array,
    expert_tp: Array,
    tp: Array,
    pp: Array,
    sharding: Array,
    micro_batches: Array,
    compute_s: Array,
    devices_per_node: Array,
    scale_up_bytes_s: Array,
    scale_up_domain: Array,
    scale_out_bytes_s: Array,
    data_overlap: Array,
    data_floor: Array,
    data_latency_s: Array,
    layers: Array,
) -> Array:
    """Exposed data-parallel communication of a step.

    Parameters
    ----------
    device_dense_params, device_expert_params, own_params : array_like
        Parameters of a device, and those that it looks after [1].
    dp, cp, sharers, expert_sharers, ep, expert_tp, tp, pp : array_like
        The layout; dp and cp replicas share gradients, those of an expert are fewer [1].
    sharding : array_like
        0 none, 1 to 3 as ZeRO [1].
    micro_batches, compute_s, layers : array_like
        Micro-batches of a step [1], time that can hide communication [s], layers [1].
    devices_per_node, scale_up_domain : array_like
        Devices of a server, and those that the fast network joins [1].
    scale_up_bytes_s, scale_out_bytes_s : array_like
        What collectives reach inside and outside that network [B/s].
    data_overlap, data_floor : array_like
        Share of the compute time under which communication can hide, and share of the
        communication that never does [1].
    data_latency_s : array_like
        Time of a step of a collective between nodes [s].

    Returns
    -------
    ndarray
        Time [s].

    References
    ----------
    .. [1] Rajbhandari et al. (2020), arXiv:1910.02054.
    """
    every = np.where(sharding > 2, micro_batches * 3.0, 2.0)

    def collectives(params: Array, group: Array, stride: Array) -> Array:
        """Time of the collectives of a group of every `stride`-th device of a stage [s]."""
        here = np.maximum(np.maximum(devices_per_node, scale_up_domain) / stride, 1.0)
        outside = np.maximum(scale_out_bytes_s * here, 1.0)
        fits = group * stride <= scale_up_domain
        bandwidth = np.where(fits, scale_up_bytes_s, np.minimum(scale_up_bytes_s, outside))
        volume = every * WIDTH * params * (group - 1) / group
        hops = np.log2(np.maximum(group / here, 1.0)) * data_latency_s
        rounds = np.where(params > 0, every * layers / pp, 0.0)
        return np.asarray(volume / bandwidth + hops * rounds)

    groups = dp * cp / sharers
    between = 2 * (groups - 1) / groups * WIDTH * own_params / np.maximum(scale_out_bytes_s, 1.0)
    busy = (
        between
        + collectives(device_dense_params, sharers, tp)
        + collectives(device_expert_params, expert_sharers, ep * expert_tp)
    )
    return np.where(
        dp * cp > 1, np.maximum(busy - data_overlap * compute_s, busy * data_floor), 0.0
    )


@rule(
    "optimizer_s",
    formula="optimizer_factor * 28 bytes a parameter (16 read, 12 written) through memory: own_params where"
    " states are sharded, else all of the device",
    reference="Rajbhandari et al. 2020, arXiv:1910.02054",
)
def optimizer_s(
    device_dense_params: Array,
    device_expert_params: Array,
    own_params: Array,
    sharding: Array,
    memory_tb_s: Array,
    optimizer_factor: Array,
) -> Array:
    """Optimizer step: parameters, gradients and Adam's two moments in 32 bits.

    `optimizer_factor` is the bytes moved, gradient norm and clipping included, over 28 [s].
    """
    updated = np.where(sharding > 0, own_params, device_dense_params + device_expert_params)
    return optimizer_factor * 28 * updated / (memory_tb_s * 1e12)
