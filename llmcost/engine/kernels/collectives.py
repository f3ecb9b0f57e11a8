"""Collectives inside a scale-up domain and across nodes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from llmcost.engine.chain import Array

#: Hops up to which a domain runs a ring, one step a device; larger ones double it like a tree.
RING = 7.0
#: Times that the whole message passes each device's link, before the factor (g − 1)/g.
PASSES = {"all_reduce": 2.0, "all_gather": 1.0, "reduce_scatter": 1.0, "all_to_all": 1.0}


def transfer_s(
    volume: Array, bandwidth: Array | float, latency_s: Array, pipeline: Array | float
) -> Array:
    """Time to send a volume in chunks through a chain of hops.

    The best size of a chunk trades the overhead of each against the time to fill the
    chain: at the optimum the time is ``latency + T + 2·sqrt(latency · T)``, T the time of the
    volume at full bandwidth. `pipeline` is the share of the last term that is left.

    Parameters
    ----------
    volume, bandwidth : array_like
        Bytes through the narrowest link [B] and its bandwidth [B/s].
    latency_s : array_like
        Time of an empty message through the chain [s].
    pipeline : array_like
        Weight of the middle term, 0 for none [1].

    Returns
    -------
    ndarray
        Time [s]; continuous, rising in volume and latency, falling in bandwidth.

    References
    ----------
    .. [1] Thakur et al. (2005), Optimization of Collective Communication Operations in MPICH.
    .. [2] Sanders et al. (2009), Two-tree algorithms, Parallel Computing 35(12).
    """
    full = volume / bandwidth
    return np.asarray(latency_s + full + 2 * pipeline * np.sqrt(latency_s * full))


def domain_collective_s(
    kind: str,
    size: Array | float,
    group: Array | float,
    domain_bytes_s: Array | float,
    domain_share: Array | float,
    base_s: Array | float,
    hop_s: Array | float,
    pipeline: Array | float,
) -> Array:
    """Time of a collective whose devices share one scale-up domain.

    Parameters
    ----------
    kind : str
        all_reduce, all_gather, reduce_scatter or all_to_all.
    size : array_like
        Bytes of the whole message: what a device holds in full before (reduce_scatter,
        all_reduce, all_to_all) or after (all_gather) [B].
    group : array_like
        Devices that take part [1].
    domain_bytes_s, domain_share : array_like
        Bandwidth of a device into the domain, each way [B/s], and the share reached [1].
    base_s, hop_s : array_like
        Time to start, and of a hop: one for each further device, up to eight devices [s].
    pipeline : array_like
        As of `transfer_s`.

    Returns
    -------
    ndarray
        Time [s], 0 for a group of one.

    References
    ----------
    .. [1] NVIDIA, nccl-tests, PERFORMANCE.md (bus bandwidth).
    """
    group = np.asarray(group, dtype=float)
    others = np.maximum(group - 1, 0.0)
    volume = PASSES[kind] * size * others / np.maximum(group, 1.0)
    hops = np.minimum(others, RING) * (1 + np.log2(np.maximum(group / (RING + 1), 1.0)))
    time = transfer_s(volume, domain_bytes_s * domain_share, base_s + hop_s * hops, pipeline)
    return np.where(group > 1, time, 0.0)


def network_collective_s(
    kind: str,
    size: Array,
    nodes: Array,
    per_node: Array,
    nic_bytes_s: Array,
    ring_share: Array,
    quick_share: Array,
    ring_net_hop_s: Array,
    quick_net_hop_s: Array,
    ring_hop_s: Array,
    quick_hop_s: Array,
    tree_share: Array,
    tree_hop_s: Array,
    sharing: Array | float = 1.0,
) -> Array:
    """Time of a ring or tree over several nodes, each device with a network port of its own.

    The library takes the fastest of a ring in large chunks, a ring in quick small ones with less
    bandwidth, and, for an all-reduce, a tree: so does this.

    Parameters
    ----------
    kind, size : str, array_like
        As of `domain_collective_s`.
    nodes, per_node : array_like
        Nodes, and devices of the group in each [1].
    nic_bytes_s : array_like
        Network bandwidth of a device, each way [B/s].
    ring_share, quick_share, tree_share : array_like
        Share of the network bandwidth that each reaches [1].
    ring_net_hop_s, quick_net_hop_s, ring_hop_s, quick_hop_s, tree_hop_s : array_like
        Time of a hop between nodes, between devices of a node, and of a level of the tree, up and down [s].
    sharing : array_like
        Groups that use a port at a time [1].

    Returns
    -------
    ndarray
        Time [s], 0 for a single node.

    References
    ----------
    .. [1] NCCL 2.27, src/graph/tuning.cc (rings, trees, protocols).
    """
    nodes = np.asarray(nodes, dtype=float)
    per_node = np.asarray(per_node, dtype=float)
    group = nodes * per_node
    volume = PASSES[kind] * size * (1 - 1 / np.maximum(group, 1.0))
    port = nic_bytes_s * per_node / sharing
    inside = nodes * (per_node - 1)
    ring = PASSES[kind] * (ring_net_hop_s * (nodes - 1) + ring_hop_s * inside)
    quick = PASSES[kind] * (quick_net_hop_s * (nodes - 1) + quick_hop_s * inside)
    time = np.minimum(ring + volume / (port * ring_share), quick + volume / (port * quick_share))
    if kind == "all_reduce":
        tree = tree_hop_s * np.log2(np.maximum(nodes, 1.0)) + quick_hop_s * 2 * per_node
        time = np.minimum(time, tree + volume / (port * tree_share))
    return np.where(nodes > 1, time, 0.0)


def network_all_to_all_s(
    size: Array,
    nodes: Array,
    per_node: Array,
    nic_bytes_s: Array,
    nic_share: Array,
    base_s: Array,
    peer_s: Array,
    sharing: Array | float = 1.0,
) -> Array:
    """Time of what an all-to-all sends between nodes; what stays inside hides under it.

    Parameters
    ----------
    size : array_like
        Bytes that a device holds for the whole group, its own part included [B].
    nodes, per_node : array_like
        Nodes, and devices of the group in each [1].
    nic_bytes_s, nic_share : array_like
        Network bandwidth of a device, each way [B/s], and the share reached [1].
    base_s, peer_s : array_like
        Time to start, and of each peer on another node [s].
    sharing : array_like
        Groups that use a port at a time [1].

    Returns
    -------
    ndarray
        Time [s], 0 for a single node.

    References
    ----------
    .. [1] autoparallel's NCCL model: measured latencies of an all-to-all by nodes.
    """
    nodes = np.maximum(np.asarray(nodes, dtype=float), 1.0)
    volume = size * (1 - 1 / nodes)
    port = nic_bytes_s * nic_share / sharing
    peers = (nodes - 1) * per_node
    return np.where(nodes > 1, base_s + peer_s * peers + volume / port, 0.0)


def span_bytes_s(
    span: Array,
    fast_bytes_s: Array,
    fast_domain: Array,
    node_bytes_s: Array,
    node_devices: Array,
    nic_bytes_s: Array,
) -> Array:
    """Bandwidth of a device to the farthest of a run of devices.

    Parameters
    ----------
    span : array_like
        Devices of the run, one after another [1].
    fast_bytes_s, fast_domain : array_like
        Bandwidth inside the fast network [B/s], and the devices that it joins [1].
    node_bytes_s, node_devices : array_like
        Bandwidth to the rest of a server [B/s], and its devices [1].
    nic_bytes_s : array_like
        Network bandwidth of a device, each way [B/s].

    Returns
    -------
    ndarray
        Bandwidth, each way [B/s].
    """
    near = np.where(span <= fast_domain, fast_bytes_s, node_bytes_s)
    return np.where(span <= node_devices, near, nic_bytes_s)


def send_s(size: Array, bandwidth: Array, share: Array, latency_s: Array) -> Array:
    """Time to send a message from one device to another.

    Parameters
    ----------
    size, bandwidth, share : array_like
        Bytes [B], bandwidth of the link [B/s] and the share of it reached [1].
    latency_s : array_like
        Time of an empty message [s].

    Returns
    -------
    ndarray
        Time [s].
    """
    return np.asarray(latency_s + size / (bandwidth * share))


def distinct_places(places: Array, choices: Array) -> Array:
    """How many of some places are hit by independent choices, on average.

    Parameters
    ----------
    places, choices : array_like
        Places (devices, nodes) and choices (experts a token) [1].

    Returns
    -------
    ndarray
        ``places · (1 − (1 − 1/places)^choices)`` [1].
    """
    places = np.maximum(np.asarray(places, dtype=float), 1.0)
    return np.asarray(places * (1 - np.power(1 - 1 / places, choices)))


def reached_places(places: Array, groups: Array | float, groups_chosen: Array | float) -> Array:
    """Places that a router can send one token to, where it chooses among groups of experts first.

    Parameters
    ----------
    places : array_like
        Places (devices, nodes) that the experts are spread over, group after group [1].
    groups, groups_chosen : array_like
        Groups of experts, and those that a token may enter; 0 where nothing limits it [1].

    Returns
    -------
    ndarray
        Places, all of them without a limit [1].

    References
    ----------
    .. [1] DeepSeek-AI (2024), arXiv:2405.04434, section 2.2.2 (device-limited routing);
       arXiv:2412.19437, section 2.1.2 (node-limited routing).
    """
    places = np.maximum(np.asarray(places, dtype=float), 1.0)
    each = np.maximum(places / np.maximum(groups, 1.0), 1.0)
    limited = (np.asarray(groups) > 1) & (np.asarray(groups_chosen) > 0)
    return np.where(limited, np.minimum(places, groups_chosen * each), places)


def expert_exchange_s(
    tokens: Array | float,
    hidden: Array,
    width: Array | float,
    topk: Array,
    nodes: Array,
    per_node: Array,
    domain_bytes_s: Array,
    nic_bytes_s: Array,
    domain_share: Array,
    nic_share: Array,
    base_s: Array | float,
    copied: Array | float = 0.0,
    sharing: Array | float = 1.0,
    groups: Array | float = 0.0,
    groups_chosen: Array | float = 0.0,
) -> Array:
    """Time of a dispatch or a combine of tokens between devices that hold experts.

    Parameters
    ----------
    tokens : array_like
        Tokens of a device [tokens].
    hidden, width : array_like
        Width of the model [1] and bytes of a number sent [B].
    topk : array_like
        Experts a token, spread at random over the devices [1].
    nodes, per_node : array_like
        Nodes (scale-up domains), and devices of the group in each [1].
    domain_bytes_s, nic_bytes_s, domain_share, nic_share : array_like
        Bandwidth of a device into its domain and into the network, each way [B/s], share of each reached [1].
    base_s : array_like
        Time to start and to exchange counts [s].
    copied : array_like
        1 where each chosen expert is sent a copy of its own (an all-to-all of sorted rows), 0 where
        a token goes once to each device and once to each node that wants it [1].
    sharing : array_like
        Groups that use a port at a time [1].
    groups, groups_chosen : array_like
        As of `reached_places`.

    Returns
    -------
    ndarray
        Time [s], 0 for a group of one.

    References
    ----------
    .. [1] DeepSeek-AI, DeepEP (normal kernels); DeepSeek-V3, arXiv:2412.19437, section 3.2.
    """
    nodes = np.maximum(np.asarray(nodes, dtype=float), 1.0)
    per_node = np.maximum(np.asarray(per_node, dtype=float), 1.0)
    token = np.asarray(tokens, dtype=float) * hidden * width
    limit = (groups, groups_chosen)
    crossing = np.where(copied, topk, distinct_places(reached_places(nodes, *limit), topk))
    devices = reached_places(nodes * per_node, *limit)
    arriving = np.where(copied, topk, distinct_places(devices, topk))
    remote = crossing * (nodes - 1) / nodes
    # What comes from another domain goes on inside it, so a larger domain has no more to carry.
    local = np.where(per_node > 1, arriving * (1 - 1 / (nodes * per_node)), 0.0)
    port = nic_bytes_s * nic_share / sharing
    crosses = np.where(nodes > 1, token * remote / port, 0.0)
    time = np.maximum(crosses, token * local / (domain_bytes_s * domain_share))
    return np.where(nodes * per_node > 1, base_s + time, 0.0)


def collective_s(
    kind: str,
    size: Array,
    group: Array,
    per_node: Array,
    domain_bytes_s: Array,
    nic_bytes_s: Array,
    domain: Mapping[str, Array],
    network: Mapping[str, Array],
    sharing: Array | float = 1.0,
) -> Array:
    """Time of a collective of devices in one or several nodes.

    The part inside a node and the part between nodes stream through one another, so that the
    longer of the two counts.

    Parameters
    ----------
    kind, size, group : str, array_like
        As of `domain_collective_s`.
    per_node : array_like
        Devices of the group that share a node or scale-up domain, at most [1].
    domain_bytes_s, nic_bytes_s : array_like
        Bandwidth of a device into its domain and into the network, each way [B/s].
    domain, network : mapping
        Constants of `domain_collective_s`, and those of `network_collective_s` or, for an
        all-to-all, of `network_all_to_all_s`.
    sharing : array_like
        Groups that use a network port at a time [1].

    Returns
    -------
    ndarray
        Time [s], 0 for a group of one.
    """
    inside = np.minimum(group, per_node)
    nodes = np.maximum(np.asarray(group, dtype=float) / per_node, 1.0)
    if kind == "all_to_all":
        within = domain_collective_s(kind, size / nodes, inside, domain_bytes_s, **domain)
        between = network_all_to_all_s(size, nodes, inside, nic_bytes_s, sharing=sharing, **network)
    else:
        # A ring over nodes sends as much over each link inside as one of a single large domain.
        within = domain_collective_s(kind, size, group, domain_bytes_s, **domain)
        between = network_collective_s(
            kind, size, nodes, inside, nic_bytes_s, sharing=sharing, **network
        )
    return np.maximum(within, between)
