"""What a projection is asked: when a line is crossed, what each lever does, what a budget trains."""

from __future__ import annotations

from collections.abc import Mapping
from math import factorial
from typing import Any, NamedTuple

import numpy as np

from llmcost.analysis.estimate import Estimate, estimate
from llmcost.analysis.names import check_result
from llmcost.analysis.project import project
from llmcost.analysis.roadmap import in_states
from llmcost.analysis.trends import pull
from llmcost.analysis.years import Projection, pulled_by, starting_point
from llmcost.catalog import Catalog
from llmcost.engine.chain import Array
from llmcost.engine.evaluate import evaluate
from llmcost.engine.results import COST_METHODS
from llmcost.errors import InputError, NoAnswerError
from llmcost.files import packaged, read_toml
from llmcost.scenario import parse_scenario

#: More levers than this have too many orders to average over exactly.
MOST_LEVERS = 12
#: The bundled scenario of the frontier's largest run, which a budget is set beside.
FRONTIER = "frontier"


class Crossing(NamedTuple):
    """When a result crosses a threshold."""

    metric: str
    threshold: float
    year: int | None
    date: str | None
    note: str
    probability_by_year: Mapping[str, float] | None = None


class Step(NamedTuple):
    """One bar of a waterfall; `stated` is what a lever's source divides the cost by."""

    name: str
    value: float
    change: float
    shapley: float | None
    stated: float | None = None


def crossing(projection: Projection, metric: str, threshold: float) -> Crossing:
    """When a result first crosses a threshold, between years on a logarithmic scale.

    The value of a year stands for its middle, the first of July.
    """
    found = projection.result(metric)
    if found is None:
        return Crossing(metric, threshold, None, None, "not determined by the scenario")
    chances = _chances(projection, metric, threshold)
    above = found >= threshold
    if np.all(above == above[0]):
        side = "above" if above[0] else "below"
        note = f"{side} it in every year until {projection.years[-1]}"
        return Crossing(metric, threshold, None, None, note, chances)
    after = int(np.argmax(above != above[0]))
    low, high = found[after - 1], found[after]
    if low > 0 and high > 0 and threshold > 0:
        share = np.log(threshold / low) / np.log(high / low)
    else:
        share = (threshold - low) / (high - low)
    moment = projection.years[after - 1] + 0.5 + float(share)
    year = int(moment)
    month = min(int((moment - year) * 12) + 1, 12)
    note = "rises above it" if above[after] else "falls below it"
    return Crossing(metric, threshold, year, f"{year}-{month:02d}", note, chances)


def _chances(projection: Projection, metric: str, threshold: float) -> dict[str, float] | None:
    """Probability by year that the threshold has been crossed by then, from the samples."""
    if metric not in projection.samples:
        return None
    above = projection.samples[metric] >= threshold
    side = projection.result(metric)
    starts_above = bool(side is not None and side[0] >= threshold)
    crossed = np.logical_or.accumulate(above != starts_above, axis=1)
    return {
        str(year): float(share)
        for year, share in zip(projection.years, crossed.mean(axis=0), strict=True)
    }


def waterfall(projection: Projection, metric: str) -> list[Step]:
    """What each lever takes off a result in the last year.

    Returns
    -------
    list of Step
        The result without levers, then each lever in the order given with what is left after
        it, the change it makes in that order, and its Shapley share, the mean of its change
        over all orders. The shares add up to the whole change. They are None where a lever changes
        keys, as what it does then depends on those before it.

    Raises
    ------
    InputError, NoAnswerError
        If there are no levers, too many, or no such result.
    """
    _one_run(projection.base, "--waterfall")
    levers = [lever for lever in projection.levers if lever.year <= projection.years[-1]]
    where = projection.base.inputs.scenario.label
    if not levers:
        raise NoAnswerError(
            f"{where}: no lever applies until {projection.years[-1]}; give [[levers]] or --roadmap"
        )
    if len(levers) > MOST_LEVERS:
        raise InputError(
            f"{where}: a waterfall takes at most {MOST_LEVERS} levers, here are {len(levers)}"
        )
    if any(lever.changes for lever in levers):
        return _in_order(projection, metric)
    count = len(levers)
    subsets = (np.arange(2**count)[:, None] >> np.arange(count)) & 1
    known = {**projection.known, "elapsed_years": projection.known["elapsed_years"][-1]}
    values, _ = evaluate({**known, **pull(levers, subsets.astype(bool), known)}, [metric])
    of_subset = _determined(projection, values, metric, 2**count)
    steps = [Step("without levers", float(of_subset[0]), 0.0, 0.0)]
    for index, lever in enumerate(levers):
        after = of_subset[(1 << (index + 1)) - 1]
        change = after - of_subset[(1 << index) - 1]
        steps.append(
            Step(lever.name, float(after), float(change), _shapley(of_subset, index, count))
        )
    return steps


