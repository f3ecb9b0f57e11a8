"""The table of families: what a model_type implies that its files do not say."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from llmcost.files import packaged, read_text, read_toml

#: What a family is that says nothing: a decoder like LLaMA's.
_PLAIN: dict[str, Any] = {
    "gated": True,
    "tied": False,
    "norm": "rms",
    "norms": 2,
    "final_norm": True,
    "qkv_bias": False,
    "out_bias": False,
    "ffn_bias": False,
    "head_bias": False,
    "qk_norm": "",
}
_FOLDER = ("scenario", "importers", "huggingface")


@cache
def _table() -> dict[str, dict[str, Any]]:
    """Families by model_type, each with what it takes from the one that it is like."""
    found: dict[str, dict[str, Any]] = {}
    for name, entry in read_toml(packaged(*_FOLDER, "families.toml"), "families").items():
        whole = {**found.get(entry.get("like", ""), _PLAIN), **entry}
        whole.pop("also", None)
        for word in (name, *entry.get("also", ())):
            found[word] = {**whole, "name": word}
    return found


@cache
def _silent_table() -> dict[str, dict[str, Any]]:
    table: dict[str, dict[str, Any]] = json.loads(
        read_text(packaged(*_FOLDER, "silent.json"), "families")
    )
    return table


def family(model_type: str) -> dict[str, Any] | None:
    """What is known of a family; None of one that the table does not have."""
    return _table().get(model_type)


def plain() -> dict[str, Any]:
    """What is taken of a family that nobody knows."""
    return dict(_PLAIN)


def silent(model_type: str) -> dict[str, Any]:
    """Values that the family's own code takes for fields that a file leaves out."""
    entry = _table().get(model_type, {})
    return _silent_table().get(entry.get("silent", model_type), {})


def names() -> list[str]:
    """Every model_type of the table."""
    return list(_table())
