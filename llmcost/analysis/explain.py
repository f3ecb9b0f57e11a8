"""What an explanation of a result shows: the formulas that its number rests on."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from llmcost.analysis.estimate import Estimate
from llmcost.analysis.names import nearest_result
from llmcost.engine.chain import Array, Rule
from llmcost.engine.results import MEMORY, MEMORY_IN_USE, RESULTS
from llmcost.errors import InputError
from llmcost.scenario.schema import KEYS

#: Two numbers far apart: what neither of them changes takes no part in a formula.
_PROBES = (0.0, 1e30)


def explain_quantities(result: Estimate, key: str | None) -> list[str]:
    """The quantities that an explanation shows: one with all it rests on, or every result.

    Raises
    ------
    InputError
        If `key` names nothing that the scenario determines.
    """
    if key is None and result.stages:
        formulas = {step.gives for step in result.steps}
        return [name for name in RESULTS if name in formulas or result.result(name) is not None]
    if key is None:
        return [step.gives for step in result.steps if step.gives in RESULTS]
    name = key if key in RESULTS or key in result.values else by_key(key)
    if name not in result.values:
        if name in RESULTS:
            why = ""
            if name == "loss" and "loss_floor" not in result.values:
                from llmcost.analysis.loss import CHOOSE

                why = f"; {CHOOSE}"
            raise InputError(f"--explain {key}: this scenario does not determine it{why}")
        raise InputError(f"--explain {key}: no such result{nearest_result(key, result.values)}")
    # The ledger goes on below its sum, to what a device would show.
    wanted = {name, MEMORY_IN_USE} & {name, *result.values} if name == MEMORY else {name}
    for step in reversed(result.steps):
        if step.gives in wanted:
            wanted.update(taking_part(step, result.values))
    order = [step.gives for step in result.steps if step.gives in wanted]
    return order or [name]


def taking_part(step: Rule, values: Mapping[str, Array]) -> list[str]:
    """The quantities that a formula's number rests on: not those of a case that does not hold, nor factors of nothing."""
    given = {name: values[name] for name in (*step.needs, *step.optional) if name in values}

    def matters(name: str) -> bool:
        for probe in _PROBES:
            tried = {**given, name: np.full_like(given[name], probe)}
            options = {other: tried[other] for other in step.optional if other in tried}
            try:
                found = step.function(*(tried[other] for other in step.needs), **options)
            except (ValueError, IndexError, OverflowError):
                return True  # no such number can be: it is one that matters
            if not np.array_equal(found, values[step.gives], equal_nan=True):
                return True
        return False

    with np.errstate(all="ignore"):
        return [name for name in given if matters(name)]


def by_key(key: str) -> str:
    """The engine's name of a scenario key, or the name itself."""
    return KEYS[key].quantity if key in KEYS and KEYS[key].quantity else key
