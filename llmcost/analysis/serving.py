"""Published serving figures: tokens a second of a device, and joules of a token."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from llmcost.analysis.cases import Case, rows
from llmcost.catalog import Catalog
from llmcost.engine.distributions import quantile
from llmcost.engine.evaluate import evaluate
from llmcost.scenario import Inputs, parse_scenario, resolve

SPEED, ENERGY = "inference_tokens_per_s_per_device", "inference_j_per_token"
#: Groups of cases: whose batch is published, servers that took all they had room for, and energy.
SPEED_GROUP, FULL_GROUP = "serving speed", "serving, batch found"
ENERGY_GROUP = "serving energy"
#: So much that a replica always has work, as in a benchmark.
_TOKENS_PER_DAY = 1e15
#: Samples of speed and power that the interval of a case is made of, and the step between their
#: shares that spreads pairs of them evenly (the golden ratio).
_SAMPLES, _STEP = 999, (5**0.5 - 1) / 2
_INTERVAL = (0.05, 0.95)


class Prediction(NamedTuple):
    """A figure and its 90 % interval, each None where nothing follows."""

    value: float | None
    low: float | None
    high: float | None


def serving_scenario(row: Mapping[str, str]) -> dict[str, Any]:
    """A published serving figure as a scenario: what the row leaves open is left out."""
    service: dict[str, Any] = {
        "precision": row["precision"],
        "software": row["software"],
        "output_tokens_per_day": _TOKENS_PER_DAY,
        "prompt_tokens_per_day": _TOKENS_PER_DAY * float(row["prompts_per_output"]),
        "context_tokens": float(row["context_tokens"]),
        "utilisation": 1.0,
    }
    if row["kv_precision"]:
        service["kv_precision"] = row["kv_precision"]
    for name in ("devices_per_replica", "tp", "ep"):
        if row[name]:
            service[name] = float(row[name])
    if row["batch"] and row["batch_of"] == "replica":
        service["batch"] = float(row["batch"])
    # A benchmark's power is that of boards alone, or of servers; never of the data centre.
    energy = {"pue": 1.0} | ({"server_power_ratio": 1.0} if row["power_of"] == "board" else {})
    return {
        "name": case_name(row),
        "model": {"preset": row["model"]},
        "cluster": {"accelerator": row["accelerator"]},
        "energy": energy,
        "inference": service,
    }


def case_name(row: Mapping[str, str]) -> str:
    """A row in a few words."""
    batch = f", {float(row['batch']):g} a {row['batch_of']}" if row["batch"] else ""
    context = f"{float(row['context_tokens']):g} tokens"
    return f"{row['model']} {row['precision']} on {row['accelerator']}{batch}, {context}"


def serving_inputs(row: Mapping[str, str], catalog: Catalog) -> Inputs:
    """The engine's inputs of a row; a batch a device becomes one a replica as large as found."""
    table = serving_scenario(row)
    inputs = resolve(parse_scenario(table, catalog=catalog), catalog)
    if row["batch"] and row["batch_of"] == "device":
        found, _ = evaluate(inputs.known, ["devices_per_replica"])
        table["inference"]["batch"] = float(row["batch"]) * float(found["devices_per_replica"])
        inputs = resolve(parse_scenario(table, catalog=catalog), catalog)
    return inputs


def predict(inputs: Inputs, wanted: Iterable[str]) -> dict[str, Prediction]:
    """Predict figures of a service with the intervals of its speed and power."""
    names = list(wanted)
    index = np.arange(_SAMPLES) + 0.5
    spread = dict(inputs.known)
    for key, shares in (
        ("inference.tokens_per_s_per_device", index / _SAMPLES),
        ("inference.device_power_w", index * _STEP % 1),
    ):
        quantity, distribution = inputs.intervals[key]
        spread[quantity] = quantile(distribution, shares)
    middle, _ = evaluate(inputs.known, names)
    around, _ = evaluate(spread, names)
    found = {}
    for name in names:
        figures = np.append(middle[name], np.quantile(around[name], _INTERVAL))
        found[name] = Prediction(*(None if np.isnan(one) else float(one) for one in figures))
    return found


def usable(catalog: Catalog) -> list[dict[str, str]]:
    """The rows that are not set aside with a reason and whose model the catalog has."""
    models = catalog.kind("models")
    return [row for row in rows("serving.csv") if not row["excluded"] and row["model"] in models]


def serving_cases(catalog: Catalog) -> Iterator[Case]:
    """Published serving figures, those set aside with a reason left out."""
    for row in usable(catalog):
        figures = {SPEED: row["tokens_per_s_per_device"], ENERGY: row["j_per_token"]}
        given = {name: float(value) for name, value in figures.items() if value}
        found = predict(serving_inputs(row, catalog), given)
        speed = SPEED_GROUP if row["batch"] else FULL_GROUP
        for name, published in given.items():
            group = speed if name == SPEED else ENERGY_GROUP
            yield Case(group, case_name(row), row["source"], name, published, *found[name])
