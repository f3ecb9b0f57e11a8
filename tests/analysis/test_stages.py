"""A model made in stages: the parts add up, and each kind of stage counts its own passes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmcost.analysis.estimate import Estimate
from llmcost.analysis.stages import estimate_any as estimate
from llmcost.analysis.whole import SUMMED
from llmcost.catalog import load_catalog
from llmcost.engine.results import COST_METHODS
from llmcost.errors import InputError
from llmcost.render.cost import cost_label, cost_note, cost_parts, methods_of
from llmcost.scenario import load_scenario, parse_scenario
from llmcost.scenario.schema import METHODS
from tests.conftest import Run
from tests.test_one_clock import check_clock

CATALOG = load_catalog()
RL = {"prompts": 1e6, "samples_per_prompt": 16, "prompt_tokens": 512, "response_tokens": 4096}
STAGED = ("deepseek-v3-stages", "llama-3.1-8b-reasoner", "olmo-2-13b-stages", "vision-language-7b")


def made(*stages: dict[str, Any], **more: Any) -> Estimate:
    table = {
        "name": "x", "start_date": "2025-01-01", "model": {"preset": "llama-3.1-8b"}, "training": {"mfu": 0.4},
        "cluster": {"accelerator": "h100-sxm", "devices": 512}, "stages": list(stages), **more,
    }  # fmt: skip
    return estimate(parse_scenario(table), CATALOG)


def stage(kind: str, tokens: float = 1e9, **more: Any) -> dict[str, Any]:
    data = {} if kind == "rl" else {"data": {"tokens": tokens}}
    return {"name": kind, "kind": kind, **data, **more}


@pytest.mark.parametrize("name", STAGED)
def test_bundled_stages_add_up_and_each_has_one_clock(name: str) -> None:
    found = estimate(load_scenario(name, (), CATALOG), CATALOG)
    for item in found.stages:
        check_clock(item.estimate)
    for key in SUMMED:
        parts = [item.estimate.result(key) for item in found.stages]
        if found.result(key) is not None:
            assert found.result(key) == pytest.approx(sum(p for p in parts if p is not None)), key
    assert found.result("devices") is None
    assert found.result("mfu") is None


def test_deepseek_v3_is_its_published_hours_and_bill() -> None:
    found = estimate(load_scenario("deepseek-v3-stages", (), CATALOG), CATALOG)
    hours = [item.estimate.result("device_hours") for item in found.stages]
    assert hours == [2.664e6, 0.119e6, 0.005e6]
    assert found.result("cost_total_usd") == pytest.approx(5.576e6)


def test_passes_that_train_nothing_are_counted() -> None:
    plain = made(stage("sft"))
    flops, hours = plain.result("flops") or 0, plain.result("device_hours") or 0
    preferences = made(stage("dpo"))
    assert preferences.result("flops") == pytest.approx(flops * 4 / 3)
    assert preferences.result("device_hours") == pytest.approx(hours * 4 / 3)
    alone = made(stage("dpo", reference_model=False))
    assert alone.result("flops") == pytest.approx(flops)
    taught = made(stage("distill", teacher="llama-3.1-405b"))
    assert taught.result("flops") == pytest.approx(flops + 2 * 405.85e9 * 1e9, rel=0.01)


def test_reinforcement_learning_counts_answers_references_and_training() -> None:
    found = made(stage("rl", **RL))
    tokens = 16e6 * (512 + 4096)
    params = found.result("params") or 0
    assert found.result("tokens") == tokens
    least = (6 + 2) * params * tokens
    assert least < (found.result("flops") or 0) < least + 3 * 2 * params * tokens
    rewarded = made(stage("rl", **RL, reward_model_params=70e9))
    assert (rewarded.result("flops") or 0) == pytest.approx(
        (found.result("flops") or 0) + 2 * 70e9 * tokens
    )
    apart = made(stage("rl", **RL, rollout_devices=512))
    over = made(stage("rl", **RL, rollout_devices=512, overlapped=True))
    assert (over.result("days") or 9e9) < (apart.result("days") or 0)
    assert (apart.result("device_hours") or 0) > (found.result("device_hours") or 9e99)


def test_answers_are_sampled_at_the_speed_that_the_stage_gives() -> None:
    """An answer's hours fall with the measured speed, and nothing else of the stage moves."""

    def hours(**given: Any) -> float:
        found = made(stage("rl", **RL, **given))
        assert found.result("inference_devices") is None
        return found.result("device_hours") or 0

    slow, fast = (hours(inference={"tokens_per_s_per_device": rate}) for rate in (1000, 2000))
    answered = 1e6 * 16 * 4096
    assert slow - fast == pytest.approx(answered * (1 / 1000 - 1 / 2000) / 3600)
    assert hours(inference={"batch": 4}) > hours()


def test_what_the_file_says_once_counts_once() -> None:
    staff = {"fte": 2, "months": 12, "usd_per_fte_year": 100_000}
    cost = {
        "method": "cloud",
        "experiments_ratio": 0.5,
        "items": [{"name": "reserve", "share": 0.1}],
    }
    found = made(stage("pretrain", 1e12), stage("sft"), staff=staff, cost=cost)
    run = found.result("cost_cloud_usd") or 0
    assert found.result("cost_total_usd") == pytest.approx(1.1 * (1.5 * run + 200_000))


