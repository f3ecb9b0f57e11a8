"""The exchange of tokens between devices that hold experts, and what of it computation hides."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array, rule
from llmcost.engine.kernels.collectives import expert_exchange_s as exchange_s
from llmcost.engine.performance.communication import gather


@rule(
    "exchange_bytes_s",
    formula="scale_up_bytes_s; in a torus over a quarter of the way around all its axes, torus_axes * ep ^ (1 / torus_axes) / 4,"
    " at least 1",
    reference="Austin et al. 2025, How to Scale Your Model, part 3: all-to-all on a ring",
)
def exchange_bytes_s(scale_up_bytes_s: Array, torus_axes: Array, ep: Array) -> Array:
    """Bandwidth at which a device exchanges tokens with others of a fast network [B/s].

    In a torus what a device sends passes other devices' links: along a ring of `n` a quarter of `n`
    on average, on every axis.
    """
    side = np.power(ep, 1 / torus_axes)
    passed = np.where(torus_axes > 1, np.maximum(torus_axes * side / 4, 1.0), 1.0)
    return scale_up_bytes_s / passed


@rule(
    "expert_forward_s",
    formula="per layer with experts and micro-batch, forward: dispatch and combine, each the slower of what goes to"
    " devices of the scale-up domain and what crosses to others: a copy of a token for each chosen expert where"
    " exchange_copies, else one for each device and each domain, of groups_per_token in expert_groups; dispatch_bytes a"
    " number to the experts, activation_width back; mean over the layers",
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
    exchange_bytes_s: Array,
    scale_up_domain: Array,
    node_bytes_s: Array,
    node_devices: Array,
    scale_out_bytes_s: Array,
    dispatch_domain_share: Array,
    dispatch_base_s: Array,
    combine_domain_share: Array,
    combine_base_s: Array,
    exchange_nic_share: Array,
    exchange_copies: Array,
    activation_width: Array,
    dispatch_bytes: Array,
    expert_groups: Array,
    groups_per_token: Array,
) -> Array:
    """Expert-parallel exchange of a layer and micro-batch, forward, before overlap.

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
    exchange_bytes_s, scale_up_domain, node_bytes_s, node_devices, scale_out_bytes_s : array_like
        The networks, as :func:`gather`.
    dispatch_domain_share, dispatch_base_s, combine_domain_share, combine_base_s, exchange_nic_share, exchange_copies : array_like
        Constants of :func:`llmcost.engine.kernels.collectives.expert_exchange_s`.
    activation_width, dispatch_bytes : array_like
        Bytes of a number on its way back, and on its way to an expert [B].
    expert_groups, groups_per_token : array_like
        Groups of experts, and those that a token may enter; 0 where nothing limits it [1].

    Returns
    -------
    ndarray
        Time [s].

    References
    ----------
    .. [1] DeepSeek-AI (2024), arXiv:2412.19437: a token crosses the network once for each node
       and is copied to the chosen experts there.
    """
    mixtures = moe_layers / layers
    if not np.any((mixtures > 0) & (ep > 1)):
        return np.zeros(())
    near = np.minimum(ep, np.maximum(node_devices / expert_tp, 1.0))
    joined = near * expert_tp <= scale_up_domain
    link = np.where(joined, exchange_bytes_s, node_bytes_s)
    found: Array = np.zeros(())
    for share, base, width in (
        (dispatch_domain_share, dispatch_base_s, dispatch_bytes),
        (combine_domain_share, combine_base_s, activation_width),
    ):
        found = found + exchange_s(
            micro_tokens / tp * expert_imbalance,
            hidden_size,
            width,
            experts_per_token,
            ep / near,
            near,
            link,
            scale_out_bytes_s,
            share,
            exchange_nic_share,
            base,
            exchange_copies,
            groups=expert_groups,
            groups_chosen=groups_per_token,
        )
    return np.where(ep > 1, mixtures * found, 0.0)


@rule(
    "expert_gather_s",
    formula="per layer with experts and micro-batch, forward, where expert_tp > 1: an all-gather and a reduce-scatter of the"
    " tokens that the group got, a copy for each chosen expert where ep > 1; mean over the layers",
    reference="Liu et al. 2025, arXiv:2504.14960; Megatron-LM, moe/token_dispatcher.py: MoEAlltoAllTokenDispatcher",
)
def expert_gather_s(
    micro_tokens: Array,
    hidden_size: Array,
    experts_per_token: Array,
    moe_layers: Array,
    layers: Array,
    ep: Array,
    tp: Array,
    expert_tp: Array,
    tensor_bytes_s: Array,
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
    activation_width: Array,
) -> Array:
    """Devices that share an expert share its tokens: collectives of a layer and micro-batch, forward [s]."""
    mixtures = moe_layers / layers
    if not np.any((mixtures > 0) & (expert_tp > 1)):
        return np.zeros(())
    copies = np.where(ep > 1, experts_per_token, 1.0)
    whole = micro_tokens / tp * expert_tp * copies * hidden_size * activation_width
    once = gather(
        whole,
        expert_tp,
        np.ones(()),
        tensor_bytes_s,
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
    return np.where(mixtures > 0, 2 * mixtures * once, 0.0)


@rule(
    "exchange_steal",
    formula="exchange_processors / processors, comm_steal where the software does not say how many",
    reference="DeepSeek-AI 2024, arXiv:2412.19437, section 3.2.2",
)
def exchange_steal(exchange_processors: Array, processors: Array, comm_steal: Array) -> Array:
    """Share of the processors that the exchange between experts takes from what runs beside it [1]."""
    given = exchange_processors / processors
    return np.where(exchange_processors > 0, np.minimum(given, 1.0), comm_steal)


@rule(
    "paired_share",
    formula="1; with DualPipe 1 - min((3 pp / 2 - 1) / micro_batches, 1)",
    reference="DeepSeek-AI, DualPipe, dualpipe.py: steps of the schedule; arXiv:2412.19437, figure 5",
)
def paired_share(pp: Array, micro_batches: Array, schedule: Array) -> Array:
    """Share of the micro-batches whose passes run beside those of another.

    DualPipe hides the exchange of a forward under a backward pass of another micro-batch; while the
    pipeline fills and drains, 3 pp / 2 - 1 of each on the outermost device have no other [1].
    """
    alone = np.minimum((1.5 * pp - 1) / micro_batches, 1.0)
    return np.where((schedule > 1) & (pp > 1), 1 - alone, 1.0)


@rule(
    "expert_exchange_s",
    formula="expert_forward_s + expert_gather_s in each of 2 passes (3 where the layer is done again), less expert_overlap of it in"
    " paired_share of the micro-batches, as far as it fits under layer_s + model_exchange_s; what is hidden takes exchange_steal of the processors",
    reference="DeepSeek-AI 2024, arXiv:2412.19437, section 3.2.1",
)
def expert_exchange_s(
    expert_forward_s: Array,
    expert_gather_s: Array,
    layer_s: Array,
    model_exchange_s: Array,
    layer_recompute_share: Array,
    expert_overlap: Array,
    exchange_steal: Array,
    paired_share: Array,
) -> Array:
    """Exchange between experts of a layer and micro-batch that computation does not hide.

    Parameters
    ----------
    expert_forward_s, expert_gather_s, layer_s, model_exchange_s : array_like
        The exchange of a forward, and among devices that share an expert, and a layer in all passes with its other collectives [s].
    layer_recompute_share : array_like
        Share of a forward that is done again [1].
    expert_overlap : array_like
        Share of the exchange that the software runs beside computation of another micro-batch [1].
    exchange_steal : array_like
        Share of the processors that the exchange takes from what runs beside it [1].
    paired_share : array_like
        Share of the micro-batches that have another beside them [1].

    Returns
    -------
    ndarray
        Time [s].

    References
    ----------
    .. [1] DeepSeek-AI (2024), arXiv:2412.19437, section 3.2.1 (DualPipe).
    """
    whole = (2 + layer_recompute_share) * (expert_forward_s + expert_gather_s)
    hidden = paired_share * np.minimum(expert_overlap * whole, layer_s + model_exchange_s)
    return whole - hidden * (1 - exchange_steal)
