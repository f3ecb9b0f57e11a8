"""The Python interface: the same engine as the commands, with arrays by name.

A *scenario* is a bundled name, a path to a TOML file, or a dict as TOML would give it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from inspect import Parameter, signature
from os import PathLike, fspath
from typing import Any, TypedDict, TypeVar, Unpack, get_type_hints

import numpy as np

from llmcost.analysis.estimate import Estimate
from llmcost.analysis.sampling import Sampling, column
from llmcost.analysis.stages import estimate_any as estimate_one
from llmcost.catalog import Catalog, load_catalog
from llmcost.columns import Table
from llmcost.engine.results import RESULTS
from llmcost.errors import nearest
from llmcost.jobs.question import Question
from llmcost.jobs.sweep import in_memory
from llmcost.scenario import Scenario, load_scenario, parse_scenario

Function = TypeVar("Function", bound=Callable[..., Any])
Source = str | PathLike[str] | Mapping[str, Any]
Sets = Mapping[str, Any] | Iterable[str]


class Common(TypedDict, total=False):
    """What every function takes besides its scenario; :func:`estimate` says what it means."""

    sets: Sets
    samples: int | None
    seed: int
    uncertainty: str
    catalog: Sequence[str]


_DEFAULTS: Common = {
    "sets": (), "samples": None, "seed": 0, "uncertainty": "none", "catalog": (),
}  # fmt: skip


def _with_common(function: Function) -> Function:
    """Write the common arguments out in a function's signature, where ``help`` looks."""
    *own, _ = signature(function).parameters.values()
    hints = get_type_hints(Common)
    shared = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=hints[name])
        for name, default in _DEFAULTS.items()
    ]
    whole = signature(function).replace(parameters=[*own, *shared])
    function.__signature__ = whole  # type: ignore[attr-defined]
    return function


@_with_common
def estimate(scenario: Source, **common: Unpack[Common]) -> Estimate:
    """Estimate one scenario.

    Parameters
    ----------
    scenario : str, path or dict
        A bundled name, a TOML file, or what it would hold.
    sets : dict or iterable of str
        Keys to set on top: ``{"cluster.devices": 512}`` or ``["cluster.devices=512"]``.
    samples, seed : int, optional
        Samples of what is uncertain, and their seed; ``intervals`` then holds quantiles.
    uncertainty : {"none", "defaults"}
        Whether defaulted inputs take their published intervals.
    catalog : sequence of str
        Catalog files on top of the built-in one.

    Returns
    -------
    Estimate
        ``results`` by name, None where the scenario does not determine one; ``intervals``,
        ``provenance()``, ``warnings``.

    Raises
    ------
    InputError
        With every problem of the scenario.
    NoAnswerError
        If no run fits.

    Examples
    --------
    >>> run = estimate("gpt-3")
    >>> round(run.results["energy_mwh"])
    1289
    """
    from llmcost.analysis.uncertainty import estimate_uncertain

    scenario_, entries, sampling = _read(scenario, common)
    found = estimate_uncertain(scenario_, entries, sampling)
    if not scenario_.levers:
        return found
    from llmcost.analysis.roadmap import with_levers

    return with_levers(found, entries)


@_with_common
def compare(scenarios: Sequence[Source], **common: Unpack[Common]) -> Table:
    """Estimate scenarios side by side, a row each.

    Parameters
    ----------
    scenarios : sequence of str, path or dict
        The scenarios.
    sets, samples, seed, uncertainty, catalog
        As :func:`estimate`, for each of them.

    Returns
    -------
    Table
        ``scenario``, every result, and with samples its quantiles (``days_p95``).

    Raises
    ------
    InputError, NoAnswerError
        As :func:`estimate`.

    Examples
    --------
    >>> table = compare(["gpt-3", "llama-3.1-405b"])
    >>> [round(x) for x in table["devices"]]
    [10000, 16384]
    """
    found = [estimate(item, **common) for item in scenarios]
    columns: dict[str, Any] = {"scenario": np.array([item.name for item in found], dtype=object)}
    for key in RESULTS:
        columns[key] = _numbers(item.result(key) for item in found)
    for key in RESULTS:
        for name in dict.fromkeys(name for item in found for name in item.intervals.get(key, {})):
            bands = (item.intervals.get(key, {}).get(name) for item in found)
            columns[column(key, name)] = _numbers(bands)
    return Table(columns, dict.fromkeys(text for item in found for text in item.warnings))


