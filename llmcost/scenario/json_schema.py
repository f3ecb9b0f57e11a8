"""The scenario file as a JSON Schema (draft 2020-12), for editors that complete and check TOML."""

from __future__ import annotations

import math
from typing import Any

from llmcost.catalog import Catalog
from llmcost.scenario.schema import (
    CHOICE,
    DATE,
    ENTRY,
    FLAG,
    ITEM_KEYS,
    KEYS,
    LEVER_KEYS,
    NUMBER,
    STAGE_KEYS,
    SWEEP_KEYS,
    Key,
)
from llmcost.scenario.tables import MOST_TABLES
from llmcost.scenario.values import SHAPES, SUFFIXES

_SECTIONS = {
    "model": "The architecture, or just its parameters",
    "data": "What it is trained on",
    "training": "How it is trained",
    "cluster": "What it is trained on: accelerators, their number, the time",
    "parallelism": "The layout of the run",
    "cost": "Prices and how they are counted",
    "energy": "Power and electricity",
    "carbon": "Carbon and water",
    "inference": "The model in service: its traffic, and what serves it",
    "staff": "People",
    "reliability": "Failures and checkpoints",
    "projection": "How years change what a run takes",
}
#: A number as text: digits, perhaps a decimal point and an exponent, and a suffix.
_NUMBER_TEXT = r"^\s*[+-]?[0-9_]*\.?[0-9_]+([eE][+-]?[0-9]+)?\s*[" + "".join(SUFFIXES) + r"]?\s*$"


def json_schema(catalog: Catalog) -> dict[str, Any]:
    """The JSON Schema of a scenario file.

    Parameters
    ----------
    catalog : Catalog
        Its names are offered for completion; others are let through, as a scenario may come
        with a catalog of its own.

    Returns
    -------
    dict
        A schema of draft 2020-12. What a schema cannot say (keys that contradict one
        another) is left to ``llmcost estimate``.
    """
    properties: dict[str, Any] = {}
    for key in KEYS.values():
        if not key.section and key.name != "parallelism":
            properties[key.name] = _key(key, catalog)
    for section, text in _SECTIONS.items():
        properties[section] = {
            "type": "object",
            "description": text,
            "additionalProperties": False,
            "properties": {
                key.short: _key(key, catalog) for key in KEYS.values() if key.section == section
            },
        }
    properties["cost"]["properties"]["items"] = {
        "type": "array",
        "maxItems": MOST_TABLES,
        "description": "What the project costs besides, each a [[cost.items]] table",
        "items": {
            "type": "object",
            "required": ["name"],
            "additionalProperties": False,
            "properties": {name: _key(key, catalog) for name, key in ITEM_KEYS.items()},
            "oneOf": [{"required": [name]} for name in ITEM_KEYS if name != "name"],
        },
    }
    layout = properties["parallelism"]
    whole = _key(KEYS["parallelism"], catalog)
    properties["parallelism"] = {
        "description": whole.pop("description"),
        "anyOf": [whole, layout],
    }
    cost = dict(properties["cost"])
    cost["properties"] = {k: item for k, item in cost["properties"].items() if k != "items"}
    on_top = {
        name: item
        for name, item in {**properties, "cost": cost}.items()
        if name not in ("schema_version", "name", "description")
    }
    properties["levers"] = {
        "type": "array",
        "maxItems": MOST_TABLES,
        "description": "Levers that bring the cost down, each a [[levers]] table with multipliers or keys of the file that it changes",
        "items": {
            "type": "object",
            "required": ["name"],
            "additionalProperties": False,
            "properties": {
                **on_top,
                **{name: _key(key, catalog) for name, key in LEVER_KEYS.items()},
            },
        },
    }
    properties["stages"] = {
        "type": "array",
        "maxItems": MOST_TABLES,
        "description": "Stages that the model is made in, each a [[stages]] table with keys of the file on top",
        "items": {
            "type": "object",
            "required": ["name", "kind"],
            "additionalProperties": False,
            "properties": {
                **on_top,
                **{name: _key(key, catalog) for name, key in STAGE_KEYS.items()},
            },
        },
    }
    numeric = [key.name for key in KEYS.values() if key.kind == NUMBER]
    properties["correlation"] = {
        "type": "array",
        "maxItems": MOST_TABLES,
        "description": "Rank correlations of uncertain inputs, each a [[correlation]] table",
        "items": {
            "type": "object",
            "required": ["keys", "rho"],
            "additionalProperties": False,
            "properties": {
                "keys": {
                    "type": "array",
                    "description": "Two scenario keys",
                    "minItems": 2,
                    "maxItems": 2,
                    "uniqueItems": True,
                    "items": {"enum": numeric},
                },
                "rho": {
                    "type": "number",
                    "description": "Rank correlation",
                    "exclusiveMinimum": -1,
                    "exclusiveMaximum": 1,
                },
            },
        },
    }
    string = {"type": "string"}
    texts: dict[str, Any] = {"anyOf": [string, {"type": "array", "items": string}]}
    options = dict.fromkeys(SWEEP_KEYS, texts)
    options |= {"top": {"type": "integer", "minimum": 1}, "minimize": string, "maximize": string}
    properties["sweep"] = {
        "type": "object",
        "description": "What `llmcost sweep` varies, as on its command line",
        "additionalProperties": False,
        "properties": options,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "llmcost scenario",
        "description": "What a training run takes: schema_version 1",
        "type": "object",
        "required": ["name"],
        "additionalProperties": False,
        "properties": properties,
        "$defs": {"distribution": _distribution()},
    }


def _distribution() -> dict[str, Any]:
    number: dict[str, Any] = {
        "anyOf": [{"type": "number"}, {"type": "string", "pattern": _NUMBER_TEXT}]
    }
    return {
        "type": "object",
        "description": "A number that is not known exactly: its 90 % interval",
        "required": ["low", "high"],
        "additionalProperties": False,
        "properties": {
            "low": {**number, "description": "5th percentile"},
            "high": {**number, "description": "95th percentile"},
            "dist": {"enum": list(SHAPES), "default": "lognormal"},
            "mode": {**number, "description": "Most likely value, of a triangular"},
        },
    }


def _key(key: Key, catalog: Catalog) -> dict[str, Any]:
    found: dict[str, Any] = {"description": f"{key.help}; {key.allowed}"}
    if key.kind == NUMBER:
        number: dict[str, Any] = {"type": "number"}
        if key.whole:
            number["multipleOf"] = 1
        if key.low > -math.inf:
            number["exclusiveMinimum" if key.open_low else "minimum"] = key.low
        if key.high < math.inf:
            number["exclusiveMaximum" if key.open_high else "maximum"] = key.high
        forms: list[dict[str, Any]] = [number, {"type": "string", "pattern": _NUMBER_TEXT}]
        if key.words:
            forms.append({"enum": list(key.words)})
        forms.append({"$ref": "#/$defs/distribution"})
        found["anyOf"] = forms
    elif key.kind == FLAG:
        found["anyOf"] = [{"type": "boolean"}, {"enum": ["true", "false"]}]
    elif key.kind == CHOICE:
        found["enum"] = list(key.choices)
    elif key.kind == DATE:
        found |= {"type": "string", "pattern": r"^\s*\d{4}-?\d{2}-?\d{2}"}
    elif key.kind == ENTRY:
        found["anyOf"] = [{"enum": sorted(catalog.kind(key.catalog))}, {"type": "string"}]
    else:
        found |= {"type": "string", "minLength": 1}
    return found
