"""Calibrate the serving model's constants on published serving figures, and cross-validate them.

``python -m benchmarks.service`` prints the constants with the error left, by source, and with each
source left out in turn. ``--write`` puts constants and intervals into the catalog.
It needs scipy, which nothing else does: ``pip install scipy``.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import least_squares

from llmcost.analysis.cases import Case
from llmcost.analysis.serving import ENERGY, SPEED, predict, serving_inputs, usable
from llmcost.catalog import load_catalog
from llmcost.engine.chain import execute, plan
from llmcost.scenario.values import Distribution

CATALOG = load_catalog()
DATA = Path(__file__).parent.parent / "llmcost" / "catalog" / "data"
#: Software whose waits are the same: what serves large expert parallelism grew out of vLLM's kind.
_VLLM = ("vllm", "large-ep")
#: Constant, software that has it (none where all have), where to start, bounds. All but the last
#: four make the speed, those the power.
PARAMETERS: list[tuple[str, tuple[str, ...], float, float, float]] = [
    ("weight_share", (), 0.82, 0.5, 0.92),
    ("cache_share", (), 0.7, 0.3, 0.95),
    ("product_share", (), 0.88, 0.4, 1.0),
    ("layer_s", (), 2e-5, 0.0, 1e-4),
    ("expert_layer_s", (), 3e-5, 0.0, 2e-4),
    ("step_s", _VLLM, 1.8e-3, 0.0, 1e-2),
    ("sequence_s", _VLLM, 3e-5, 0.0, 1e-4),
    ("step_s", ("tensorrt-llm",), 5e-4, 0.0, 1e-2),
    ("sequence_s", ("tensorrt-llm",), 1.5e-5, 0.0, 1e-4),
    ("step_s", ("llama.cpp",), 5e-4, 0.0, 1e-2),
    ("overlap", ("large-ep",), 0.5, 0.0, 1.0),
    ("active_power_share", (), 0.25, 0.0, 0.6),
    ("byte_pj", (), 60.0, 10.0, 150.0),
    ("flop_factor", (), 1.2, 0.5, 3.0),
    ("server_share", (), 0.4, 0.1, 1.0),
]
_POWER = ("active_power_share", "byte_pj", "flop_factor", "server_share")
START, LOW, HIGH = (np.array([p[i] for p in PARAMETERS]) for i in (2, 3, 4))
#: Pull towards the start, in shares of the range: what the rows do not determine stays put.
_REGULARISATION = 0.05
#: Errors above this count by their size, not their square: what the model lacks must not bend it.
_SCALE = 0.1
#: Share of the rows that an interval is to hold.
_COVERAGE = 0.9


class Rows:
    """Published serving figures as arrays, those whose inputs are of one kind in one table."""

    def __init__(self) -> None:
        self.cases = usable(CATALOG)
        tables: dict[frozenset[str], list[tuple[int, dict[str, Any]]]] = {}
        for index, row in enumerate(self.cases):
            known = serving_inputs(row, CATALOG).known
            known = {name: float(value) for name, value in known.items() if np.ndim(value) == 0}
            tables.setdefault(frozenset(known), []).append((index, known))
        self.tables = [
            (
                np.array([index for index, _ in table]),
                {name: np.array([item[name] for _, item in table]) for name in names},
            )
            for names, table in tables.items()
        ]
        self.software = np.array([row["software"] for row in self.cases])
        self.source = np.array([row["source"] for row in self.cases])
        self.speed = np.array([float(row["tokens_per_s_per_device"]) for row in self.cases])
        self.joules = np.array([float(row["j_per_token"] or "nan") for row in self.cases])
        self.stated = np.array([row["batch"] != "" for row in self.cases])
        # A source counts by the square root of its rows.
        self.weight = np.array([(self.source == name).sum() ** -0.5 for name in self.source])

    def predict(self, theta: Any, speed: Any = None) -> tuple[Any, Any]:
        """Tokens a second and joules a token; the latter at a given speed, where there is one."""
        found = np.full((2, len(self.cases)), np.nan)
        for index, table in self.tables:
            known = dict(table)
            for (name, profiles, *_), value in zip(PARAMETERS, theta, strict=True):
                where = np.isin(self.software[index], profiles) if profiles else True
                known[f"service_{name}"] = np.where(where, value, known[f"service_{name}"])
            if speed is not None:
                known[SPEED] = speed[index]
            with np.errstate(all="ignore"):
                execute(plan(frozenset(known), frozenset({SPEED, ENERGY})), known)
            found[0, index], found[1, index] = known[SPEED], known.get(ENERGY, np.nan)
        return found[0], found[1]

    def errors(self, theta: Any, speed: Any = None) -> tuple[Any, Any]:
        """Logarithms of predicted over published speed and energy."""
        rate, joules = self.predict(theta, speed)
        return np.log(rate / self.speed), np.log(joules / self.joules)

    def fit(self, mask: Any) -> Any:
        """Constants that fit the masked rows best: of speed, then of power at published speed."""
        power = np.array([name in _POWER for name, *_ in PARAMETERS])
        theta = np.clip(START, LOW + 1e-9 * (HIGH - LOW), HIGH - 1e-9 * (HIGH - LOW))
        for chosen, speed, column in ((~power, None, 0), (power, self.speed, 1)):

            def residual(
                part: Any, chosen: Any = chosen, speed: Any = speed, column: int = column
            ) -> Any:
                whole = theta.copy()
                whole[chosen] = part
                error = (self.weight * self.errors(whole, speed)[column])[mask]
                pull = _REGULARISATION * ((whole - START) / (HIGH - LOW))[chosen]
                return np.concatenate([error[~np.isnan(error)], pull])

            theta[chosen] = least_squares(
                residual, theta[chosen], bounds=(LOW[chosen], HIGH[chosen]),
                loss="soft_l1", f_scale=_SCALE, x_scale=(HIGH - LOW)[chosen],
            ).x  # fmt: skip
        return theta


def _shown(log_error: Any) -> str:
    """Median absolute error and median error, of the rows that have one."""
    error = np.expm1(log_error[~np.isnan(log_error)])
    return f"{np.median(np.abs(error)):6.1%} ({np.median(error):+.1%})" if error.size else ""


def _interval(log_error: Any, share: float = _COVERAGE) -> tuple[float, float]:
    """Ends of measured over predicted that hold a share of the rows."""
    error = -log_error[~np.isnan(log_error)]
    tail = (1 - share) / 2
    low, high = np.exp(np.quantile(error, [tail, 1 - tail]))
    return float(low), float(high)


def _power_interval(
    data: Rows, theta: Any, power: Any, speed_ends: tuple[float, float]
) -> tuple[float, float]:
    """Ends of power with which the energy of a token, speed's error included, holds the share.

    A row that is slower than predicted also draws less, so the errors of speed and of power at
    the published speed hold fewer rows together than each does alone.
    """
    for share in np.arange(_COVERAGE, 1.0, 0.005):
        ends = _interval(power, float(share))
        held = []
        for row in (row for row in data.cases if row["j_per_token"]):
            inputs = serving_inputs(row, CATALOG)
            inputs.known |= {
                f"service_{name}": value
                for (name, profiles, *_), value in zip(PARAMETERS, theta, strict=True)
                if not profiles or row["software"] in profiles
            }
            for key, factor, pair in (
                ("inference.tokens_per_s_per_device", "service_speed_factor", speed_ends),
                ("inference.device_power_w", "service_power_factor", ends),
            ):
                inputs.intervals[key] = (factor, Distribution(*pair, "lognormal", None, 0.0))
            found = predict(inputs, [ENERGY])[ENERGY]
            case = Case("", "", "", ENERGY, float(row["j_per_token"]), *found)
            held.append(bool(case.covered))
        if np.mean(held) >= _COVERAGE:
            break
    return ends


def main() -> None:
    """Fit, cross-validate, print; with --write also put the constants into the catalog."""
    data = Rows()
    theta = data.fit(np.ones(len(data.cases), dtype=bool))
    speed, joules = data.errors(theta)
    power = data.errors(theta, data.speed)[1]
    print(f"{len(data.cases)} rows, {len(PARAMETERS)} constants; median absolute error (bias)")
    for name in dict.fromkeys(data.source):
        mine = data.source == name
        line = f"  {name[:50]:50} {mine.sum():4} rows {_shown(speed[mine])}"
        print(f"{line}  J a token {_shown(joules[mine])}" if _shown(joules[mine]) else line)
    ends = {
        "speed": _interval(speed[data.stated]),
        "speed_of_found_batch": _interval(speed[~data.stated]),
    }
    ends["power"] = _power_interval(data, theta, power, ends["speed"])
    for name, (low, high) in ends.items():
        print(f"  measured over predicted, 90 %: {name:20} {low:.2f} to {high:.2f}")
    for (name, profiles, *_), value in zip(PARAMETERS, theta, strict=True):
        print(f"  {name:20} {value:<10.4g} {', '.join(profiles)}".rstrip())
    if "--write" in sys.argv:
        _write(theta, ends)
    if "--fast" in sys.argv:
        return
    for name in dict.fromkeys(data.source):
        mine = data.source == name
        if (~np.isnan(data.joules) & ~mine).any():
            found = data.errors(data.fit(~mine))
            print(f"  left out: {name[:50]:50} {_shown(found[0][mine])} {_shown(found[1][mine])}")


def _write(theta: Any, ends: dict[str, tuple[float, float]]) -> None:
    """Replace the constants in the catalog's files, their comments kept."""
    values = [
        ("serving.toml" if profiles else "service.toml", entry, name, value)
        for (name, profiles, *_), value in zip(PARAMETERS, theta, strict=True)
        for entry in profiles or ("general",)
    ]
    for name, (low, high) in ends.items():
        values += [("service.toml", "accuracy", f"{name}_low", low)]
        values += [("service.toml", "accuracy", f"{name}_high", high)]
    for file, entry, name, value in values:
        header = re.escape(f'["{entry}"]' if "." in entry else f"[{entry}]")
        pattern = re.compile(rf"({header}\n(?:(?!\[).*\n)*?{name} = )\S+")
        shown = 0.0 if value < 1e-9 else value  # a bound that the fit comes close to
        text, count = pattern.subn(rf"\g<1>{shown:.4g}", (DATA / file).read_text())
        assert count == 1, (entry, name)
        (DATA / file).write_text(text)


if __name__ == "__main__":
    main()