@_with_common
def sweep(
    scenario: Source,
    axis: Mapping[str, Iterable[Any]] | Iterable[str] = (),
    *,
    zip: Iterable[str] = (),
    where: Iterable[str] = (),
    select: Iterable[str] | None = None,
    minimize: str | None = None,
    maximize: str | None = None,
    top: int | None = None,
    pareto: Iterable[str] = (),
    solve: str | None = None,
    target: Iterable[str] = (),
    between: str | None = None,
    **common: Unpack[Common],
) -> Table:
    """Evaluate a grid over any keys; what it takes is what ``llmcost sweep`` takes.

    Parameters
    ----------
    scenario : str, path or dict
        What the axes vary.
    axis : dict or iterable of str
        ``{"cluster.devices": [8, 16]}``, or axes as on the command line
        (``"cluster.devices=8:64:8"``).
    zip, where, select, minimize, maximize, top, pareto, solve, target, between
        As the options of ``llmcost sweep``.
    sets, samples, seed, uncertainty, catalog
        As :func:`estimate`.

    Returns
    -------
    Table
        A row a cell in the order of the axes, the last fastest; ranked rows best first. All
        rows are held in memory.

    Raises
    ------
    InputError
        If an axis, a condition or a name is wrong.

    Examples
    --------
    >>> table = sweep("llama-3.1-405b", {"cluster.devices": [8192, 16384]}, select=["days"])
    >>> [round(x) for x in table["days"]]
    [157, 78]
    """
    base, entries, sampling = _read(scenario, common)
    axes = (
        [f"{key}={','.join(map(_text, values))}" for key, values in axis.items()]
        if isinstance(axis, Mapping)
        else list(axis)
    )
    question = Question.of(
        base, entries, axes, list(zip), list(where), minimize, maximize, top,
        ",".join(pareto) or None, None if select is None else ",".join(select),
        solve, list(target), between, sampling=sampling,
    )  # fmt: skip
    return in_memory(question)


@_with_common
def project(
    scenario: Source,
    *,
    follow: str = "model",
    until: int | None = None,
    roadmap: bool = False,
    **common: Unpack[Common],
) -> Table:
    """Project a scenario year by year.

    Parameters
    ----------
    scenario : str, path or dict
        The scenario in year 0.
    follow : {"model", "frontier"}
        The same model trained later, or the frontier's model of that year.
    until : int, optional
        Last year.
    roadmap : bool
        Whether the catalog's levers pull where the scenario has none.
    sets, samples, seed, uncertainty, catalog
        As :func:`estimate`.

    Returns
    -------
    Table
        ``year``, every result, and with samples its quantiles.

    Raises
    ------
    InputError, NoAnswerError
        As :func:`estimate`, or if the scenario has no year to start from.

    Examples
    --------
    >>> table = project("frontier", follow="frontier", until=2030)
    >>> int(table["year"][-1])
    2030
    """
    from llmcost.analysis.project import project as by_year
    from llmcost.analysis.project import with_samples

    given, entries, sampling = _read(scenario, common)
    base = estimate_one(given, entries)
    found = by_year(base, entries, follow, until, roadmap=roadmap)
    if sampling is not None:
        found = with_samples(found, sampling, entries)
    columns: dict[str, Any] = {"year": found.years.astype(np.float64)}
    for key in RESULTS:
        values = found.result(key)
        columns[key] = np.full(len(found.years), np.nan) if values is None else np.array(values)
        columns |= {column(key, name): band for name, band in found.band(key).items()}
    return Table(columns, found.warnings)


def _read(source: Source, common: Common) -> tuple[Scenario, Catalog, Sampling | None]:
    """The scenario with its keys set, the catalog and the sampling."""
    if unknown := sorted(common.keys() - _DEFAULTS.keys()):
        raise TypeError(f'no argument "{unknown[0]}"{nearest(unknown[0], _DEFAULTS)}')
    asked: Common = {**_DEFAULTS, **common}
    entries = load_catalog(asked["catalog"])
    sets = asked["sets"]
    if isinstance(sets, Mapping):
        sets = [f"{key}={'' if value is None else _text(value)}" for key, value in sets.items()]
    if isinstance(source, Mapping):
        scenario = parse_scenario(source, sets=sets, catalog=entries)
    else:
        scenario = load_scenario(fspath(source), sets, entries)
    sampling = Sampling.of(asked["samples"], asked["seed"], None, asked["uncertainty"])
    return scenario, entries, sampling


def _text(value: Any) -> str:
    """A value as it would be typed."""
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    return str(value.item() if isinstance(value, np.generic) else value)


def _numbers(values: Iterable[float | None]) -> Any:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
