"""One question asked by several ways has one answer, whatever features the scenario uses together."""

from __future__ import annotations

import copy
import csv
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmcost import api
from llmcost.engine.results import COST_COMPONENTS, OWNERSHIP_PARTS, RESULTS
from llmcost.errors import InputError
from llmcost.scenario import parse_scenario

Table = dict[str, Any]
RUN: Table = {
    "name": "run", "start_date": "2025-06-01", "model": {"preset": "llama-3.1-8b", "seq_len": 4096}, "data": {"tokens": "200B"},
    "training": {"mfu": 0.4}, "cluster": {"accelerator": "h100-sxm", "devices": 256},
    "staff": {"fte": 3, "months": 6, "usd_per_fte_year": 150_000},
    "cost": {"experiments_ratio": 0.5, "owner_utilisation": 0.6, "items": [{"name": "reserve", "share": 0.1}, {"name": "room", "usd_per_month": 1000}]},
}  # fmt: skip
STAGES: list[Table] = [
    {"name": "pre", "kind": "pretrain"},
    {"name": "long-context", "kind": "continue", "data": {"tokens": "10B"}, "model": {"seq_len": 32768}},
    {"name": "instruction tuning", "kind": "sft", "data": {"tokens": "1B"}, "cluster": {"devices": 16}},
    {"name": "preferences", "kind": "dpo", "data": {"tokens": "500M"}, "cluster": {"devices": 16}},
    {"name": "rewards", "kind": "rl", "prompts": 30000, "samples_per_prompt": 4, "prompt_tokens": 256, "response_tokens": 1024, "cluster": {"devices": 16}},
]  # fmt: skip
#: What a scenario may have beside a run; each changes the table.
FEATURES: dict[str, Table] = {
    "owned": {"cost.ownership": "full"},
    "rented": {"cost.method": "cloud"},
    "bought": {"cost.method": "purchase"},
    "served": {"inference.output_tokens_per_day": 2e9, "inference.days": 300},
    "euros": {"cost.currency": "EUR", "cost.usd_per_currency": 1.1},
    "loss": {"model.scaling_law": "besiroglu-2024"},
    "found": {"training": {}, "parallelism": "auto"},
    "due": {"training": {}, "parallelism": "auto", "cluster.devices": "auto", "cluster.deadline_days": 20, "cluster.max_power_mw": 1.0},
    "staged": {"stages": STAGES},
    "uncertain": {"energy.pue": {"low": 1.05, "high": 1.4}, "data.tokens": {"low": 1e11, "high": 3e11}},
}  # fmt: skip
#: Axes of words and numbers; the last value of each is asked of an estimate.
AXES: dict[str, list[Any]] = {
    "cost.ownership": ["full", "hardware"], "cluster.accelerator": ["h100-sxm", "a100-sxm-80gb"], "carbon.grid": ["FRA", "USA"],
    "start_date": ["2024-01-01", "2025-06-01"], "energy.operator": ["amazon", "google"], "cost.owner_utilisation": [0.5, 1.0],
    "cost.method": ["cloud", "amortized"], "model.scaling_law": ["hoffmann-2022", "besiroglu-2024"], "cost.setup_weeks": [0, 6],
}  # fmt: skip
#: What a lever may change, some of which makes results known or unknown.
CHANGES: tuple[Table, ...] = (
    {"cost.ownership": "full"}, {"cost.ownership": "hardware"}, {"cost.method": "cloud"}, {"energy.pue": 1.05},
    {"cluster.accelerator": "trainium2"}, {"cost.experiments_ratio": 2.0}, {"model.scaling_law": "hoffmann-2022"},
    {"inference.output_tokens_per_day": "2B", "inference.days": 300},
)  # fmt: skip


def table_of(*features: str) -> Table:
    """A run with features, keys given dotted."""
    table = copy.deepcopy(RUN)
    for feature in features:
        for key, value in FEATURES[feature].items():
            section, _, name = key.rpartition(".")
            (table.setdefault(section, {}) if section else table)[name] = copy.deepcopy(value)
    return table


def answers(found: api.Estimate) -> dict[str, float]:
    """Results and quantiles by the names of columns, NaN of what is not known."""
    each = {key: found.result(key) for key in RESULTS}
    each |= {f"{key}_{n}": v for key, band in found.intervals.items() for n, v in band.items()}
    return {key: math.nan if value is None else value for key, value in each.items()}


