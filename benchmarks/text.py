"""Sweeps as text: a million rows of all columns to CSV and JSON lines, against a plain write of the same bytes and pyarrow's own CSV."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

_COMMAND = (
    "-m", "llmcost", "sweep", "llama-3.1-405b", "--quiet",
    "--axis", "model.params=1B:1T:log:1000", "--axis", "training.mfu=0.2:0.6:lin:1000",
)  # fmt: skip
_ROWS = 1_000_000
#: Seconds that a form may take on two cores.
_LIMITS = {"csv": 3.0, "jsonl": 5.0}
_RUNS = 3


def _least(action: Callable[[], object], who: int) -> tuple[float, float]:
    """Least seconds, and least seconds of the processors' time, of several runs."""
    walls, owns = [], []
    for _ in range(_RUNS):
        before, start = resource.getrusage(who), time.perf_counter()
        action()
        walls.append(time.perf_counter() - start)
        after = resource.getrusage(who)
        owns.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(walls), min(owns)


def _columns_of_pyarrow(path: Path, columns: int) -> None:
    import pyarrow as pa
    import pyarrow.csv as writer

    table = pa.table({f"c{i}": np.random.default_rng(i).random(_ROWS) for i in range(columns)})
    writer.write_csv(table, path)


def main() -> None:
    """Print seconds, rows a second and bytes a second of each form, and of what they are compared with."""
    with tempfile.TemporaryDirectory() as folder:
        columns = 0
        for form, limit in _LIMITS.items():
            path = Path(folder) / f"rows.{form}"
            command = [sys.executable, *_COMMAND, "--output", str(path)]
            wall, own = _least(
                lambda: subprocess.run(command, check=True),  # noqa: B023
                resource.RUSAGE_CHILDREN,
            )
            data = path.read_bytes()
            if form == "csv":
                columns = data[: data.index(b"\n")].count(b",") + 1
            path.unlink()
            plain, _ = _least(lambda: path.write_bytes(data), resource.RUSAGE_SELF)  # noqa: B023
            path.unlink()
            print(
                f"{_ROWS:,} rows of {columns} columns to {form}, start-up included: {wall:.2f} s (limit {limit:.0f}), "
                f"{own:.2f} s of the processors; {_ROWS / wall:,.0f} rows/s, {len(data) / wall / 1e6:,.0f} MB/s; "
                f"a plain write of its {len(data) / 1e6:,.0f} MB {plain:.2f} s"
            )
        wall, own = _least(
            lambda: _columns_of_pyarrow(Path(folder) / "random.csv", columns), resource.RUSAGE_SELF
        )
        print(
            f"pyarrow alone, as many columns of random numbers to csv: {wall:.2f} s, {own:.2f} s of the processors"
        )


if __name__ == "__main__":
    main()
