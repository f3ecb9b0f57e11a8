"""Collectives inside a domain and across nodes, and the exchange of experts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.kernels.raw import SYSTEMS, Fit, best, device, fit, rows
from llmcost.engine.kernels.collectives import (
    distinct_places,
    domain_collective_s,
    expert_exchange_s,
    network_all_to_all_s,
    network_collective_s,
    send_s,
)

KINDS = {
    "all_reduce": "all_reduce",
    "all_gather": "all_gather",
    "reduce_scatter": "reduce_scatter",
    "alltoall": "all_to_all",
}
DOMAIN = {
    "domain_share": (0.8, 0.3, 0.05, 1.2),
    "base_s": (5e-6, 0.7, 5e-7, 1e-4),
    "hop_s": (1e-6, 0.7, 1e-8, 2e-5),
    "pipeline": (0.5, 0.7, 0.01, 3.0),
}
#: Bandwidth into the domain each way where the catalog has no figure: PCIe 4 and 5, 16 lanes.
PCIE = {"l40s": 32e9, "rtx-pro-6000": 64e9}
#: Network port of a device in the measurements across nodes (400 Gbit/s) [B/s].
NIC = 50e9
NETWORK = {
    "ring_share": (0.95, 0.1, 0.5, 1.0),
    "quick_share": (0.73, 0.1, 0.3, 1.0),
    "ring_net_hop_s": (2.8e-5, 0.5, 1e-6, 1e-4),
    "quick_net_hop_s": (1.5e-5, 0.5, 1e-6, 1e-4),
    "ring_hop_s": (1.4e-6, 0.5, 1e-7, 1e-5),
    "quick_hop_s": (8e-7, 0.5, 1e-7, 1e-5),
    "tree_share": (0.5, 0.1, 0.2, 1.0),
    "tree_hop_s": (1.7e-5, 0.5, 1e-6, 1e-4),
}


def link(name: str) -> float:
    """Bandwidth of a device into its scale-up domain, each way [B/s]."""
    return PCIE.get(name) or device(name)["scale_up_gb_s_each_way"] * 1e9


def read_domain(folder: Path) -> dict[tuple[str, str], np.ndarray]:
    """By device and collective: devices, bytes and the best time [s], 64 KiB and more."""
    found: dict[tuple[str, str], list[tuple[float, ...]]] = {}
    wanted = ("system", "op_name", "num_gpus", "message_size")
    for key, t in best(rows(folder / "nccl_half.csv.gz"), wanted).items():
        size = 2 * float(key[3])
        if size >= 65536:
            place = (SYSTEMS[key[0]], KINDS[key[1]])
            found.setdefault(place, []).append((float(key[2]), size, t * 1e-3))
    return {key: np.array(v) for key, v in found.items()}


def large_domain(folder: Path) -> np.ndarray:
    """All-reduces measured on 72 devices of one GB200 domain: devices, bytes, time."""
    return np.array(
        [
            (float(r["gpus"]), size, size / float(r["algorithm_bandwidth_gb_s"]) / 1e9)
            for r in rows(folder / "allreduce_large_clusters.csv")
            if r["system"] == "gb200-nvl72" and (size := float(r["message_bytes"]))
        ]
    )


def domain_times(kind: str, name: str, t: np.ndarray, constants: dict[str, float]) -> np.ndarray:
    """Predicted time of a device's points."""
    return domain_collective_s(kind, t[:, 1], t[:, 0], link(name), **constants)


def fit_domain(kind: str, group: list[tuple[str, np.ndarray]]) -> Fit:
    """Constants of a collective that devices share; whole racks, of few points, count ten times."""
    measured = np.concatenate([t[:, 2] for _, t in group])
    weights = np.concatenate([np.where(t[:, 0] > 8, 10.0, 1.0) for _, t in group])

    def model(c: dict[str, float]) -> np.ndarray:
        return np.concatenate([domain_times(kind, name, t, c) for name, t in group])

    return fit(model, measured, DOMAIN, weights)


def domain_groups(folder: Path) -> dict[tuple[str, str], list[tuple[str, np.ndarray]]]:
    """Tables by family and collective, without a host (of L40S) that passes 1 to 5 GB/s a card."""
    found: dict[tuple[str, str], list[tuple[str, np.ndarray]]] = {}
    for (name, kind), t in read_domain(folder).items():
        if name != "l40s":
            found.setdefault((device(name)["family"], kind), []).append((name, t))
    found["blackwell", "all_reduce"].append(("gb200-nvl72", large_domain(folder)))
    return found