def check_row(table: Any, row: int, wanted: dict[str, float]) -> None:
    """A row says what an estimate does; a column that there is not is of what is not known."""
    names = set(table)
    for key, value in wanted.items():
        here = float(np.asarray(table[key])[row]) if key in names else math.nan
        same = math.isnan(value) if math.isnan(here) else here == pytest.approx(value, rel=1e-9)
        assert same, (key, here, value)


FEATURE_SETS = st.sets(st.sampled_from(sorted(FEATURES)), max_size=3).filter(
    lambda names: not {"found", "staged"} <= names and not {"due", "staged"} <= names
)
SAMPLINGS: st.SearchStrategy[Any] = st.sampled_from(
    [{}, {"samples": 20, "uncertainty": "defaults"}]
)


@settings(max_examples=25)
@given(FEATURE_SETS, st.sampled_from(sorted(AXES)), st.sampled_from(sorted(AXES)), SAMPLINGS)
def test_an_estimate_is_a_cell_a_row_and_the_first_year(
    names: set[str], first: str, second: str, how: Any
) -> None:
    table = table_of(*sorted(names))
    sets = {key: AXES[key][-1] for key in (first, second)}
    found = api.estimate(table, sets=sets, **how)
    wanted = answers(found)
    check_row(api.sweep(table, {key: AXES[key] for key in sets}, **how), -1, wanted)
    check_row(api.compare([table], sets=sets, **how), 0, wanted)
    check_row(api.project(table, sets=sets, until=2027, **how), 0, wanted)
    for band in found.intervals.values():
        known = [value for value in band.values() if value is not None]
        assert known == sorted(known)
    if "due" in names:
        assert found.results["days"] <= 20  # type: ignore[operator]
        assert found.results["peak_power_mw"] <= 1  # type: ignore[operator]


@settings(max_examples=20)
@given(
    st.sets(st.sampled_from(["owned", "served", "staged", "loss"]), max_size=2),
    st.sampled_from(CHANGES),
    SAMPLINGS,
)
def test_a_lever_is_a_set_from_its_year_on_and_nothing_before(
    names: set[str], change: Table, how: Any
) -> None:
    table = table_of(*sorted(names))
    lever: Table = {"name": "lever"}
    for key, value in change.items():
        section, _, name = key.rpartition(".")
        lever.setdefault(section, {})[name] = value
    for year, sets in ((2025, change), (2027, {})):
        pulled = {**table, "levers": [{**lever, "year": year}]}
        years = api.project(pulled, until=2028, **how)
        check_row(years, 0, answers(api.estimate(table, sets=sets, **how)))
    later = api.project({**table, "levers": [{**lever, "year": 2025}]}, until=2028, **how)
    for key in RESULTS:  # in the years after its own, the lever's year makes no difference
        assert np.asarray(years[key])[2:] == pytest.approx(
            np.asarray(later[key])[2:], rel=1e-9, nan_ok=True
        ), key


def test_what_one_stage_counts_of_owning_is_in_the_sum() -> None:
    stages = [{**STAGES[0], "cost": {"ownership": "full"}}, *STAGES[1:]]
    found = api.estimate({**RUN, "stages": stages}).results
    parts = [found[key] for key in COST_COMPONENTS]
    assert all(part is not None and part > 0 for part in parts)
    assert sum(parts) == pytest.approx(found["cost_amortized_usd"])  # type: ignore[arg-type]
    none = api.estimate({**RUN, "stages": STAGES}).results
    assert all(none[key] is None for key in OWNERSHIP_PARTS)


@pytest.mark.parametrize("stages", [STAGES[:1], STAGES])
def test_at_the_break_even_use_stages_cost_what_their_rent_does(stages: list[Table]) -> None:
    table = {**table_of("owned"), "stages": stages}
    share = api.estimate(table).results["breakeven_utilisation"]
    assert share is not None
    even = api.estimate(table, sets={"cost.owner_utilisation": share}).results
    assert even["cost_amortized_usd"] == pytest.approx(even["cost_cloud_usd"], rel=1e-9)
    one = {key: value for key, value in table.items() if key != "stages"}
    if len(stages) == 1:
        assert share == pytest.approx(api.estimate(one).results["breakeven_utilisation"])


