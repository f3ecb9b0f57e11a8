"""The best parallel layout: all valid ones evaluated as arrays by the same formulas."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from llmcost.engine.chain import Array
from llmcost.engine.evaluate import evaluate
from llmcost.engine.performance.faults import FAULTS, faults
from llmcost.errors import NoAnswerError

LAYOUT = (
    "tp",
    "pp",
    "vpp",
    "cp",
    "ep",
    "expert_tp",
    "dp",
    "micro_batch",
    "recompute_level",
    "sharding",
    "sequence_parallel",
)
#: Share of a device's memory that a run can use; the rest is the driver's and fragmentation.
USABLE_MEMORY = 0.95
RUNNERS_UP = 5
#: Layers that the fullest stages may have more than an even split gives them.
UNEVEN = 0.08
#: Sequences shorter than this are not split over devices.
_SPLIT_FROM = 16384
#: More stages than this are no pipeline.
_MOST_STAGES = 4_096


class Search(NamedTuple):
    """What a search found: the best layouts, how many there were, and why others are out."""

    best: dict[str, float]
    runners_up: list[dict[str, float]]
    searched: int
    feasible: int
    excluded: dict[str, int]


def _options(known: Mapping[str, Any], devices: float) -> dict[str, list[float]]:
    """What each part of a layout may be; a part that the scenario fixes is that alone."""
    layers, heads = int(known["layers"]), int(known["heads"])
    experts = int(known.get("experts", 0))
    domain = int(known["scale_up_domain"])
    even = [n for n in _powers(layers) if layers % n == 0]
    even += [n for n in range(1, min(layers, _MOST_STAGES) + 1) if layers % n == 0]
    options: dict[str, list[int]] = {
        "tp": [n for n in _powers(64) if n <= min(domain, heads)],
        "pp": sorted(n for n in {*even, *_powers(layers)} if n <= devices),
        "cp": _powers(64) if known["seq_len"] >= _SPLIT_FROM else [1],
        "micro_batch": _powers(64),
        "ep": [n for n in _powers(experts) if experts % n == 0] or [1],
        "expert_tp": _powers(min(domain, heads, 64)) if experts else [1],
        "vpp": [1, 2, 3, 4, 5, 6, 7, 8],
        "sharding": [0, 1, 2, 3],
        "recompute_level": [0, 1, 2],
    }
    return {
        name: [float(known[name])] if name in known else [float(n) for n in values]
        for name, values in options.items()
    }


def _powers(most: int) -> list[int]:
    return [2**i for i in range(min(most, _MOST_STAGES).bit_length()) if 2**i <= most]


def _unwise(known: Mapping[str, Any], table: Mapping[str, Array]) -> Mapping[str, Any]:
    """Layouts that could exist and that nobody runs, by the reason why."""
    found = {}
    if {"vpp", "dp"} <= table.keys():
        rounds = float(known["global_batch_seqs"]) / (table["dp"] * table["micro_batch"])
        split = table["pp"] * table["vpp"]
        chunks = np.ceil(float(known["layers"]) / split - 1e-9) * split
        uneven = chunks > (1 + UNEVEN) * float(known["layers"])
        found["stages are uneven, or virtual without a pipeline"] = (
            uneven & ("pp" not in known)
        ) | ((table["pp"] == 1) & (table["vpp"] > 1))
        found["interleaved pipeline is longer than its micro-batches"] = (table["vpp"] > 1) & (
            rounds < table["pp"]
        )
    if {"expert_tp", "tp"} <= table.keys() and "expert_tp" not in known:
        # Further devices share experts better by holding others.
        found["experts are shared by more devices than layers"] = table["expert_tp"] > table["tp"]
    if "sharding" in table and "sharding" not in known:
        found["weights sharded and pipelined"] = (table["sharding"] > 1) & (table["pp"] > 1)
    if "recompute_level" in table and "recompute_level" not in known:
        fused = float(known.get("fused_attention", 1)) > 0
        found["selective recompute without stored scores"] = (table["recompute_level"] == 1) & fused
    return found


#: What a search evaluates of every layout.
SEARCHED = ("predicted_step_s", "step_time_s", "memory_gb_per_device", "predicted_mfu")


class Candidates(NamedTuple):
    """Layouts that can exist, how many were looked at, and why the others are out."""

    layouts: dict[str, Array]
    total: int
    excluded: dict[str, int]


def candidates(known: Mapping[str, Any], devices: float) -> Candidates:
    """The layouts of a number of devices that can exist.

    Each part of a layout multiplies those found so far; what cannot be is left out at once, so
    that what it would have multiplied is counted but never made.
    """
    options = _options(known, devices)
    total = rest = math.prod(len(values) for values in options.values())
    table: dict[str, Array] = {}
    excluded: dict[str, int] = {}
    given = {name: known[name] for item in FAULTS for name in item.needs if name in known}
    rows = 1
    for name, values in options.items():
        rest //= len(values)
        table = {key: np.repeat(column, len(values)) for key, column in table.items()}
        table[name] = np.tile(np.array(values), rows)
        if name == "cp":
            table["dp"] = devices / (table["tp"] * table["pp"] * table["cp"])
        reasons = {
            fault.reason: mask for fault, mask in faults({**given, **table, "devices": devices})
        }
        alive = np.ones(len(table[name]), dtype=bool)
        for reason, bad in {**reasons, **_unwise(known, table)}.items():
            out = int((alive & bad).sum())
            if out:
                excluded[reason] = excluded.get(reason, 0) + out * rest
                alive &= ~bad
        table = {key: column[alive] for key, column in table.items()}
        rows = len(table[name])
    parallel = known.get("sequence_parallel", table["tp"] > 1)
    table["sequence_parallel"] = np.broadcast_to(np.asarray(parallel, dtype=float), rows)
    return Candidates(table, total, excluded)


def search(given: Mapping[str, Any], devices: float, where: str, strict: bool = True) -> Search:
    """Evaluate all layouts of a number of devices and rank those that can run.

    Parameters
    ----------
    given : mapping of str to float
        What is known; parts of a layout among it are fixed.
    devices : float
        Devices of the cluster.
    where : str
        How an error names the scenario.
    strict : bool
        Leave out what does not fit into memory; else the leanest comes first, not the fastest.

    Raises
    ------
    NoAnswerError
        If none can; the message says what is nearest to fitting.
    """
    known = {
        name: value for name, value in given.items() if name not in ("devices", "time_limit_days")
    }
    layouts, total, excluded = candidates(known, devices)
    count = len(layouts["tp"])
    if not count:
        worst = max(excluded, key=lambda reason: excluded[reason])
        raise NoAnswerError(
            f"{where}: no layout of {devices:,.0f} devices: {worst} in {excluded[worst]:,} of {total:,}; change cluster.devices or parallelism.global_batch_seqs ({float(known['global_batch_seqs']):,.0f}, at most that many replicas)"
        )
    # A layout of arrays sets what the scenario's own words would.
    own = {**known, **layouts, "devices": devices}
    wanted = SEARCHED
    values, _ = evaluate(own, wanted)
    if not {"predicted_step_s", "predicted_mfu"} <= set(values):
        raise NoAnswerError(
            f"{where}: no layout can be predicted: the hardware lacks a bandwidth; name cluster.accelerator, or give cluster.memory_tb_s and the networks"
        )
    columns = {name: np.broadcast_to(values[name], count) for name in wanted if name in values}
    if "mfu" in known or "step_time_s" not in columns:  # a given MFU says nothing of a layout
        columns["step_time_s"] = columns["predicted_step_s"]
    memory, time = columns["memory_gb_per_device"], columns["predicted_step_s"]
    room = USABLE_MEMORY * float(known.get("memory_gb", math.inf))
    fits = memory <= room if strict else np.ones(count, dtype=bool)
    if (~fits).any():
        excluded["memory"] = int((~fits).sum())
    if not fits.any():
        nearest = int(np.argmin(memory))
        raise NoAnswerError(
            f"{where}: no layout of {devices:,.0f} devices fits: the leanest of {count:,} ({describe(_row(layouts, nearest))}) needs "
            f"{_gigabytes(memory[nearest])} a device of {_gigabytes(room)} usable; more devices, an accelerator with more memory or a shorter sequence would make it fit"
        )
    order = np.flatnonzero(fits)
    # What does not fit is at least lean; what fits is fast.
    first = np.round(time, 12) if strict else memory
    ties = (memory, layouts["vpp"], layouts["recompute_level"], first)
    order = order[np.lexsort([column[order] for column in ties])]
    rows = [
        {**_row(layouts, i), **{name: float(column[i]) for name, column in columns.items()}}
        for i in _unlike(layouts, order, RUNNERS_UP + 1)
    ]
    return Search(rows[0], rows[1:], total, int(fits.sum()), excluded)


#: What makes two layouts of different kinds; the rest is tuning.
_KIND = ("tp", "pp", "cp", "ep", "expert_tp", "sharding")


def _unlike(layouts: Mapping[str, Array], order: Any, count: int) -> list[int]:
    """The first of each kind of layout in an order, up to a number of kinds."""
    kinds = np.stack([layouts[name][order] for name in _KIND])
    _, first = np.unique(kinds, axis=1, return_index=True)
    return [int(order[i]) for i in np.sort(first)[:count]]


def _row(layouts: Mapping[str, Array], index: int) -> dict[str, float]:
    return {name: float(layouts[name][index]) for name in LAYOUT}


_RECOMPUTE, _SHARDING = ("none", "selective", "full"), ("none", "zero1", "zero2", "zero3")


def describe(layout: Mapping[str, float]) -> str:
    """A layout in words: ``tp 8, pp 4, dp 32, micro-batch 1, recompute selective, zero1``."""
    parts = [
        f"{name.replace('_', ' ')} {layout[name]:.0f}"
        for name in ("tp", "pp", "vpp", "cp", "ep", "expert_tp", "dp")
        if layout[name] > 1 or name == "dp"
    ]
    parts.append(f"micro-batch {layout['micro_batch']:.0f}")
    if layout["recompute_level"]:
        parts.append(f"recompute {_RECOMPUTE[int(layout['recompute_level'])]}")
    if layout["sharding"]:
        parts.append(_SHARDING[int(layout["sharding"])])
    return ", ".join(parts)


def words(layout: Mapping[str, float]) -> dict[str, Any]:
    """A layout as a scenario writes it."""
    return {
        **{
            name: int(layout[name])
            for name in ("tp", "pp", "vpp", "cp", "ep", "expert_tp", "dp", "micro_batch")
        },
        "activation_recompute": _RECOMPUTE[int(layout["recompute_level"])],
        "sharding": _SHARDING[int(layout["sharding"])],
        "sequence_parallel": layout["sequence_parallel"] > 0,
    }


def _gigabytes(size: float) -> str:
    """An amount of memory, in exponents where nobody could read its digits."""
    return f"{size:,.1f} GB" if size < 1e7 else f"{size:.3g} GB"
