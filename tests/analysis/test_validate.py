"""`validate`: the published cases from the command line."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import Run


def test_validate(llmcost: Run) -> None:
    done = llmcost("validate", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["passed"]
    groups = {item["group"]: item for item in found["summary"]}
    assert set(groups) == {
        "throughput",
        "throughput, further",
        "memory",
        "memory, measured",
        "fine-tuning, memory",
        "fine-tuning, speed",
        "cost",
        "cost, by name and dates",
        "energy and carbon",
        "energy and carbon of TPUs",
        "serving speed",
        "serving, batch found",
        "serving energy",
    }
    assert all(item["error"] is not None for item in found["cases"])
    table = llmcost("validate")
    assert max(map(len, table.stdout.splitlines())) <= 80
    assert (
        len(llmcost("validate", "--format", "csv").stdout.splitlines()) == len(found["cases"]) + 1
    )
    assert "| Group |" in llmcost("validate", "--format", "markdown").stdout


def test_service_is_judged_by_the_median_of_each_source_and_by_its_interval(llmcost: Run) -> None:
    found = json.loads(llmcost("validate", "--json").stdout)
    serving = [item for item in found["summary"] if item["group"].startswith("serving")]
    assert [item["cases"] for item in serving] == [313, 105, 226]
    for item in serving:
        assert item["median_tolerance"] == 0.25
        assert 0.85 <= item["coverage"] <= 0.95
        cases = [case for case in found["cases"] if case["group"] == item["group"]]
        held = [case["low"] <= case["published"] <= case["high"] for case in cases]
        assert item["coverage"] == sum(held) / len(held)
    sources = [item for item in found["by_source"] if item["group"].startswith("serving")]
    assert len(sources) == 13
    assert all(item["median_absolute_error"] <= 0.25 for item in sources)


def test_a_source_outside_the_tolerance_fails(llmcost: Run, tmp_path: Path) -> None:
    (tmp_path / "slow.toml").write_text(
        '[serving."llama.cpp"]\nstep_s = 0.1\nsource = "wrong on purpose"\n'
    )
    done = llmcost("validate", "--catalog", "slow.toml")
    assert done.returncode == 1
    assert "serving speed: XiongjieDai, llama.cpp benchmarks" in done.stderr


def test_validate_fails_outside_a_tolerance(llmcost: Run, tmp_path: Path) -> None:
    (tmp_path / "slow.toml").write_text(
        '[software.megatron-core]\nbase = "megatron-2021"\nproduct_quality = 0.3\nsource = "wrong on purpose"\n'
    )
    done = llmcost("validate", "--catalog", "slow.toml")
    assert done.returncode == 1
    assert "validation failed" in done.stderr
    assert "NO" in done.stdout
