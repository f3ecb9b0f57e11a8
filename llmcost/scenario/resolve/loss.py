"""The scaling law that a scenario chooses: its constants, and what it is not fitted to."""

from __future__ import annotations

import numpy as np

from llmcost.catalog.load import LAW_CONSTANTS
from llmcost.scenario.resolve.inputs import Inputs
from llmcost.scenario.resolve.training import is_mixture

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
        inputs.interval(_KEY, inputs.entry("scaling_laws", law), "floor", "loss_floor")
    if np.any(is_mixture(inputs.known)):
        inputs.warnings.append(
            f"the loss is of a dense model with the parameters that a token uses: {_KEY} is of dense"
            " models, and a mixture does better than one of that size"
        )
