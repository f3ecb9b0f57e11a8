"""The answer of a sweep: tables, files, plots, and what an interruption leaves."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import Run, rows_of_csv


def test_formats(llmcost: Run, base: str, tmp_path: Path) -> None:
    axes = (
        "sweep",
        base,
        "--axis",
        "model.params=1B:1T:log:30",
        "--axis",
        "cluster.accelerator=h100-sxm,trainium1",
    )
    lines = [json.loads(line) for line in llmcost(*axes, "--format", "jsonl").stdout.splitlines()]
    rows = rows_of_csv(llmcost(*axes, "--format", "csv").stdout)
    whole = json.loads(llmcost(*axes, "--json").stdout)
    assert whole["rows"] == lines
    assert whole["cells"] == 60
    assert lines[1]["energy_mwh"] is None
    for row, line in zip(rows, lines, strict=True):
        for key, text in row.items():
            value = line[key]
            assert text == ("" if value is None else value if isinstance(value, str) else text)
            if isinstance(value, int | float):
                assert float(text) == value
    table = llmcost(*axes)
    assert max(map(len, table.stdout.splitlines())) <= 80
    assert "60 cells" in table.stdout
    assert llmcost(*axes, "--output", "rows.jsonl").stdout == ""
    assert (tmp_path / "rows.jsonl").read_text() == llmcost(*axes, "--format", "jsonl").stdout
    assert "| `model.params` |" in llmcost(*axes, "--format", "markdown").stdout


def test_parquet_carries_units(llmcost: Run, base: str, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    axes = (
        "sweep",
        base,
        "--axis",
        "model.params=1B:1T:log:30",
        "--axis",
        "cluster.accelerator=h100-sxm,trainium1",
        "--axis",
        "start_date=2024-01-01,2025-01-01",
        "--axis",
        "cost.price_includes_server=true,false",
    )
    assert llmcost(*axes, "--output", "out.parquet").returncode == 0
    table = parquet.read_table(tmp_path / "out.parquet")
    assert table.num_rows == 240
    assert table.schema.field("cost_total_usd").metadata[b"unit"] == b"USD"
    assert table.schema.field("energy_mwh").metadata[b"description"]
    lines = [json.loads(line) for line in llmcost(*axes, "--format", "jsonl").stdout.splitlines()]
    columns = table.to_pydict()
    for i, line in enumerate(lines):
        for key, value in line.items():
            found = columns[key][i]
            assert (str(found) if key == "start_date" else found) == value
    assert sorted(p.name for p in tmp_path.iterdir()) == ["base.toml", "out.parquet"]
    empty = llmcost(*axes, "--where", "days < 0", "--top", "3", "--output", "none.parquet")
    assert empty.returncode == 1
    assert "no cell" in empty.stderr


def test_plots(llmcost: Run, base: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    params, mfu, words = (
        "model.params=1B:1T:log:9",
        "training.mfu=0.3:0.5:lin:5",
        "cluster.accelerator=h100-sxm,b200-sxm",
    )
    for axes in ([params], [params, words], [params, mfu], [words]):
        arguments = [part for axis in axes for part in ("--axis", axis)]
        done = llmcost("sweep", base, *arguments, "--minimize", "cost_total_usd", "--plot", "p.svg")
        assert done.returncode == 0, done.stderr
        drawn = (tmp_path / "p.svg").read_text()
        assert "mathdefault" not in drawn
        assert re.search(r">\$[\d.,]+[kMBT]?<", drawn)
    done = llmcost(
        "sweep",
        base,
        "--axis",
        "cluster.devices=64:4096:log:9",
        "--axis",
        words,
        "--pareto",
        "cost_purchase_usd,days",
        "--plot",
        "front.svg",
    )
    assert done.returncode == 0, done.stderr
    drawn = (tmp_path / "front.svg").read_text()
    assert "mathdefault" not in drawn
    words = set(re.findall(r">([^<>]+)<", drawn))
    assert {"Accelerator of the", "catalog"} <= words
    assert words & {"h100-sxm", "b200-sxm"}
    many = llmcost(
        "sweep",
        base,
        "--axis",
        params,
        "--axis",
        mfu,
        "--axis",
        "energy.pue=1.1,1.2",
        "--plot",
        "q.svg",
    )
    assert many.returncode == 2
    assert not (tmp_path / "q.svg").exists()


def test_interrupted_output_leaves_nothing(base: str, tmp_path: Path) -> None:
    axes = ["--axis", "model.params=1B:1T:log:2000", "--axis", "training.mfu=0.3:0.5:lin:2000"]
    process = subprocess.Popen(
        [sys.executable, "-m", "llmcost", "sweep", base, *axes, "--output", "out.csv"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
    )
    deadline = time.time() + 20
    while not list(tmp_path.glob(".out.csv.*")) and time.time() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(20) == 130
    assert sorted(p.name for p in tmp_path.iterdir()) == ["base.toml"]


def test_into_head(base: str, tmp_path: Path) -> None:
    axes = "--axis model.params=1B:1T:log:2000 --axis training.mfu=0.3:0.5:lin:2000"
    line = f"{sys.executable} -m llmcost sweep {base} {axes} --format csv | head -n 3"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 3


def test_a_disk_that_fills_up_leaves_nothing(tmp_path: Path) -> None:
    """A limit on the size of files stands for a full disk."""
    line = (
        f"ulimit -f 100; trap '' XFSZ; {sys.executable} -m llmcost sweep gpt-4 --quiet"
        " --axis energy.pue=1:2:lin:20000 --select energy_mwh,cost_total_usd --output x.csv"
    )
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert "x.csv: cannot write: File too large" in done.stderr
    assert not list(tmp_path.iterdir())


UNKNOWN = ("--axis", "cluster.accelerator=h100-sxm,tpu-v4,a100-sxm-80gb", "--select", "cluster.accelerator,cost_purchase_usd", "--format", "csv")  # fmt: skip


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        (("--where", "cost_purchase_usd > 1"), {"h100-sxm", "a100-sxm-80gb"}),
        (("--where", "cost_purchase_usd > 1", "--unknown", "keep"), {"h100-sxm", "a100-sxm-80gb", "tpu-v4"}),
        (("--minimize", "cost_purchase_usd"), {"h100-sxm", "a100-sxm-80gb"}),
        (("--minimize", "cost_purchase_usd", "--unknown", "keep"), {"h100-sxm", "a100-sxm-80gb", "tpu-v4"}),
        (("--pareto", "cost_purchase_usd,days", "--unknown", "keep"), {"tpu-v4"}),
    ],
)  # fmt: skip
def test_what_becomes_of_cells_that_nothing_can_judge(
    llmcost: Run, base: str, options: tuple[str, ...], kept: set[str]
) -> None:
    done = llmcost("sweep", base, *UNKNOWN, *options)
    assert done.returncode == 0, done.stderr
    assert "1 cell is" in done.stderr
    found = [line.split(",")[0] for line in done.stdout.splitlines()[1:]]
    assert kept <= set(found)
    assert ("tpu-v4" in found) == ("keep" in options)
    if "--minimize" in options and "keep" in options:
        assert found[-1] == "tpu-v4"


def test_unknown_may_be_an_error(llmcost: Run, base: str) -> None:
    done = llmcost(
        "sweep", base, *UNKNOWN, "--where", "cost_purchase_usd > 1", "--unknown", "error"
    )
    assert (done.returncode, done.stdout.count("\n") <= 1) == (1, True)
    assert "cost_purchase_usd" in done.stderr
