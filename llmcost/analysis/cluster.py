"""What a scenario leaves to be found: its layout, its cluster, the micro-batch and interleaving.

One solver works on the quantities of one scenario; an estimate takes its answer over into the
inputs, a sweep calls it in each of its cells.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from llmcost.analysis.layout import LAYOUT, SEARCHED, Search, search, words
from llmcost.engine.chain import Array, plan
from llmcost.engine.evaluate import evaluate
from llmcost.engine.performance.faults import FAULTS
from llmcost.errors import InputError, NoAnswerError
from llmcost.scenario import Inputs
from llmcost.scenario.resolve import default_batch_seqs, widen_across_domains

#: Clusters larger than this are not tried.
_MOST_CLUSTER = 2_000_000
#: Sizes tried between the last cluster that is too slow and the first that is not.
_SIZES = 16
#: Parts of a given layout that are found where the scenario leaves them open.
_TUNED = ("vpp", "micro_batch")


class Found(NamedTuple):
    """An answer: quantities by engine name, and the search that gave them."""

    values: dict[str, float]
    search: Search | None


def wants_search(inputs: Inputs) -> bool:
    """Whether a layout, a cluster, a micro-batch or an interleaving is to be found."""
    known = inputs.known
    predicts = {"bf16_peak_flops", "layers"} <= set(known)
    return inputs.searches or (predicts and not set(_TUNED) <= set(known))


def solve(inputs: Inputs, known: Mapping[str, Any]) -> Found:
    """Find what is open.

    Parameters
    ----------
    inputs : Inputs
        The scenario, which says what is open.
    known : mapping of str to float
        Quantities of one scenario, or of one cell of a sweep.

    Raises
    ------
    InputError
        If the scenario lacks what a search needs.
    NoAnswerError
        If nothing fits or meets the deadline.
    """
    if not inputs.searches:
        return _tune(inputs, known)
    scenario, own = inputs.scenario, dict(known)
    if "training.activation_recompute" not in inputs.sources:
        own.pop("recompute_level", None)
    if not {"global_batch_seqs", "bf16_peak_flops", "layers"} <= set(own):
        raise InputError(
            f"{scenario.where('parallelism')}: a search needs an architecture (model.preset, model.config or its keys), cluster.accelerator and parallelism.global_batch_seqs (--set parallelism.global_batch_seqs=…)"
        )
    if "memory_gb" not in own:
        raise InputError(f"{scenario.where('parallelism')}: a search needs cluster.memory_gb")
    if scenario.get("cluster.devices") == "auto":
        devices, batch, found = _smallest(inputs, own)
        chosen = {"devices": devices, "global_batch_seqs": batch}
    else:
        if "devices" not in own:
            raise InputError(
                f'{scenario.where("parallelism")}: a search needs cluster.devices, or cluster.devices = "auto" with cluster.deadline_days'
            )
        devices = float(own["devices"])
        power, limit = _facility_mw(own, devices), _power_limit_mw(inputs, own)
        if power > limit:
            raise NoAnswerError(
                f"{scenario.where('cluster.max_power_mw')}: {devices:,.0f} devices need {power:,.3g} MW at peak, more than {limit:g}"
            )
        found, chosen = search(own, devices, scenario.label), {}
    return Found({**chosen, **{name: found.best[name] for name in LAYOUT}}, found)


def find(inputs: Inputs) -> tuple[Inputs, Search | None]:
    """Inputs with what was open put in.

    Raises
    ------
    InputError, NoAnswerError
        As :func:`solve`.
    """
    known = inputs.known
    found = solve(inputs, known)
    open_devices = "devices" in found.values
    known |= found.values
    if not inputs.searches:
        for name in _TUNED:
            key = f"parallelism.{name}"
            if key not in inputs.sources and name in found.values:
                inputs.sources[key] = "derived" if found.search else "default: 1"
                inputs.shown[key] = int(found.values[name])
        return inputs, found.search
    assert found.search is not None
    if open_devices:
        known.pop("time_limit_days", None)
        inputs.sources["cluster.devices"] = "derived"
        inputs.shown["cluster.devices"] = known["devices"]
        inputs.shown["parallelism.global_batch_seqs"] = known["global_batch_seqs"]
        default = " (its default)" if _batch_is_default(inputs) else ""
        inputs.warnings.append(
            f"cluster.devices: {known['devices']:,.0f} is the smallest cluster found that meets the deadline; "
            f"parallelism.global_batch_seqs = {known['global_batch_seqs']:g}{default} bounds its data-parallel replicas"
        )
    for name, value in words(found.search.best).items():
        section = "training" if name == "activation_recompute" else "parallelism"
        inputs.sources[f"{section}.{name}"] = "derived"
        inputs.shown[f"{section}.{name}"] = value
    widen_across_domains(inputs)
    return inputs, found.search


def find_in_cells(
    inputs: Inputs, known: Mapping[str, Array], shape: tuple[int, ...]
) -> dict[str, Array]:
    """Find what is open in each cell of a sweep.

    Parameters
    ----------
    inputs : Inputs
        The scenario of the sweep.
    known : mapping of str to ndarray
        Quantities that broadcast to `shape`.
    shape : tuple of int
        Shape of the block of cells.

    Returns
    -------
    dict of str to ndarray
        What was found, NaN in cells without an answer.

    Raises
    ------
    InputError
        If no cell has what a search needs.
    """
    fixed = {name: float(value) for name, value in known.items() if value.ndim == 0}
    varied = {
        name: np.broadcast_to(value, shape).reshape(-1)
        for name, value in known.items()
        if value.ndim
    }
    cells = math.prod(shape)
    names = (*LAYOUT, "devices", "global_batch_seqs") if inputs.searches else _TUNED
    columns = {name: np.full(cells, np.nan) for name in names}
    answers: dict[tuple[float, ...], dict[str, float]] = {}
    read = [name for name in varied if name in _read_by_search(inputs, varied | fixed)]
    for cell in range(cells):
        own = tuple(float(varied[name][cell]) for name in read)
        if own not in answers:
            here = {**fixed, **{name: float(column[cell]) for name, column in varied.items()}}
            try:
                answers[own] = solve(inputs, _without_unknown(here)).values
            except NoAnswerError:
                answers[own] = {}
        for name, value in answers[own].items():
            if name in columns:
                columns[name][cell] = value
    found = {name: column.reshape(shape) for name, column in columns.items()}
    return {name: column for name, column in found.items() if not np.isnan(column).all()} or found


#: What a search reads beside the formulas of its results and the faults of a layout.
_READ = frozenset((
    "layers", "heads", "experts", "scale_up_domain", "seq_len", "global_batch_seqs", "fused_attention",
    "sequence_parallel", "memory_gb", "max_power_mw", "recompute_level", "devices", "dp", "mfu",
    "bf16_peak_flops", "vocab_size", *LAYOUT,
))  # fmt: skip


def _read_by_search(inputs: Inputs, known: Mapping[str, Any]) -> frozenset[str]:
    """The quantities that a search for a layout depends on: cells that differ in others share its answer."""
    if inputs.scenario.get("cluster.devices") == "auto":
        return frozenset(known)
    results = frozenset((*SEARCHED, "peak_power_mw"))
    steps = plan(frozenset((*known, *LAYOUT, "devices")), results)
    formulas = {name for step in steps for name in (*step.needs, *step.optional)}
    faults = {name for item in FAULTS for name in item.needs}
    return frozenset(known) & (formulas | faults | _READ | results)


#: Quantities whose NaN says something: nobody measured it, or the layout does not say.
_MEANS_UNKNOWN = ("recompute_share", "matmul_ceiling_flops", "tdp_w")


def _without_unknown(known: Mapping[str, float]) -> dict[str, float]:
    """The quantities of a cell; an architecture's or a batch's NaN is none."""
    wanted = ("memory_gb", "global_batch_seqs", "devices", "layers", "heads", "vocab_size")
    return {k: v for k, v in known.items() if not (k in wanted and math.isnan(v))}


def _tune(inputs: Inputs, known: Mapping[str, Any]) -> Found:
    """The best micro-batch and interleaving of a layout that leaves them open."""
    left = [name for name in _TUNED if name not in known]
    found = None
    if {"devices", "dp"} & set(known) and "layers" in known:
        size = math.prod(float(np.asarray(known[name])) for name in ("tp", "pp", "cp"))
        count = known["devices"] if "devices" in known else float(np.asarray(known["dp"])) * size
        for strict in (True, False):
            try:
                found = search(known, float(np.asarray(count)), inputs.scenario.label, strict)
                break
            except NoAnswerError:
                continue
    # Devices are solved for, the architecture is not known, or no layout can be: evaluated as it stands.
    if found is None:
        return Found(dict.fromkeys(left, 1.0), None)
    return Found({name: found.best[name] for name in left}, found)


def _batch_is_default(inputs: Inputs) -> bool:
    return inputs.sources.get("parallelism.global_batch_seqs", "").startswith("default")


def _facility_mw(known: Mapping[str, Any], devices: float) -> float:
    """Peak power of a cluster [MW], 0 where the power of a device is not known."""
    values, _ = evaluate({**known, "devices": devices}, ["peak_power_mw"])
    return float(np.nan_to_num(values.get("peak_power_mw", 0.0)))


def _power_limit_mw(inputs: Inputs, known: Mapping[str, Any]) -> float:
    limit = float(known.get("max_power_mw", math.inf))
    if math.isfinite(limit) and not _facility_mw(known, 1.0):
        raise InputError(
            f"{inputs.scenario.where('cluster.max_power_mw')}: the power of a device is not known; give cluster.tdp_w"
        )
    return limit


def _smallest(inputs: Inputs, known: Mapping[str, Any]) -> tuple[float, float, Search]:
    """The smallest cluster of whole nodes whose best layout meets the deadline, and its batch.

    Raises
    ------
    InputError
        If the scenario lacks what it needs.
    NoAnswerError
        If none meets it, or none within the power.
    """
    where = inputs.scenario.label
    limit = known.get("time_limit_days", known.get("deadline_days"))
    if limit is None:
        raise InputError(
            f'{inputs.scenario.where("cluster.devices")}: "auto" needs cluster.deadline_days'
        )
    node = float(np.asarray(known["devices_per_node"]))
    most = float(_MOST_CLUSTER)
    power = _power_limit_mw(inputs, known)
    if math.isfinite(power):
        most = min(most, power / _facility_mw(known, 1.0))
    most = most // node * node
    if most < node:
        raise NoAnswerError(
            f"{where}: no cluster: cluster.max_power_mw = {power:g} is less than a server of {node:g} devices takes"
        )
    rest = {k: v for k, v in known.items() if k not in ("devices", "time_limit_days")}
    if "tokens" not in evaluate(rest, ["tokens"])[0]:
        raise InputError(
            f'{where}: cluster.devices: "auto" needs the work: model and data.tokens, or training.flops'
        )

    def batch(count: float) -> float:
        if not _batch_is_default(inputs):
            return float(known["global_batch_seqs"])
        return float(default_batch_seqs(known["seq_len"], count))

    def days(count: float) -> tuple[float, Search | None]:
        own = {**rest, "global_batch_seqs": batch(count)}
        try:
            found = search(own, count, where)
        except NoAnswerError:
            return math.inf, None
        layout = {name: found.best[name] for name in LAYOUT}
        taken = float(evaluate({**own, **layout, "devices": count}, ["days"])[0]["days"])
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
        if high >= most:
            reason = "no layout of any size fits or can exist"
            if math.isfinite(fastest):
                reason = f"the best found takes {fastest:,.1f}, with {at:,.0f} devices"
            bound = (
                f"cluster.max_power_mw = {power:g} allows {most:,.0f} devices"
                if math.isfinite(power)
                else f"parallelism.global_batch_seqs ({batch(at):,.0f} there) allows no more data-parallel replicas than that"
            )
            raise NoAnswerError(
                f"{where}: no cluster meets {float(limit):g} days: {reason}; {bound}"
            )
        low, high = high, min(high * 2, most)
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
    return best[0], batch(best[0]), best[1]
