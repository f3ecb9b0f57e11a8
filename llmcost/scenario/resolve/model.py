"""The model: its architecture and counts, of the catalog, a configuration file or the scenario."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from llmcost.errors import InputError
from llmcost.scenario.architecture import ARCHITECTURE, BY_DEPTH, complete, published_as
from llmcost.scenario.resolve.inputs import Inputs, number

if TYPE_CHECKING:
    from llmcost.scenario.importers.huggingface.read import Model

#: A count of parameters this far from the architecture's is a warning, and an error.
_PARAMS_WARNING, PARAMS_ERROR = 0.01, 0.10


def fill(inputs: Inputs) -> None:
    """Take the architecture and the counts of the model, and complete them."""
    known = inputs.known
    preset, config = inputs.word("model.preset"), inputs.word("model.config")
    if preset is not None and config is not None:
        inputs.problem("model.config", "contradicts model.preset; give one of them")
        return
    own = [name for name in ARCHITECTURE if name in known]
    if preset is not None:
        source = inputs.named("models", preset)
        keep_counts = not own
        _from_model(inputs, lambda name: inputs.entry("models", name), preset, source, keep_counts)
    elif config is not None:
        source = "file" if isinstance(config, str) else "axis"
        read = cache(partial(_config, inputs))
        sources = read(config).sources if isinstance(config, str) else {}
        _from_model(inputs, lambda name: read(name).architecture, config, source, True, sources)
    if known.keys() >= {"layers", "hidden_size"}:
        _complete_architecture(inputs)


def _from_model(
    inputs: Inputs,
    load: Callable[[str], Mapping[str, Any]],
    words: Any,
    source: str,
    counts: bool,
    sources: Mapping[str, str] = {},
) -> None:
    """Take the architecture and the counts of a named model; `sources` says where fields differ in theirs."""
    known = inputs.known
    if inputs.problems:
        return
    names = (*ARCHITECTURE, "seq_len", *(("params",) if counts else ()))
    replaced = {name for name in ("params", "active_params", "sparsity") if name in known}
    other: Any = False
    if "params" in replaced and inputs.has("model.preset"):
        published = inputs.look(lambda word: float(load(word).get("params", math.nan)), words)
        other = ~(np.abs(np.asarray(known["params"]) / published - 1) <= PARAMS_ERROR)
    if np.all(other):
        names, counts = ("seq_len",), False
    if np.any(other) and isinstance(words, str):
        inputs.warnings.append(
            f"model.params replaces the {float(np.max(published)):.4g} of {words}, whose architecture no longer applies and is left out"
        )
    for name in names:
        key = f"model.{name}"
        if inputs.has(key):
            continue
        value = inputs.look(lambda word, name=name: number(load(word).get(name)), words)
        if value is not None and name != "seq_len" and np.any(other):
            value = np.where(other, math.nan, value)
        if value is not None and name in BY_DEPTH and inputs.has("model.layers"):
            value = value * known["layers"] / inputs.look(lambda word: load(word)["layers"], words)
        inputs.enter(key, value, sources.get(name, source))
    if counts:
        if not replaced & {"active_params", "sparsity"}:
            # 0 says that a token uses all parameters, or that the architecture counts them.
            active = inputs.look(lambda word: number(load(word).get("active_params", 0)), words)
            if np.any(other):
                active = np.where(other, 0.0, active)
            if isinstance(active, np.ndarray):
                known["preset_active_params"] = active
            elif active:
                inputs.enter("model.active_params", active, source)
        if inputs.has("model.config"):
            published = inputs.look(lambda word: _published(inputs, load(word)), words)
            if published is not None:
                known["publisher_active_params"] = published


def _published(inputs: Inputs, architecture: Mapping[str, Any]) -> float | None:
    """Active parameters that the publisher of a mixture of experts names."""
    if not architecture.get("experts"):
        return None
    return number((published_as(architecture, inputs.catalog) or {}).get("active_params"))


def _config(inputs: Inputs, word: str) -> Model:
    """A configuration file; what is wrong with it joins the problems."""
    from llmcost.scenario.importers.huggingface.read import Model, read_config

    try:
        found = read_config(inputs.scenario.directory / word, inputs.scenario.where("model.config"))
    except InputError as error:
        inputs.problems += error.problems
        return Model({}, {}, [])
    inputs.warnings += found.warnings
    return found


def _complete_architecture(inputs: Inputs) -> None:
    """Fill what an architecture leaves to convention."""
    known, enter = inputs.known, inputs.enter_missing
    if "heads" not in known and "head_dim" in known:
        enter("model.heads", known["hidden_size"] / np.asarray(known["head_dim"]), "derived")
    if "heads" in known:
        enter("model.kv_heads", known["heads"], "default: as many as heads (no grouped queries)")
        if "head_dim" not in known:
            width = known["hidden_size"] / np.asarray(known["heads"])
            enter("model.head_dim", width, "default: hidden_size / heads")
    enter("model.gated_ffn", 0.0, "default: two matrices", shown=False)
    if "ffn_hidden_size" not in known:
        gated = np.asarray(known["gated_ffn"]) > 0
        width = np.where(gated, 8 / 3, 4.0) * known["hidden_size"]
        enter("model.ffn_hidden_size", width, "default: 4 hidden_size, 8/3 where gated")
    enter("model.tied_embeddings", 0.0, "default: not shared", shown=False)
    complete(known)
    if np.any(np.asarray(known["experts_per_token"]) > known["experts"]):
        inputs.problem("model.experts_per_token", "is more than model.experts")
    for name in (
        "dense_layers",
        "ffn_layers",
        "attention_layers",
        "recurrent_layers",
        "windowed_layers",
    ):
        if name in known and np.any(np.asarray(known[name]) > known["layers"]):
            inputs.problem(f"model.{name}", "is more than model.layers")


def params_gap(inputs: Inputs, values: Mapping[str, Any]) -> Any:
    """How far given parameters are from the count of an architecture that is given beside them.

    Returns
    -------
    ndarray or None
        Relative difference in each cell [1]; None where there is nothing to compare.
    """
    own = ("file", "set", "axis")
    beside = any(inputs.sources.get(f"model.{name}") in own for name in ARCHITECTURE)
    given = inputs.sources.get("model.params") in own
    if not beside or not given or not {"params", "architecture_params"} <= values.keys():
        return None
    return np.abs(np.asarray(values["params"]) / values["architecture_params"] - 1)


def check_params(inputs: Inputs, values: Mapping[str, Any]) -> None:
    """Compare given parameters with the count of the architecture beside them.

    Raises
    ------
    InputError
        If they are more than 10 % apart; more than 1 % is a warning.
    """
    gap = params_gap(inputs, values)
    if gap is None:
        return
    worst = float(np.nanmax(gap))
    text = (
        f"{inputs.scenario.where('model.params')}: {float(np.ravel(values['params'])[0]):.4g} is {worst:.1%} off the "
        f"{float(np.ravel(values['architecture_params'])[0]):.4g} that the architecture counts"
    )
    if worst > PARAMS_ERROR:
        raise InputError(f"{text}; correct one of them")
    if worst > _PARAMS_WARNING:
        inputs.warnings.append(f"{text}; the given count is used")
