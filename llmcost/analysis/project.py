"""The road ahead: the same model, or the frontier's, year by year, with levers and a budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import factorial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmcost.analysis.estimate import Estimate
from llmcost.analysis.sampling import quantiles_of
from llmcost.analysis.uncertainty import Sampling, label, sampled, uniforms
from llmcost.catalog import Catalog
from llmcost.engine.chain import Array
from llmcost.engine.distributions import quantile
from llmcost.engine.evaluate import evaluate
from llmcost.engine.growth import lever_product
from llmcost.engine.results import RESULTS
from llmcost.errors import InputError, NoAnswerError, nearest
from llmcost.scenario import Scenario
from llmcost.scenario.schema import KEYS
from llmcost.scenario.values import Distribution

FOLLOW = ("model", "frontier")
#: The last year unless the scenario or the user says otherwise.
DEFAULT_UNTIL = 2035
#: More levers than this have too many orders to average over exactly.
MOST_LEVERS = 12
#: Samples times years that are held in memory.
MOST_SAMPLE_YEARS = 4_000_000
#: What a year takes over from year 0 as it is.
_KEPT = (
    "start_day", "available_day", "price_includes_server", "server_cost_ratio",
    "interconnect_cost_fraction", "depreciation_ooms_per_year", "server_power_ratio", "pue",
    "embodied_kgco2e_per_device", "hardware_lifetime_years", "fleet_utilisation", "water_l_per_kwh",
    "water_supply_l_per_kwh", "fte", "months", "usd_per_fte_year", "experiments_ratio",
    "cost_method", "goodput", "recomputed_share",
)  # fmt: skip
#: What moves on from year 0; the engine knows it as ``base_*``.
_MOVING = (
    "flops", "mfu", "devices", "days", "device_hours", "peak_flops", "device_power_w", "tdp_w",
    "device_price_usd", "cloud_usd_per_device_hour", "electricity_usd_per_kwh",
    "grid_kgco2e_per_kwh", "cost_hardware_usd", "cost_interconnect_usd", "cost_energy_usd",
)  # fmt: skip
_LAYOUT = ("step_time_s", "predicted_mfu", "predicted_hfu", "memory_gb_per_device")
_UNCHANGED = ("params", "active_params", "tokens")
_MULTIPLIERS = ("flops", "device_price", "power", "mfu")
#: Trends that do not move the same model; the frontier follows them.
_NEUTRAL = {
    "compute_growth_per_year": 1.0,
    "run_length_growth_per_year": 1.0,
    "algorithmic_efficiency_growth_per_year": 1.0,
}


class Trend(NamedTuple):
    """A growth rate and where it comes from."""

    value: float
    source: str


class Lever(NamedTuple):
    """A step of the roadmap: multipliers that apply from a year on."""

    name: str
    year: int
    flops: float
    device_price: float
    power: float
    mfu: float
    source: str


class Crossing(NamedTuple):
    """When a result crosses a threshold."""

    metric: str
    threshold: float
    year: int | None
    date: str | None
    note: str
    probability_by_year: Mapping[str, float] | None = None


class Step(NamedTuple):
    """One bar of a waterfall."""

    name: str
    value: float
    change: float
    shapley: float


class Projection(NamedTuple):
    """A scenario year by year.

    `values` holds arrays whose last axis is the years.
    """

    base: Estimate
    follow: str
    years: NDArray[np.int64]
    values: Mapping[str, Array]
    trends: Mapping[str, Trend]
    levers: tuple[Lever, ...]
    warnings: list[str]
    known: Mapping[str, Any]
    samples: Mapping[str, Array] = {}
    shares: tuple[float, ...] = ()

    def result(self, key: str) -> Array | None:
        """A result by year, None where the scenario does not determine it."""
        if key not in self.values:
            return None
        found = np.broadcast_to(self.values[key], self.years.shape)
        return None if np.isnan(found).all() else found

    def band(self, key: str) -> dict[str, Array]:
        """Quantiles of a result by label, each by year; empty without samples."""
        if key not in self.samples:
            return {}
        found = quantiles_of(self.samples[key], self.shares)
        return {label(share): found[i] for i, share in enumerate(self.shares)}


def resolve_levers(
    scenario: Scenario, catalog: Catalog, roadmap: bool = False
) -> tuple[Lever, ...]:
    """The scenario's levers; those that the catalog knows by name take what is not given from it.

    Parameters
    ----------
    roadmap : bool
        Take the whole roadmap of the catalog where the scenario has no levers of its own.

    Raises
    ------
    InputError
        If a lever has no year or no multiplier.
    """
    known = catalog.kind("levers")
    given: Sequence[Mapping[str, Any]] = scenario.levers
    if not given and roadmap:
        given = [{"name": name} for name in known]
    found, problems = [], []
    for item in given:
        name = str(item["name"])
        entry = {**known.get(name, {}), **item}
        if "year" not in entry:
            problems.append(
                f'{scenario.label}: [[levers]] "{name}": year is missing{nearest(name, known)}'
            )
        elif not any(part in entry for part in _MULTIPLIERS):
            problems.append(
                f'{scenario.label}: [[levers]] "{name}": give flops, device_price, power or mfu'
            )
        else:
            source = f"catalog: levers/{name}" if name in known and len(item) == 1 else "file"
            multipliers = {part: float(entry.get(part, 1.0)) for part in _MULTIPLIERS}
            found.append(Lever(name, int(entry["year"]), source=source, **multipliers))
    if problems:
        raise InputError(problems)
    return tuple(found)


def resolve_trends(base: Estimate, catalog: Catalog, follow: str) -> dict[str, Trend]:
    """Growth rates by engine name: the scenario's, then the catalog's.

    Raises
    ------
    InputError
        If the scenario gives growth of cost and of compute.
    """
    inputs = base.inputs
    entries = {
        entry["key"].rpartition(".")[2]: (name, entry)
        for name, entry in catalog.kind("trends").items()
    }
    trends = {}
    for key, (name, entry) in entries.items():
        given = inputs.sources.get(f"projection.{key}")
        if given is not None:
            trends[key] = Trend(float(inputs.known[key]), given)
        elif follow == "model" and key in _NEUTRAL:
            trends[key] = Trend(_NEUTRAL[key], "default: the same model")
        else:
            trends[key] = Trend(float(entry["value"]), f"catalog: trends/{name}, {entry['source']}")
    cost, compute = (f"projection.{key}_growth_per_year" for key in ("cost", "compute"))
    if cost in inputs.sources and compute in inputs.sources:
        raise InputError(
            f"{inputs.scenario.where(compute)}: contradicts {cost}: one follows from the other; give one of them"
        )
    if follow == "model" or compute in inputs.sources:
        trends.pop("cost_growth_per_year")
    else:
        trends.pop("compute_growth_per_year")
    if follow == "frontier":
        # The compute of the trend is physical; better algorithms come on top of it.
        trends["algorithmic_efficiency_growth_per_year"] = Trend(
            1.0, "default: compute is physical"
        )
    return trends


def project(
    base: Estimate,
    catalog: Catalog,
    follow: str = "model",
    until: int | None = None,
    with_levers: bool = True,
    roadmap: bool = False,
) -> Projection:
    """Project an estimate year by year.

    Parameters
    ----------
    base : Estimate
        The scenario in year 0.
    catalog : Catalog
        Where trends and levers come from.
    follow : {"model", "frontier"}
        The same model trained later, or the frontier's model of that year.
    until : int, optional
        Last year; that of the scenario, or 2035, by default.
    with_levers, roadmap : bool
        Whether levers pull, and whether those of the catalog do where the scenario has none.

    Returns
    -------
    Projection
        Year 0 is the estimate to the last bit.

    Raises
    ------
    InputError
        If the scenario has no year, or its trends contradict one another.
    """
    scenario = base.inputs.scenario
    if follow not in FOLLOW:
        raise InputError(
            f'--follow "{follow}": is not one of {", ".join(FOLLOW)}{nearest(follow, FOLLOW)}'
        )
    first = scenario.get("projection.from_year") or (
        scenario.start.year if scenario.start else None
    )
    if first is None:
        raise InputError(
            f"{scenario.label}: start_date: is missing; a projection starts from its year"
        )
    first = int(first)
    last = int(until or scenario.get("projection.until") or max(DEFAULT_UNTIL, first + 10))
    if last > KEYS["projection.until"].high:
        raise InputError(f"--until {last}: is not {KEYS['projection.until'].allowed}")
    if last < first:
        raise InputError(f"--until {last}: is before {first}, the year of the scenario")
    trends = resolve_trends(base, catalog, follow)
    levers = resolve_levers(scenario, catalog, roadmap) if with_levers else ()
    years = np.arange(first, last + 1, dtype=np.int64)
    known = starting_point(base.values, {key: trend.value for key, trend in trends.items()})
    known["elapsed_years"] = (years - first).astype(float)
    active = years[:, None] >= np.array([lever.year for lever in levers])[None, :]
    if "cost_growth_per_year" in trends and "base_cost_hardware_usd" not in known:
        raise NoAnswerError(
            f"{scenario.label}: the frontier follows the amortized cost, which this scenario does not determine; "
            "give what it lacks, or projection.compute_growth_per_year"
        )
    values, _ = evaluate({**known, **_pull(levers, active)})
    warnings = list(base.warnings)
    for key in _LAYOUT:  # of the hardware of year 0; nobody knows that of a later one
        if key in base.values:
            values[key] = np.where(years == first, base.values[key], np.nan)
    if follow == "model":
        values.update({key: base.values[key] for key in _UNCHANGED if key in base.values})
    mfu = values.get("mfu")
    if levers and mfu is not None and np.any(mfu >= 1) and float(base.values["mfu"]) < 1:
        warnings.append("levers would raise the MFU above 1, where it is held")
    return Projection(base, follow, years, values, trends, levers, warnings, known)


def starting_point(values: Mapping[str, Array], trends: Mapping[str, Any]) -> dict[str, Any]:
    """Year 0 and the trends, as the engine's growth rules take them."""
    known: dict[str, Any] = {key: values[key] for key in _KEPT if key in values}
    known |= {f"base_{key}": values[key] for key in _MOVING if key in values}
    return known | dict(trends)