def test_samples_and_years_of_stages_keep_what_is_warned_of_together() -> None:
    table = table_of("staged", "bought", "loss")
    warnings = api.estimate(table).warnings
    assert any("counts a cluster for each of" in text for text in warnings)
    assert set(warnings) <= set(api.estimate(table, samples=20).warnings)
    assert set(warnings) <= set(api.project(table, until=2026).warnings)


def test_correlated_inputs_are_drawn_alike_in_every_stage() -> None:
    """Of which a stage takes only one: its samples are those of the stages that take both."""
    table = table_of("staged")
    table["energy"] = {"pue": {"low": 1.05, "high": 1.4}}
    table["data"] = {"tokens": {"low": 1e11, "high": 3e11}}
    table["correlation"] = [{"keys": ["data.tokens", "energy.pue"], "rho": 0.8}]
    found = api.estimate(table, samples=50)
    pue = [
        stage.estimate.samples["energy_mwh"] / stage.estimate.samples["device_hours"]
        for stage in found.stages[:3]
    ]
    total = found.samples["energy_mwh"]
    assert total == pytest.approx(
        sum(stage.estimate.samples["energy_mwh"] for stage in found.stages)
    )
    for other in pue[1:]:
        assert other / other.mean() == pytest.approx(pue[0] / pue[0].mean(), rel=1e-9)


def test_keys_of_a_stage_by_every_way(tmp_path: Path) -> None:
    """``--axis``, ``--zip``, ``--rows``, ``--set`` and a name in quotes."""
    table = table_of("owned", "staged")
    keys = ("stages.long-context.data.tokens", "stages.instruction tuning.cluster.devices")
    wanted = answers(api.estimate(table, sets={keys[0]: "5B", keys[1]: 8}))
    quoted = ['stages."long-context".data.tokens', "stages.'instruction tuning'.cluster.devices"]
    axes = [f"{key}={values}" for key, values in zip(quoted, ("10B,5B", "16,8"), strict=True)]
    names = ["device_hours", "cost_total_usd"]
    some = {name: wanted[name] for name in names}
    check_row(api.sweep(table, axes, select=names), 3, some)
    check_row(api.sweep(table, zip=axes, select=names), 1, some)
    where = f"{quoted[0]} < 6e9 and {quoted[1]} < 10"
    kept = api.sweep(table, axes, where=[where], select=[*names, *quoted, "stages.pre.kind"][:4])
    assert len(kept["device_hours"]) == 1
    check_row(kept, 0, {**some, keys[0]: 5e9, keys[1]: 8.0})
    best = api.sweep(table, axes, minimize=quoted[0], top=1, select=[keys[0]])
    assert list(best[keys[0]]) == [5e9]
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["run", *keys], ["a", "10B", 16], ["b", "5B", 8]])
    from llmcost.catalog import load_catalog
    from llmcost.jobs.question import Question
    from llmcost.jobs.sweep import in_memory

    rows = Question.of(
        parse_scenario(table), load_catalog(), rows=str(tmp_path / "rows.csv"), select=",".join(names)
    )  # fmt: skip
    check_row(in_memory(rows), 1, some)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"where": ["stages.long-context.data.tokens < 1"]}, "stands in quotes"),
        ({"where": ["stages.instruction tuning.data.tokens < 1"]}, "stands in quotes"),
        ({"select": ["stages.nosuch.data.tokens"]}, 'no stage is named "nosuch"'),
    ],
)
def test_a_stage_that_is_not_understood_is_named(asked: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        api.sweep(table_of("staged"), {"energy.pue": [1.1]}, **asked)


@pytest.mark.parametrize("special", ["correlation", "stages", "sweep", "levers"])
def test_what_a_lever_or_a_stage_cannot_hold_is_refused(special: str) -> None:
    lever = {"name": "lever", "year": 2027, special: [{"name": "x"}]}
    with pytest.raises(InputError, match=r"is of the whole file|unknown key"):
        parse_scenario({**RUN, "levers": [lever]})
    with pytest.raises(InputError, match=r"is of the whole file|unknown key"):
        parse_scenario({**RUN, "stages": [{**STAGES[0], special: [{"name": "x"}]}]})
