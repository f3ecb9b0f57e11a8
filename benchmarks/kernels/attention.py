"""Causal attention, forward, by device and precision."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.kernels.raw import PRECISIONS, PROCESSORS, SYSTEMS, Fit, best, device, fit, rows
from llmcost.engine.kernels.attention import attention_forward_s

PARAMETERS = {
    "efficiency": (0.65, 0.3, 0.1, 1.1),
    "seq_half": (300.0, 0.7, 1.0, 3000.0),
    "fill": (1.0, 0.7, 0.05, 8.0),
    "launch_s": (1e-5, 0.7, 1e-6, 1e-4),
}
#: Width of a head whose products take as long as the softmax that is not hidden: attention with
#: heads of 64 reaches 497 of the 648 TFLOP/s with heads of 128 (FlashAttention-3, H100, forward).
DIM_HALF = 56.0
#: Memory bandwidth share of operands: long sequences do not feel it.
MEMORY_SHARE = 0.7
#: Rate backward over forward: FlashAttention-3 on H100, 561 of 648 TFLOP/s at 16k tokens with
#: heads of 128; FlashAttention-2 on A100, 196 of 225.
BACKWARD_RATE = 0.87
KEYS = ("batch_size", "isl", "num_heads", "num_key_value_heads", "head_dim")


def read(folder: Path) -> dict[tuple[str, str], np.ndarray]:
    """By device and precision: columns `KEYS` and the best time [s]."""
    wanted = ("system", "attn_dtype", *KEYS)
    source = (
        r
        for r in rows(folder / "context_attention_d128.csv.gz")
        if r["attn_dtype"] == r["kv_cache_dtype"]
    )
    found: dict[tuple[str, str], list[tuple[float, ...]]] = {}
    for key, t in best(source, wanted).items():
        place = (SYSTEMS[key[0]], PRECISIONS[key[1]][0])
        found.setdefault(place, []).append((*map(float, key[2:]), t * 1e-3))
    return {key: np.array(v) for key, v in found.items()}


def known(name: str, precision: str) -> dict[str, float]:
    """What attention needs of a device."""
    entry = device(name)
    return {
        "peak_flops": entry[f"{precision}_tflops"] * 1e12,
        "memory_bytes_s": entry["memory_tb_s"] * 1e12,
        "processors": PROCESSORS[name],
        "dim_half": DIM_HALF,
        "memory_share": MEMORY_SHARE,
    }


def model(constants: dict[str, float], group: list[tuple[str, str, np.ndarray]]) -> np.ndarray:
    """Predicted times of all points of some devices."""
    return np.concatenate(
        [attention_forward_s(*t.T[:5], **known(n, p), **constants) for n, p, t in group]
    )


def fit_attention(group: list[tuple[str, str, np.ndarray]]) -> Fit:
    """Constants that one or several devices share; a training step's sizes count in full."""
    measured = np.concatenate([t[:, 5] for *_, t in group])
    weights = np.concatenate([np.where(t[:, 0] * t[:, 2] >= 4, 1.0, 0.2) for *_, t in group])
    return fit(lambda c: model(c, group), measured, PARAMETERS, weights)


def groups(
    tables: dict[tuple[str, str], np.ndarray],
) -> dict[tuple[str, str], list[tuple[str, str, np.ndarray]]]:
    """Tables by family and precision."""
    found: dict[tuple[str, str], list[tuple[str, str, np.ndarray]]] = {}
    for (name, precision), t in tables.items():
        found.setdefault((device(name)["family"], precision), []).append((name, precision, t))
    return found
