"""The chain: which formula gives which quantity, and in what order they run.

A *rule* is a pure function whose parameter names are the quantities that it needs and whose
name in :data:`RULES` is the quantity that it gives. :func:`plan` starts from the quantities
that are known and adds every rule whose parameters are known, until nothing more follows; so
the same rules solve for whichever member of an identity is missing. Rules of a later stage
(defaults) are tried only when the earlier stages have nothing more to add.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Function = Callable[..., Any]

#: Stages, in the order in which they are tried.
FORMULA, DEFAULT_TOKENS, PREDICTED, DEFAULT_MFU, LAST = range(5)


class Rule(NamedTuple):
    """One formula: what it gives, what it needs, how it reads and where it comes from."""

    gives: str
    function: Function
    needs: tuple[str, ...]
    optional: tuple[str, ...]
    formula: str
    reference: str
    stage: int


RULES: list[Rule] = []


def rule(
    gives: str,
    *,
    formula: str,
    reference: str,
    stage: int = FORMULA,
    of: Mapping[str, str] | None = None,
) -> Callable[[Function], Function]:
    """Enter a pure function in the chain; its parameter names say what it needs.

    Parameters
    ----------
    gives : str
        Name of the quantity that the function returns.
    formula : str
        The formula as a reader sees it, over the names of the parameters.
    reference : str
        Where the formula comes from.
    stage : int
        When the rule is tried. A parameter with a default is optional; such a rule waits
        until everything else is known, whatever its stage.
    of : mapping of str to str, optional
        Quantities that stand for parameters of other names, so that one function may be entered
        for several things.
    """

    def enter(function: Function) -> Function:
        parameters = function.__code__.co_varnames[: function.__code__.co_argcount]
        names = tuple((of or {}).get(name, name) for name in parameters)
        count = len(names) - len(function.__defaults__ or ())
        RULES.append(
            Rule(
                gives,
                function,
                names[:count],
                names[count:],
                formula,
                reference,
                LAST if names[count:] else stage,
            )
        )
        return function

    return enter


@lru_cache(maxsize=256)
def plan(known: frozenset[str], wanted: frozenset[str] | None = None) -> tuple[Rule, ...]:
    """Order the rules that can run from the known quantities.

    Parameters
    ----------
    known : frozenset of str
        Quantities that are given.
    wanted : frozenset of str, optional
        Keep only what these need; all that follows, by default.

    Returns
    -------
    tuple of Rule
        Rules in an order in which each finds its needs met.
    """
    have = set(known)
    steps: list[Rule] = []
    stage = FORMULA
    while stage <= LAST:
        added = False
        for item in RULES:
            if item.stage > stage or item.gives in have or not have.issuperset(item.needs):
                continue
            have.add(item.gives)
            steps.append(item)
            added = True
            if item.stage > FORMULA:
                break  # what a default makes known may make another default needless
        stage = FORMULA if added else stage + 1
    if wanted is None:
        return tuple(steps)
    needed, kept = set(wanted), []
    for item in reversed(steps):
        if item.gives in needed:
            kept.append(item)
            needed.update(item.needs, item.optional)
    return tuple(reversed(kept))


def run(
    known: Mapping[str, Any], wanted: Iterable[str] | None = None
) -> tuple[dict[str, Array], tuple[Rule, ...]]:
    """Run the chain on arrays that broadcast together.

    Parameters
    ----------
    known : mapping of str to array_like
        The given quantities; NaN marks a cell in which a quantity is not known.
    wanted : iterable of str, optional
        Compute only these and what they need.

    Returns
    -------
    values : dict of str to ndarray
        Given and computed quantities, each of the shape of what it depends on.
    steps : tuple of Rule
        The rules that ran.
    """
    steps = plan(frozenset(known), None if wanted is None else frozenset(wanted))
    values = {name: np.asarray(value, dtype=np.float64) for name, value in known.items()}
    with np.errstate(all="ignore"):
        execute(steps, values)
    return values, steps


def execute(steps: Iterable[Rule], values: dict[str, Array]) -> None:
    """Run planned rules in place on a table of arrays."""
    for item in steps:
        arguments = [values[name] for name in item.needs]
        options = {name: values[name] for name in item.optional if name in values}
        values[item.gives] = np.asarray(item.function(*arguments, **options))


def scalar(value: Any) -> float | None:
    """A number, or None for what is absent, NaN or infinite."""
    if value is None or np.size(value) != 1:
        return None
    number = float(np.asarray(value).reshape(()))
    return number if math.isfinite(number) else None
