"""Grouped products of experts by family and precision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.kernels import products
from benchmarks.kernels.raw import PRECISIONS, SYSTEMS, Fit, best, device, fit, rows
from llmcost.engine.kernels.experts import expert_products_s

PARAMETERS = {
    "efficiency_ratio": (0.9, 0.4, 0.1, 1.3),
    "row_pad": (32.0, 0.7, 1.0, 128.0),
    "memory_share": (0.8, 0.3, 0.1, 1.0),
    "move_bytes": (8.0, 0.7, 0.3, 80.0),
    "launch_s": (2e-5, 0.7, 1e-6, 3e-4),
}
#: Rows an expert from which a point resembles training, and most devices of a group.
ROWS, DEVICES = 64.0, 64.0
KEYS = ("num_tokens", "hidden_size", "inter_size", "topk", "num_experts", "moe_ep_size")
#: Routers' names in the files, and the catalog's.
ROUTERS = {"power_law_1.01": "skew_power_law_1_01", "power_law_1.2": "skew_power_law_1_2"}


def read(folder: Path) -> dict[tuple[str, str], dict[str, np.ndarray]]:
    """By device and precision, for each router: columns `KEYS` and the best time [s]."""
    wanted = ("system", "moe_dtype", "distribution", *KEYS)
    found: dict[tuple[str, str], dict[str, list[tuple[float, ...]]]] = {}
    for key, t in best(rows(folder / "grouped_gemm_experts.csv.gz"), wanted).items():
        name, precision = SYSTEMS[key[0]], PRECISIONS[key[1]][0]
        table = found.setdefault((name, precision), {})
        table.setdefault(key[2], []).append((*map(float, key[3:]), t * 1e-3))
    return {
        key: {router: np.array(v) for router, v in table.items()} for key, table in found.items()
    }


Dense = dict[str, dict[str, float]]


def model(
    group: list[tuple[str, str, np.ndarray]], dense: Dense, constants: dict[str, float]
) -> np.ndarray:
    """Predicted times of some devices' points, on top of the constants of their dense products."""
    rest = {k: v for k, v in constants.items() if k != "efficiency_ratio"}
    times = []
    for name, precision, t in group:
        known = products.arguments(name, precision)[0] | {"cast_bytes": 0.0}
        taken = ("wave_fill", "depth_half", "cast_bytes")
        known |= {k: v for k, v in dense[name].items() if k in taken}
        known["efficiency"] = constants["efficiency_ratio"] * dense[name]["efficiency"]
        times.append(expert_products_s(*t.T[:6], imbalance=1.0, **known, **rest))
    return np.concatenate(times)


def fit_experts(group: list[tuple[str, str, np.ndarray]], dense: Dense) -> Fit:
    """Constants that devices share, on balanced routers."""
    measured = np.concatenate([t[:, 6] for _, _, t in group])
    return fit(lambda c: model(group, dense, c), measured, PARAMETERS)


def skews(tables: dict[tuple[str, str], dict[str, np.ndarray]]) -> dict[str, dict[str, float]]:
    """Exponent of the experts' devices by which an uneven router slows the busiest one.

    From pairs of the same shape, balanced and not, with 2 to 32 devices.
    """
    found: dict[str, dict[str, float]] = {}
    for router, label in ROUTERS.items():
        ratios = []
        for table in tables.values():
            even = {tuple(r[:6]): r[6] for r in table.get("balanced", ())}
            ratios += [
                np.log(r[6] / even[tuple(r[:6])]) / np.log(r[5])
                for r in table.get(router, ())
                if tuple(r[:6]) in even and 2 <= r[5] <= 32
            ]
        a = np.array(ratios)
        found[label] = {
            "value": float(np.median(a)),
            "low": float(np.quantile(a, 0.1)),
            "high": float(np.quantile(a, 0.9)),
            "points": len(a),
        }
    return found


def groups(
    tables: dict[tuple[str, str], dict[str, np.ndarray]],
) -> dict[tuple[str, str], list[tuple[str, str, np.ndarray]]]:
    """Balanced tables by family and precision."""
    found: dict[tuple[str, str], list[Any]] = {}
    for (name, precision), table in tables.items():
        if "balanced" not in table:
            continue
        key = (device(name)["family"], precision)
        t = table["balanced"]
        t = t[(t[:, 0] * t[:, 3] / t[:, 4] >= ROWS) & (t[:, 5] <= DEVICES)]
        found.setdefault(key, []).append((name, precision, t))
    return found
