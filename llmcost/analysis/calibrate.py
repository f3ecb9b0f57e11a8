"""A user's own measured steps make constants of their software's profile, with the catalog as the prior.

What the rows cannot tell stays as it was: a constant is taken from them where they narrow it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmcost.analysis.cluster import find, wants_search
from llmcost.analysis.rows import Cells, read_cells
from llmcost.catalog import Catalog
from llmcost.engine.chain import execute, plan
from llmcost.engine.chain import run as run_chain
from llmcost.errors import InputError, NoAnswerError, nearest
from llmcost.scenario import Inputs, parse_scenario, resolve
from llmcost.scenario.keys import find_key, parse_raw
from llmcost.scenario.resolve.software import family_of, profile_entry
from llmcost.scenario.schema import KEYS, NUMBER
from llmcost.scenario.values import ValueProblem, parse_number

#: The column of measured times.
MEASURED = "step_time_s"
#: Error of a single measured step that nothing explains, in logarithms.
_NOISE = 0.05
#: A constant is told by the rows where they narrow it to this share of what was known before.
_TOLD = 0.8
_ROUNDS = 40
_STEP = 1e-4


class Tunable(NamedTuple):
    """A constant of a profile: how far from the catalog's it may be expected, and its bounds."""

    field: str
    deviation: float
    low: float
    high: float


#: Bounds as the catalog's own constants were fitted with (benchmarks/calibrate.py); another cluster's software is further
#: from a profile than its own releases are from one another, so deviations are wider.
TUNABLES = (
    Tunable("product_quality", 0.1, 0.4, 1.0),
    Tunable("attention_quality", 0.15, 0.1, 1.0),
    Tunable("expert_quality", 0.15, 0.2, 1.0),
    Tunable("elementwise_passes", 0.5, 1.0, 6.0),
    Tunable("tensor_overlap", 0.2, 0.0, 0.95),
    Tunable("data_overlap", 0.2, 0.0, 1.0),
    Tunable("exchange_overlap", 0.2, 0.0, 0.95),
    Tunable("kernel_launch_s", 3e-6, 2e-6, 3e-5),
)


class Constant(NamedTuple):
    """One constant of one profile, before and after."""

    software: str
    field: str
    before: float
    after: float
    deviation: float
    told: bool


class Calibration(NamedTuple):
    """What the rows made of the constants, and the errors of the steps before and after."""

    constants: list[Constant]
    rows: int
    before: float
    after: float
    warnings: list[str]


class _Row(NamedTuple):
    known: dict[str, float]
    software: str
    family: str
    measured: float


#: A step so many times off is in another unit, or of another run.
_FAR = 50


