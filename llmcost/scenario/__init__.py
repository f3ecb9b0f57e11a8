"""Scenarios: the schema, reading and checking, and the way to the engine's inputs."""

from llmcost.scenario.keys import place
from llmcost.scenario.read import (
    Scenario,
    bundled_names,
    load_scenario,
    parse_scenario,
    with_sets,
)
from llmcost.scenario.resolve import Inputs, check_params, resolve

__all__ = [
    "Inputs",
    "Scenario",
    "bundled_names",
    "check_params",
    "load_scenario",
    "parse_scenario",
    "place",
    "resolve",
    "with_sets",
]
