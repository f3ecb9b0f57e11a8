"""What a scenario leaves to be found: its layout, its cluster, the micro-batch and interleaving.

One solver works on the quantities of one scenario; an estimate takes its answer over into the
inputs, a sweep calls it in each of its cells.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from llmcost.analysis.candidates import LAYOUT
from llmcost.analysis.layout import Search, search, search_each, words
from llmcost.engine.evaluate import evaluate
from llmcost.errors import InputError, NoAnswerError
from llmcost.scenario import Inputs
from llmcost.scenario.resolve import default_batch_seqs, widen_across_domains

#: Clusters larger than this are not tried.
_MOST_CLUSTER = 2_000_000
#: Sizes tried between the last cluster that is too slow and the first that is not.
_SIZES = 16
#: Parts of a given layout that are found where the scenario leaves them open.
TUNED = ("vpp", "micro_batch")


class Found(NamedTuple):
    """An answer: quantities by engine name, and the search that gave them."""

    values: dict[str, float]
    search: Search | None


def wants_search(inputs: Inputs) -> bool:
    """Whether a layout, a cluster, a micro-batch or an interleaving is to be found."""
    known = inputs.known
    predicts = {"bf16_peak_flops", "layers"} <= set(known)
    return inputs.searches or (predicts and not set(TUNED) <= set(known))


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
    found = solve_each(inputs, [known])[0]
    if isinstance(found, NoAnswerError):
        raise found
    return found


def seeks_devices(inputs: Inputs, known: Mapping[str, Any]) -> bool:
    """Whether the number of devices is to be found; along an axis over it, it is given."""
    return inputs.scenario.get("cluster.devices") == "auto" and "devices" not in known


def solve_each(inputs: Inputs, cells: Sequence[Mapping[str, Any]]) -> list[Found | NoAnswerError]:
    """Find what is open in several cells, as :func:`solve` in one; what has no answer says why."""
    if not inputs.searches:
        return list(_tune_each(inputs, cells))
    scenario = inputs.scenario
    own = [_open(inputs, known) for known in cells]
    if seeks_devices(inputs, own[0] if own else {}):
        return [_cluster(inputs, known) for known in own]
    found: list[Found | NoAnswerError | None] = [_too_much_power(inputs, known) for known in own]
    left = [place for place, error in enumerate(found) if error is None]
    answers = search_each(
        [own[place] for place in left],
        [float(own[place]["devices"]) for place in left],
        scenario.label,
    )
    for place, answer in zip(left, answers, strict=True):
        found[place] = answer if isinstance(answer, NoAnswerError) else _found(answer)
    return [item for item in found if item is not None]


def with_cluster(known: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """What is known with what a search found; with devices found, nothing is left to solve for them."""
    kept = {k: v for k, v in known.items() if k != "time_limit_days" or "devices" not in found}
    return {**kept, **found}


def beyond_deadline(known: Mapping[str, Any]) -> dict[str, Any]:
    """What samples of a run know: its deadline judged the plan, a sample that misses it is no fault."""
    return {k: v for k, v in known.items() if k != "deadline_days" or "devices" not in known}


def _found(answer: Search, **chosen: float) -> Found:
    return Found({**chosen, **{name: answer.best[name] for name in LAYOUT}}, answer)


def _open(inputs: Inputs, known: Mapping[str, Any]) -> dict[str, Any]:
    """What a search for a layout starts from.

    Raises
    ------
    InputError
        If something that it needs is not known.
    """
    scenario, own = inputs.scenario, dict(known)
    if "training.activation_recompute" not in inputs.sources:
        own.pop("recompute_level", None)
    if not {"global_batch_seqs", "bf16_peak_flops", "layers"} <= set(own):
        raise InputError(
            f"{scenario.where('parallelism')}: a search needs an architecture (model.preset, model.config or its keys), cluster.accelerator and parallelism.global_batch_seqs (--set parallelism.global_batch_seqs=…)"
        )
    if "memory_gb" not in own:
        raise InputError(f"{scenario.where('parallelism')}: a search needs cluster.memory_gb")
    if not seeks_devices(inputs, own) and "devices" not in own:
        raise InputError(
            f'{scenario.where("parallelism")}: a search needs cluster.devices, or cluster.devices = "auto" with cluster.deadline_days'
        )
    return own


def _cluster(inputs: Inputs, known: Mapping[str, Any]) -> Found | NoAnswerError:
    try:
        devices, batch, answer = _smallest(inputs, known)
    except NoAnswerError as error:
        return error
    return _found(answer, devices=devices, global_batch_seqs=batch)


def _too_much_power(inputs: Inputs, known: Mapping[str, Any]) -> NoAnswerError | None:
    """What is wrong with the power of a given cluster, if anything is."""
    limit = _power_limit_mw(inputs, known)
    devices = float(known["devices"])
    power = _facility_mw(known, devices) if math.isfinite(limit) else 0.0
    if power > limit:
        return NoAnswerError(
            f"{inputs.scenario.where('cluster.max_power_mw')}: {devices:,.0f} devices need {power:,.3g} MW at peak, more than {limit:g}"
        )
    return None


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
    known = inputs.known = with_cluster(known, found.values)
    if not inputs.searches:
        for name in TUNED:
            key = f"parallelism.{name}"
            if key not in inputs.sources and name in found.values:
                inputs.sources[key] = "derived" if found.search else "default: 1"
                inputs.shown[key] = int(found.values[name])
        return inputs, found.search
    assert found.search is not None
    if open_devices:
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


def _tune_each(inputs: Inputs, cells: Sequence[Mapping[str, Any]]) -> Iterator[Found]:
    """The best micro-batch and interleaving of layouts that leave them open."""
    counts = [_devices_of(known) for known in cells]
    # The fastest that fits; where none does, the leanest.
    found: dict[int, Search] = {}
    for strict in (True, False):
        left = [i for i, count in enumerate(counts) if count is not None and i not in found]
        answers = search_each(
            [cells[i] for i in left],
            [float(counts[i] or 0) for i in left],
            inputs.scenario.label,
            strict,
        )
        found |= {
            i: item for i, item in zip(left, answers, strict=True) if isinstance(item, Search)
        }
    for i, known in enumerate(cells):
        open_parts = [name for name in TUNED if name not in known]
        if i in found:
            yield Found({name: found[i].best[name] for name in open_parts}, found[i])
        else:
            # Devices are solved for, the architecture is not known, or no layout can be: evaluated as it stands.
            yield Found(dict.fromkeys(open_parts, 1.0), None)


def _devices_of(known: Mapping[str, Any]) -> float | None:
    """Devices of a layout, None where it or the architecture is not known."""
    if "layers" not in known or not {"devices", "dp"} & set(known):
        return None
    if "devices" in known:
        return float(np.asarray(known["devices"]))
    return math.prod(float(np.asarray(known[name])) for name in ("dp", "tp", "pp", "cp"))


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
    while step > node:  # between the sizes tried, down to one server less
        step /= 2
        taken, found = days(best[0] - step)
        if taken <= float(limit):
            best = (best[0] - step, found)
    assert best[1] is not None
    return best[0], batch(best[0]), best[1]