def calibrate(path: str, catalog: Catalog) -> Calibration:
    """Fit constants to measured steps.

    Parameters
    ----------
    path : str
        A CSV or Parquet file: headers are scenario keys and ``step_time_s``, other columns are
        left alone.
    catalog : Catalog
        The constants before.

    Raises
    ------
    InputError
        With every wrong cell, by its line.
    NoAnswerError
        If the rows tell none of the constants.
    """
    rows, notes = _read(path, catalog)
    known: dict[str, Any] = _side_by_side(rows)
    target = np.array([row.measured for row in rows])
    steps = plan(frozenset(known), frozenset({"predicted_step_s"}))
    constants = _constants(rows, catalog)
    start = np.array([item.before for item, _, _ in constants])
    deviation = np.array([tunable.deviation for _, tunable, _ in constants])
    low = np.array([tunable.low for _, tunable, _ in constants])
    high = np.array([tunable.high for _, tunable, _ in constants])

    def error(theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Logarithm of predicted over measured step time."""
        values = dict(known)
        for (_, tunable, mine), value in zip(constants, theta, strict=True):
            name = "expert_overlap" if tunable.field == "exchange_overlap" else tunable.field
            values[name] = np.where(mine, value, values[name])
        with np.errstate(all="ignore"):
            execute(steps, values)
        return np.asarray(np.log(values["predicted_step_s"] / target), dtype=np.float64)

    blind = np.flatnonzero(np.isnan(error(start))) + 1
    if blind.size:
        which = ", ".join(map(str, blind[:20]))
        raise InputError(
            f"{path}: no time is predicted of step {which} of {len(rows)}: the accelerator lacks a bandwidth or memory figure, or the layout cannot be"
        )
    far = np.flatnonzero(np.abs(error(start)) > np.log(_FAR)) + 1
    if far.size:
        which = ", ".join(map(str, far[:20]))
        raise InputError(
            f"{path}: {MEASURED} of step {which} of {len(rows)} is more than {_FAR} times, or less than 1/{_FAR} of, what is predicted; it is the time of a whole step, all micro-batches, in seconds"
        )
    theta, covariance = _fit(error, start, deviation, low, high)
    left = np.sqrt(np.diag(covariance))
    told = left < _TOLD * deviation
    if not told.any():
        raise NoAnswerError(
            f"{path}: its {len(rows)} step{'s tell' if len(rows) > 1 else ' tells'} none of the constants ({', '.join(t.field for t in TUNABLES)}); measure layouts that differ in tp, micro_batch, seq_len or devices"
        )
    # What is not told goes back, and the rest is fitted beside it.
    held = np.where(told, deviation, deviation * 1e-6)
    theta, _ = _fit(error, start, held, low, high)
    theta = np.where(told, theta, start)
    found = [
        item._replace(after=float(value), deviation=float(sd), told=bool(is_told))
        for (item, _, _), value, sd, is_told in zip(constants, theta, left, told, strict=True)
    ]
    errors = [float(np.mean(np.abs(np.expm1(error(point))))) for point in (start, theta)]
    return Calibration(found, len(rows), errors[0], errors[1], notes)


def _side_by_side(rows: list[_Row]) -> dict[str, NDArray[np.float64]]:
    """The quantities of all rows as arrays; of one that only others give, what a row's own formulas make of it."""
    names = sorted({name for row in rows for name in row.known})
    found = []
    for row in rows:
        lacking = frozenset(name for name in names if name not in row.known)
        own = run_chain(row.known, lacking)[0] if lacking else {}
        found.append({name: float(own[name]) for name in lacking & own.keys()} | row.known)
    return {name: np.array([row.get(name, np.nan) for row in found]) for name in names}


def _fit(
    error: Any,
    start: NDArray[np.float64],
    deviation: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Most likely constants and their covariance: Gauss and Newton's steps, damped, within bounds."""
    theta, damping = start.copy(), 1e-3

    def cost(point: NDArray[np.float64]) -> float:
        misfit = error(point) / _NOISE
        return float(
            np.sum(np.log1p(misfit**2 / 9) * 9) + np.sum(((point - start) / deviation) ** 2)
        )

    best = cost(theta)
    hessian = np.diag(1 / deviation**2)
    for _ in range(_ROUNDS):
        now = error(theta)
        slope = np.empty((len(now), len(theta)))
        for i in range(len(theta)):
            step = _STEP * deviation[i] * (-1 if theta[i] + _STEP * deviation[i] > high[i] else 1)
            moved = theta.copy()
            moved[i] += step
            slope[:, i] = (error(moved) - now) / step
        weight = 1 / (1 + (now / _NOISE) ** 2 / 9)  # one odd row does not pull all others
        hessian = slope.T @ (slope * weight[:, None]) / _NOISE**2 + np.diag(1 / deviation**2)
        gradient = slope.T @ (now * weight) / _NOISE**2 + (theta - start) / deviation**2
        while damping < 1e6:
            change = np.linalg.solve(hessian + damping * np.diag(np.diag(hessian)), -gradient)
            trial = np.clip(theta + change, low, high)
            value = cost(trial)
            if value <= best:
                break
            damping *= 4
        else:
            break
        small = np.all(np.abs(trial - theta) < 1e-6 * deviation)
        theta, best, damping = trial, value, max(damping / 4, 1e-9)
        if small:
            break
    return theta, np.asarray(np.linalg.inv(hessian), dtype=np.float64)


def _constants(rows: list[_Row], catalog: Catalog) -> list[tuple[Constant, Tunable, Any]]:
    """What may be fitted: the constants of each profile that a row was trained with."""
    found: list[tuple[Constant, Tunable, Any]] = []
    for software in dict.fromkeys(row.software for row in rows):
        entry = profile_entry(catalog, software)
        families = {row.family for row in rows if row.software == software}
        for tunable in TUNABLES:
            for family in sorted(families):
                own = f"{family}_{tunable.field}"
                field = own if own in entry else tunable.field
                mine = np.array(
                    [
                        row.software == software and (row.family == family or field != own)
                        for row in rows
                    ]
                )
                item = Constant(software, field, float(entry[field]), 0.0, 0.0, False)
                if not any(
                    other.software == software and other.field == field for other, _, _ in found
                ):
                    found.append((item, tunable, mine))
    return found


def _read(path: str, catalog: Catalog) -> tuple[list[_Row], list[str]]:
    table = read_cells(path)
    if MEASURED not in table.header:
        raise InputError(
            f"{path}: line 1: no column {MEASURED}; it holds the measured time of a step [s]{nearest(MEASURED, table.header)}"
        )
    problems = [
        f"{path}: line 1: {name}: unknown key{nearest(name, KEYS)}"
        for name in table.header
        if "." in name and name not in KEYS
    ]
    rows: list[_Row] = []
    notes: dict[str, None] = {}
    for cells, line in zip(table.rows, table.lines, strict=True):
        where = f"{path}: line {line}"
        if len(cells) != len(table.header):
            problems.append(f"{where}: has {len(cells)} cells, the header {len(table.header)}")
            continue
        try:
            rows.append(_row(table, cells, where, catalog, notes))
        except ValueProblem as problem:
            problems.append(f"{where}: {problem}")
        except (InputError, NoAnswerError) as error:
            # What reads a scenario names the place itself.
            problems += [
                text if text.startswith(where) else f"{where}: {text}" for text in error.problems
            ]
    if not problems and not rows:
        problems.append(f"{path}: has no rows")
    if problems:
        raise InputError(problems[:50])
    return rows, list(notes)


def _row(
    table: Cells, cells: list[str], where: str, catalog: Catalog, notes: dict[str, None]
) -> _Row:
    """A measured step: its scenario's quantities, as an estimate would take them."""
    values: dict[str, Any] = {}
    measured = np.nan
    for name, raw in zip(table.header, cells, strict=True):
        text = raw.strip()
        if table.decimal_comma and "," in text:
            text = text.replace(".", "").replace(",", ".")
        if name == MEASURED:
            measured = parse_number(text)
            if measured <= 0:
                raise ValueProblem(f"{MEASURED}: {text} is not > 0")
        elif name in KEYS and text:
            key = find_key(name, "")
            if name == "parallelism" or key.kind != NUMBER or not text:
                values[name] = parse_raw(key, text)
            else:
                values[name] = parse_number(text)
    nested: dict[str, Any] = {"name": "measured"}
    for name, value in values.items():
        section, _, short = name.rpartition(".")
        (nested.setdefault(section, {}) if section else nested)[short] = value
    if isinstance(nested.get("parallelism"), str):
        raise ValueProblem("parallelism: a measured step has a layout of its own, tp, pp and so on")
    inputs: Inputs = resolve(parse_scenario(nested, where, catalog=catalog), catalog)
    if "bf16_peak_flops" not in inputs.known:
        raise ValueProblem(
            "the step cannot be predicted: give an architecture (model.preset or its keys), cluster.accelerator, cluster.devices and a layout"
        )
    if not inputs.has("training.software") and not inputs.has("training.software_speed"):
        inputs.known["software_speed"] = 1.0  # the rows say what their software does
    if wants_search(inputs):
        inputs, _ = find(inputs)
    for text in inputs.warnings:
        notes.setdefault(text)
    accelerator = inputs.word("cluster.accelerator")
    known = {k: float(v) for k, v in inputs.known.items() if np.ndim(v) == 0}
    software = inputs.word("training.software") or inputs.shown["training.software"]
    return _Row(known, str(software), family_of(catalog, accelerator), float(measured))


def as_toml(found: Calibration, path: str, day: str) -> str:
    """The constants that the rows told, as a catalog file."""
    lines = [
        f"# Constants of the software on the cluster whose measured steps {path} holds; take them with --catalog.",
        f"# Mean error of those {found.rows}: {found.before:.1%} before, {found.after:.1%} after.",
    ]
    for software in dict.fromkeys(item.software for item in found.constants if item.told):
        mine = [item for item in found.constants if item.software == software and item.told]
        lines += ["", f"[software.{software}]"]
        lines += [f"{item.field} = {item.after:.6g}" for item in mine]
        lines += [
            f'source = "llmcost calibrate, {found.rows} measured steps"',
            f"date = {day}",
        ]
    return "\n".join(lines) + "\n"
