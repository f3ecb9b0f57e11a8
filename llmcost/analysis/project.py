"""The road ahead: the same model, or the frontier's, year by year, with trends and levers."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmcost.analysis.estimate import Estimate
from llmcost.analysis.sampling import quantiles_of
from llmcost.analysis.trends import (
    PRICE_PERFORMANCE,
    Dollars,
    Lever,
    Trend,
    dollars,
    other_trend,
    pull,
    resolve_levers,
    resolve_trends,
    unsaid,
)
from llmcost.analysis.uncertainty import Sampling, label, sampled, uniforms
from llmcost.catalog import Catalog
from llmcost.engine.chain import Array
from llmcost.engine.distributions import quantile
from llmcost.engine.evaluate import evaluate
from llmcost.engine.results import MEMORY_PARTS, RESULTS
from llmcost.errors import InputError, NoAnswerError, nearest
from llmcost.scenario.schema import KEYS
from llmcost.scenario.values import Distribution

FOLLOW = ("model", "frontier")
#: The last year unless the scenario or the user says otherwise.
DEFAULT_UNTIL = 2035
#: A factor from which the answers of the two published trends are said to disagree.
FAR_APART = 2.0
#: Samples times years that are held in memory.
MOST_SAMPLE_YEARS = 4_000_000
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
    "memory_gb_per_device",
    *MEMORY_PARTS,
)
_UNCHANGED = ("params", "active_params", "tokens", "loss", "steps")


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
    dollars: Dollars
    notes: tuple[str, ...] = ()
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
    if base.stages:
        return _project_stages(base, catalog, follow, until, with_levers, roadmap)
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
    known = starting_point(base.values, {key: trend.value for key, trend in trends.items()}, follow)
    known["elapsed_years"] = (years - first).astype(float)
    active = years[:, None] >= np.array([lever.year for lever in levers])[None, :]
    if "cost_growth_per_year" in trends and "base_cost_hardware_usd" not in known:
        raise NoAnswerError(
            f"{scenario.label}: the frontier follows the amortized cost, which this scenario does not determine; "
            "give what it lacks, or projection.compute_growth_per_year"
        )
    values, _ = evaluate({**known, **pull(levers, active, known)})
    warnings = list(base.warnings)
    for key in _LAYOUT:  # of the hardware of year 0; nobody knows that of a later one
        if key in base.values:
            values[key] = np.where(years == first, base.values[key], np.nan)
    if follow == "model":
        values.update({key: base.values[key] for key in _UNCHANGED if key in base.values})
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
        notes = _disagreement(known, pull(levers, active, known), values, other, last)
    return Projection(base, follow, years, values, trends, levers, warnings, known, money, notes)


def _project_stages(
    base: Estimate,
    catalog: Catalog,
    follow: str,
    until: int | None,
    with_levers: bool,
    roadmap: bool,
) -> Projection:
    """Every stage of the same model by year, and their sums."""
    from llmcost.analysis.stages import named, sums, whole_values

    if follow != "model":
        raise InputError(
            f"{base.inputs.scenario.label}: --follow {follow}: nobody published how the stages of the frontier grow; follow the model, or project a stage as a file of its own"
        )
    levers = base.inputs.scenario.levers
    found = [
        project(
            stage.estimate._replace(inputs=_with_levers(stage.estimate, levers)),
            catalog,
            follow,
            until,
            with_levers,
            roadmap,
        )
        for stage in base.stages
    ]
    first = found[0]
    total = sums([item.values for item in found])
    values = whole_values(base.inputs.known, total)
    notes = named([(s.name, item.warnings) for s, item in zip(base.stages, found, strict=True)])
    return Projection(
        base,
        follow,
        first.years,
        values,
        first.trends,
        first.levers,
        notes,
        first.known,
        first.dollars,
    )


def _with_levers(stage: Estimate, levers: Any) -> Any:
    """The inputs of a stage with the levers that the file pulls on all of them."""
    inputs = copy(stage.inputs)
    inputs.scenario = inputs.scenario._replace(levers=levers)
    return inputs


def _disagreement(
    known: Mapping[str, Any],
    pulled: Mapping[str, Array],
    values: Mapping[str, Array],
    other: tuple[str, Trend],
    last: int,
) -> tuple[str, ...]:
    """What the trend that was not followed would say of the last year, where it is far from this."""
    name, trend = other
    followed = ("cost_growth_per_year", "compute_growth_per_year")
    start = {key: value for key, value in known.items() if key not in followed}
    found, _ = evaluate({**start, name: trend.value, **pulled}, ["cost_total_usd", "flops"])
    key = next((key for key in ("cost_total_usd", "flops") if key in found and key in values), None)
    if key is None:
        return ()
    shape = known["elapsed_years"].shape
    there, here = (float(np.broadcast_to(of[key], shape)[-1]) for of in (found, values))
    factor = max(there / here, here / there) if there > 0 and here > 0 else 1.0
    if factor < FAR_APART:
        return ()
    what = name.removesuffix("_growth_per_year")
    how = f"{factor:.0f} times {'more' if there > here else 'less'}"
    return (
        f"The published trends disagree: by that of {what}, {trend.value:g} times a year ({trend.source.partition(', ')[2]}), "
        f"{RESULTS[key].label.lower()} of {last} would be {how} than here (docs/method.md)",
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
    known = starting_point(values, trends, projection.follow)
    known = {name: _column(value) for name, value in known.items()}
    known["elapsed_years"] = projection.known["elapsed_years"]
    active = years[:, None] >= np.array([lever.year for lever in projection.levers])[None, :]
    found, _ = evaluate({**known, **pull(projection.levers, active, known)}, list(RESULTS))
    if projection.follow == "model":
        found.update({key: _column(values[key]) for key in _UNCHANGED if key in values})
    shape = (sampling.samples, len(years))
    samples = {key: np.broadcast_to(found[key], shape) for key in RESULTS if key in found}
    return projection._replace(samples=samples, shares=sampling.quantiles)


def _column(value: Any) -> Any:
    """Samples as a column beside the years."""
    array = np.asarray(value)
    return array[:, None] if array.ndim == 1 else array