def read_network(folder: Path) -> list[tuple[str, float, float, float, float]]:
    """Collective, nodes, devices a node, bytes, time: from three sources.

    NCCL's own model of H100 (the best of its algorithms and protocols at a size), an operator's
    shares of the bus bandwidth that rings reach by size and nodes (one of a ring's two rounds),
    and a cloud's measured all-reduces.
    """
    points = []
    curves: dict[tuple[str, float, float], list[tuple[float, float]]] = {}
    for r in rows(folder / "nccl_h100_multinode.csv"):
        nodes, each = float(r["nodes"]), float(r["gpus_per_node"])
        if nodes < 2 or r["algorithm"] not in ("ring", "tree"):
            continue
        for kind in r["collective"].split("/"):
            curve = curves.setdefault((kind, nodes, each), [])
            curve.append((float(r["latency_us"]) * 1e-6, float(r["bandwidth_gb_s"]) * 1e9))
    for (kind, nodes, each), curve in curves.items():
        for size in 2.0 ** np.arange(20, 34, 2):
            points.append((kind, nodes, each, size, min(a + size / b for a, b in curve)))
    for r in rows(folder / "nic_ratio.csv"):
        for column, share in r.items():
            if column and "Node-" in column and "NIC" in column and share:
                nodes = float(column.split("Node")[0])
                size = float(r["Size"])
                round_bytes = size * (1 - 1 / (8 * nodes))
                time = round_bytes / (float(share) * 8 * NIC)
                points.append(("all_gather", nodes, 8.0, size, time))
    for r in rows(folder / "allreduce_large_clusters.csv"):
        if r["system"] == "h100-sxm":
            size = float(r["message_bytes"])
            time = size / float(r["algorithm_bandwidth_gb_s"]) / 1e9
            points.append(("all_reduce", float(r["gpus"]) / 8, 8.0, size, time))
    return points


def network_times(points: list[Any], constants: dict[str, float]) -> np.ndarray:
    """Predicted time of each point."""
    return np.array(
        [float(network_collective_s(k, s, n, g, NIC, **constants)) for k, n, g, s, _ in points]
    )


def fit_network(points: list[Any]) -> Fit:
    """Constants of rings and trees across nodes; large messages on few nodes count in full."""
    measured = np.array([p[4] for p in points])
    weights = np.array([1.0 if p[3] >= 2**24 else 0.3 for p in points])
    return fit(lambda c: network_times(points, c), measured, NETWORK, weights)


def fit_all_to_all(folder: Path, share: dict[str, float]) -> Fit:
    """Latency of an all-to-all across nodes by the peers on other nodes."""
    table = [
        (float(r["nodes"]), float(r["latency_us"]) * 1e-6)
        for r in rows(folder / "nccl_h100_multinode.csv")
        if r["collective"] == "all_to_all" and r["algorithm"] == "p2p"
    ]
    nodes, measured = np.array(table).T
    parameters = {"base_s": (3e-5, 0.5, 1e-6, 1e-3), "peer_s": (5e-7, 0.7, 1e-8, 1e-5)}
    return fit(
        lambda c: network_all_to_all_s(0.0, nodes, 8.0, NIC, **share, **c), measured, parameters
    )


def read_exchange(folder: Path) -> dict[tuple[str, str], np.ndarray]:
    """By device and direction: nodes, tokens, hidden, top-k and time [s], the best of the SMs.

    Tokens of 512 and more. The rows of H200 across nodes repeat those of H100, and eight nodes
    give combines faster than the wire: both are left out.
    """
    found: dict[tuple[str, str], list[tuple[float, ...]]] = {}
    for way in ("dispatch", "combine"):
        wanted = ("system", "node_num", "num_token", "hidden_size", "num_topk", "num_experts")
        column = f"{way}_transmit_us"
        for key, t in best(rows(folder / "deepep_normal.csv.gz"), wanted, column).items():
            nodes, tokens = float(key[1]), float(key[2])
            if tokens < 512 or nodes > 4 or key[0].startswith("gb"):
                continue
            if nodes > 1 and key[0] != "h100_sxm":
                continue
            row = (nodes, tokens, float(key[3]), float(key[4]), t * 1e-6)
            found.setdefault((SYSTEMS[key[0]], way), []).append(row)
    return {key: np.array(v) for key, v in found.items()}


