"""What keeps the loss from being known, and how far its law is stretched."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from llmcost.engine.chain import Array
from llmcost.scenario import Inputs


def loss_hints(inputs: Inputs, values: Mapping[str, Array]) -> list[str]:
    """What a scenario with ``model.scaling_law`` should know of its loss."""
    name = inputs.shown["model.scaling_law"]
    if "loss" not in values:
        lacking = " and ".join(
            key
            for key, quantity in (("model.params", "active_params"), ("data.tokens", "tokens"))
            if quantity not in values
        )
        return [f"the loss is not known: {name} takes {lacking}"]
    law = inputs.entry("scaling_laws", name)
    found = []
    for what, quantity in (("params", "active_params"), ("tokens", "effective_tokens")):
        low, high = law[f"fitted_{what}_low"], law[f"fitted_{what}_high"]
        value = float(np.max(values[quantity]))
        if not low <= value <= high:
            word = "parameters" if what == "params" else "tokens"
            found.append(f"{value:.3g} {word} (fitted: {low:.3g} to {high:.3g})")
    return [f"the loss extrapolates {name}: {', '.join(found)}"] if found else []
