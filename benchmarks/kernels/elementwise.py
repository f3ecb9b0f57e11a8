"""Element-wise kernels: the share of the memory bandwidth that each reaches."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from benchmarks.kernels.raw import Fit, device, fit, rows
from llmcost.engine.kernels.elementwise import elementwise_s

PARAMETERS = {"memory_share": (0.7, 0.5, 0.05, 1.0), "launch_s": (8e-6, 0.7, 5e-7, 1e-4)}
#: The residual addition is left out: its operands are still in the cache. Bytes that each operator of a Llama-2-70B block reads and writes for a token, 16 bits a number.
LLAMA = {
    "norm": ("input_layernorm", 2 * 2 * 8192),
    "rotary": ("attn_rope", 2 * 2 * (64 + 8) * 128),
    "activation": ("mlp_act", 2 * 3 * 28672),
}


def tables(folder: Path) -> dict[tuple[str, str], np.ndarray]:
    """By device and operator: bytes moved and time [s], one device a block, 1 MB and more."""
    found: dict[tuple[str, str], np.ndarray] = {}
    for name, file in (("a100-sxm-80gb", "a100"), ("h100-sxm", "h100")):
        path = folder / f"vidur_compute_{file}_meta-llama_Llama-2-70b-hf_mlp.csv.gz"
        block = [r for r in rows(path) if r["num_tensor_parallel_workers"] == "1"]
        for operator, (column, each) in LLAMA.items():
            key = f"time_stats.{column}.median"
            points = [
                (each * float(r["num_tokens"]), float(r[key]) * 1e-3) for r in block if r[key]
            ]
            found[name, operator] = np.array([p for p in points if p[0] >= 1e6 and p[1] > 0])
    for operator in ("gelu", "layernorm"):
        with (folder / f"llmcompass_{operator}_A100.csv").open() as stream:
            data = [[float(x) for x in row] for row in csv.reader(stream) if row]
        sizes = [np.prod(row[:-1]) for row in data]
        points = [(4 * n, n / row[-1] / 1e9) for n, row in zip(sizes, data, strict=True)]
        found["a100-sxm-80gb", operator] = np.array([p for p in points if p[0] >= 1e6])
    return found


def fit_elementwise(name: str, table: np.ndarray) -> Fit:
    """Share of the bandwidth, and the time to start."""
    moved, measured = table.T
    bandwidth = device(name)["memory_tb_s"] * 1e12
    return fit(lambda c: elementwise_s(moved, bandwidth, **c), measured, PARAMETERS)