def with_samples(projection: Projection, sampling: Sampling, catalog: Catalog) -> Projection:
    """The same projection with samples of its uncertain inputs and trends.

    Raises
    ------
    InputError
        If samples times years are more than memory should hold.
    """
    base, years = projection.base, projection.years
    if sampling.samples * len(years) > MOST_SAMPLE_YEARS:
        raise InputError(
            f"--samples {sampling.samples}: with {len(years)} years at most {MOST_SAMPLE_YEARS // len(years):,}"
        )
    inputs = sampled(base, sampling, catalog)
    values, _ = evaluate(inputs.known)
    trends: dict[str, Any] = {key: trend.value for key, trend in projection.trends.items()}
    for entry in catalog.kind("trends").values():
        key = entry["key"]
        name = key.rpartition(".")[2]
        if name not in trends:
            continue
        if key in inputs.distributions:
            trends[name] = inputs.known[name]
        elif sampling.defaults and projection.trends[name].source.startswith("catalog"):
            spread = Distribution(float(entry["low"]), float(entry["high"]), "lognormal", None, 0.0)
            trends[name] = quantile(spread, uniforms([key], sampling.samples, sampling.seed)[key])
    known = starting_point(values, trends)
    known = {name: _column(value) for name, value in known.items()}
    known["elapsed_years"] = projection.known["elapsed_years"]
    active = years[:, None] >= np.array([lever.year for lever in projection.levers])[None, :]
    found, _ = evaluate({**known, **_pull(projection.levers, active)}, list(RESULTS))
    if projection.follow == "model":
        found.update({key: _column(values[key]) for key in _UNCHANGED if key in values})
    shape = (sampling.samples, len(years))
    samples = {key: np.broadcast_to(found[key], shape) for key in RESULTS if key in found}
    return projection._replace(samples=samples, shares=sampling.quantiles)