#: Devices of a node that exchange. (Files do not tell how many of GB200's or GB300's did.)
EXCHANGE_GROUP = 8.0
#: Bytes of a number sent: 8-bit with a scale for 128, and 16-bit.
EXCHANGE_WIDTH = {"dispatch": 1 + 4 / 128, "combine": 2.0}


def fit_exchange(name: str, way: str, table: np.ndarray) -> Fit:
    """Shares of the domain's and the network's bandwidth that an exchange reaches."""
    parameters = {
        "domain_share": (0.7, 0.4, 0.05, 1.2),
        "base_s": (3e-5, 0.7, 1e-6, 5e-4),
    }
    across = bool((table[:, 0] > 1).any())
    if across:
        parameters["nic_share"] = (0.85, 0.2, 0.2, 1.1)
    nodes, tokens, hidden, topk, measured = table.T

    def model(c: dict[str, float]) -> np.ndarray:
        return expert_exchange_s(
            tokens,
            hidden,
            EXCHANGE_WIDTH[way],
            topk,
            nodes,
            EXCHANGE_GROUP,
            link(name),
            NIC,
            **({"nic_share": 0.85} | c),
        )

    return fit(model, measured, parameters, np.where(nodes > 1, 5.0, 1.0))


def send_groups(folder: Path) -> dict[str, list[tuple[str, np.ndarray]]]:
    """All-gathers of two devices, each of which sends its half: by family, 1 MB and more."""
    found: dict[str, list[tuple[str, np.ndarray]]] = {}
    for (family, kind), group in domain_groups(folder).items():
        if kind == "all_gather":
            found[family] = [(n, t[(t[:, 0] == 2) & (t[:, 1] >= 2**20)]) for n, t in group]
    return found


def fit_send(group: list[tuple[str, np.ndarray]]) -> Fit:
    """Share of the link and latency of a message between two devices of a domain."""
    parameters = {"share": (0.6, 0.3, 0.1, 1.0), "latency_s": (1e-5, 0.7, 1e-6, 1e-4)}

    def model(c: dict[str, float]) -> np.ndarray:
        return np.concatenate([send_s(t[:, 1] / 2, link(name), **c) for name, t in group])

    return fit(model, np.concatenate([t[:, 2] for _, t in group]), parameters)


#: What the published tables of HybridEP measured: tokens of a device, their width, experts of each,
#: bytes of a number.
HYBRID_TOKENS, HYBRID_HIDDEN, HYBRID_TOPK, HYBRID_WIDTH = 4096.0, 7168.0, 8.0, 2.0


def fit_hybrid(way: str) -> Fit:
    """Share of the domain's bandwidth that HybridEP's kernel reaches, and what a call adds to it.

    Tables give bytes received over time, a device's own part among them; the more processors of the
    two measured count, as recipes for NVL72 take them.
    """
    best_of: dict[tuple[str, float], dict[str, str]] = {}
    for row in rows(Path(__file__).parent / "hybrid_ep.csv"):
        key = (row["accelerator"], float(row["ranks"]))
        if int(row["processors"]) >= int(best_of.get(key, row)["processors"]):
            best_of[key] = row
    ranks = np.array([key[1] for key in best_of])
    rates = np.array(
        [[float(row[f"{way}_{what}"]) for what in ("kernel", "call")] for row in best_of.values()]
    ).T
    received = HYBRID_TOKENS * HYBRID_HIDDEN * HYBRID_WIDTH * distinct_places(ranks, HYBRID_TOPK)
    kernel, call = received / (rates * 1e9)
    links = np.array([link(key[0]) for key in best_of])

    def model(c: dict[str, float]) -> np.ndarray:
        sizes = (HYBRID_TOKENS, HYBRID_HIDDEN, HYBRID_WIDTH, HYBRID_TOPK, 1.0, ranks, links, NIC)
        share = c["domain_share"]
        alone = expert_exchange_s(*sizes, share, 1.0, 0.0)
        return np.concatenate([alone, alone + c["base_s"]])

    parameters = {"domain_share": (0.7, 0.4, 0.05, 1.2), "base_s": (1e-4, 0.7, 1e-6, 1e-3)}
    return fit(model, np.concatenate([kernel, call]), parameters)
