"""States, weights and activations in the host's memory: what the link and the host's optimizer add to a step."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array, rule

_REN = "Ren et al. 2021, ZeRO-Offload, arXiv:2101.06840"
_RAJBHANDARI = "Rajbhandari et al. 2021, ZeRO-Infinity, arXiv:2104.07857"
_DETTMERS = "Dettmers et al. 2023, arXiv:2305.14314"


def _waits_s(each: Array, forward: Array, backward: Array) -> Array:
    """What the link takes once in each pass beyond the time of the pass [s]."""
    return np.maximum(each - forward, 0.0) + np.maximum(each - backward, 0.0)


@rule(
    "host_step_s",
    formula="where the optimizer is on the host: the larger of optimizer_traffic_bytes over host_memory_gb_s and param_bytes"
    " over the link, of a trained parameter; else 0",
    reference=_REN,
)
def host_step_s(
    offloads_optimizer: Array,
    host_link_gb_s_each_way: Array,
    host_memory_gb_s: Array,
    stepped_params: Array,
    trained_share: Array,
    param_bytes: Array,
    optimizer_traffic_bytes: Array,
) -> Array:
    """Optimizer's step on the host, whose weights return while it steps the next ones [s]."""
    updated = stepped_params * trained_share
    adam = optimizer_traffic_bytes * updated / (host_memory_gb_s * 1e9)
    back = param_bytes * updated / (host_link_gb_s_each_way * 1e9)
    return np.where(offloads_optimizer > 0, np.maximum(adam, back), 0.0)


@rule(
    "gradient_link_s",
    formula="where the optimizer is on the host: what backward_window_s does not hide of grad_bytes of a trained parameter"
    " over the link, every micro-batch without a gradient_buffer; else 0",
    reference=_REN,
)
def gradient_link_s(
    offloads_optimizer: Array,
    host_link_gb_s_each_way: Array,
    stepped_params: Array,
    trained_share: Array,
    grad_bytes: Array,
    gradient_buffer: Array,
    micro_batches: Array,
    backward_window_s: Array,
) -> Array:
    """Waiting for gradients to reach the host, beside the backward pass that makes them.

    Parameters
    ----------
    offloads_optimizer : array_like
        1 where the optimizer's states are in the host's memory [1].
    host_link_gb_s_each_way : array_like
        Bandwidth of a device's link to its host [GB/s].
    stepped_params, trained_share : array_like
        Parameters that the device steps, and the share of them that is trained [1].
    grad_bytes : array_like
        Bytes of a gradient [B].
    gradient_buffer, micro_batches : array_like
        1 where gradients are summed on the device, else each micro-batch sends its own [1].
    backward_window_s : array_like
        Backward of a micro-batch [s].

    Returns
    -------
    ndarray
        Time [s].

    References
    ----------
    .. [1] Ren et al. (2021), arXiv:2101.06840, section 4.
    """
    each = grad_bytes * stepped_params * trained_share / (host_link_gb_s_each_way * 1e9)
    rounds = np.where(gradient_buffer > 0, 1.0, micro_batches)
    leaving = rounds * np.maximum(each - backward_window_s, 0.0)
    return np.where(offloads_optimizer > 0, leaving, 0.0)


@rule(
    "activation_link_s",
    formula="where activations are on the host: micro_batches * what forward_window_s does not hide of stage_layers *"
    " layer_activation_bytes over the link, and what backward_window_s does not; else 0",
    reference=f"{_REN}; torchtune, OffloadActivations",
)
def activation_link_s(
    offloads_activations: Array,
    host_link_gb_s_each_way: Array,
    layer_activation_bytes: Array,
    micro_batches: Array,
    stage_layers: Array,
    forward_window_s: Array,
    backward_window_s: Array,
) -> Array:
    """Waiting for activations to reach the host, and to return [s]."""
    each = stage_layers * layer_activation_bytes / (host_link_gb_s_each_way * 1e9)
    waits = _waits_s(each, forward_window_s, backward_window_s)
    return np.where(offloads_activations > 0, micro_batches * waits, 0.0)


@rule(
    "parameter_link_s",
    formula="where weights of zero3 are on the host: micro_batches * what forward_window_s does not hide of gathered_bytes * own_params over"
    " the link, and what backward_window_s does not; else 0",
    reference=f"{_RAJBHANDARI}; PyTorch, FSDP's CPUOffload",
)
def parameter_link_s(
    offloads_parameters: Array,
    sharding: Array,
    host_link_gb_s_each_way: Array,
    own_params: Array,
    gathered_bytes: Array,
    micro_batches: Array,
    forward_window_s: Array,
    backward_window_s: Array,
) -> Array:
    """Waiting for weights from the host: a device fetches its shard, which its replicas then gather.

    Parameters
    ----------
    offloads_parameters, sharding : array_like
        1 where the weights are in the host's memory, which zero3 (3) brings a layer at a time [1].
    host_link_gb_s_each_way : array_like
        Bandwidth of a device's link to its host [GB/s].
    own_params, gathered_bytes : array_like
        Parameters that a device keeps, and bytes of one on the way [1], [B].
    micro_batches, forward_window_s, backward_window_s : array_like
        Micro-batches of a step [1], and passes of one [s].

    Returns
    -------
    ndarray
        Time [s].

    References
    ----------
    .. [1] Rajbhandari et al. (2021), arXiv:2104.07857.
    """
    each = gathered_bytes * own_params / (host_link_gb_s_each_way * 1e9)
    waits = _waits_s(each, forward_window_s, backward_window_s)
    leaves = (offloads_parameters > 0) & (sharding > 2)
    return np.where(leaves, micro_batches * waits, 0.0)


@rule(
    "paged_link_s",
    formula="where moments are paged: those that paging_memory_gb has no room for beside memory_gb_per_device, least_fragment_gb and memory_context_gb, to the device and back over"
    " the link; else 0",
    reference=f"{_DETTMERS}, section 3: paged optimizers",
)
def paged_link_s(
    pages_optimizer: Array,
    host_link_gb_s_each_way: Array,
    paging_memory_gb: Array,
    memory_gb_per_device: Array,
    least_fragment_gb: Array,
    memory_context_gb: Array,
    moment_bytes: Array,
    stepped_params: Array,
    trained_share: Array,
) -> Array:
    """Moments on their way to the device and back in a step [s]; none where all have room beside the rest.

    `paging_memory_gb` is what can be used of the device's memory, or 0 where nobody knows it.
    """
    moments = moment_bytes * stepped_params * trained_share
    taken = memory_gb_per_device + least_fragment_gb + memory_context_gb
    room = np.maximum(paging_memory_gb - taken, 0.0) * 1e9
    found = 2 * np.maximum(moments - room, 0.0) / (host_link_gb_s_each_way * 1e9)
    return np.where(pages_optimizer > 0, found, 0.0)


@rule(
    "offload_s",
    formula="host_step_s + paged_link_s + the longer of gradient_link_s and activation_link_s + parameter_link_s, beyond"
    " data_parallel_s",
    reference=_REN,
)
def offload_s(
    host_step_s: Array,
    gradient_link_s: Array,
    activation_link_s: Array,
    parameter_link_s: Array,
    paged_link_s: Array,
    data_parallel_s: Array,
) -> Array:
    """What the host's memory adds to a step [s].

    A link runs both ways at once, and while a device waits for its replicas.
    """
    waits = np.maximum(gradient_link_s, activation_link_s + parameter_link_s)
    return host_step_s + paged_link_s + np.maximum(waits - data_parallel_s, 0.0)
