"""Random scenarios, valid and broken, through every command's analysis: only errors that a user can read."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import pytest

from llmcost.analysis.axes import parse_axes
from llmcost.analysis.estimate import estimate
from llmcost.analysis.project import project
from llmcost.analysis.sampling import Sampling
from llmcost.analysis.sweep import Sweep
from llmcost.analysis.uncertainty import with_uncertainty
from llmcost.catalog import load_catalog
from llmcost.columns import records
from llmcost.errors import LlmcostError
from llmcost.render import data, table
from llmcost.render import estimate as shown
from llmcost.scenario import parse_scenario, with_sets
from llmcost.scenario.schema import KEYS, Key

CATALOG = load_catalog()
AXES = [
    "cluster.accelerator=h100-sxm,tpu-v5p,a100-sxm-80gb", "training.mfu=0.2:0.6:0.2", "model.params=1B:1T:log:3",
    "cluster.devices=8,64", "model.preset=gpt2-xl,deepseek-v3", "start_date=2024-01-01,2026-01-01",
    "training.precision=bf16,fp8", "carbon.grid=USA,FRA", "cost.method=cloud,amortized",
]  # fmt: skip


def _value(key: Key, chance: random.Random) -> Any:
    if key.kind == "number":
        if chance.random() < 0.06:
            return chance.choice(["x", math.nan, -1, 0, True, [], {}, "1e999", "5B", 1e300, 1e-300])
        if chance.random() < 0.15:
            low = 10 ** chance.uniform(-1, 3)
            return {
                "low": low,
                "high": low * chance.uniform(1.1, 5),
                "dist": chance.choice(["lognormal", "normal", "uniform"]),
            }
        if key.high <= 1:
            return chance.uniform(0.01, 1)
        if key.whole:
            return chance.choice([1, 2, 4, 8, 16, 64, 96, 1024, 2024, 50000])
        return chance.uniform(1, 2) if key.low >= 1 else 10 ** chance.uniform(-2, 13)
    if key.kind == "flag":
        return chance.choice([True, False, "x"])
    if key.kind == "choice":
        return chance.choice([*key.choices, "zz"])
    if key.kind == "date":
        return chance.choice(["2024-01-01", "2019-06-01", "2031-01-01", "bad"])
    if key.kind == "entry":
        return chance.choice([*list(CATALOG.kind(key.catalog))[:30], "nope"])
    return chance.choice(["abc", "aws", ""])


def _table(chance: random.Random) -> dict[str, Any]:
    found: dict[str, Any] = {"name": "f"}
    for key in chance.sample(list(KEYS.values()), chance.randint(1, 12)):
        if key.name in ("name", "schema_version", "parallelism", "model.config"):
            continue
        if key.section:
            found.setdefault(key.section, {})[key.short] = _value(key, chance)
        else:
            found[key.name] = _value(key, chance)
    if chance.random() < 0.4:
        found.setdefault("cluster", {})["accelerator"] = chance.choice(
            list(CATALOG.kind("accelerators"))
        )
    if chance.random() < 0.3:
        found.setdefault("model", {})["preset"] = chance.choice(list(CATALOG.kind("models")))
    if chance.random() < 0.1 and "parallelism" not in found:
        found["parallelism"] = "auto"
    return found


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("seed", range(8))
def test_random_scenarios(seed: int) -> None:
    chance = random.Random(seed)
    answered = 0
    problems: list[str] = []
    for _ in range(400):
        tables = _table(chance)
        try:
            scenario = parse_scenario(tables, catalog=CATALOG)
            result = estimate(scenario, CATALOG)
            answered += 1
            json.loads(data.to_json(data.estimate_object(result)))
            target = table.console(False)
            shown.estimate_table(result, None, target)
            table.explanation(result, None, target)
            turn = answered % 4
            if turn == 0:
                project(result, CATALOG, chance.choice(["model", "frontier"]), roadmap=True)
            elif turn == 1:
                with_uncertainty(result, Sampling(100, defaults=True), CATALOG)
            elif turn == 2:
                sweep = Sweep(scenario, parse_axes(chance.sample(AXES, 2), [], CATALOG), CATALOG)
                block = sweep.block(0)
                row = chance.choice(list(records(block.columns, sweep.select)))
                sets = [f"{axis.keys[0]}={row[axis.keys[0]]}" for axis in sweep.axes]
                single = estimate(with_sets(scenario, sets, None, CATALOG), CATALOG)
                if single.search is None:
                    assert {k: row.get(k) for k in single.results} == single.results, (tables, sets)
        except LlmcostError as error:
            problems += error.problems
    assert problems
    assert all(isinstance(problem, str) and 0 < len(problem) < 1000 for problem in problems)
    assert answered > 40
