"""How sure an estimate is: samples of its uncertain inputs through the same engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from llmcost.analysis.candidates import LAYOUT
from llmcost.analysis.cluster import beyond_deadline, with_cluster
from llmcost.analysis.engines import threads
from llmcost.analysis.estimate import Estimate, check_consistent, without_answer
from llmcost.analysis.sampling import Sampling, label, quantiles_of, uniforms
from llmcost.analysis.stages import estimate_any
from llmcost.analysis.whole import SUMMED, named, sums, whole_values
from llmcost.catalog import Catalog
from llmcost.engine.chain import RULES, Array, execute, plan
from llmcost.engine.distributions import outside, quantile
from llmcost.engine.results import MEMORY_IN_USE, RESULTS
from llmcost.errors import NoAnswerError
from llmcost.scenario import Inputs, Scenario, resolve
from llmcost.scenario.values import Distribution

_BLOCK = 32_768


class Uncertain(NamedTuple):
    """An uncertain input: its scenario key, how the engine knows it, and its distribution."""

    key: str
    quantity: str
    distribution: Distribution
    given: bool


def uncertain_inputs(base: Estimate, defaults: bool) -> list[Uncertain]:
    """The inputs that are not known exactly and that a result rests on.

    Parameters
    ----------
    base : Estimate
        The estimate at the medians; of stages, those of any of them, each key once.
    defaults : bool
        Whether the published intervals of defaulted and looked-up inputs count.
    """
    parts = _parts(base)
    if len(parts) > 1:
        each = [item for part in parts for item in uncertain_inputs(part, defaults)]
        return list({item.key: item for item in reversed(each)}.values())[::-1]
    inputs = base.inputs
    found = [Uncertain(key, "", dist, True) for key, dist in sorted(inputs.distributions.items())]
    if defaults:
        used = {name for step in base.steps for name in (*step.needs, *step.optional)}
        used |= _waiting(base, used)
        for key, (quantity, dist) in sorted(inputs.intervals.items()):
            if key not in inputs.distributions and quantity in used:
                found.append(Uncertain(key, quantity, dist, False))
    return found


def _parts(base: Estimate) -> list[Estimate]:
    """The estimates that inputs are of: of stages, of passes, and of what is left."""
    alone = base._replace(stages=(), passes=None)
    passes = () if base.passes is None else base.passes.parts
    return [*(stage.estimate for stage in base.stages), *passes, alone]


def shares_of(bases: Sequence[Estimate], sampling: Sampling) -> dict[str, Array]:
    """Probabilities of all uncertain inputs of estimates, drawn together so that they are alike in all."""
    keys = dict.fromkeys(
        item.key for base in bases for item in uncertain_inputs(base, sampling.defaults)
    )
    pairs = bases[0].inputs.scenario.correlations
    return uniforms(list(keys), sampling.samples, sampling.seed, pairs)


def _waiting(base: Estimate, used: set[str]) -> set[str]:
    """What nothing says at the medians, and would make known a quantity that a formula may take."""
    known = set(base.values)
    unknown, found = used - known, set[str]()
    for rule in RULES:
        if rule.gives in unknown:
            missing = set(rule.needs) - known
            if len(missing) < 2:
                found |= missing or set(rule.needs)
    return found


def sampled(
    base: Estimate, sampling: Sampling, catalog: Catalog, shares: Mapping[str, Array] | None = None
) -> Inputs:
    """The inputs of a scenario with arrays of samples for what is uncertain.

    Parameters
    ----------
    shares : mapping of str to ndarray, optional
        Probabilities by key, in place of a Latin hypercube.
    """
    uncertain = uncertain_inputs(base._replace(stages=(), passes=None), sampling.defaults)
    scenario = base.inputs.scenario
    drawn = shares_of([base], sampling) if shares is None else shares
    with ThreadPoolExecutor(threads()) as pool:
        work = {
            item.key: pool.submit(quantile, item.distribution, drawn[item.key])
            for item in uncertain
        }
        values = {key: future.result() for key, future in work.items()}
    inputs = resolve(
        scenario, catalog, {item.key: values[item.key] for item in uncertain if item.given}
    )
    if base.search is not None:  # what it found for the medians is kept
        sized = base.inputs.sources.get("cluster.devices") == "derived"
        names = (*LAYOUT, "devices", *(("global_batch_seqs",) if sized else ()))
        found = {name: base.inputs.known[name] for name in names if name in base.inputs.known}
        inputs.known = with_cluster(inputs.known, found)
    inputs.known = beyond_deadline(inputs.known)
    inputs.known |= {item.quantity: values[item.key] for item in uncertain if not item.given}
    if base.passes is not None:
        count = len(next(iter(drawn.values()))) if drawn else sampling.samples

        def of(part: Estimate, names: Sequence[str]) -> Mapping[str, Array]:
            return samples_of(part, sampling, catalog, names, drawn, count)

        inputs.known |= base.passes.quantities(of)
    inputs.distributions = dict(base.inputs.distributions)
    inputs.shown = base.inputs.shown
    return inputs


def run_samples(
    inputs: Inputs, count: int, wanted: Sequence[str] = tuple(RESULTS)
) -> dict[str, Array]:
    """Evaluate samples in blocks on all processors.

    Returns
    -------
    dict of str to ndarray
        Wanted results; of shape () where nothing uncertain goes into them, else (count,). NaN
        in samples in which no run fits.
    """
    known = {name: np.asarray(value, dtype=np.float64) for name, value in inputs.known.items()}
    steps = plan(frozenset(known), frozenset([*wanted, "mfu", "goodput"]))

    def block(start: int) -> dict[str, Array]:
        values = {
            name: value[start : start + _BLOCK] if value.ndim else value
            for name, value in known.items()
        }
        with np.errstate(all="ignore"):
            execute(steps, values)
            check_consistent(inputs, values)
            bad = without_answer(inputs, values)
            if np.any(bad):
                values |= {step.gives: np.where(bad, np.nan, values[step.gives]) for step in steps}
        return {key: values[key] for key in wanted if key in values}

    with ThreadPoolExecutor(threads()) as pool:
        parts = list(pool.map(block, range(0, count, _BLOCK)))
    found = {}
    for key in parts[0]:
        pieces = [part[key] for part in parts]
        if all(piece.ndim == 0 for piece in pieces) and len({float(p) for p in pieces}) <= 1:
            found[key] = pieces[0]
        else:
            sizes = [min(_BLOCK, count - i * _BLOCK) for i in range(len(parts))]
            spread = [
                np.broadcast_to(piece, (size,)) for piece, size in zip(pieces, sizes, strict=True)
            ]
            found[key] = np.concatenate(spread)
    return found


def samples_of(
    base: Estimate,
    sampling: Sampling,
    catalog: Catalog,
    wanted: Sequence[str] = tuple(RESULTS),
    shares: Mapping[str, Array] | None = None,
    count: int | None = None,
) -> dict[str, Array]:
    """Samples of results; of stages those of their sums, with what they share drawn alike in all.

    Parameters
    ----------
    wanted : sequence of str
        The results.
    shares : mapping of str to ndarray, optional
        Probabilities by key, in place of a Latin hypercube.
    count : int, optional
        How many probabilities there are; the samples' number by default.
    """
    number = sampling.samples if count is None else count
    shares = shares_of([base], sampling) if shares is None else shares
    inputs = sampled(base, sampling, catalog, shares)
    if not base.stages:
        return run_samples(inputs, number, wanted)
    parts = [
        samples_of(stage.estimate, sampling, catalog, SUMMED, shares, count)
        for stage in base.stages
    ]
    each = zip(base.stages, parts, strict=True)
    total = sums([{**stage.estimate.values, **part} for stage, part in each])
    values = whole_values(inputs.known, total)
    return {key: values[key] for key in wanted if key in values}


def bands(
    samples: Mapping[str, Array], shares: Sequence[float]
) -> dict[str, dict[str, float | None]]:
    """Quantiles of results by key and label, over the samples that have an answer."""

    def of(key: str) -> tuple[str, dict[str, float | None]]:
        values = np.ravel(samples[key])
        if np.isnan(values).all():
            return key, {label(share): None for share in shares}
        found = quantiles_of(values, shares)
        return key, {label(share): float(value) for share, value in zip(shares, found, strict=True)}

    with ThreadPoolExecutor(threads()) as pool:
        return dict(pool.map(of, samples))


def with_uncertainty(
    base: Estimate,
    sampling: Sampling,
    catalog: Catalog,
    shares: Mapping[str, Array] | None = None,
) -> Estimate:
    """The same estimate with intervals; of a stage with the probabilities of all stages.

    Raises
    ------
    InputError, NoAnswerError
        As :func:`estimate`; also where no sample has an answer.
    """
    if base.stages:
        return _stages_with_uncertainty(base, sampling, catalog)
    samples = samples_of(base, sampling, catalog, shares=shares)
    notes = list(base.warnings)
    uncertain = uncertain_inputs(base, sampling.defaults)
    if not uncertain:
        notes.append(
            "no input is uncertain: write { low = …, high = … } in the scenario, or use --uncertainty defaults"
        )
    for item in uncertain:
        lost = outside(item.distribution)
        if lost > (1e-4 if item.given else 0.01):
            d = item.distribution
            notes.append(
                f"{item.key}: {lost:.2%} of its distribution lies outside [{d.floor:g}, {d.ceiling:g}] and is cut off"
            )
    keys = {item.key for item in uncertain}
    for pair in base.inputs.scenario.correlations:
        if not keys >= set(pair.keys):
            notes.append(
                f"[[correlation]] of {pair.keys[0]} and {pair.keys[1]} has no effect: both must be uncertain"
            )
    if "mfu" in samples:
        missing = float(np.isnan(samples["mfu"]).mean())
        if missing == 1:
            raise NoAnswerError(
                f"{base.inputs.scenario.label}: no sample has an answer: all need an MFU above 1"
            )
        if missing:
            notes.append(
                f"in {missing:.2%} of the samples no run fits (MFU above 1); the ranges leave them out"
            )
    notes += [*_too_late(samples, base.inputs), *_too_full(samples, base.inputs)]
    return _with_ranges(base, samples, sampling)._replace(warnings=notes)


def _with_ranges(base: Estimate, samples: Mapping[str, Array], sampling: Sampling) -> Estimate:
    """The ranges of the results, and of the scenario's own items that follow from them."""
    items = base.item_costs(samples) if "cost_items_usd" in samples else {}
    if "staff.months" in base.inputs.distributions:  # months are no result, so theirs are not known
        items = {
            name: usd for name, usd in items.items() if not base.inputs.items[name].usd_per_month
        }
    return base._replace(
        samples=samples,
        intervals=bands(samples, sampling.quantiles),
        item_intervals=bands(items, sampling.quantiles),
    )


