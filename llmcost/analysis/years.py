"""One run year by year: the same model's, or the frontier's, with trends and levers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmcost.analysis.estimate import Estimate
from llmcost.analysis.roadmap import States, by_state
from llmcost.analysis.sampling import Sampling, label, quantiles_of, uniforms
from llmcost.analysis.trends import (
    PRICE_PERFORMANCE,
    Dollars,
    Lever,
    Trend,
    dollars,
    measured,
    other_trend,
    pull,
    resolve_levers,
    resolve_trends,
    unsaid,
)
from llmcost.analysis.uncertainty import sampled, shares_of
from llmcost.catalog import Catalog
from llmcost.engine.chain import Array
from llmcost.engine.distributions import quantile
from llmcost.engine.evaluate import evaluate
from llmcost.engine.results import MEMORY_RESULTS, RESULTS
from llmcost.errors import InputError, NoAnswerError, nearest
from llmcost.scenario import Inputs
from llmcost.scenario.schema import KEYS
from llmcost.scenario.values import Distribution

FOLLOW = ("model", "frontier")
#: The last year unless the scenario or the user says otherwise.
DEFAULT_UNTIL = 2035
#: A factor from which the answers of the two published trends are said to disagree.
FAR_APART = 2.0
#: What a year takes over from year 0 as it is.
_KEPT = (
    "start_day", "available_day", "price_includes_server", "server_cost_ratio",
    "interconnect_cost_fraction", "depreciation_ooms_per_year", "owner_utilisation", "server_power_ratio", "pue",
    "end_of_life_share", "construction_kgco2e_per_kw",
    "embodied_kgco2e_per_device", "hardware_lifetime_years", "fleet_utilisation", "water_l_per_kwh",
    "water_supply_l_per_kwh", "months", "cost_staff_usd",
    "experiments_ratio", "items_share", "items_usd_per_month", "items_usd",
    "cost_method", "goodput", "recomputed_share", "colocation_usd_per_kw_month", "storage_tb_per_device",
    "storage_usd_per_tb_month", "support_share_per_year", "capital_rate_per_year", "setup_weeks",
)  # fmt: skip
#: The same of a service, whose traffic stays what it is.
_KEPT_SERVICE = (
    "output_tokens_per_day", "service_days", "service_utilisation", "devices_per_replica",
    "inference_flops", "service_available_day", "service_price_includes_server",
    "service_server_cost_ratio", "service_embodied_kgco2e", "service_cost_method",
    "service_server_power_ratio", "service_tdp_w",
)  # fmt: skip
#: What moves on from year 0; the engine knows it as ``base_*``.
_MOVING = (
    "flops", "mfu", "devices", "days", "device_hours", "peak_flops", "device_power_w", "tdp_w",
    "device_price_usd", "purchase_price_usd", "cloud_usd_per_device_hour", "electricity_usd_per_kwh",
    "grid_kgco2e_per_kwh", "cost_hardware_usd", "cost_interconnect_usd", "cost_energy_usd",
)  # fmt: skip
_MOVING_SERVICE = (
    "inference_tokens_per_s_per_device", "service_device_power_w", "service_device_price_usd",
    "service_cloud_usd_per_device_hour", "service_purchase_price_usd",
)  # fmt: skip
#: Parts of the amortized cost of year 0 that are 0 where a scenario does not count them.
_OWNED = (
    "cost_storage_usd", "cost_support_usd", "cost_capital_usd", "cost_colocation_usd", "setup_share",
)  # fmt: skip
_LAYOUT = (
    "steps",
    "step_time_s",
    "predicted_mfu",
    "predicted_hfu",
    *MEMORY_RESULTS,
)
_UNCHANGED = ("params", "active_params", "tokens", "loss", "steps")


class Course(NamedTuple):
    """What a run's years follow from: year 0 in each of its states, trends and levers.

    Attributes
    ----------
    starts : tuple of mapping
        Quantities of year 0 in each state; arrays whose last axis is years or of length 1.
    which : array of int, shape (years,)
        The state of each year.
    trends : mapping
        Growth rates by engine name.
    follow : {"model", "frontier"}
        What is followed.
    levers : tuple of Lever
        The levers.
    active : array of bool, shape (years, levers)
        Which of them apply.
    elapsed : array, shape (years,)
        Years since year 0.
    """

    starts: tuple[Mapping[str, Any], ...]
    which: NDArray[np.int64]
    trends: Mapping[str, Any]
    follow: str
    levers: tuple[Lever, ...]
    active: NDArray[np.bool_]
    elapsed: Array

    def known(self, state: int, at: Any = slice(None)) -> dict[str, Any]:
        """One state and the trends in some years, as the engine's growth rules take them."""
        start = starting_point(self.starts[state], self.trends, self.follow)
        return {**start, "elapsed_years": self.elapsed[at]}

    def values(
        self,
        wanted: Sequence[str] | None = None,
        more: Callable[[Mapping[str, Any]], Mapping[str, Any]] = lambda start: {},
    ) -> dict[str, Array]:
        """Results by year, each from the state of its year, with what `more` adds to a state."""

        def of(state: int, at: NDArray[np.int64]) -> Mapping[str, Any]:
            start, known = self.starts[state], self.known(state, at)
            pulled = pull(self.levers, self.active[at], known)
            found, _ = evaluate({**known, **pulled, **more(start)}, wanted)
            if wanted is not None:
                return {key: found[key] for key in wanted if key in found}
            first = self.elapsed[at] == 0
            # A layout is of the hardware of year 0; nobody knows that of a later one.
            found |= {k: np.where(first, start[k], np.nan) for k in _LAYOUT if k in start}
            if self.follow == "model":
                found |= {key: start[key] for key in _UNCHANGED if key in start}
            return found

        return by_state(len(self.starts), self.which, of)


