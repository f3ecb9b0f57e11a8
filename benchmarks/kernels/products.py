"""Dense products by device and precision, and the clock that power sustains."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import brentq

from benchmarks.kernels.raw import (
    PRECISIONS,
    PROCESSORS,
    SYSTEMS,
    Fit,
    best,
    device,
    errors,
    fit,
    rows,
)
from llmcost.engine.kernels.products import power_demand_w, product_s, sustained_share

#: How well arithmetic and traffic hide one another: not told apart from the other constants.
SHARPNESS = 4.0
#: Prior, width of its logarithm, lowest and highest.
PARAMETERS = {
    "efficiency": (0.75, 0.3, 0.2, 1.1),
    "wave_fill": (0.1, 1.0, 0.001, 2.0),
    "depth_half": (100.0, 1.0, 1.0, 2000.0),
    "memory_share": (0.55, 0.4, 0.2, 1.0),
    "launch_s": (5e-6, 0.7, 5e-7, 5e-5),
}
CAST = {"cast_bytes": (2.0, 0.7, 0.1, 12.0)}
#: Draw of a device that waits with its clocks up, over its TDP; the energy of a byte of memory
#: (HBM3: 4 to 5 pJ a bit with its controller); order in which power rises with the clock.
IDLE_SHARE = 0.15
BYTE_PJ = 40.0
#: Lowest clock over the highest: 1.0 to 1.2 GHz base of 1.98 GHz boost.
LOWEST_SHARE = 0.55
#: Devices whose watts nobody metered beside their products, and the one before on the same board, which has.
SIBLINGS = {"b300-sxm": "b200-sxm", "gb300-nvl72": "gb200-nvl72"}
#: A product that takes so long runs at the clock that the limit leaves, metered or not.
LONG_S = 0.01
#: Long shapes in common that tell an energy.
_SHAPES = 30


class Points(NamedTuple):
    """Shapes of one device and precision, with the best time in a burst."""

    m: np.ndarray
    n: np.ndarray
    k: np.ndarray
    seconds: np.ndarray
    name: str
    precision: str

    @property
    def flops(self) -> np.ndarray:
        """Operations of each product."""
        return 2 * self.m * self.n * self.k


def read(folder: Path) -> tuple[list[Points], list[tuple[str, str, np.ndarray]]]:
    """Bursts by device and precision; and pairs (flops, seconds burst, seconds sustained, watts)."""
    bursts, pairs = [], []
    for system, name in SYSTEMS.items():
        path = folder / f"gemm_{system}.csv.gz"
        held = list(rows(path))
        whole = [r for r in held if int(r["m"]) % 256 == 0]
        times = best(iter(whole), ("gemm_dtype", "m", "n", "k"))
        for kind, (precision, _, _) in PRECISIONS.items():
            table = [(*map(float, key[1:]), t) for key, t in times.items() if key[0] == kind]
            if table:
                m, n, k, t = np.array(table).T
                bursts.append(Points(m, n, k, t * 1e-3, name, precision))
        burst = best((r for r in whole if not r["power_w"]), ("gemm_dtype", "fw", "m", "n", "k"))
        found: dict[str, list[tuple[float, ...]]] = {}
        for r in whole:
            key = (r["gemm_dtype"], r["fw"], r["m"], r["n"], r["k"])
            if r["power_w"] and key in burst:
                m, n, k = float(r["m"]), float(r["n"]), float(r["k"])
                item = (m, n, k, burst[key], float(r["latency_ms"]), float(r["power_w"]))
                found.setdefault(r["gemm_dtype"], []).append(item)
        pairs += [(name, PRECISIONS[kind][0], np.array(v).T) for kind, v in found.items()]
    return bursts, pairs


def arguments(name: str, precision: str) -> tuple[dict[str, float], float]:
    """What a product needs of a device, and its peak [FLOP/s]."""
    entry = device(name)
    _, key, width = next(v for v in PRECISIONS.values() if v[0] == precision)
    peak = entry[key] * 1e12
    return {
        "peak_flops": peak,
        "memory_bytes_s": entry["memory_tb_s"] * 1e12,
        "processors": PROCESSORS[name],
        "input_bytes": width,
        "sharpness": SHARPNESS,
    }, peak


def weights(points: Points) -> np.ndarray:
    """Products of a training step count most: 10 GFLOP and more, up to some milliseconds."""
    size = np.clip(np.log10(points.flops) - 9.5, 0.1, 1.5)
    return np.where(points.seconds > 0.01, 0.3, 1.0) * size


def fit_products(group: list[Points]) -> Fit:
    """Constants that one or several devices share at a precision."""
    known = [arguments(p.name, p.precision)[0] for p in group]
    parameters = PARAMETERS | ({} if group[0].precision == "bf16" else CAST)

    def model(constants: dict[str, float]) -> np.ndarray:
        return np.concatenate(
            [product_s(p.m, p.n, p.k, **a, **constants) for p, a in zip(group, known, strict=True)]
        )

    measured = np.concatenate([p.seconds for p in group])
    return fit(model, measured, parameters, np.concatenate([weights(p) for p in group]))


def apply(constants: dict[str, float], points: Points) -> tuple[float, float]:
    """Error of constants on a device that they may not come from."""
    known, _ = arguments(points.name, points.precision)
    return errors(product_s(points.m, points.n, points.k, **known, **constants), points.seconds)


def by_family(bursts: list[Points]) -> dict[tuple[str, str], list[Points]]:
    """Bursts grouped by family and precision."""
    groups: dict[tuple[str, str], list[Points]] = {}
    for p in bursts:
        groups.setdefault((device(p.name)["family"], p.precision), []).append(p)
    return groups


def sustained(pairs: list[tuple[str, str, np.ndarray]]) -> list[dict[str, Any]]:
    """Share of the burst rate that repeats at the power limit keep, by device and precision.

    Taken on products long enough to feel the limit and short enough that the burst did not (0.1
    to 1 ms each), where the meter reads 95 % of TDP or more.
    """
    found = []
    for name, precision, (m, n, k, burst, steady, watts) in pairs:
        entry = device(name)
        chosen = (burst > 0.1) & (burst < 1.0) & (watts > 0.95 * entry["tdp_w"])
        if chosen.sum() < 100:
            continue
        ratio = np.clip(burst / steady, 0, 1.2)[chosen]
        rate = (2 * m * n * k / burst / 1e-3)[chosen]
        traffic = ((m * k + n * k + m * n) * 2 / burst / 1e-3)[chosen]
        found.append(
            {
                "name": name,
                "precision": precision,
                "share": float(np.median(ratio)),
                "low": float(np.quantile(ratio, 0.1)),
                "high": float(np.quantile(ratio, 0.9)),
                "points": int(chosen.sum()),
                "rate": float(np.median(rate)),
                "traffic": float(np.median(traffic)),
                "steady": float(np.median((2 * m * n * k / steady / 1e-3)[chosen])),
            }
        )
    return found


def power_exponent(pairs: list[tuple[str, str, np.ndarray]]) -> tuple[float, int]:
    """Order of power in clock, from B200 and GB200: one chip, 1000 and 1200 W, both at the limit."""
    tables = {}
    for name, precision, (m, n, k, burst, steady, watts) in pairs:
        limit = device(name)["tdp_w"]
        if precision == "bf16" and name in ("b200-sxm", "gb200-nvl72"):
            shapes = zip(m, n, k, burst, steady, watts, strict=True)
            tables[name] = {
                (a, b, c): (s, w)
                for a, b, c, t, s, w in shapes
                if w > 0.95 * limit and 0.1 < t < 1.0
            }
    small, large = tables["b200-sxm"], tables["gb200-nvl72"]
    both = [(small[key], large[key]) for key in small.keys() & large.keys()]
    orders = [np.log(b[1] / a[1]) / np.log(a[0] / b[0]) for a, b in both if a[0] > 1.01 * b[0]]
    return float(np.median(orders)), len(both)


def flop_energy_pj(item: dict[str, Any], exponent: float) -> float:
    """Energy of an operation with which the model gives a measured sustained share."""
    limit = device(item["name"])["tdp_w"]

    def wrong(pj: float) -> float:
        demand = power_demand_w(item["rate"], item["traffic"], IDLE_SHARE * limit, pj, BYTE_PJ)
        return float(sustained_share(demand, limit, exponent, 0.1)) - min(item["share"], 0.999)

    return float(brentq(wrong, 0.0, 20.0))


def ampere_energy_pj(constants: dict[str, float], exponent: float) -> float:
    """Energy of a 16-bit operation on A100, with which 400 W sustain its published ceiling.

    No watts were measured beside A100's products. The card of 300 W, which has a ceiling of its
    own, then comes out 4 % below it.
    """
    side = 16384.0
    known, _ = arguments("a100-sxm-80gb", "bf16")
    burst = 2 * side**3 / float(product_s(side, side, side, **known, **constants))
    limit = device("a100-sxm-80gb")["tdp_w"]
    ceiling = device("a100-sxm-80gb")["bf16_matmul_tflops"] * 1e12

    def wrong(pj: float) -> float:
        demand = power_demand_w(burst, 3 * burst / side, IDLE_SHARE * limit, pj, BYTE_PJ)
        return burst * float(sustained_share(demand, limit, exponent, LOWEST_SHARE)) - ceiling

    return float(brentq(wrong, 0.1, 5.0))


def check_sustained(
    name: str,
    precision: str,
    pair: np.ndarray,
    constants: dict[str, float],
    pj: float,
    exponent: float,
) -> tuple[float, float, float, int]:
    """Predicted over measured at the power limit, all sizes: burst, sustained, error, points."""
    m, n, k, _, steady, watts = pair
    chosen = watts > 0.95 * device(name)["tdp_w"]
    points = Points(m, n, k, steady * 1e-3, name, precision)
    known, _ = arguments(name, precision)
    burst = product_s(m, n, k, **known, **constants)[chosen]
    measured = points.seconds[chosen]
    ratio = limited_s(points, chosen, constants, pj, exponent) / measured
    return (
        float(np.median(burst / measured)),
        float(np.median(ratio)),
        float(np.median(np.abs(ratio - 1))),
        int(chosen.sum()),
    )


def sibling_energies_pj(
    bursts: list[Points],
    dense: dict[str, dict[str, dict[str, float]]],
    table: dict[tuple[str, str], float],
    exponent: float,
) -> dict[str, dict[str, float]]:
    """Energy of an operation by device and precision where only a sibling's watts were metered.

    Long products run at the limit on both, so their times say what each makes of its watts: the
    energy with which the times of the model are to the sibling's as the measured ones are, at the
    median of the shapes that both ran. Where there are few of them the family's stays.
    """
    points = {(p.name, p.precision): p for p in bursts}
    found: dict[str, dict[str, float]] = {}
    for name, sibling in SIBLINGS.items():
        for precision in ("bf16", "fp8", "nvfp4"):
            mine, other = points[name, precision], points[sibling, precision]
            place = {shape: i for i, shape in enumerate(zip(*mine[:3], strict=True))}
            both = [
                (place[shape], j)
                for j, shape in enumerate(zip(*other[:3], strict=True))
                if shape in place and other.seconds[j] >= LONG_S
            ]
            if len(both) < _SHAPES:
                continue
            here, there = map(np.array, zip(*both, strict=True))
            short = precision.replace("nvfp4", "fp4")
            pj = table[device(name)["family"], short]
            theirs = limited_s(other, there, dense[precision][sibling], pj, exponent)
            measured = float(np.median(mine.seconds[here] / other.seconds[there]))

            def wrong(
                energy: float,
                mine: Points = mine,
                here: np.ndarray = here,
                own: dict[str, float] = dense[precision][name],
                theirs: np.ndarray = theirs,
                measured: float = measured,
            ) -> float:
                ratio = limited_s(mine, here, own, energy, exponent) / theirs
                return float(np.median(ratio)) - measured

            found.setdefault(name, {})[f"flop_pj_{short}"] = float(brentq(wrong, 0.02, 5.0))
            print(
                f"{name + ' ' + precision:30} takes {measured:.3f} of the time of {sibling} in long products,"
                f" with its energy {measured + wrong(pj):.3f} ({len(both)} shapes)"
            )
    return found


def limited_s(
    points: Points, chosen: np.ndarray, constants: dict[str, float], pj: float, exponent: float
) -> np.ndarray:
    """Times of chosen products at the clock that the device's limit sustains [s]."""
    m, n, k = (axis[chosen] for axis in points[:3])
    known, _ = arguments(points.name, points.precision)
    burst = product_s(m, n, k, **known, **constants)
    limit = device(points.name)["tdp_w"]
    traffic = 2 * (m * k + n * k + m * n) / burst
    idle = IDLE_SHARE * limit
    demand = power_demand_w(2 * m * n * k / burst, traffic, idle, pj, BYTE_PJ)
    return np.asarray(burst / sustained_share(demand, limit, exponent, LOWEST_SHARE))
