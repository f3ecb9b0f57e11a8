"""The JSON Schema of a scenario says what the reader says."""

from __future__ import annotations

import datetime
import json
from typing import Any

import jsonschema
import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from docs import update
from llmcost.catalog import load_catalog
from llmcost.errors import InputError
from llmcost.scenario import parse_scenario
from llmcost.scenario.json_schema import json_schema
from llmcost.scenario.schema import CHOICE, DATE, ENTRY, FLAG, KEYS, NUMBER
from tests.conftest import Run

SCHEMA = json_schema(load_catalog())
CHECK = jsonschema.Draft202012Validator(SCHEMA)


def plain(value: Any) -> Any:
    """TOML as the JSON that editors check: dates are text."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value.isoformat() if isinstance(value, datetime.date) else value


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(
    "path", sorted(update.ROOT.joinpath("scenarios").rglob("*.toml")), ids=lambda path: path.stem
)
def test_bundled_scenarios_are_valid(path: Any) -> None:
    CHECK.validate(plain(tomli.loads(path.read_text())))


def test_every_key_is_there_and_no_other() -> None:
    found = set()
    for name, item in SCHEMA["properties"].items():
        table = item if name != "parallelism" else item["anyOf"][1]
        if "properties" in table:
            found |= {f"{name}.{short}" for short in table["properties"]}
        else:
            found.add(name)
    extra = {
        "levers",
        "cost.items",
        "correlation",
        "stages",
        *(f"sweep.{k}" for k in SCHEMA["properties"]["sweep"]["properties"]),
    }
    assert found - extra == set(KEYS) - {"parallelism"}


_ODD = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-5, 10**6),
    st.booleans(),
    st.sampled_from(["auto", "1k", "405B", "x", "", "bf16", "none", "true", "2024-02-24", "zero3", "1e3", "-1", "h100-sxm", "USA"]),
    st.just({"low": 1, "high": 2}),
    st.just({"low": 2, "high": 3, "dist": "normal"}),
    st.just({"low": 1}),
)  # fmt: skip


@given(st.sampled_from(sorted(KEYS)), _ODD)
def test_what_the_reader_takes_is_valid(name: str, value: Any) -> None:
    """A schema cannot know the bounds of numbers written as text, nor names of other catalogs."""
    table: dict[str, Any] = {"name": "x"}
    section, _, short = name.rpartition(".")
    (table.setdefault(section, {}) if section else table)[short or name] = value
    try:
        parse_scenario(table)
    except InputError:
        kind = KEYS[name].kind
        loose = isinstance(value, str | dict) and kind in (NUMBER, ENTRY, DATE)
        loose = loose or name in ("cost.cloud_vendor", "name", "description", "model.config")
        if not loose:
            assert not CHECK.is_valid(table), (name, value)
    else:
        assert CHECK.is_valid(table), (name, value)


def test_wrong_keys_and_values_are_invalid() -> None:
    assert not CHECK.is_valid({"name": "x", "modle": {}})
    assert not CHECK.is_valid({"name": "x", "model": {"layer": 3}})
    assert not CHECK.is_valid({"name": "x", "training": {"mfu": 1.5}})
    assert not CHECK.is_valid({"name": "x", "levers": [{"year": 2030}]})
    assert not CHECK.is_valid({"model": {}})


def test_editors_are_offered_names() -> None:
    cluster = SCHEMA["properties"]["cluster"]["properties"]
    assert "h100-sxm" in cluster["accelerator"]["anyOf"][0]["enum"]
    assert {key.kind for key in KEYS.values()} >= {NUMBER, FLAG, CHOICE, ENTRY}


def test_the_command_prints_it(llmcost: Run) -> None:
    done = llmcost("schema")
    assert done.returncode == 0
    assert json.loads(done.stdout) == json.loads(json.dumps(SCHEMA))
