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
        "cost",
        "cost, by name and dates",
        "energy and carbon",
        "energy and carbon of TPUs",
    }
    assert all(item["error"] is not None for item in found["cases"])
    table = llmcost("validate")
    assert max(map(len, table.stdout.splitlines())) <= 80
    assert (
        len(llmcost("validate", "--format", "csv").stdout.splitlines()) == len(found["cases"]) + 1
    )
    assert "| Group |" in llmcost("validate", "--format", "markdown").stdout


def test_validate_fails_outside_a_tolerance(llmcost: Run, tmp_path: Path) -> None:
    (tmp_path / "slow.toml").write_text(
        '[software.megatron-core]\nbase = "megatron-2021"\nproduct_quality = 0.3\nsource = "wrong on purpose"\n'
    )
    done = llmcost("validate", "--catalog", "slow.toml")
    assert done.returncode == 1
    assert "validation failed" in done.stderr
    assert "NO" in done.stdout
