"""A sweep into a folder: killed, resumed, in shards."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import Run

BIG = [
    "--axis",
    "model.params=1B:1T:log:2000",
    "--axis",
    "training.mfu=0.3:0.5:lin:1000",
    "--axis",
    "cluster.devices=512,1024",
]


def _rows(folder: Path) -> list[float]:
    import pyarrow.parquet as parquet

    parts = sorted(folder.glob("part-*.parquet"))
    return [
        value
        for part in parts
        for value in parquet.read_table(part, columns=["cost_total_usd"])[
            "cost_total_usd"
        ].to_pylist()
    ]


def test_a_killed_sweep_goes_on_and_loses_no_row(base: str, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    command = [
        sys.executable,
        "-m",
        "llmcost",
        "sweep",
        base,
        *BIG,
        "--output",
        "parts/",
        "--select",
        "model.params,cost_total_usd",
    ]
    kills = 0
    for turn in range(40):
        process = subprocess.Popen([*command, "--resume"], cwd=tmp_path, stderr=subprocess.PIPE)
        seen = len(list((tmp_path / "parts").glob("part-*.parquet")))
        # In the middle of a part every other time, after one is finished otherwise.
        while process.poll() is None:
            halfway = turn % 2 == 0 and kills < 4 and any((tmp_path / "parts").glob(".part-*"))
            if halfway or len(list((tmp_path / "parts").glob("part-*.parquet"))) > seen:
                process.send_signal(signal.SIGKILL)
                kills += 1
                break
            time.sleep(0.001)
        process.wait(60)
        if process.returncode == 0:
            break
    assert kills >= 2
    assert process.returncode == 0
    manifest = json.loads((tmp_path / "parts" / "manifest.json").read_text())
    assert manifest["complete"]
    assert manifest["rows"] == 4_000_000
    assert not list((tmp_path / "parts").glob(".part-*"))
    whole = subprocess.run(
        [*command[:-4], "--output", "whole.parquet", "--select", "cost_total_usd"],
        cwd=tmp_path,
        check=False,
    )
    assert whole.returncode == 0
    import pyarrow.parquet as parquet

    assert (
        _rows(tmp_path / "parts")
        == parquet.read_table(tmp_path / "whole.parquet")["cost_total_usd"].to_pylist()
    )
    other = subprocess.run(
        [*command[:-2], "--select", "days", "--resume"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert other.returncode == 1
    assert "has other inputs" in other.stderr


def test_shards_make_the_whole(llmcost: Run, base: str, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    options = ("--select", "cost_total_usd", "--quiet")
    assert llmcost("sweep", base, *BIG, "--output", "whole/", *options).returncode == 0
    for i in (3, 1, 2):
        assert (
            llmcost(
                "sweep", base, *BIG, "--output", "shards/", "--shard", f"{i}/3", *options
            ).returncode
            == 0
        )
    assert _rows(tmp_path / "shards") == _rows(tmp_path / "whole")
    lines = [
        llmcost(
            "sweep",
            base,
            *BIG,
            "--shard",
            f"{i}/4",
            "--where",
            "days > 3000",
            "--format",
            "csv",
            *options,
        ).stdout.splitlines()[1:]
        for i in (1, 2, 3, 4)
    ]
    assert [line for part in lines for line in part] == llmcost(
        "sweep", base, *BIG, "--where", "days > 3000", "--format", "csv", *options
    ).stdout.splitlines()[1:]


def test_a_sweep_of_other_samples_is_not_gone_on_with(
    llmcost: Run, base: str, tmp_path: Path
) -> None:
    pytest.importorskip("pyarrow")
    line = ["sweep", base, "--axis", "training.mfu=0.3,0.4,0.5", "--uncertainty", "defaults", "--output", "out/", "--quiet"]  # fmt: skip
    assert llmcost(*line, "--samples", "50", "--seed", "1").returncode == 0
    for other in (["--samples", "50", "--seed", "2"], ["--samples", "60", "--seed", "1"], []):
        done = llmcost(*line, *other, "--resume")
        assert done.returncode == 1, other
        assert "other inputs" in done.stderr
    without = [part for part in line if part not in ("--uncertainty", "defaults")]
    assert llmcost(*without, "--resume").returncode == 1
    shard = llmcost("sweep", base, "--axis", "training.mfu=0.1,0.2", "--output", "out/", "--shard", "1/2", "--quiet")  # fmt: skip
    assert shard.returncode == 1
    assert "out" in shard.stderr
