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


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--plot", "x.bmp"), "the ending must be one of"),
        (("--plot", "x.svg", "--output", "parts/"), "parts are not drawn"),
        (("--plot", "x.svg", "--pareto", "days"), "two objectives or more"),
    ],
)
def test_plots_that_cannot_be_are_refused_before_the_work(
    llmcost: Run, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    pytest.importorskip("matplotlib")
    # more cells than anybody waits for
    axes = ("model.params=1:1e7:lin:1000000", "energy.pue=1:2:lin:1000000")
    whole = [text for axis in axes for text in ("--axis", axis)]
    done = llmcost("sweep", "gpt-4", "--set", "cluster.device_hours=", *whole, *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert not list(tmp_path.iterdir())
