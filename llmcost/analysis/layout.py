"""The best parallel layout: all valid ones evaluated as arrays by the same formulas."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from llmcost.engine.chain import Array
from llmcost.engine.evaluate import evaluate
from llmcost.errors import InputError, NoAnswerError
from llmcost.scenario import Inputs
from llmcost.scenario.resolve import widen_across_domains

LAYOUT = (
    "tp",
    "pp",
    "vpp",
    "cp",
    "ep",
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
_MOST_CLUSTER = 2_000_000


class Search(NamedTuple):
    """What a search found: the best layouts, how many there were, and why others are out."""

    best: dict[str, float]
    runners_up: list[dict[str, float]]
    searched: int
    feasible: int
    excluded: dict[str, int]


def candidates(known: Mapping[str, Any], devices: float) -> dict[str, Array]:
    """Every combination of a layout's parts, before any is left out.

    Returns
    -------
    dict of str to ndarray, shape (layouts,)
    """
    layers, heads = int(known["layers"]), int(known["heads"])
    experts = int(known.get("experts", 0))
    domain = int(known["scale_up_domain"])
    even = [n for n in range(1, layers + 1) if layers % n == 0]
    powers = [n for n in range(1, experts + 1) if experts % n == 0 and (n & (n - 1)) == 0]
    choices: dict[str, list[int]] = {
        "tp": [n for n in _powers(64) if n <= min(domain, heads)],
        "pp": sorted(n for n in {*even, *_powers(layers)} if n <= devices),
        "vpp": [1, 2, 3, 4, 5, 6, 7, 8],
        "cp": _powers(64) if known["seq_len"] >= _SPLIT_FROM else [1],
        "ep": powers or [1],
        "micro_batch": _powers(64),
        "recompute_level": [0, 1, 2],
        "sharding": [0, 1, 2, 3],
    }
    # What the scenario fixes is not searched.
    lists = [
        [float(known[name])] if name in known else options for name, options in choices.items()
    ]
    grid = np.meshgrid(*lists, indexing="ij")
    found = {name: axis.ravel().astype(float) for name, axis in zip(choices, grid, strict=True)}
    parallel = (
        float(known["sequence_parallel"]) if "sequence_parallel" in known else found["tp"] > 1
    )
    found["sequence_parallel"] = np.broadcast_to(parallel, found["tp"].shape).astype(float)
    found["dp"] = devices / (found["tp"] * found["pp"] * found["cp"])
    return found


def _powers(most: int) -> list[int]:
    return [2**i for i in range(most.bit_length()) if 2**i <= most]


def search(inputs: Inputs, devices: float, strict: bool = True) -> Search:
    """Evaluate all layouts of a number of devices and rank those that can run.

    Parameters
    ----------
    inputs : Inputs
        What is known; parts of a layout among it are fixed.
    devices : float
        Devices of the cluster.
    strict : bool
        Leave out what does not fit into memory.

    Raises
    ------
    NoAnswerError
        If none can; the message says what is nearest to fitting.
    """
    known = {
        name: value
        for name, value in inputs.known.items()
        if name not in ("devices", "time_limit_days")
    }
    layouts = candidates(known, devices)
    total = len(layouts["tp"])
    batch = float(known["global_batch_seqs"])
    rounds = batch / (layouts["dp"] * layouts["micro_batch"])
    split = layouts["pp"] * layouts["vpp"]
    chunks = np.ceil(float(known["layers"]) / split - 1e-9) * split
    uneven = chunks > (1 + UNEVEN) * float(known["layers"])
    reasons = {
        "devices do not divide": layouts["dp"] % 1 != 0,
        "heads or vocabulary do not divide": (float(known["heads"]) % layouts["tp"]) != 0,
        "layers do not divide": (uneven & ("pp" not in known))
        | (split > float(known["layers"]) + 2)
        | ((layouts["pp"] == 1) & (layouts["vpp"] > 1)),
        "experts do not divide": (layouts["ep"] > 1)
        & ((layouts["dp"] * layouts["cp"]) % layouts["ep"] != 0),
        "batch is too small or does not divide": (rounds < 1) | (rounds % 1 != 0),
        "interleaved pipeline is longer than its micro-batches": (layouts["vpp"] > 1)
        & (rounds < layouts["pp"]),
        "weights sharded and pipelined": (layouts["sharding"] > 1) & (layouts["pp"] > 1),
        "selective recompute without stored scores": (layouts["recompute_level"] == 1)
        & (float(known.get("fused_era", 1)) > 0)
        & ("recompute_level" not in known),
    }
    alive = np.ones(total, dtype=bool)
    excluded = {}
    for reason, bad in reasons.items():
        out = alive & bad
        if out.any():
            excluded[reason] = int(out.sum())
        alive &= ~bad
    kept = {name: value[alive] for name, value in layouts.items()}
    where = inputs.scenario.label
    if not alive.any():
        worst = max(excluded, key=lambda reason: excluded[reason])
        raise NoAnswerError(
            f"{where}: no layout of {devices:,.0f} devices: {worst} in {excluded[worst]:,} of {total:,}; change devices or parallelism.global_batch_seqs (at most that many replicas)"
        )
    # A layout of arrays sets what the scenario's own words would.
    own = {**known, **kept, "devices": devices}
    values, _ = evaluate(own, ["step_time_s", "memory_gb_per_device", "predicted_mfu"])
    if not {"step_time_s", "predicted_mfu"} <= set(values):
        raise NoAnswerError(
            f"{where}: no layout can be predicted: the hardware lacks a bandwidth; name cluster.accelerator, or give cluster.memory_tb_s and the networks"
        )
    memory = np.broadcast_to(values["memory_gb_per_device"], kept["tp"].shape)
    time = np.broadcast_to(values["step_time_s"], kept["tp"].shape)
    room = USABLE_MEMORY * float(known.get("memory_gb", math.inf))
    fits = memory <= room if strict else np.ones(memory.shape, dtype=bool)
    if (~fits).any():
        excluded["memory"] = int((~fits).sum())
    if not fits.any():
        nearest = int(np.argmin(memory))
        raise NoAnswerError(
            f"{where}: no layout of {devices:,.0f} devices fits: the leanest of {int(alive.sum()):,} ({describe(_row(kept, nearest))}) needs "
            f"{memory[nearest]:,.1f} GB a device of {room:,.1f} usable; more devices, an accelerator with more memory or a shorter sequence would make it fit"
        )
    order = np.flatnonzero(fits)
    order = order[
        np.lexsort(
            (
                memory[order],
                kept["vpp"][order],
                kept["recompute_level"][order],
                np.round(time[order], 12),
            )
        )
    ]
    rows = []
    for i in order[: RUNNERS_UP + 1]:
        row = _row(kept, int(i))
        row |= {
            "step_time_s": float(time[i]),
            "memory_gb_per_device": float(memory[i]),
            "predicted_mfu": float(np.broadcast_to(values["predicted_mfu"], time.shape)[i]),
        }
        rows.append(row)
    return Search(rows[0], rows[1:], total, int(fits.sum()), excluded)


def _row(layouts: Mapping[str, Array], index: int) -> dict[str, float]:
    return {name: float(layouts[name][index]) for name in LAYOUT}


_RECOMPUTE, _SHARDING = ("none", "selective", "full"), ("none", "zero1", "zero2", "zero3")


def describe(layout: Mapping[str, float]) -> str:
    """A layout in words: ``tp 8, pp 4, dp 32, micro-batch 1, recompute selective, zero1``."""
    parts = [
        f"{name} {layout[name]:.0f}"
        for name in ("tp", "pp", "vpp", "cp", "ep", "dp")
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
            name: int(layout[name]) for name in ("tp", "pp", "vpp", "cp", "ep", "dp", "micro_batch")
        },
        "activation_recompute": _RECOMPUTE[int(layout["recompute_level"])],
        "sharding": _SHARDING[int(layout["sharding"])],
        "sequence_parallel": layout["sequence_parallel"] > 0,
    }


def wants_search(inputs: Inputs) -> bool:
    """Whether a layout, a cluster, a micro-batch or an interleaving is to be found."""
    known = inputs.known
    return inputs.searches or (
        "bf16_peak_flops" in known and not {"micro_batch", "vpp"} <= set(known)
    )


def find(inputs: Inputs) -> tuple[Inputs, Search | None]:
    """Inputs with the best layout put in.

    Raises
    ------
    InputError
        If the scenario lacks what a search needs.
    NoAnswerError
        If nothing fits or meets the deadline.
    """
    scenario, known = inputs.scenario, inputs.known
    if not inputs.searches:
        return _complete(inputs)
    if "training.activation_recompute" not in inputs.sources:
        known.pop("recompute_level", None)
    if "global_batch_seqs" not in known or "bf16_peak_flops" not in known:
        raise InputError(
            f"{scenario.where('parallelism')}: a search needs an architecture (model.preset, model.config or its keys), cluster.accelerator and parallelism.global_batch_seqs (--set parallelism.global_batch_seqs=…)"
        )
    if "memory_gb" not in known:
        raise InputError(f"{scenario.where('parallelism')}: a search needs cluster.memory_gb")
    if scenario.get("cluster.devices") == "auto":
        devices, found = _smallest(inputs)
        known["devices"] = devices
        known.pop("time_limit_days", None)
        inputs.sources["cluster.devices"] = "derived"
        inputs.warnings.append(
            f"cluster.devices: {devices:,.0f} is the smallest cluster found that meets the deadline; "
            f"the batch of {known['global_batch_seqs']:g} sequences bounds its data-parallel replicas"
        )
        inputs.shown["cluster.devices"] = devices
    else:
        if "devices" not in known:
            raise InputError(
                f'{scenario.where("parallelism")}: a search needs cluster.devices, or cluster.devices = "auto" with cluster.deadline_days'
            )
        found = search(inputs, float(np.asarray(known["devices"])))
    for name, value in found.best.items():
        if name in LAYOUT:
            known[name] = value
    for name, value in words(found.best).items():
        key = (
            "training.activation_recompute"
            if name == "activation_recompute"
            else f"parallelism.{name}"
        )
        inputs.sources[key] = "derived"
        inputs.shown[key] = value
    widen_across_domains(inputs)
    return inputs, found


def _complete(inputs: Inputs) -> tuple[Inputs, Search | None]:
    """Inputs with the best micro-batch and interleaving of a layout that leaves them open."""
    known = inputs.known
    found = None
    if {"devices", "dp"} & set(known):
        size = math.prod(float(np.asarray(known[name])) for name in ("tp", "pp", "cp"))
        count = known["devices"] if "devices" in known else float(np.asarray(known["dp"])) * size
        for strict in (True, False):
            try:
                found = search(inputs, float(np.asarray(count)), strict)
                break
            except NoAnswerError:
                continue
    if found is None:  # devices are solved for, or the layout is odd: it is evaluated as it stands
        for name in ("vpp", "micro_batch"):
            if name not in known:
                known[name] = 1.0
                inputs.sources[f"parallelism.{name}"] = "default: 1"
                inputs.shown[f"parallelism.{name}"] = 1
        return inputs, None
    for name in ("vpp", "micro_batch"):
        if name not in known:
            known[name] = found.best[name]
            inputs.sources[f"parallelism.{name}"] = "derived"
            inputs.shown[f"parallelism.{name}"] = int(found.best[name])
    return inputs, found


def _smallest(inputs: Inputs) -> tuple[float, Search]:
    """The smallest cluster of whole nodes whose best layout meets the deadline."""
    known, where = inputs.known, inputs.scenario.label
    limit = known.get("time_limit_days", known.get("deadline_days"))
    if limit is None:
        raise InputError(
            f'{inputs.scenario.where("cluster.devices")}: "auto" needs cluster.deadline_days'
        )
    node = float(np.asarray(known["devices_per_node"]))
    values, _ = evaluate(
        {k: v for k, v in known.items() if k not in ("devices", "time_limit_days")}, ["flops"]
    )
    if "flops" not in values:
        raise InputError(
            f'{where}: cluster.devices: "auto" needs the compute: model and data.tokens, or training.flops'
        )

    def days(count: float) -> tuple[float, Search | None]:
        try:
            found = search(inputs, count)
        except NoAnswerError:
            return math.inf, None
        rate = (
            count
            * float(known["peak_flops"])
            * found.best["predicted_mfu"]
            * float(known.get("goodput", 1.0))
        )
        return float(values["flops"]) / rate / 86400, found

    batch = float(known["global_batch_seqs"])
    low, high, fastest = 0.0, node, math.inf
    found: Search | None = None
    while True:
        taken, found = days(high)
        fastest = min(fastest, taken)
        if taken <= float(limit):
            break
        low, high = high, high * 2
        if high > _MOST_CLUSTER:
            raise NoAnswerError(
                f"{where}: no cluster meets {float(limit):g} days: the best found takes {fastest:,.1f}; the batch of {batch:g} sequences allows no more than that many data-parallel replicas"
            )
    best = (high, found)
    step = max(node, 2 ** math.floor(math.log2(max((high - low) / 16, node))))
    count = low + step
    while count < high:  # the time is not monotone in the devices, so each is tried in turn
        taken, found = days(count)
        if taken <= float(limit):
            best = (count, found)
            break
        count += step
    assert best[1] is not None
    return best[0], best[1]
