"""The Python interface: the same engine as the commands, with arrays by name.

A *scenario* is a bundled name, a path to a TOML file, or a dict as TOML would give it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from os import PathLike, fspath
from typing import Any

import numpy as np

from llmcost.analysis.engines import run_local
from llmcost.analysis.estimate import Estimate
from llmcost.analysis.estimate import estimate as estimate_one
from llmcost.analysis.question import Question
from llmcost.analysis.sampling import Sampling
from llmcost.catalog import Catalog, load_catalog
from llmcost.engine.results import RESULTS
from llmcost.errors import InputError
from llmcost.render.writers import arrow, arrow_array, arrow_schema, field_notes
from llmcost.scenario import Scenario, load_scenario, parse_scenario

#: More numbers than this (8 GB) are not held in memory.
MOST_NUMBERS = 10**9

Source = str | PathLike[str] | Mapping[str, Any]
Sets = Mapping[str, Any] | Iterable[str]


class Table(Mapping[str, Any]):
    """Columns by name, each an array of one length.

    Numbers are float64 with NaN for what is not determined, words are objects. Any library that
    reads Arrow takes it: ``polars.DataFrame(table)``, ``pandas.DataFrame.from_arrow(table)``,
    ``pyarrow.table(table)``; these need the extra ``llmcost[parquet]``.

    Attributes
    ----------
    rows : int
        Length of each column.
    warnings : tuple of str
        What the engine found odd.
    """

    def __init__(self, columns: Mapping[str, Any], warnings: Iterable[str] = ()) -> None:
        self._columns = {name: np.asarray(column) for name, column in columns.items()}
        self.rows = len(next(iter(self._columns.values()))) if self._columns else 0
        self.warnings = tuple(warnings)

    def __getitem__(self, name: str) -> Any:
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def __repr__(self) -> str:
        return f"<Table of {self.rows:,} rows: {', '.join(self._columns)}>"

    @property
    def units(self) -> dict[str, str]:
        """Unit of each column; empty where it has none."""
        return {name: field_notes(name).get("unit", "") for name in self._columns}

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """The columns as an Arrow stream (the PyCapsule interface).

        Raises
        ------
        InputError
            If pyarrow is not installed; the message names the extra.
        """
        pa = arrow()
        schema = arrow_schema(pa, list(self._columns), self._columns)
        arrays = [arrow_array(pa, self._columns[field.name], field.type) for field in schema]
        return pa.table(arrays, schema=schema).__arrow_c_stream__(requested_schema)


def estimate(
    scenario: Source,
    *,
    sets: Sets = (),
    samples: int | None = None,
    seed: int = 0,
    uncertainty: str = "none",
    catalog: Sequence[str] = (),
) -> Estimate:
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

    entries = load_catalog(catalog)
    sampling = Sampling.of(samples, seed, None, uncertainty)
    return estimate_uncertain(_scenario(scenario, sets, entries), entries, sampling)


def compare(
    scenarios: Sequence[Source],
    *,
    sets: Sets = (),
    samples: int | None = None,
    seed: int = 0,
    uncertainty: str = "none",
    catalog: Sequence[str] = (),
) -> Table:
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
        ``scenario``, every result, and with samples its quantiles (``days.p95``).

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
    found = [
        estimate(
            item, sets=sets, samples=samples, seed=seed, uncertainty=uncertainty, catalog=catalog
        )
        for item in scenarios
    ]
    columns: dict[str, Any] = {"scenario": np.array([item.name for item in found], dtype=object)}
    for key in RESULTS:
        columns[key] = _numbers(item.result(key) for item in found)
    for key in RESULTS:
        for name in dict.fromkeys(name for item in found for name in item.intervals.get(key, {})):
            bands = (item.intervals.get(key, {}).get(name) for item in found)
            columns[f"{key}.{name}"] = _numbers(bands)
    return Table(columns, dict.fromkeys(text for item in found for text in item.warnings))


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
    sets: Sets = (),
    samples: int | None = None,
    seed: int = 0,
    uncertainty: str = "none",
    catalog: Sequence[str] = (),
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
    entries = load_catalog(catalog)
    axes = (
        [f"{key}={','.join(map(_text, values))}" for key, values in axis.items()]
        if isinstance(axis, Mapping)
        else list(axis)
    )
    question = Question.of(
        _scenario(scenario, sets, entries),
        entries,
        axes,
        list(zip),
        list(where),
        minimize,
        maximize,
        top,
        ",".join(pareto) or None,
        None if select is None else ",".join(select),
        solve,
        list(target),
        between,
        False,
        Sampling.of(samples, seed, None, uncertainty),
    )
    numbers = question.sweep.cells * len(question.sweep.select)
    if numbers > MOST_NUMBERS and not (top or pareto or question.sweep.conditions):
        raise InputError(
            f"{question.sweep.cells:,} rows of {len(question.sweep.select)} columns do not fit into memory; narrow the axes, "
            "select fewer columns, give top, or write them with `llmcost sweep --output`"
        )
    keeper = question.collector(None)
    for block in run_local(question.sweep):
        keeper.add(block)
    rows = keeper.rows()
    names = question.sweep.select
    return Table(
        {name: rows.get(name, np.empty(0)) for name in names}, question.sweep.inputs.warnings
    )


def project(
    scenario: Source,
    *,
    follow: str = "model",
    until: int | None = None,
    roadmap: bool = False,
    sets: Sets = (),
    samples: int | None = None,
    seed: int = 0,
    uncertainty: str = "none",
    catalog: Sequence[str] = (),
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

    entries = load_catalog(catalog)
    base = estimate_one(_scenario(scenario, sets, entries), entries)
    found = by_year(base, entries, follow, until, roadmap=roadmap)
    sampling = Sampling.of(samples, seed, None, uncertainty)
    if sampling is not None:
        found = with_samples(found, sampling, entries)
    columns: dict[str, Any] = {"year": found.years.astype(np.float64)}
    for key in RESULTS:
        values = found.result(key)
        columns[key] = np.full(len(found.years), np.nan) if values is None else np.array(values)
        columns |= {f"{key}.{name}": band for name, band in found.band(key).items()}
    return Table(columns, found.warnings)


def _scenario(source: Source, sets: Sets, catalog: Catalog) -> Scenario:
    if isinstance(sets, Mapping):
        sets = [f"{key}={'' if value is None else _text(value)}" for key, value in sets.items()]
    if isinstance(source, Mapping):
        return parse_scenario(source, sets=sets, catalog=catalog)
    return load_scenario(fspath(source), sets, catalog)


def _text(value: Any) -> str:
    """A value as it would be typed."""
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    return str(value.item() if isinstance(value, np.generic) else value)


def _numbers(values: Iterable[float | None]) -> Any:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
