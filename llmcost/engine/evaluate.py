"""One call from given quantities to results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from llmcost.engine import (  # noqa: F401
    adapters,
    architecture,
    architecture_active,
    architecture_flops,
    carbon,
    cost,
    energy,
    flops,
    growth,
    growth_of_cost,
    identity,
    ownership,
    reliability,
)
from llmcost.engine.chain import Array, Rule, run


def evaluate(
    given: Mapping[str, Any], wanted: Iterable[str] | None = None
) -> tuple[dict[str, Array], tuple[Rule, ...]]:
    """Evaluate the model of a training run.

    Parameters
    ----------
    given : mapping of str to array_like
        Quantities by their engine names, in the units of the scenario keys; arrays broadcast.
    wanted : iterable of str, optional
        Results to compute; all that follow from what is given, by default.

    Returns
    -------
    values : dict of str to ndarray
        Every given and computed quantity; what does not follow is absent or NaN.
    steps : tuple of Rule
        The formulas that were used, in order.
    """
    return run(given, wanted)
