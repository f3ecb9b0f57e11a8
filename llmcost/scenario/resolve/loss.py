"""The scaling law that a scenario chooses: its constants, and what it is not fitted to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmcost.catalog.load import LAW_CONSTANTS, LAW_ERRORS
from llmcost.engine.distributions import Z95
from llmcost.scenario.resolve.inputs import Inputs
from llmcost.scenario.resolve.training import is_mixture
from llmcost.scenario.values import Distribution

_KEY = "model.scaling_law"


def fill(inputs: Inputs) -> None:
    """Take the constants of the law that ``model.scaling_law`` names."""
    law = inputs.word(_KEY)
    if law is None:
        if inputs.has("data.repeat_decay"):
            inputs.warnings.append(
                f"data.repeat_decay says nothing without {_KEY}, whose loss it goes into"
            )
        return
    full = np.asarray(inputs.word("training.method", "full")) == "full"
    if not np.all(full):
        inputs.warnings.append(
            f"the loss of adapters is not known: {_KEY} is of models trained from nothing"
        )
    if not np.any(full):
        return
    import llmcost.engine.loss  # noqa: F401

    for name in LAW_CONSTANTS:  # each an input of the engine with `loss_` before its name
        found = inputs.look(lambda word, name=name: inputs.entry("scaling_laws", word)[name], law)
        inputs.known[f"loss_{name}"] = found
        inputs.constants[f"loss_{name}"] = f"catalog: scaling_laws/{law}"
    inputs.default("data.repeat_decay")
    if not np.all(full):
        inputs.known["loss_floor"] = np.where(full, inputs.known["loss_floor"], np.nan)
    elif isinstance(law, str):
        _errors(inputs, law)
    else:
        _errors_of_each(inputs, law)
    if np.any(is_mixture(inputs.known)):
        inputs.warnings.append(
            f"the loss is of a dense model with the parameters that a token uses: {_KEY} is of dense"
            " models, and a mixture does better than one of that size"
        )


def _errors(inputs: Inputs, law: str) -> None:
    """Take how sure a law is: all of its covariances, or the interval of its floor alone."""
    entry = inputs.entry("scaling_laws", law)
    lacking = [name for name in LAW_ERRORS if name not in entry]
    if not lacking:
        for name in LAW_ERRORS:
            inputs.known[f"loss_{name}"] = float(entry[name])
            inputs.constants[f"loss_{name}"] = f"catalog: scaling_laws/{law}"
        if np.linalg.eigvalsh(_matrix(entry)).min() < 0:
            inputs.problem(_KEY, f"scaling_laws/{law}: no estimates have such covariances")
        inputs.intervals[_KEY] = ("loss_deviation", Distribution(-Z95, Z95, "normal"))
        return
    if len(lacking) < len(LAW_ERRORS):
        inputs.problem(_KEY, f"scaling_laws/{law} gives some errors and not {', '.join(lacking)}")
    inputs.interval(_KEY, entry, "floor", "loss_floor")


def _errors_of_each(inputs: Inputs, laws: Any) -> None:
    """How sure each law of an axis is; one without covariances has no deviation."""
    for name in LAW_ERRORS:
        found = inputs.look(
            lambda word, name=name: inputs.entry("scaling_laws", word).get(name, 0.0), laws
        )
        inputs.known[f"loss_{name}"] = found
    inputs.known["loss_deviation"] = 0.0


def _matrix(entry: Mapping[str, Any]) -> NDArray[np.float64]:
    """The covariances of a law's five estimates."""
    upper = np.zeros((5, 5))
    upper[np.triu_indices(5)] = [float(entry[name]) for name in LAW_ERRORS[:-1]]
    return upper + np.triu(upper, 1).T
