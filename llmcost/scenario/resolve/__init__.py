"""From a scenario to the engine's inputs: catalog, defaults, and where each value comes from.

One module a subject; each has a ``fill`` that completes the same :class:`Inputs`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llmcost.catalog import Catalog, load_catalog
from llmcost.errors import InputError
from llmcost.scenario.architecture import ARCHITECTURE
from llmcost.scenario.read import Scenario
from llmcost.scenario.resolve import (
    device,
    energy,
    finetune,
    inference,
    layout,
    loss,
    model,
    money,
    ownership,
    training,
)
from llmcost.scenario.resolve.accuracy import widen_across_domains
from llmcost.scenario.resolve.inputs import Inputs
from llmcost.scenario.resolve.layout import default_batch_seqs
from llmcost.scenario.resolve.model import PARAMS_ERROR, check_params, params_gap
from llmcost.scenario.schema import KEYS

#: The subjects, in an order in which each finds what it rests on.
_SUBJECTS = (
    model.fill,
    finetune.fill,
    training.fill,
    loss.fill,
    device.fill,
    money.fill,
    ownership.fill,
    energy.fill,
    training.fill_reliability,
    layout.fill,
    inference.fill,
    training.fill_rest,
)


def resolve(
    scenario: Scenario,
    catalog: Catalog | None = None,
    arrays: Mapping[str, Any] | None = None,
) -> Inputs:
    """Look up, default and check the inputs of a scenario.

    Parameters
    ----------
    scenario : Scenario
        The scenario as given.
    catalog : Catalog, optional
        The catalog; the built-in one with that of ``LLMCOST_CATALOG`` by default.
    arrays : mapping of str to ndarray, optional
        Values of scenario keys that replace the scenario's: numbers as floats, words and dates
        as objects, shaped so that they broadcast together.

    Raises
    ------
    InputError
        With every problem found.
    """
    inputs = Inputs(scenario, catalog or load_catalog(), arrays)
    for key in KEYS.values():
        inputs.take(key)
    for fill in _SUBJECTS:
        fill(inputs)
    if inputs.problems:
        raise InputError(inputs.problems)
    return inputs


__all__ = [
    "ARCHITECTURE",
    "PARAMS_ERROR",
    "Inputs",
    "check_params",
    "default_batch_seqs",
    "params_gap",
    "resolve",
    "widen_across_domains",
]
