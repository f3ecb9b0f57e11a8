"""What keeps the loss from being known, and how far its law is stretched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from llmcost.engine.chain import Array
from llmcost.scenario import Inputs

#: What to do where a loss is asked for of a scenario that chooses no law.
CHOOSE = "choose a model.scaling_law (`llmcost catalog scaling_laws` lists them)"
#: What a law is fitted to: the words of a warning, and the engine's quantity.
_FITTED = {"params": ("parameters", "active_params"), "tokens": ("tokens", "effective_tokens")}


def _range(law: Mapping[str, Any], what: str) -> str:
    return f"{law[f'fitted_{what}_low']:.3g} to {law[f'fitted_{what}_high']:.3g}"


def loss_hints(inputs: Inputs, values: Mapping[str, Array]) -> list[str]:
    """What a scenario with ``model.scaling_law`` should know of its loss."""
    name = inputs.shown["model.scaling_law"]
    if "loss" not in values or np.isnan(values["loss"]).any():
        lacking = "data.tokens" if "active_params" in values else "model.params"
        return [f"the loss is not known: {name} takes {lacking}"]
    law = inputs.entry("scaling_laws", name)
    beyond = []
    for what, (word, quantity) in _FITTED.items():
        value = float(np.max(values[quantity]))
        if not law[f"fitted_{what}_low"] <= value <= law[f"fitted_{what}_high"]:
            beyond.append(f"{value:.3g} {word} (fitted: {_range(law, what)})")
    return [f"the loss extrapolates {name}: {', '.join(beyond)}"] if beyond else []


def grid_hints(inputs: Inputs) -> list[str]:
    """What a grid of scenarios whose loss is asked for should know of it."""
    if "loss_floor" not in inputs.known:
        return [] if inputs.has("model.scaling_law") else [f"loss is not known: {CHOOSE}"]
    found = []
    for name in sorted({str(word) for word in np.ravel(inputs.word("model.scaling_law"))}):
        law = inputs.entry("scaling_laws", name)
        ranges = " and ".join(f"{_range(law, what)} {word}" for what, (word, _) in _FITTED.items())
        found.append(f"{name} is fitted to {ranges}; beyond them the loss is extrapolated")
    return found