class Projection(NamedTuple):
    """A scenario year by year.

    `values` holds arrays whose last axis is the years; `parts` are the projections of stages.
    """

    base: Estimate
    follow: str
    years: NDArray[np.int64]
    values: Mapping[str, Array]
    trends: Mapping[str, Trend]
    levers: tuple[Lever, ...]
    warnings: list[str]
    course: Course
    dollars: Dollars
    notes: tuple[str, ...] = ()
    samples: Mapping[str, Array] = {}
    shares: tuple[float, ...] = ()
    states: States | None = None
    parts: tuple[Any, ...] = ()

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


def project_run(
    base: Estimate,
    catalog: Catalog,
    follow: str,
    until: int | None,
    with_levers: bool,
    roadmap: bool,
    states: States,
) -> Projection:
    """One run by year, in the states that its levers leave it in; arguments as :func:`project`'s."""
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
    levers = measured(levers, states)
    years = np.arange(first, last + 1, dtype=np.int64)
    active = pulled_by(levers, years)
    ends, which = states.along(active)
    course = Course(
        tuple(end.values for end in ends),
        which,
        {key: trend.value for key, trend in trends.items()},
        follow,
        levers,
        active,
        (years - first).astype(float),
    )
    known = course.known(0)
    if "cost_growth_per_year" in trends and "base_cost_hardware_usd" not in known:
        raise NoAnswerError(
            f"{scenario.label}: the frontier follows the amortized cost, which this scenario does not determine; "
            "give what it lacks, or projection.compute_growth_per_year"
        )
    values = course.values()
    warnings = list(base.warnings)
    mfu = values.get("mfu")
    if levers and mfu is not None and np.any(mfu >= 1) and float(base.values["mfu"]) < 1:
        warnings.append("levers would raise the MFU above 1, where it is held")
    unknown = unsaid(scenario, levers) if trends[PRICE_PERFORMANCE].value else ""
    if unknown:
        warnings.append(unknown)
    money = dollars(scenario.start.year if scenario.start else first, trends, catalog)
    notes: tuple[str, ...] = ()
    other = other_trend(trends, catalog) if follow == "frontier" else None
    if other is not None:
        notes = _disagreement(course, values, other, last)
    return Projection(
        base, follow, years, values, trends, levers, warnings, course, money, notes, states=states
    )


