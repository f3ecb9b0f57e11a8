"""Data parallelism: gradients and parameters over the network, the optimizer's step."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array, rule
from llmcost.engine.papers import ZERO
from llmcost.engine.performance.communication import gather

_FSDP = "Zhao et al. 2023, arXiv:2304.11277"


@rule(
    "gather_s",
    formula="all-gathers of the device's parameters from their sharers or expert_sharers, a layer at a time;"
    " of both its stages with DualPipe",
    reference=ZERO,
)
def gather_s(
    device_dense_params: Array,
    device_expert_params: Array,
    stage_layers: Array,
    sharers: Array,
    expert_sharers: Array,
    tp: Array,
    ep: Array,
    expert_tp: Array,
    gathered_bytes: Array,
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
    stages_per_device: Array,
) -> Array:
    """Gathering the parameters of a device once, before overlap.

    Parameters
    ----------
    device_dense_params, device_expert_params, stage_layers : array_like
        Parameters of a device, and the layers that they belong to [1].
    sharers, expert_sharers, tp, ep, expert_tp : array_like
        Replicas of each, and how far apart they are [1].
    gathered_bytes : array_like
        Bytes of a parameter on the way [B].
    data_bytes_s, scale_up_domain, node_bytes_s, scale_out_bytes_s, node_devices : array_like
        The networks, as :func:`llmcost.engine.performance.communication.gather`.
    gather_domain_share, gather_base_s, gather_hop_s, gather_pipeline : array_like
        As there.
    net_ring_share, net_quick_share, net_ring_net_hop_s, net_quick_net_hop_s, net_ring_hop_s, net_quick_hop_s : array_like
        As there.
    stages_per_device : array_like
        Stages that a device holds [1].

    Returns
    -------
    ndarray
        Time [s].

    References
    ----------
    .. [1] Rajbhandari et al. (2020), arXiv:1910.02054.
    """
    network = (
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
    each = gathered_bytes / stage_layers
    found = gather(each * device_dense_params, sharers, tp, *network)
    if np.any(device_expert_params > 0):
        routed = gather(each * device_expert_params, expert_sharers, ep * expert_tp, *network)
        found = found + np.where(device_expert_params > 0, routed, 0.0)
    return stages_per_device * stage_layers * found


# Below, `gather_s` is the time.
_gathers = gather_s


@rule(
    "trained_gather_s",
    formula="gather_s of trained_share of the parameters",
    reference=ZERO,
)
def trained_gather_s(
    gather_s: Array,
    trained_share: Array,
    device_dense_params: Array,
    device_expert_params: Array,
    stage_layers: Array,
    sharers: Array,
    expert_sharers: Array,
    tp: Array,
    ep: Array,
    expert_tp: Array,
    gathered_bytes: Array,
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
    stages_per_device: Array,
) -> Array:
    """Gathering once what is trained of a device's parameters, before overlap [s].

    Adapters are few bytes, and as many messages as the layers that they stand in.
    """
    if np.all(trained_share == 1):
        return gather_s
    adapters = _gathers(
        trained_share * device_dense_params,
        trained_share * device_expert_params,
        stage_layers,
        sharers,
        expert_sharers,
        tp,
        ep,
        expert_tp,
        gathered_bytes,
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
        stages_per_device,
    )
    return np.where(trained_share == 1, gather_s, adapters)


@rule(
    "reduce_s",
    formula="trained_gather_s with reduced_bytes a gradient, and copies_sum_s",
    reference=ZERO,
)
def reduce_s(
    trained_gather_s: Array, gathered_bytes: Array, reduced_bytes: Array, copies_sum_s: Array
) -> Array:
    """Reducing and scattering the gradients of a device once, before overlap.

    The volume of a gather, in the gradients' own width; groups that do not share states then sum
    what each looks after [s].
    """
    return trained_gather_s * reduced_bytes / gathered_bytes + copies_sum_s


@rule(
    "forward_window_s",
    formula="stage_layers * (forward_pass_s + layer_collectives_s * layer_forward_s / layer_busy_s)",
    reference=_FSDP,
)
def forward_window_s(
    stage_layers: Array,
    forward_pass_s: Array,
    layer_forward_s: Array,
    layer_busy_s: Array,
    layer_collectives_s: Array,
) -> Array:
    """Forward of a micro-batch, beside which traffic on other links runs: exposed collectives too [s]."""
    shown = layer_collectives_s * layer_forward_s / layer_busy_s
    return stage_layers * (forward_pass_s + shown)


@rule(
    "backward_window_s",
    formula="stage_layers * (layer_s + layer_collectives_s) - forward_window_s",
    reference=_FSDP,
)
def backward_window_s(
    stage_layers: Array, layer_s: Array, layer_collectives_s: Array, forward_window_s: Array
) -> Array:
    """Backward of a micro-batch with what is done again, beside which traffic on other links runs [s]."""
    return stage_layers * (layer_s + layer_collectives_s) - forward_window_s


@rule(
    "data_parallel_s",
    formula="what backward_window_s of the last micro-batch does not hide of reduce_s, and forward_window_s of the first"
    " of gather_s, below zero3 of trained_gather_s; with zero2 reduce_s every micro-batch (not where sums_whole); with zero3 gather_s and reduce_s every micro-batch (not in a pipeline that keeps weights), and again for the backward where frees_weights;"
    " where vpp > 1, those of the parts of a stage for a group of pp micro-batches; a layer's share never hides; what is hidden takes comm_steal of the computation",
    reference=f"{ZERO}; {_FSDP}",
)
def data_parallel_s(
    gather_s: Array,
    trained_gather_s: Array,
    reduce_s: Array,
    dp: Array,
    cp: Array,
    pp: Array,
    vpp: Array,
    sharding: Array,
    micro_batches: Array,
    stage_layers: Array,
    forward_window_s: Array,
    backward_window_s: Array,
    data_overlap: Array,
    comm_steal: Array,
    sums_whole: Array,
    frees_weights: Array,
) -> Array:
    """Exposed data-parallel communication of a step.

    Parameters
    ----------
    gather_s, trained_gather_s, reduce_s : array_like
        All-gather of a device's parameters, and of those that are stepped, reduce-scatter of its gradients [s].
    dp, cp, pp, vpp : array_like
        Replicas, which share gradients, stages and their parts on a device [1].
    sharding : array_like
        0 none, 1 to 3 as ZeRO [1].
    micro_batches, stage_layers : array_like
        Micro-batches of a step, layers of the fullest stage [1].
    forward_window_s, backward_window_s : array_like
        Passes of a micro-batch that it can hide under [s].
    data_overlap : array_like
        Share of the communication that the software runs beside computation [1].
    comm_steal : array_like
        Share of the processors that communication takes from what runs beside it [1].
    sums_whole, frees_weights : array_like
        1 where micro-batches sum whole gradients, which the last of them reduces; where weights are freed after each pass [1].

    Returns
    -------
    ndarray
        Time [s].

    References
    ----------
    .. [1] Rajbhandari et al. (2020), arXiv:1910.02054.
    .. [2] Zhao et al. (2023), arXiv:2304.11277.
    .. [3] Narayanan et al. (2021), arXiv:2104.04473, section 2.2.
    """

    def exposed(busy: Array, window: Array) -> Array:
        """What does not fit under the window, and what is hidden at its price."""
        hidden = np.minimum(data_overlap * busy * (1 - 1 / stage_layers), window)
        return busy - hidden * (1 - comm_steal)

    # An interleaved schedule runs a part of the stage for a group of micro-batches before the next part [3].
    group = 1 + (np.minimum(pp, micro_batches) - 1) * (vpp - 1) / vpp

    # In a pipeline, layers stay gathered and gradients are summed on the device until its last micro-batch.
    rounds = np.where((sharding > 1) & (pp == 1) & (sums_whole <= 0), micro_batches, 1.0)
    frees = frees_weights > 0
    every = np.where((sharding > 2) & (frees | (pp == 1)), micro_batches, 1.0)
    # Parameters are gathered again for the backward pass where each layer frees them.
    again = np.where(frees, gather_s, 0.0)
    apart = (every - rounds) * exposed(
        again, backward_window_s
    )  # rounds that gather, and reduce nothing
    # Where weights are whole, only those that were stepped are gathered.
    first = np.where(sharding > 2, gather_s, trained_gather_s)
    found = (
        every * exposed(first, group * forward_window_s)
        + rounds * exposed(reduce_s + again, group * backward_window_s)
        + np.maximum(apart, 0.0)
    )
    return np.where(dp * cp > 1, found, 0.0)


@rule(
    "stepped_params",
    formula="own_params where states are sharded, else stages_per_device * (device_dense_params + device_expert_params)",
    reference=ZERO,
)
def stepped_params(
    device_dense_params: Array,
    device_expert_params: Array,
    own_params: Array,
    sharding: Array,
    stages_per_device: Array,
) -> Array:
    """Parameters whose states a device holds, and that it steps [1]."""
    whole = stages_per_device * (device_dense_params + device_expert_params)
    return np.where(sharding > 0, own_params, whole)


@rule(
    "optimizer_s",
    formula="optimizer_passes * optimizer_traffic_bytes * trained_share * stepped_params / memory_bytes_s; 0 where the"
    " host steps them",
    reference=ZERO,
)
def optimizer_s(
    stepped_params: Array,
    memory_bytes_s: Array,
    optimizer_traffic_bytes: Array,
    optimizer_passes: Array,
    trained_share: Array,
    offloads_optimizer: Array,
) -> Array:
    """Optimizer's step: gradients, parameters and states read and written once [s].

    `optimizer_passes` is what unfused updates, the norm of the gradients and their clipping make of it.
    """
    found = (
        optimizer_passes * optimizer_traffic_bytes * trained_share * stepped_params / memory_bytes_s
    )
    return np.where(offloads_optimizer > 0, 0.0, found)
