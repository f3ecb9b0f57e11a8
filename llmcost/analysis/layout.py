"""The best parallel layout: all valid ones evaluated as arrays by the same formulas."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from llmcost.engine.chain import Array
from llmcost.engine.evaluate import evaluate
from llmcost.engine.performance.faults import FAULTS, faults
from llmcost.errors import InputError, NoAnswerError
from llmcost.scenario import Inputs
from llmcost.scenario.resolve import default_batch_seqs, widen_across_domains

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
#: Clusters larger than this are not tried.
_MOST_CLUSTER = 2_000_000
#: More stages than this are no pipeline.
_MOST_STAGES = 4_096
#: Sizes tried between the last cluster that is too slow and the first that is not.
_SIZES = 16


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
    if "sharding" in table and "sharding" not in known:
        found["weights sharded and pipelined"] = (table["sharding"] > 1) & (table["pp"] > 1)
    if "recompute_level" in table and "recompute_level" not in known:
        fused = float(known.get("fused_attention", 1)) > 0
        found["selective recompute without stored scores"] = (table["recompute_level"] == 1) & fused
    return found


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
    layouts, total, excluded = candidates(known, devices)
    where = inputs.scenario.label
    count = len(layouts["tp"])
    if not count:
        worst = max(excluded, key=lambda reason: excluded[reason])
        raise NoAnswerError(
            f"{where}: no layout of {devices:,.0f} devices: {worst} in {excluded[worst]:,} of {total:,}; change cluster.devices or parallelism.global_batch_seqs ({float(known['global_batch_seqs']):,.0f}, at most that many replicas)"
        )
    # A layout of arrays sets what the scenario's own words would.
    own = {**known, **layouts, "devices": devices}
    values, _ = evaluate(own, ["predicted_step_s", "memory_gb_per_device", "predicted_mfu"])
    if not {"predicted_step_s", "predicted_mfu"} <= set(values):
        raise NoAnswerError(
            f"{where}: no layout can be predicted: the hardware lacks a bandwidth; name cluster.accelerator, or give cluster.memory_tb_s and the networks"
        )
    columns = {
        name: np.broadcast_to(values[name], count)
        for name in ("predicted_step_s", "memory_gb_per_device", "predicted_mfu")
    }
    memory, time = columns["memory_gb_per_device"], columns["predicted_step_s"]
    room = USABLE_MEMORY * float(known.get("memory_gb", math.inf))
    fits = memory <= room if strict else np.ones(count, dtype=bool)
    if (~fits).any():
        excluded["memory"] = int((~fits).sum())
    if not fits.any():
        nearest = int(np.argmin(memory))
        raise NoAnswerError(
            f"{where}: no layout of {devices:,.0f} devices fits: the leanest of {count:,} ({describe(_row(layouts, nearest))}) needs "
            f"{memory[nearest]:,.1f} GB a device of {room:,.1f} usable; more devices, an accelerator with more memory or a shorter sequence would make it fit"
        )
    order = np.flatnonzero(fits)
    ties = (memory, layouts["vpp"], layouts["recompute_level"], np.round(time, 12))
    order = order[np.lexsort([column[order] for column in ties])]
    shown = {
        "step_time_s" if name == "predicted_step_s" else name: c for name, c in columns.items()
    }
    rows = [
        {**_row(layouts, i), **{name: float(column[i]) for name, column in shown.items()}}
        for i in _unlike(layouts, order, RUNNERS_UP + 1)
    ]
    return Search(rows[0], rows[1:], total, int(fits.sum()), excluded)


#: What makes two layouts of different kinds; the rest is tuning.
_KIND = ("tp", "pp", "cp", "ep", "sharding")


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
        _take_batch(inputs, devices)
        inputs.sources["cluster.devices"] = "derived"
        inputs.shown["cluster.devices"] = devices
        inputs.warnings.append(
            f"cluster.devices: {devices:,.0f} is the smallest cluster found that meets the deadline; parallelism.global_batch_seqs = "
            f"{known['global_batch_seqs']:g}{' (its default)' if _batch_is_default(inputs) else ''} bounds its data-parallel replicas"
        )
    else:
        if "devices" not in known:
            raise InputError(
                f'{scenario.where("parallelism")}: a search needs cluster.devices, or cluster.devices = "auto" with cluster.deadline_days'
            )
        devices = float(np.asarray(known["devices"]))
        power = _facility_mw(inputs, devices)
        limit = _power_limit_mw(inputs)
        if power > limit:
            raise NoAnswerError(
                f"{scenario.where('cluster.max_power_mw')}: {devices:,.0f} devices need {power:,.3g} MW at peak, more than {limit:g}"
            )
        found = search(inputs, devices)
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


def _batch_is_default(inputs: Inputs) -> bool:
    return inputs.sources.get("parallelism.global_batch_seqs", "").startswith("default")


def _take_batch(inputs: Inputs, devices: float) -> None:
    """Put in the batch that a cluster of that size has where the scenario gives none."""
    if _batch_is_default(inputs):
        size = default_batch_seqs(float(np.asarray(inputs.known["seq_len"])), devices)
        inputs.known["global_batch_seqs"] = size
        inputs.shown["parallelism.global_batch_seqs"] = size


def _facility_mw(inputs: Inputs, devices: float) -> float:
    """Peak power of a cluster [MW], 0 where the power of a device is not known."""
    values, _ = evaluate({**inputs.known, "devices": devices}, ["peak_power_mw"])
    return float(values.get("peak_power_mw", 0.0))


def _power_limit_mw(inputs: Inputs) -> float:
    limit = inputs.known.get("max_power_mw", math.inf)
    known = "peak_power_mw" in evaluate({**inputs.known, "devices": 1.0}, ["peak_power_mw"])[0]
    if math.isfinite(float(limit)) and not known:
        raise InputError(
            f"{inputs.scenario.where('cluster.max_power_mw')}: the power of a device is not known; give cluster.tdp_w"
        )
    return float(limit)


def _smallest(inputs: Inputs) -> tuple[float, Search]:
    """The smallest cluster of whole nodes whose best layout meets the deadline.

    Raises
    ------
    InputError
        If the scenario lacks what it needs.
    NoAnswerError
        If none meets it, or none within the power.
    """
    known, where = inputs.known, inputs.scenario.label
    limit = known.get("time_limit_days", known.get("deadline_days"))
    if limit is None:
        raise InputError(
            f'{inputs.scenario.where("cluster.devices")}: "auto" needs cluster.deadline_days'
        )
    node = float(np.asarray(known["devices_per_node"]))
    most = _MOST_CLUSTER
    power = _power_limit_mw(inputs)
    if math.isfinite(power):
        most = min(most, int(power / _facility_mw(inputs, 1.0)))
    rest = {k: v for k, v in known.items() if k not in ("devices", "time_limit_days")}
    if "tokens" not in evaluate(rest, ["tokens"])[0]:
        raise InputError(
            f'{where}: cluster.devices: "auto" needs the work: model and data.tokens, or training.flops'
        )

    def days(count: float) -> tuple[float, Search | None]:
        _take_batch(inputs, count)
        try:
            found = search(inputs, count)
        except NoAnswerError:
            return math.inf, None
        layout = {name: found.best[name] for name in LAYOUT}
        own = {**rest, **layout, "devices": count, "global_batch_seqs": known["global_batch_seqs"]}
        taken = float(evaluate(own, ["days"])[0]["days"])
        return (taken, found) if math.isfinite(taken) else (math.inf, None)

    low, high = 0.0, node
    fastest, at = math.inf, node
    found: Search | None = None
    while True:
        taken, found = days(high)
        if taken < fastest:
            fastest, at = taken, high
        if taken <= float(limit):
            break
        if high >= most or high * 2 > _MOST_CLUSTER:
            reason = "no layout of any size fits or can exist"
            if math.isfinite(fastest):
                reason = f"the best found takes {fastest:,.1f}, with {at:,.0f} devices"
            bound = (
                f"cluster.max_power_mw = {power:g} allows {most:,} devices"
                if high >= most
                else f"parallelism.global_batch_seqs ({float(known['global_batch_seqs']):,.0f} there) allows no more data-parallel replicas than that"
            )
            raise NoAnswerError(
                f"{where}: no cluster meets {float(limit):g} days: {reason}; {bound}"
            )
        low, high = high, min(high * 2, max(most // node, 1) * node)
    best = (high, found)
    step = node * max(1.0, float(2 ** math.floor(math.log2(max((high - low) / _SIZES / node, 1)))))
    count = low + step
    while count < high:  # the time is not monotone in the devices, so each is tried in turn
        taken, found = days(count)
        if taken <= float(limit):
            best = (count, found)
            break
        count += step
    assert best[1] is not None
    return best[0], best[1]
