"""Some dozens of measured points of each kind, for the tests to look at."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from benchmarks.kernels import attention, collectives, experts, products

FILE = Path(__file__).parents[2] / "tests" / "engine" / "kernels" / "measured.csv"
#: Points of each kind, device and precision.
EACH = 8


def _pick(table: np.ndarray) -> np.ndarray:
    """Rows spread evenly over the times measured."""
    order = table[np.argsort(table[:, -1])]
    return order[np.linspace(0.2 * len(order), len(order) - 1, EACH).astype(int)]


def write(folder: Path) -> None:
    """Write points of dense products, experts, attention and collectives."""
    lines: list[tuple[object, ...]] = []
    for p in products.read(folder)[0]:
        table = np.stack([p.m, p.n, p.k, p.seconds], axis=1)
        if p.name in ("a100-sxm-80gb", "h100-sxm", "b200-sxm", "gb200-nvl72"):
            lines += [("products", p.name, p.precision, *row) for row in _pick(table)]
    for (name, precision), t in attention.read(folder).items():
        if name in ("a100-sxm-80gb", "h100-sxm", "b200-sxm"):
            wide = t[t[:, 0] * t[:, 2] >= 16]
            lines += [("attention", name, precision, *row) for row in _pick(wide)]
    for (family, precision), group in experts.groups(experts.read(folder)).items():
        for name, _, t in group if family == "hopper" else ():
            lines += [("experts", name, precision, *row) for row in _pick(t)]
    for (_, kind), members in collectives.domain_groups(folder).items():
        for name, t in members:
            if name in ("a100-sxm-80gb", "h100-sxm", "b200-sxm"):
                lines += [(kind, name, "bf16", *row) for row in _pick(t)]
    FILE.parent.mkdir(parents=True, exist_ok=True)
    with FILE.open("w", newline="") as stream:
        stream.write(
            "# ai-dynamo/aiconfigurator 095f58a5, systems/data, Apache-2.0; seconds last\n"
        )
        out = csv.writer(stream, lineterminator="\n")
        for kind, name, precision, *numbers in lines:
            out.writerow([kind, name, precision, *(f"{float(x):.6g}" for x in numbers)])
