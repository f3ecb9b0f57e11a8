"""The dask engine: a real scheduler and two worker processes, one of which is killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import BASE

pytest.importorskip("distributed")
pytest.importorskip("pyarrow")

AXES = [
    "--axis", "model.params=1B:1T:log:400", "--axis", "training.mfu=0.3:0.5:lin:400",
    "--axis", "cluster.devices=128:1024:128", "--axis", "cluster.accelerator=h100-sxm,b200-sxm,tpu-v5p,a100-sxm-80gb",
    "--select", "model.params,cluster.accelerator,days,cost_total_usd", "--where", "days < 400",
]  # fmt: skip


@pytest.fixture
def cluster() -> Iterator[tuple[str, list[subprocess.Popen[str]]]]:
    """A scheduler and two workers, as the README starts them, on ports of their own."""
    dask = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    scheduler = subprocess.Popen(
        [*dask, "--host", "127.0.0.1", "--port", "0", "--no-dashboard"], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )  # fmt: skip
    assert scheduler.stderr is not None
    address = None
    for line in scheduler.stderr:
        match = re.search(r"Scheduler at:\s+(tcp://127\.0\.0\.1:\d+)", line)
        if match:
            address = match[1]
            break
    assert address is not None
    worker = [
        sys.executable,
        "-m",
        "distributed.cli.dask_worker",
        address,
        "--nthreads",
        "1",
        "--no-dashboard",
        "--no-nanny",
    ]
    workers = [subprocess.Popen(worker, stderr=subprocess.DEVNULL, text=True) for _ in range(2)]
    try:
        yield address, workers
    finally:
        for process in [*workers, scheduler]:
            process.kill()
            process.wait()
        scheduler.stderr.close()


def _sweep(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    (folder / "base.toml").write_text(BASE)
    command = [sys.executable, "-m", "llmcost", "sweep", "base.toml", *AXES, *arguments]
    return subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)


def test_the_same_bytes_even_when_a_worker_is_killed(
    tmp_path: Path, cluster: tuple[str, list[subprocess.Popen[str]]]
) -> None:
    address, workers = cluster
    assert _sweep(tmp_path, "--output", "local.parquet").wait(120) == 0
    whole = (tmp_path / "local.parquet").read_bytes()
    first = _sweep(tmp_path, "--engine", "dask", "--scheduler", address, "--output", "dask.parquet")
    assert first.wait(120) == 0, first.stderr and first.stderr.read()
    assert (tmp_path / "dask.parquet").read_bytes() == whole
    second = _sweep(
        tmp_path, "--engine", "dask", "--scheduler", address, "--output", "killed.parquet"
    )
    deadline = time.time() + 60
    while (
        not list(tmp_path.glob(".killed.parquet.*"))
        and time.time() < deadline
        and second.poll() is None
    ):
        time.sleep(0.01)
    assert second.poll() is None
    os.kill(workers[0].pid, signal.SIGKILL)
    assert second.wait(120) == 0, second.stderr and second.stderr.read()
    assert (tmp_path / "killed.parquet").read_bytes() == whole


def test_no_scheduler_is_a_clear_error(tmp_path: Path) -> None:
    done = _sweep(
        tmp_path, "--engine", "dask", "--scheduler", "127.0.0.1:1", "--output", "x.parquet"
    )
    _, errors = done.communicate(timeout=60)
    assert done.returncode == 1
    assert "no dask scheduler answers" in errors
    assert "Traceback" not in errors
    assert sorted(p.name for p in tmp_path.iterdir()) == ["base.toml"]
