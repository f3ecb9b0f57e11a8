"""Orders that are refused before the work."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Run


@pytest.mark.parametrize("output", ["x.parquet", "x.csv", "x.jsonl", "folder/"])
def test_rows_that_cannot_fit_on_the_disk_are_refused_before_they_start(
    llmcost: Run, tmp_path: Path, output: str
) -> None:
    axes = [f"model.params=1:1e7:lin:{10**6}", f"energy.pue=1:2:lin:{10**6}"]
    done = llmcost(
        "sweep",
        "gpt-4",
        "--set",
        "cluster.device_hours=",
        "--axis",
        axes[0],
        "--axis",
        axes[1],
        "--output",
        output,
    )
    assert done.returncode == 1
    assert "GB are free" in done.stderr
    assert not list(tmp_path.iterdir())
