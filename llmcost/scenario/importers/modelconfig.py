"""A Hugging Face config.json beside a trainer's files: the scenario names it as model.config."""

from __future__ import annotations

import os
from collections.abc import Collection

from llmcost.scenario.importers.keys import Keys
from llmcost.scenario.importers.run import Run

NAME = "Hugging Face config"
PREFIXES = ()


def recognises(names: Collection[str]) -> bool:
    """Whether keys are those of a model's configuration."""
    sizes = (
        "hidden_size",
        "n_embd",
        "d_model",
        "num_hidden_layers",
        "n_layer",
        "text_config.hidden_size",
    )
    return {"model_type", "vocab_size"} <= set(names) and any(name in names for name in sizes)


def read(keys: Keys, run: Run) -> None:
    """Name the file, as seen from where the scenario is written."""
    for document in keys.documents:
        if document.path not in ("", "-"):
            path = os.path.relpath(document.path, run.folder or ".")
            run.put("model.config", path.replace(os.sep, "/"), document.where)
    keys.ignore(["*"])