def pulled_by(levers: Sequence[Lever], years: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which levers apply in each year, of shape (years, levers)."""
    return years[:, None] >= np.array([lever.year for lever in levers])[None, :]


def _disagreement(
    course: Course, values: Mapping[str, Array], other: tuple[str, Trend], last: int
) -> tuple[str, ...]:
    """What the trend that was not followed would say of the last year, where it is far from this."""
    name, trend = other
    followed = ("cost_growth_per_year", "compute_growth_per_year")
    trends = {key: value for key, value in course.trends.items() if key not in followed}
    otherwise = course._replace(trends={**trends, name: trend.value})
    found = otherwise.values(["cost_total_usd", "flops"])
    key = next((key for key in ("cost_total_usd", "flops") if key in found and key in values), None)
    if key is None:
        return ()
    shape = course.elapsed.shape
    there, here = (float(np.broadcast_to(of[key], shape)[-1]) for of in (found, values))
    factor = max(there / here, here / there) if there > 0 and here > 0 else 1.0
    if factor < FAR_APART:
        return ()
    what = name.removesuffix("_growth_per_year")
    how = f"{factor:.0f} times {'more' if there > here else 'less'}"
    return (
        f"The published trends disagree: by that of {what}, {trend.value:g} times a year ({trend.source.partition(', ')[2]}), "
        f"{RESULTS[key].label.lower()} of {last} would be {how} than here (docs/method/projection.md)",
    )


def starting_point(
    values: Mapping[str, Array], trends: Mapping[str, Any], follow: str
) -> dict[str, Any]:
    """Year 0 and the trends, as the engine's growth rules take them.

    A service is of the same model; how the frontier's is served, nobody knows.
    """
    same = follow == "model"
    kept, moving = (_KEPT + _KEPT_SERVICE, _MOVING + _MOVING_SERVICE) if same else (_KEPT, _MOVING)
    known: dict[str, Any] = {key: values[key] for key in kept if key in values}
    known |= {f"base_{key}": values[key] for key in moving if key in values}
    known |= {f"base_{key}": values.get(key, 0.0) for key in _OWNED}
    return known | dict(trends)


def drawn_run(projection: Projection, sampling: Sampling, catalog: Catalog) -> dict[str, Array]:
    """Samples of a run's results by year."""
    starts, inputs = drawn_states(projection, sampling, catalog, all_of)
    trends = drawn_trends(projection, inputs, sampling, catalog)
    return projection.course._replace(starts=starts, trends=trends).values()


def all_of(inputs: Inputs) -> Mapping[str, Any]:
    """All quantities that follow from inputs."""
    return evaluate(inputs.known)[0]


def drawn_states(
    projection: Projection,
    sampling: Sampling,
    catalog: Catalog,
    of: Callable[[Inputs], Mapping[str, Any]],
) -> tuple[tuple[dict[str, Any], ...], Inputs]:
    """Sampled quantities in each of the states of the years, and the sampled inputs of the first."""
    states = projection.states or States(projection.base, catalog)
    ends, _ = states.along(pulled_by(projection.levers, projection.years))
    shares = shares_of(ends, sampling)
    drawn = [sampled(end, sampling, catalog, shares) for end in ends]
    values = tuple({name: _column(value) for name, value in of(item).items()} for item in drawn)
    return values, drawn[0]


def drawn_trends(
    projection: Projection, inputs: Inputs, sampling: Sampling, catalog: Catalog
) -> dict[str, Any]:
    """The trends, those that are uncertain as samples."""
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
    return {name: _column(value) for name, value in trends.items()}


def _column(value: Any) -> Any:
    """Samples as a column beside the years."""
    array = np.asarray(value)
    return array[:, None] if array.ndim == 1 else array