def _too_late(samples: Mapping[str, Array], inputs: Inputs) -> list[str]:
    """How often the run misses its deadline."""
    days, deadline = samples.get("days"), inputs.known.get("deadline_days")
    share = 0.0 if days is None or deadline is None else float(np.mean(days > np.asarray(deadline)))
    said = f"in {share:.0%} of the samples the run takes longer than cluster.deadline_days"
    return [said] if share else []


def _too_full(samples: Mapping[str, Array], inputs: Inputs) -> list[str]:
    """How often a device has less memory than the layout needs, where that is not always or never."""
    need, room = samples.get(MEMORY_IN_USE), inputs.known.get("usable_memory_gb")
    if need is None or room is None:
        return []
    share = float(np.mean(need > np.asarray(room)))
    if not 0 < share < 1:
        return []
    return [f"in {share:.0%} of the samples the layout needs more memory than a device can use"]


def _stages_with_uncertainty(base: Estimate, sampling: Sampling, catalog: Catalog) -> Estimate:
    """Samples of each stage, and their sums; what stages share is drawn alike in all of them."""
    shares = shares_of([base], sampling)
    stages = tuple(
        stage._replace(estimate=with_uncertainty(stage.estimate, sampling, catalog, shares))
        for stage in base.stages
    )
    samples = samples_of(base, sampling, catalog, shares=shares)
    notes = named([(stage.name, stage.estimate.warnings) for stage in stages])
    notes += [text for text in base.warnings if text not in notes]
    return _with_ranges(base, samples, sampling)._replace(stages=stages, warnings=notes)


def estimate_uncertain(scenario: Scenario, catalog: Catalog, sampling: Sampling | None) -> Estimate:
    """Estimate a scenario, with intervals where they are asked for."""
    base = estimate_any(scenario, catalog)
    return base if sampling is None else with_uncertainty(base, sampling, catalog)


def cheaper(mine: Estimate, other: Estimate, key: str) -> float | None:
    """Probability that one scenario's result is below another's, over common samples."""
    if key not in mine.samples or key not in other.samples:
        return None
    a, b = np.broadcast_arrays(np.ravel(mine.samples[key]), np.ravel(other.samples[key]))
    known = ~np.isnan(a) & ~np.isnan(b)
    return float(np.mean(a[known] < b[known])) if known.any() else None
