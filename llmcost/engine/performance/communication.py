"""Collectives of a layer: tensor and context parallelism, and what of them computation hides."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array, rule
from llmcost.engine.kernels.collectives import collective_s
from llmcost.engine.papers import KORTHIKANTI, NARAYANAN

_NCCL = "nccl-tests, performance: bus bandwidth of ring collectives"
_TORUS = "Austin et al. 2025, How to Scale Your Model, part 3: a collective over one axis of a torus has that axis' links"


@rule("scale_up_bytes_s", formula="scale_up_gb_s_each_way * 1e9", reference="definition")
def scale_up_bytes_s(scale_up_gb_s_each_way: Array) -> Array:
    """Bandwidth of a device inside the scale-up domain, each way [B/s]."""
    return scale_up_gb_s_each_way * 1e9


@rule(
    "torus_axes",
    formula="scale_up_axes, 1 where nothing says that the fast network is a torus",
    reference="Google Cloud, TPU system architecture",
)
def torus_axes(scale_up_axes: Array) -> Array:
    """Axes of the torus that the fast network is, 1 where any device reaches any other [1]."""
    return np.fmax(scale_up_axes, 1.0)  # of several devices some are none, and say nothing


@rule(
    "tensor_bytes_s",
    formula="scale_up_bytes_s / torus_axes",
    reference=_TORUS,
)
def tensor_bytes_s(scale_up_bytes_s: Array, torus_axes: Array) -> Array:
    """Bandwidth of a device to its group of tensor or context parallelism: one axis of a torus [B/s]."""
    return scale_up_bytes_s / torus_axes


@rule(
    "data_bytes_s",
    formula="scale_up_bytes_s; where tp > 1 in a torus, (1 - 1 / torus_axes) of it",
    reference=_TORUS,
)
def data_bytes_s(scale_up_bytes_s: Array, torus_axes: Array, tp: Array) -> Array:
    """Bandwidth of a device to those that share its states: the axes that tensor parallelism leaves [B/s]."""
    left = (torus_axes > 1) & (tp > 1)
    return scale_up_bytes_s * np.where(left, 1 - 1 / torus_axes, 1.0)


@rule(
    "scale_out_bytes_s",
    formula="scale_out_gbit_s_per_device / 8 * 1e9; what crosses it takes an unknown time where nobody knows it",
    reference="definition",
)
def scale_out_bytes_s(scale_out_gbit_s_per_device: Array) -> Array:
    """Bandwidth of a device between nodes, each way, NaN where it is not known [B/s]."""
    return scale_out_gbit_s_per_device / 8 * 1e9


@rule(
    "node_devices",
    formula="max(devices_per_node, scale_up_domain)",
    reference="definition",
)
def node_devices(devices_per_node: Array, scale_up_domain: Array) -> Array:
    """Devices that meet without the network between nodes [1]."""
    return np.maximum(devices_per_node, scale_up_domain)


@rule(
    "node_bytes_s",
    formula="scale_up_bytes_s; where the fast network joins several devices and not all of a server,"
    " node_link_gb_s between them at most",
    reference="PCI Express 4.0, 16 lanes",
)
def node_bytes_s(
    scale_up_bytes_s: Array, scale_up_domain: Array, devices_per_node: Array, node_link_gb_s: Array
) -> Array:
    """Bandwidth of a device to those of its server that the fast network does not join [B/s].

    Where it joins none (domain 1), the catalog's figure is that of the link into the server.
    """
    bridged = (scale_up_domain > 1) & (scale_up_domain < devices_per_node)
    slow = np.minimum(node_link_gb_s * 1e9, scale_up_bytes_s)
    return np.where(bridged, slow, scale_up_bytes_s)


def gather(
    size: Array,
    group: Array,
    stride: Array,
    scale_up_bytes_s: Array,
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
    kind: str = "all_gather",
) -> Array:
    """Time of an all-gather, of a reduce-scatter or, by its kind, of an all-reduce.

    Parameters
    ----------
    size : array_like
        Bytes of the whole result [B].
    group, stride : array_like
        Devices that take part, every `stride`-th of a run of devices [1].
    scale_up_bytes_s, scale_up_domain : array_like
        Bandwidth of a device inside the fast network [B/s], and the devices that it joins [1].
    node_bytes_s, scale_out_bytes_s, node_devices : array_like
        Bandwidth of a device to the rest of its server, and of its port between nodes [B/s],
        devices that meet without it [1].
    gather_domain_share, gather_base_s, gather_hop_s, gather_pipeline : array_like
        Constants of :func:`llmcost.engine.kernels.collectives.domain_collective_s`.
    net_ring_share, net_quick_share, net_ring_net_hop_s, net_quick_net_hop_s, net_ring_hop_s, net_quick_hop_s : array_like
        Constants of :func:`llmcost.engine.kernels.collectives.network_collective_s`.
    kind : str
        all_gather, which a reduce-scatter takes as long as, or all_reduce.

    Returns
    -------
    ndarray
        Time, 0 for a group of one [s].
    """
    domain = {
        "domain_share": gather_domain_share,
        "base_s": gather_base_s,
        "hop_s": gather_hop_s,
        "pipeline": gather_pipeline,
    }
    network = {
        "ring_share": net_ring_share,
        "quick_share": net_quick_share,
        "ring_net_hop_s": net_ring_net_hop_s,
        "quick_net_hop_s": net_quick_net_hop_s,
        "ring_hop_s": net_ring_hop_s,
        "quick_hop_s": net_quick_hop_s,
        "tree_share": net_ring_share,
        "tree_hop_s": net_ring_net_hop_s,
    }
    here = np.maximum(node_devices / stride, 1.0)
    joined = np.minimum(group, here) * stride <= scale_up_domain
    inside = np.where(joined, scale_up_bytes_s, node_bytes_s)
    found = collective_s(kind, size, group, here, inside, scale_out_bytes_s, domain, network)
    # The rest of a server may be reached through the network adapters too: the faster way counts.
    bridged = (scale_up_domain > 1) & (scale_up_domain < node_devices)
    if np.any(bridged):
        near = np.where(bridged, np.maximum(scale_up_domain / stride, 1.0), here)
        link = np.where(bridged, scale_up_bytes_s, inside)
        around = collective_s(kind, size, group, near, link, scale_out_bytes_s, domain, network)
        found = np.fmin(found, around)
    return np.where(group > 1, found, 0.0)


@rule(
    "tensor_forward_s",
    formula="per layer and micro-batch, forward: 2 all-reduces of micro_tokens * hidden_size numbers over tp"
    " devices; with sequence_parallel 2 all-gathers, of operands where casts_in_norms, and 2 reduce-scatters, one of each in"
    " layers with experts but no shared ones",
    reference=f"{NARAYANAN}; {KORTHIKANTI}; {_NCCL}",
)
def tensor_forward_s(
    micro_tokens: Array,
    hidden_size: Array,
    tp: Array,
    tensor_bytes_s: Array,
    scale_up_domain: Array,
    node_bytes_s: Array,
    scale_out_bytes_s: Array,
    node_devices: Array,
    gather_domain_share: Array,
    gather_base_s: Array,
    gather_hop_s: Array,
    gather_pipeline: Array,
    reduce_domain_share: Array,
    reduce_base_s: Array,
    reduce_hop_s: Array,
    reduce_pipeline: Array,
    net_ring_share: Array,
    net_quick_share: Array,
    net_ring_net_hop_s: Array,
    net_quick_net_hop_s: Array,
    net_ring_hop_s: Array,
    net_quick_hop_s: Array,
    activation_width: Array,
    sequence_parallel: Array,
    moe_layers: Array,
    layers: Array,
    shared_experts: Array,
    casts_in_norms: Array,
    product_input_bytes: Array,
) -> Array:
    """Tensor-parallel collectives of a layer and micro-batch, forward, before overlap [s].

    Routed experts take each device's own part of the sequence. What is cast before it is gathered travels in fewer bits.
    """
    if not np.any(tp > 1):
        return np.zeros(())
    links = tensor_bytes_s, scale_up_domain, node_bytes_s, scale_out_bytes_s, node_devices
    network = (
        net_ring_share,
        net_quick_share,
        net_ring_net_hop_s,
        net_quick_net_hop_s,
        net_ring_hop_s,
        net_quick_hop_s,
    )
    numbers = micro_tokens * hidden_size
    width = np.where(
        casts_in_norms > 0, np.minimum(product_input_bytes, activation_width), activation_width
    )
    group = tp, np.ones(()), *links
    gathers = gather_domain_share, gather_base_s, gather_hop_s, gather_pipeline
    reduces = reduce_domain_share, reduce_base_s, reduce_hop_s, reduce_pipeline
    routed = np.where(shared_experts > 0, 0.0, moe_layers / layers)
    whole = activation_width * numbers
    split, alone = np.asarray(sequence_parallel > 0), tp <= 1
    if np.all(~split | alone):
        return 2 * gather(whole, *group, *reduces, *network, kind="all_reduce")
    scattered = gather(whole, *group, *gathers, *network)
    alike = np.all(width == activation_width)
    gathered = scattered if alike else gather(width * numbers, *group, *gathers, *network)
    parted = (2 - routed) * (gathered + scattered)
    if np.all(split | alone):
        return np.asarray(parted)
    summed = 2 * gather(whole, *group, *reduces, *network, kind="all_reduce")
    return np.where(split, parted, summed)


@rule(
    "tensor_collectives_s",
    formula="tensor_forward_s in each of 2 passes (3 where the layer is done again, by recompute_share),"
    " less tensor_overlap of it, as far as it fits under the products; with sequence_parallel the backward gathers the"
    " inputs again, half of tensor_forward_s, under half of its products; gradient_overlap of its sums of gradients, with"
    " sequence_parallel half of its communication, under the other half; what is hidden takes comm_steal of them",
    reference=f"{NARAYANAN}; {KORTHIKANTI}, section 4.2.2; Jangda et al. 2022, arXiv:2105.05720",
)
def tensor_collectives_s(
    tensor_forward_s: Array,
    products_forward_s: Array,
    products_backward_s: Array,
    layer_recompute_share: Array,
    tensor_overlap: Array,
    gradient_overlap: Array,
    comm_steal: Array,
    sequence_parallel: Array,
) -> Array:
    """Tensor-parallel communication of a layer and micro-batch that computation does not hide.

    Parameters
    ----------
    tensor_forward_s, products_forward_s, products_backward_s : array_like
        Collectives of a forward, products of both passes [s].
    layer_recompute_share : array_like
        Share of a forward that is done again [1].
    tensor_overlap : array_like
        Share of the communication that the software runs beside products [1].
    gradient_overlap : array_like
        Share of the sums of gradients of inputs that runs beside products of those of weights [1].
    comm_steal : array_like
        Share of the processors that communication takes from what runs beside it [1].
    sequence_parallel : array_like
        1 where each device keeps its part of a sequence between products, so that the gradients of
        weights need what they multiplied gathered again [1].

    Returns
    -------
    ndarray
        Time [s].

    References
    ----------
    .. [1] Jangda et al. (2022), arXiv:2105.05720: tiles of a product travel while others are computed.
    """
    whole = (2 + layer_recompute_share) * tensor_forward_s
    products = (1 + layer_recompute_share) * products_forward_s + products_backward_s
    again = np.where(sequence_parallel > 0, tensor_forward_s / 2, 0.0)
    beside = np.minimum(again, products_backward_s / 2)
    sums = np.where(sequence_parallel > 0, 0.5, 1.0) * tensor_forward_s
    beside = beside + np.minimum(gradient_overlap * sums, products_backward_s / 2)
    hidden = np.minimum(tensor_overlap * whole + beside, products)
    return whole + again - hidden * (1 - comm_steal)


@rule(
    "model_exchange_s",
    formula="tensor_collectives_s + context_exchange_s, beyond host_wait_s",
    reference=NARAYANAN,
)
def model_exchange_s(
    tensor_collectives_s: Array, context_exchange_s: Array, host_wait_s: Array
) -> Array:
    """Exposed tensor and context parallelism of a layer and micro-batch [s].

    A device that waits for its host has time for it.
    """
    return np.maximum(tensor_collectives_s + context_exchange_s - host_wait_s, 0.0)


@rule(
    "layer_collectives_s",
    formula="model_exchange_s + expert_exchange_s",
    reference=NARAYANAN,
)
def layer_collectives_s(model_exchange_s: Array, expert_exchange_s: Array) -> Array:
    """Exposed communication of a layer and micro-batch: tensor, context, expert parallelism [s].

    A host that waits for the device does not hide the exchange between experts, whose sizes are
    known on the device alone.
    """
    return model_exchange_s + expert_exchange_s
