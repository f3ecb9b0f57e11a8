"""A sweep into a folder: killed, resumed, in shards."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llmcost.jobs import parts
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


ONE = ("--axis", "training.mfu=0.3,0.4,0.5", "--output", "out/", "--quiet", "--select", "training.mfu,days")  # fmt: skip


def test_a_part_with_other_bytes_is_made_again(llmcost: Run, base: str, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    assert llmcost("sweep", base, *ONE).returncode == 0
    part = next((tmp_path / "out").glob("part-*.parquet"))
    whole = part.read_bytes()
    part.write_bytes(whole[:-20] + bytes(20))
    done = llmcost("sweep", base, *(word for word in ONE if word != "--quiet"), "--resume")
    assert done.returncode == 0
    assert "1 parts written" in done.stderr
    assert part.read_bytes() == whole


def test_one_process_at_a_time(llmcost: Run, base: str, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    fcntl = pytest.importorskip("fcntl")
    assert llmcost("sweep", base, *ONE).returncode == 0
    with open(tmp_path / "out" / ".manifest.json.lock", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = llmcost("sweep", base, *ONE, "--resume")
    assert done.returncode == 1
    assert "another process" in done.stderr
    assert llmcost("sweep", base, *ONE, "--resume").returncode == 0
    assert not (tmp_path / "out" / ".manifest.json.lock").exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda found: found["parts"].update({"part-000000.parquet": 3}),
        lambda found: found["parts"]["part-000000.parquet"].update(bytes="many"),
        lambda found: found["parts"]["part-000000.parquet"].pop("rows"),
        lambda found: found["parts"].update({"../../x": found["parts"]["part-000000.parquet"]}),
        lambda found: found.update(parts=[1]),
        lambda found: found.clear(),
    ],
)
def test_a_damaged_manifest_is_said(
    llmcost: Run, base: str, tmp_path: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    pytest.importorskip("pyarrow")
    assert llmcost("sweep", base, *ONE).returncode == 0
    path = tmp_path / "out" / "manifest.json"
    found = json.loads(path.read_text())
    change(found)
    path.write_text(json.dumps(found))
    done = llmcost("sweep", base, *ONE, "--resume")
    assert done.returncode == 1
    assert "manifest" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_part_without_rows_can_be_read_and_has_the_others_types(
    llmcost: Run, base: str, tmp_path: Path
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    names = "cluster.accelerator,start_date,model.params,days"
    done = llmcost(
        "sweep", base, "--axis", "cluster.accelerator=h100-sxm,b200-sxm", "--axis", "start_date=2024-01-01",
        "--axis", f"model.params=1B:1T:log:{2**20}", "--select", names, "--quiet",
        "--where", "cluster.accelerator == 'b200-sxm'", "--output", "some/",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    read = [parquet.read_table(path) for path in sorted((tmp_path / "some").glob("*.parquet"))]
    assert [table.num_rows for table in read] == [0, 2**20]
    assert read[0].schema.types == read[1].schema.types


@pytest.mark.parametrize("rank", [(), ("--minimize", "days")])
def test_a_shard_without_rows_is_a_file_that_can_be_read(
    llmcost: Run, base: str, tmp_path: Path, rank: tuple[str, ...]
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    # One block, which the last of two shards has; its rows all fail, or there is none.
    axes = ("sweep", base, "--axis", "cluster.accelerator=h100-sxm,b200-sxm", "--select", "cluster.accelerator,days", "--quiet", *rank)  # fmt: skip
    for shard in ("1/2", "2/2"):
        none = (*axes, "--where", "days < 0", "--shard", shard)
        for ending in ("parquet", "csv", "jsonl"):
            done = llmcost(*none, "--output", f"none.{ending}")
            assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert parquet.read_schema(tmp_path / "none.parquet").types == ["string", "double"]
        assert parquet.read_table(tmp_path / "none.parquet").num_rows == 0
        assert (tmp_path / "none.csv").read_text() == "cluster.accelerator,days\n"
        assert (tmp_path / "none.jsonl").read_text() == ""
        for path in tmp_path.glob("none.*"):
            path.unlink()
    done = llmcost(*axes, "--where", "days < 0", "--output", "none.csv")
    assert done.returncode == 1  # of a whole sweep that is no answer
    assert not (tmp_path / "none.csv").exists()


def test_a_lock_on_a_file_that_was_removed_is_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fcntl = pytest.importorskip("fcntl")
    lock, real, turns = tmp_path / ".lock", fcntl.flock, []

    def after_the_holder_left(stream: Any, how: int) -> None:
        if (
            not turns
        ):  # who held it removes it between opening and locking, and a third makes it anew
            lock.unlink()
            lock.touch()
        turns.append(how)
        real(stream, how)

    monkeypatch.setattr(fcntl, "flock", after_the_holder_left)
    with parts._locked(lock, fcntl) as held:
        assert held
        assert len(turns) == 2
        with lock.open("w") as third, pytest.raises(BlockingIOError):
            real(third, fcntl.LOCK_EX | fcntl.LOCK_NB)