def _determined(
    projection: Projection, values: Mapping[str, Array], metric: str, count: int
) -> Array:
    """A result with some levers, of shape (count,)."""
    if metric not in values or np.isnan(values[metric]).any():
        raise NoAnswerError(
            f"{projection.base.inputs.scenario.label}: {metric} is not determined, so levers cannot be set against it"
        )
    return np.broadcast_to(values[metric], (count,))


def _in_order(projection: Projection, metric: str) -> list[Step]:
    """The steps of levers of which some change keys, one after the other."""
    assert projection.states is not None
    levers = projection.levers
    places = [i for i, lever in enumerate(levers) if lever.year <= projection.years[-1]]
    active = np.zeros((len(places) + 1, len(levers)), dtype=bool)
    for row, place in enumerate(places, 1):
        active[row:, place] = True
    ends, which = projection.states.along(active)
    trends = {key: trend.value for key, trend in projection.trends.items()}
    start = in_states([end.values for end in ends], which)
    known = starting_point(start, trends, projection.follow)
    known["elapsed_years"] = projection.known["elapsed_years"][-1]
    values, _ = evaluate({**known, **pull(levers, active, known)}, [metric])
    left = [float(value) for value in _determined(projection, values, metric, len(active))]
    steps = [Step("without levers", left[0], 0.0, None)]
    for before, after, place in zip(left, left[1:], places, strict=False):
        lever = levers[place]
        steps.append(Step(lever.name, after, after - before, None, lever.cost_factor))
    return steps


def _shapley(of_subset: Array, index: int, count: int) -> float:
    """Mean change that one lever makes over all orders [unit of the result]."""
    subsets = np.arange(len(of_subset))
    without = subsets[(subsets >> index) & 1 == 0]
    sizes = np.array([int(s).bit_count() for s in without])
    weight = np.array(
        [factorial(s) * factorial(count - 1 - s) / factorial(count) for s in range(count)]
    )
    change = of_subset[without | (1 << index)] - of_subset[without]
    return float(np.sum(weight[sizes] * change))


def budget(
    base: Estimate, catalog: Catalog, usd: float, until: int | None, roadmap: bool
) -> list[dict[str, Any]]:
    """The largest compute-optimal model that a budget trains, by year, beside the frontier's run.

    Each row has ``without_levers``, ``with_levers`` and ``frontier``, None before its first year.

    Raises
    ------
    InputError
        If the scenario is one of stages.
    NoAnswerError
        If the cost per FLOP is not known.
    """
    _one_run(base, "--budget")
    tables = []
    for with_levers in (False, True):
        projection = project(base, catalog, "model", until, with_levers, roadmap)
        params, active = base.values.get("params"), base.values.get("active_params")
        sparsity = 1.0 if params is None or active is None else params / active
        inputs = base.inputs.known
        extra = {
            "budget_usd": usd,
            "sparsity_ratio": sparsity,
            "flops_per_param_token": inputs["flops_per_param_token"],
            "budget_tokens_per_param": inputs.get(
                "tokens_per_param",
                float(catalog.entry("defaults", "data.tokens_per_param")["value"]),
            ),
        }
        first = projection.years[0]
        active_levers = pulled_by(projection.levers, projection.years)
        known = projection.known
        if any(lever.changes for lever in projection.levers) and "base_flops" in known:
            extra["changed_flops"] = known["base_flops"] / base.values["flops"]
        values, _ = evaluate({**known, **pull(projection.levers, active_levers, known), **extra})
        if "budget_params" not in values or np.isnan(values["budget_params"]).all():
            raise NoAnswerError(
                f"{base.inputs.scenario.label}: the cost per FLOP is not known, so a budget cannot be turned into a model: {_lacking(base)}"
            )
        if np.nanmax(values["budget_params"]) == 0:
            fixed = float(np.min(values["fixed_usd"]))
            raise NoAnswerError(
                f"{base.inputs.scenario.label}: --budget {usd:g} trains nothing: staff and items alone cost {fixed:,.0f}"
            )
        keys = ("budget_flops", "budget_params", "budget_tokens")
        tables.append({key: np.broadcast_to(values[key], projection.years.shape) for key in keys})
    years = range(first, first + len(tables[0]["budget_params"]))
    largest = frontier(catalog, years[-1])
    return [
        {
            "year": year,
            **{
                name: {key.removeprefix("budget_"): float(table[key][index]) for key in table}
                for name, table in zip(("without_levers", "with_levers"), tables, strict=True)
            },
            "frontier": largest.get(year),
        }
        for index, year in enumerate(years)
    ]