def _column(value: Any) -> Any:
    """Samples as a column beside the years."""
    array = np.asarray(value)
    return array[:, None] if array.ndim == 1 else array


def _pull(levers: Sequence[Lever], active: NDArray[np.bool_]) -> dict[str, Array]:
    """What the active levers multiply, by engine name."""
    return {
        f"lever_{part}": lever_product(np.array([getattr(lever, part) for lever in levers]), active)
        for part in _MULTIPLIERS
    }


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
        over all orders. The shares add up to the whole change.

    Raises
    ------
    InputError, NoAnswerError
        If there are no levers, too many, or no such result.
    """
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
    count = len(levers)
    subsets = (np.arange(2**count)[:, None] >> np.arange(count)) & 1
    known = {**projection.known, "elapsed_years": projection.known["elapsed_years"][-1]}
    values, _ = evaluate({**known, **_pull(levers, subsets.astype(bool))}, [metric])
    if metric not in values or np.isnan(values[metric]).any():
        raise NoAnswerError(
            f"{where}: {metric} is not determined, so levers cannot be set against it"
        )
    of_subset = np.broadcast_to(values[metric], (2**count,))
    steps = [Step("without levers", float(of_subset[0]), 0.0, 0.0)]
    for index, lever in enumerate(levers):
        after = of_subset[(1 << (index + 1)) - 1]
        change = after - of_subset[(1 << index) - 1]
        steps.append(
            Step(lever.name, float(after), float(change), _shapley(of_subset, index, count))
        )
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
    """The largest compute-optimal model that a budget trains, by year, without and with levers.

    Raises
    ------
    NoAnswerError
        If the cost per FLOP is not known.
    """
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
        active_levers = (
            projection.years[:, None]
            >= np.array([lever.year for lever in projection.levers])[None, :]
        )
        values, _ = evaluate(
            {**projection.known, **_pull(projection.levers, active_levers), **extra}
        )
        if "budget_params" not in values or np.isnan(values["budget_params"]).all():
            raise NoAnswerError(
                f"{base.inputs.scenario.label}: the cost per FLOP is not known, so a budget cannot be turned into a model"
            )
        keys = ("budget_flops", "budget_params", "budget_tokens")
        tables.append({key: np.broadcast_to(values[key], projection.years.shape) for key in keys})
    years = range(first, first + len(tables[0]["budget_params"]))
    return [
        {
            "year": year,
            **{
                name: {key.removeprefix("budget_"): float(table[key][index]) for key in table}
                for name, table in zip(("without_levers", "with_levers"), tables, strict=True)
            },
        }
        for index, year in enumerate(years)
    ]


def check_metric(name: str, option: str) -> str:
    """A result's name, checked.

    Raises
    ------
    InputError
        If it is none.
    """
    if name not in RESULTS:
        raise InputError(f'{option} "{name}": is not a result{nearest(name, RESULTS)}')
    return name


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
        return check_metric(name.strip(), "--threshold"), parse_number(raw.strip())
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