def test_stages_share_the_samples_of_what_they_share(llmcost: Run, tmp_path: Path) -> None:
    line = [
        "estimate",
        "olmo-2-13b-stages",
        "--samples",
        "400",
        "--uncertainty",
        "defaults",
        "--json",
    ]
    found = json.loads(llmcost(*line).stdout)
    band = found["intervals"]["cost_amortized_usd"]
    assert band["p5"] < found["results"]["cost_amortized_usd"] < band["p95"]
    assert found["stages"][0]["name"] == "pretraining"
    first = made(stage("pretrain", 1e12))
    assert first.result("cost_amortized_usd")
    years = json.loads(llmcost("project", "olmo-2-13b-stages", "--until", "2028", "--json").stdout)
    costs = [row["cost_total_usd"] for row in years["years"]]
    assert costs == sorted(costs, reverse=True)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"name": "a", "kind": "pretrian"}, "pretrain"),
        ({"kind": "sft"}, "name: is missing"),
        ({"name": "a", "kind": "sft", "prompts": 3}, "says nothing in a stage of kind sft"),
        ({"name": "a", "kind": "rl", "prompts": 3}, "samples_per_prompt: is missing"),
        (
            {"name": "a", "kind": "rl", **RL, "inference": {"days": 3}},
            "inference.days: says nothing",
        ),
        ({"name": "a", "kind": "sft", "inference": {"batch": 3}}, "inference.batch: says nothing"),
        ({"name": "a", "kind": "sft", "data": {"tokns": 3}}, "tokens"),
        ({"name": "a", "kind": "distill", "data": {"tokens": 1e9}}, "teacher"),
    ],
)
def test_a_wrong_stage_is_named(given: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said) as error:
        made(given)
    assert all("stages" in text for text in error.value.problems)


@pytest.mark.parametrize(
    "inference", [{}, {"inference": {"output_tokens_per_day": 1e8, "days": 100}}]
)
@pytest.mark.parametrize("staff", [{}, {"fte": 3, "months": 12, "usd_per_fte_year": 150e3}, {"people": 3, "months": 12}])  # fmt: skip
@pytest.mark.parametrize("staged", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_parts_add_up_to_the_total(
    method: str, staged: bool, staff: dict[str, float], inference: dict[str, Any]
) -> None:
    items = [
        {"name": "a", "usd": 1e4}, {"name": "b", "usd_per_month": 1e3},
        {"name": "c", "share": 0.1}, {"name": "d", "share": 0.2},
    ]  # fmt: skip
    cost = {"method": method, "experiments_ratio": 0.5, "items": items}
    stages = [stage("pretrain"), stage("sft")] if staged else []
    found = made(
        *stages,
        data={"tokens": 2e12},
        cost=cost,
        **({"staff": staff} if staff else {}),
        **inference,
    )
    assert sum(item.usd for item in found.items) == pytest.approx(found.result("cost_items_usd"))
    parts = cost_parts(found)
    assert sum(part.usd for part in parts) == pytest.approx(found.result("cost_total_usd"))
    counted = any("counts a cluster for each" in note for note in found.warnings)
    assert counted == (staged and method == "purchase")
    if staged and method != "purchase":
        assert found.result("cost_purchase_usd") is None


@settings(max_examples=30)
@given(
    st.sampled_from(METHODS),
    st.lists(st.sampled_from(METHODS), min_size=1, max_size=3),
    st.floats(0, 2),
    st.booleans(),
    st.lists(st.sampled_from([{"usd": 1e4}, {"share": 0.1}]), max_size=2),
)
def test_printed_parts_add_up_where_stages_have_methods_of_their_own(
    base: str, own: list[str], experiments: float, staffed: bool, items: list[dict[str, float]]
) -> None:
    stages = [
        stage("sft", cost={"method": method}) | {"name": f"stage {i}"}
        for i, method in enumerate(own)
    ]
    named = [{"name": f"item {i}", **one} for i, one in enumerate(items)]
    cost = {"method": base, "experiments_ratio": experiments, "items": named}
    staff = {"staff": {"fte": 1, "months": 1, "usd_per_fte_year": 1e5}} if staffed else {}
    found = made(stage("pretrain"), *stages, cost=cost, **staff)
    parts = cost_parts(found)
    assert sum(part.usd for part in parts) == pytest.approx(found.result("cost_total_usd"))
    methods = {base, *own}
    assert set(methods_of(found)) == methods
    assert all(method in cost_note(found) for method in methods)
    # What the total counts of a method for some stages is not what the method costs for all.
    for method, key in COST_METHODS.items():
        counted = method in methods
        assert ("(not in the total)" in cost_label(found, key)) == (not counted)
        assert ("(partly in the total)" in cost_label(found, key)) == (counted and len(methods) > 1)


def test_the_table_says_which_stage_a_part_is_of(llmcost: Run, tmp_path: Path) -> None:
    path = tmp_path / "mixed.toml"
    path.write_text(
        """
        name = "mixed"
        start_date = 2026-01-01
        model.params = "7B"
        cluster = { accelerator = "h100-sxm", devices = 64 }
        stages = [
          { name = "base", kind = "pretrain", data.tokens = "2T" },
          { name = "more", kind = "continue", data.tokens = "100B", cost.method = "cloud" },
        ]
        """
    )
    done = llmcost("estimate", str(path))
    assert done.returncode == 0
    assert "Accelerators (base)" in done.stdout
    assert "Cloud rental (more)" in done.stdout
    assert "Total is the amortized and cloud cost (cost.method)." in done.stdout


def test_experiments_of_a_stage_of_its_own_count() -> None:
    found = made(stage("pretrain"), stage("sft", cost={"experiments_ratio": 1.0}))
    first, second = (item.estimate.result("cost_amortized_usd") or 0 for item in found.stages)
    assert found.result("cost_experiments_usd") == pytest.approx(second)
    assert found.result("cost_total_usd") == pytest.approx(first + 2 * second)