def frontier(catalog: Catalog, last: int) -> dict[int, dict[str, float]]:
    """Compute [FLOP] and cost [USD] of the largest run by year: the bundled scenario of the frontier.

    Its cost is that of the run alone, amortized, and grows as the catalog's trend says.
    """
    table = read_toml(packaged("scenarios", f"{FRONTIER}.toml"), "scenario")
    base = estimate(parse_scenario(table, FRONTIER, catalog=catalog), catalog)
    start = int(base.inputs.scenario.get("projection.from_year"))
    if last < start:
        return {}
    found = project(base, catalog, "frontier", last)
    flops, usd = found.values["flops"], found.values["cost_total_usd"]
    return {
        int(year): {"flops": float(flops[index]), "cost_usd": float(usd[index])}
        for index, year in enumerate(found.years)
    }


def _one_run(base: Estimate, option: str) -> None:
    """Refuse a scenario of stages, whose levers and costs are those of several runs."""
    if base.stages:
        raise InputError(
            f"{base.inputs.scenario.label}: {option}: takes one run, here are {len(base.stages)} stages; project a stage as a file of its own"
        )


def _lacking(base: Estimate) -> str:
    """What a scenario without a cost per FLOP lacks."""
    if base.result("flops") is None:
        return "its compute is not known; give model.params and data.tokens, or training.flops"
    method = str(base.inputs.shown["cost.method"])
    run = COST_METHODS[method]
    if base.result(run) is not None:
        return "; ".join(["cost_total_usd is not known", *base.warnings])
    found = [f"{run} is not known"]
    if method == "cloud":
        found[0] += "; give cost.cloud_usd_per_device_hour"
    found += [note for note in base.warnings if run in note or method in note]
    others = [f'"{other}"' for other, key in COST_METHODS.items() if base.result(key) is not None]
    if others:
        found.append(f"cost.method = {' or '.join(others)} would do")
    return "; ".join(found)


def parse_threshold(text: str) -> tuple[str, float]:
    """Read ``result=value``.

    Raises
    ------
    InputError
        If it is not of that form.
    """
    from llmcost.scenario.values import ValueProblem, parse_number

    name, equals, raw = text.partition("=")
    if not equals:
        raise InputError(f'--threshold "{text}": write it as result=value, like cost_total_usd=1e9')
    try:
        return check_result(name.strip(), "--threshold"), parse_number(raw.strip())
    except ValueProblem as problem:
        raise InputError(f"--threshold {name}: {problem}") from None


def parse_budget(text: str) -> float:
    """Read an amount of dollars.

    Raises
    ------
    InputError
        If it is no amount above 0.
    """
    from llmcost.scenario.values import ValueProblem, parse_number

    try:
        usd = parse_number(text.lstrip("$"))
    except ValueProblem as problem:
        raise InputError(f"--budget: {problem}") from None
    if usd <= 0:
        raise InputError(f"--budget: {usd:g} is not > 0")
    return usd
