"""`validate`: the published cases from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from llmcost.analysis.cases import Case
from llmcost.analysis.validate import held_by_kind, summarize
from llmcost.render import validate as show
from llmcost.render.data import to_json
from llmcost.render.table import console, text_of
from tests.conftest import Run


def test_validate(llmcost: Run, cases: list[Case]) -> None:
    done = llmcost("validate", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["passed"]
    groups = {item["group"]: item for item in found["summary"]}
    assert set(groups) == {
        "throughput",
        "throughput, further",
        "throughput, software not named",
        "memory",
        "memory, measured",
        "power, measured",
        "fine-tuning, memory",
        "fine-tuning, speed",
        "cost",
        "cost, by name and dates",
        "energy and carbon",
        "energy and carbon of TPUs",
        "carbon of device-hours, by name and date",
        "whole runs, by name",
        "serving speed",
        "serving, batch found",
        "serving energy",
    }
    assert all(item["error"] is not None for item in found["cases"])
    assert found == json.loads(to_json(_answer(cases)))


def test_coverage_is_told_by_what_is_known(cases: list[Case]) -> None:
    kinds = {item.known: item for item in held_by_kind(cases)}
    for words in ("software named", "software not named"):
        mine = [item for known, item in kinds.items() if known.startswith(words)]
        assert {"", "mixture of experts", "kernels not measured"} <= {
            item.known.removeprefix(words).removeprefix(", ") for item in mine
        }
        assert sum(item.cases for item in mine) == 509
    dense = kinds["software not named"]
    assert dense.sources == len({case.source for case in cases if case.known == dense.known})
    shares = [item.coverage for item in kinds.values() if item.sources >= 5]
    assert len(shares) == 2
    assert all(0.85 <= share < 1 for share in shares)
    shown = console(False)
    show.validate_table(cases, summarize(cases), summarize(cases, by_source=True), False, shown)
    assert "Held, by what is known" in text_of(shown)


def test_the_other_formats(cases: list[Case]) -> None:
    groups, sources = summarize(cases), summarize(cases, by_source=True)
    target = console(False)
    show.validate_table(cases, groups, sources, False, target)
    assert max(map(len, text_of(target).splitlines())) <= 80
    assert len(show.validate_csv(cases).splitlines()) == len(cases) + 1
    assert "| Group |" in show.validate_markdown(groups, sources)


def _answer(cases: list[Case]) -> dict[str, Any]:
    return show.validate_object(cases, summarize(cases), summarize(cases, by_source=True))


def test_service_is_judged_by_the_median_of_each_source_and_by_its_interval(
    cases: list[Case],
) -> None:
    found = _answer(cases)
    serving = [item for item in found["summary"] if item["group"].startswith("serving")]
    assert [item["cases"] for item in serving] == [313, 105, 226]
    for item in serving:
        assert item["median_tolerance"] == 0.25
        assert 0.85 <= item["coverage"] <= 0.95
        own = [case for case in found["cases"] if case["group"] == item["group"]]
        held = [case["low"] <= case["published"] <= case["high"] for case in own]
        assert item["coverage"] == sum(held) / len(held)
    sources = [item for item in found["by_source"] if item["group"].startswith("serving")]
    assert len(sources) == 13
    assert all(item["median_absolute_error"] <= 0.25 for item in sources)


def test_a_group_and_a_source_outside_the_tolerance_fail(llmcost: Run, tmp_path: Path) -> None:
    (tmp_path / "slow.toml").write_text(
        '[serving."llama.cpp"]\nstep_s = 0.1\nsource = "wrong on purpose"\n'
        '[software.megatron-core]\nbase = "megatron-2021"\nproduct_quality = 0.3\nsource = "wrong on purpose"\n'
    )
    done = llmcost("validate", "--catalog", "slow.toml")
    assert done.returncode == 1
    assert "validation failed" in done.stderr
    assert "serving speed: XiongjieDai, llama.cpp benchmarks" in done.stderr
    assert "throughput" in done.stderr
    assert "NO" in done.stdout
