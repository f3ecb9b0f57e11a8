"""Parallel layouts that can exist on a number of devices."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from llmcost.engine.chain import Array
from llmcost.engine.performance.faults import FAULTS, faults

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
#: Layers that the fullest stages may have more than an even split gives them.
UNEVEN = 0.08
#: Sequences shorter than this are not split over devices.
_SPLIT_FROM = 16384
#: More stages than this are no pipeline.
_MOST_STAGES = 4_096


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


def _unwise(known: Mapping[str, Any], table: Mapping[str, Array], name: str) -> dict[str, Any]:
    """Layouts that could exist and that nobody runs because of one part, by the reason why."""
    found = {}
    if name == "vpp":
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
    if name == "expert_tp" and name not in known:
        # Further devices share experts better by holding others.
        found["experts are shared by more devices than layers"] = table["expert_tp"] > table["tp"]
    if name == "sharding" and name not in known:
        found["weights sharded and pipelined"] = (table["sharding"] > 1) & (table["pp"] > 1)
    if name == "recompute_level" and name not in known:
        fused = float(known.get("fused_attention", 1)) > 0
        found["selective recompute without stored scores"] = (table["recompute_level"] == 1) & fused
    return found


class Candidates(NamedTuple):
    """Layouts that can exist, how many were looked at, and why the others are out."""

    layouts: dict[str, Array]
    total: int
    excluded: dict[str, int]


#: What decides which layouts can exist.
READ = frozenset((
    "layers", "heads", "experts", "scale_up_domain", "seq_len", "fused_attention",
    "global_batch_seqs", "sequence_parallel",
    *LAYOUT, *(name for item in FAULTS for name in item.needs),
)) - {"devices"}  # fmt: skip


def candidates(known: Mapping[str, Any], devices: float) -> Candidates:
    """The layouts of a number of devices that can exist."""
    read = tuple((name, float(known[name])) for name in sorted(READ & known.keys()))
    return remembered(read, devices)


@lru_cache(maxsize=32)
def remembered(given: tuple[tuple[str, float], ...], devices: float) -> Candidates:
    """The same, from what decides it.

    Each part of a layout multiplies those found so far; what cannot be is left out at once, so
    that what it would have multiplied is counted but never made.
    """
    known = dict(given)
    options = _options(known, devices)
    total = rest = math.prod(len(values) for values in options.values())
    table: dict[str, Array] = {}
    excluded: dict[str, int] = {}
    rows = 1
    for name, values in options.items():
        rest //= len(values)
        if len(values) > 1:
            table = {key: column.repeat(len(values)) for key, column in table.items()}
        table[name] = np.tile(np.array(values), rows)
        if name == "cp":
            table["dp"] = devices / (table["tp"] * table["pp"] * table["cp"])
        # What the parts before this one decide is done with; the first decides what is given, too.
        new = {name, "dp"} if name in ("pp", "cp") else {name}
        tests = [item for item in FAULTS if name == "tp" or new & set(item.needs)]
        reasons = {
            fault.reason: mask
            for fault, mask in faults({**known, **table, "devices": devices}, tests)
        }
        alive = np.ones(len(table[name]), dtype=bool)
        for reason, bad in {**reasons, **_unwise(known, table, name)}.items():
            out = int((alive & bad).sum())
            if out:
                excluded[reason] = excluded.get(reason, 0) + out * rest
                alive &= ~bad
        if not alive.all():
            left = np.flatnonzero(alive)
            table = {key: column[left] for key, column in table.items()}
        rows = len(table[name])
    parallel = known.get("sequence_parallel", table["tp"] > 1)
    table["sequence_parallel"] = np.broadcast_to(np.asarray(parallel, dtype=float), rows)
    return Candidates(table, total, excluded)
