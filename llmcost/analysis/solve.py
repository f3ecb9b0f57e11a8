"""Find the value of a key at which a result meets a target, in every cell at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from llmcost.analysis.names import nearest_result
from llmcost.engine.chain import Array, execute, plan
from llmcost.engine.results import RESULTS
from llmcost.errors import InputError
from llmcost.scenario.keys import find_key, stage_key
from llmcost.scenario.schema import NUMBER
from llmcost.scenario.values import ValueProblem, check_number, parse_number

#: Points at which the key is tried to find where the result crosses the target.
SCAN_POINTS = 61
_ROUNDS = 100
#: Where a key without bounds or value of its own is looked for.
_RANGES = {
    "model.params": (1e6, 1e15),
    "model.active_params": (1e6, 1e15),
    "data.tokens": (1e6, 1e18),
    "training.flops": (1e12, 1e32),
    "cluster.devices": (1, 1e8),
    "cluster.device_hours": (1e-2, 1e12),
    "cluster.peak_flops": (1e9, 1e19),
}
_ANYWHERE = (1e-6, 1e9)
#: Results by name, of values of the key.
Results = Callable[[Array], Mapping[str, Array]]


class Solve:
    """A key to solve for, and the results that it has to meet.

    Parameters
    ----------
    key : str
        A numeric scenario key.
    targets : sequence of str
        ``RESULT=VALUE``. With several, the smallest of their solutions, at which one of them
        binds and the others stay below.
    between : str, optional
        ``LOW:HIGH``, where to look.

    Raises
    ------
    InputError
        If a name or a number is wrong.
    """

    def __init__(self, key: str, targets: Sequence[str], between: str | None = None) -> None:
        spec = find_key(key, "--solve ")
        of_stage = stage_key(spec.name)
        if spec.kind != NUMBER or not (spec.quantity or of_stage):
            raise InputError(f"--solve {spec.name}: is not a numeric key")
        self.key, self.spec = spec.name, spec
        #: Stands for the unknown while the inputs are resolved; found again by its identity.
        self.placeholder: Array = np.array(max(spec.low, 1.0) if spec.high > 1 else spec.high)
        self.quantity = spec.quantity
        self.targets = [_target(text) for text in targets]
        if not self.targets:
            raise InputError("--solve: what should be met? Give --target RESULT=VALUE")
        self.between = None if between is None else self._range(between)
        searched = self.key if of_stage is None else of_stage[1]
        self.low, self.high = self.between or _RANGES.get(searched, _ANYWHERE)

    def _range(self, text: str) -> tuple[float, float]:
        parts = text.split(":")
        try:
            if len(parts) != 2:
                raise ValueProblem("write it as low:high")
            low, high = (check_number(self.spec, parse_number(part)) for part in parts)
        except ValueProblem as problem:
            raise InputError(f"--between {text}: {problem}") from None
        if not 0 < low < high:
            raise InputError(f"--between {text}: needs 0 < low < high")
        return low, high

    def attach(self, known: Mapping[str, Any], own: float | None = None) -> None:
        """Learn under which name the engine knows the key, and where to look for it."""
        names = [name for name, value in known.items() if value is self.placeholder]
        self.quantity = names[0] if names else self.spec.quantity
        if self.between is not None:
            return
        if self.spec.high < float("inf"):
            self.low, self.high = (
                max(self.spec.low, 1e-6),
                self.spec.high * (1 - 1e-9 * self.spec.open_high),
            )
        elif own:
            self.low, self.high = own * 1e-6, own * 1e6
        self.low = max(self.low, self.spec.low, 1e-300)

    def run(self, known: Mapping[str, Array], shape: tuple[int, ...]) -> dict[str, Array]:
        """Solve in every cell of a block.

        Parameters
        ----------
        known : mapping of str to ndarray
            The block's quantities.
        shape : tuple of int
            Shape of the block.

        Returns
        -------
        dict
            The key's quantity, of the block's shape, NaN where there is no solution.
        """
        steps = plan(frozenset(known), frozenset(name for name, _ in self.targets))

        def results(x: Array) -> Mapping[str, Array]:
            values = {**known, self.quantity: x}
            execute(steps, values)
            return values

        return {self.quantity: self.search(results, shape)}

    def search(self, results: Results, shape: tuple[int, ...]) -> Array:
        """Values of the key in every cell, NaN where there is no solution.

        Parameters
        ----------
        results : callable
            The results that values of the key lead to.
        shape : tuple of int
            Shape of the cells.
        """
        self._results = results
        self._shape = shape
        found = np.full(shape, np.inf)
        solutions = np.zeros(shape, dtype=np.int64)
        impossible = np.zeros(shape, dtype=bool)
        for name, value in self.targets:
            root, count, never = self._one(name, value)
            impossible |= never
            solutions = np.where(np.isfinite(root) & (root < found), count, solutions)
            found = np.fmin(found, root)
        found = np.where(impossible | np.isinf(found), np.nan, found)
        self.solutions = np.where(np.isnan(found), 0, solutions)
        if self.spec.whole:
            found = self._whole(found)
        return found

    def _gap(self, name: str, target: float, x: Array) -> Array:
        """Logarithm of the result over its target (difference where either is not positive)."""
        with np.errstate(all="ignore"):
            values = self._results(x)
            if name not in values:
                return np.full(np.shape(x), np.nan)
            result = np.asarray(values[name])
            gap = np.log(result / target) if target > 0 else result - target
            if "mfu" in values and self.quantity != "mfu":
                gap = np.where(values["mfu"] > 1, np.nan, gap)
        return np.asarray(gap)

    def _one(self, name: str, target: float) -> tuple[Array, Array, Array]:
        """Smallest solution, number of crossings, and whether the result is above everywhere."""
        points = np.geomspace(self.low, self.high, SCAN_POINTS).reshape(
            -1, *(1 for _ in self._shape)
        )
        gaps = np.broadcast_to(self._gap(name, target, points), (SCAN_POINTS, *self._shape))
        sides = np.sign(gaps)
        turns = (sides[:-1] * sides[1:] < 0) | (sides[:-1] == 0)
        count = turns.sum(axis=0) + (sides[-1] == 0)
        first = np.argmax(turns, axis=0)
        grid = points.ravel()
        low, high = grid[first], grid[np.minimum(first + 1, SCAN_POINTS - 1)]
        root = self._refine(name, target, low, high)
        root = np.where(count > 0, root, np.inf)
        root = np.where((count > 0) & ~turns.any(axis=0), grid[-1], root)
        known = ~np.isnan(gaps)
        never = (count == 0) & ~(np.where(known, gaps, -1.0).max(axis=0) < 0)
        return root, count, never | ~known.any(axis=0)

    def _refine(self, name: str, target: float, low: Array, high: Array) -> Array:
        """Regula falsi (Illinois) on logarithms, to the last digits."""
        a, b = np.log(low), np.log(high)
        fa, fb = (
            np.broadcast_to(self._gap(name, target, np.exp(x)), self._shape).copy() for x in (a, b)
        )
        side = np.zeros(self._shape)
        middle = a
        with np.errstate(all="ignore"):
            for turn in range(_ROUNDS):
                secant = (a * fb - b * fa) / (fb - fa)
                half = (a + b) / 2
                inside = (
                    np.isfinite(secant)
                    & (secant >= np.minimum(a, b))
                    & (secant <= np.maximum(a, b))
                )
                middle = np.where(inside & (turn % 3 != 2), secant, half)
                fm = np.broadcast_to(self._gap(name, target, np.exp(middle)), self._shape)
                left = np.sign(fm) == np.sign(fa)
                fb = np.where(left, np.where(side == 1, fb / 2, fb), fm)
                fa = np.where(left, fm, np.where(side == -1, fa / 2, fa))
                a, b = np.where(left, middle, a), np.where(left, b, middle)
                side = np.where(left, 1, -1)
                done = (np.abs(fm) < 1e-14) | (np.abs(b - a) < 4e-16 * np.maximum(np.abs(a), 1))
                a, b = (
                    np.where(np.abs(fm) < 1e-14, middle, a),
                    np.where(np.abs(fm) < 1e-14, middle, b),
                )
                if np.all(done | np.isnan(fm)):
                    break
        return np.exp(middle)

    def _whole(self, found: Array) -> Array:
        """The whole number beside a solution at which every result stays within its target."""
        best = np.full(np.shape(found), np.nan)
        for candidate in (np.ceil(found - 1e-9), np.floor(found + 1e-9)):
            candidate = np.maximum(candidate, self.spec.low)
            fits = np.ones(np.shape(found), dtype=bool)
            for name, target in self.targets:
                fits &= np.broadcast_to(self._gap(name, target, candidate), np.shape(found)) <= 1e-9
            best = np.where(np.isnan(best) & fits, candidate, best)
        return np.where(np.isnan(best), np.round(found), best)


def _target(text: str) -> tuple[str, float]:
    name, equals, raw = text.partition("=")
    name = name.strip()
    if not equals:
        raise InputError(f'--target "{text}": write it as result=value, like cost_total_usd=1e6')
    if name not in RESULTS:
        raise InputError(f'--target "{name}": is not a result{nearest_result(name)}')
    try:
        return name, parse_number(raw.strip())
    except ValueProblem as problem:
        raise InputError(f"--target {name}: {problem}") from None
