"""Read the measured kernels, and what the catalog says of the devices that ran them."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import least_squares

from llmcost.catalog import load_catalog

#: The files' names of systems, and the catalog's.
SYSTEMS = {
    "a100_sxm": "a100-sxm-80gb",
    "h100_sxm": "h100-sxm",
    "h200_sxm": "h200-sxm",
    "b200_sxm": "b200-sxm",
    "gb200": "gb200-nvl72",
    "b300_sxm": "b300-sxm",
    "gb300": "gb300-nvl72",
    "l40s": "l40s",
    "rtx_pro_6000_server": "rtx-pro-6000",
}
#: Streaming multiprocessors that a product's kernels can use, from vendors' white papers and, for
#: Grace Blackwell, from device listings.
PROCESSORS = {
    "a100-sxm-80gb": 108,
    "h100-sxm": 132,
    "h200-sxm": 132,
    "b200-sxm": 148,
    "gb200-nvl72": 152,
    "b300-sxm": 148,
    "gb300-nvl72": 152,
    "l40s": 142,
    "rtx-pro-6000": 188,
}
#: Devices that the catalog has no entry of: vendor's datasheet, dense.
OTHERS = {
    "rtx-pro-6000": {
        "family": "blackwell-workstation",
        "bf16_tflops": 503.8,
        "fp8_tflops": 1007.6,
        "fp4_tflops": 2015.2,
        "memory_tb_s": 1.597,
        "tdp_w": 600,
    }
}
#: The files' names of precisions, the catalog's keys of their peaks, and bytes of an operand.
PRECISIONS = {
    "bfloat16": ("bf16", "bf16_tflops", 2.0),
    "fp8": ("fp8", "fp8_tflops", 1.0),
    "fp8_block": ("fp8-block", "fp8_tflops", 1 + 4 / 128),
    "nvfp4": ("nvfp4", "fp4_tflops", 0.5 + 1 / 16),
}
_CATALOG = load_catalog()


def device(name: str) -> dict[str, Any]:
    """Peaks, bandwidth, power and family of a device, by the catalog's name."""
    if name in OTHERS:
        return OTHERS[name]
    entry = dict(_CATALOG.entry("accelerators", name))
    if entry["family"] == "blackwell" and name.startswith("rtx"):
        entry["family"] = "blackwell-workstation"
    return entry


def rows(path: Path) -> Iterator[dict[str, str]]:
    """Rows of a CSV, packed or not, without its comments."""
    opened: Any = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", newline="") as stream:
        yield from csv.DictReader(line for line in stream if not line.startswith("#"))


def best(
    source: Iterator[dict[str, str]], keys: Sequence[str], value: str = "latency_ms"
) -> dict[tuple[str, ...], float]:
    """The least value of each combination of keys: the better of the frameworks."""
    found: dict[tuple[str, ...], float] = {}
    for row in source:
        if row[value]:
            key = tuple(row[item] for item in keys)
            found[key] = min(found.get(key, np.inf), float(row[value]))
    return found


class Fit(NamedTuple):
    """Constants, with the error that they leave."""

    constants: dict[str, float]
    median: float
    p90: float
    points: int


def errors(predicted: np.ndarray, measured: np.ndarray) -> tuple[float, float]:
    """Median and 90 % point of the relative error."""
    wrong = np.abs(predicted / measured - 1)
    return float(np.median(wrong)), float(np.quantile(wrong, 0.9))


def fit(
    model: Callable[[dict[str, float]], np.ndarray],
    measured: np.ndarray,
    parameters: dict[str, tuple[float, float, float, float]],
    weights: np.ndarray | None = None,
) -> Fit:
    """Fit constants, each with (prior, width of the prior as a factor's logarithm, low, high).

    Works on logarithms of errors and constants. Large errors count by their size and not their
    square, so that outliers do not bend the rest; what the points do not tell stays at the prior.
    """
    names = list(parameters)
    prior, width, low, high = (np.array([parameters[n][i] for n in names]) for i in range(4))
    scale = np.sqrt(weights if weights is not None else np.ones_like(measured))
    pull = 0.02 * np.sqrt(len(measured)) / width

    def residual(x: np.ndarray) -> np.ndarray:
        wrong = np.log(model(dict(zip(names, np.exp(x), strict=True))) / measured)
        return np.concatenate([scale * wrong, pull * (x - np.log(prior))])

    done = least_squares(
        residual,
        np.log(prior),
        bounds=(np.log(low), np.log(high)),
        x_scale=width,
        loss="soft_l1",
        f_scale=0.05,
    )
    found = np.exp(done.x)
    constants = {name: float(f"{value:.4g}") for name, value in zip(names, found, strict=True)}
    return Fit(constants, *errors(model(constants), measured), len(measured))
