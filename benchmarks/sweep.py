"""Sweeps: cells a second against a plain numpy chain and a loop; Parquet; memory; fronts; dask."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from llmcost.analysis.axes import parse_axes
from llmcost.analysis.engines import run_dask, run_local, threads
from llmcost.analysis.estimate import estimate
from llmcost.analysis.rank import Pareto
from llmcost.analysis.sweep import Sweep
from llmcost.catalog import load_catalog
from llmcost.scenario import load_scenario, with_sets

#: Six axes, 10 million cells.
AXES = [
    "cluster.accelerator=a100-sxm-80gb,h100-sxm,h200-sxm,b200-sxm,mi300x",
    "carbon.grid=USA,FRA",
    "model.params=1B:1T:log:100",
    "training.mfu=0.20:0.60:0.02",
    "cluster.devices=1000:16000:1000",
    "energy.pue=1.05:1.50:lin:30",
]

#: Cells of this grid that should be evaluated in a second on two cores.
_WANTED = 40_000_000


def _plain_chain(cells: int, block: int, operations: int = 50, columns: int = 25) -> float:
    """Cells a second of multiplications alone, into so many columns with buffers used again."""
    source = np.linspace(1.0, 2.0, block)
    buffers = [np.empty(block) for _ in range(columns)]
    rounds = max(cells // block, 1)
    start = time.perf_counter()
    for _ in range(rounds):
        last = source
        for i in range(operations):
            np.multiply(last, 1.0000001, out=buffers[i % columns])
            last = buffers[i % columns]
    return rounds * block / (time.perf_counter() - start)


def _rate(sweep: Sweep) -> tuple[float, float]:
    """Cells a second, and a second of a processor's time, with every column laid out along the rows."""
    cells, start, used = 0, time.perf_counter(), time.process_time()
    for block in run_local(sweep):
        cells += sum(column.size for column in block.columns.values()) // len(block.columns)
    return cells / (time.perf_counter() - start), cells / (time.process_time() - used)


def _throughput() -> None:
    catalog = load_catalog()
    scenario = load_scenario("llama-3.1-405b", [], catalog)
    sweep = Sweep(scenario, parse_axes(AXES, [], catalog), catalog)
    rates = sorted(_rate(sweep) for _ in range(5))
    (rate, _), most = rates[2], max(own for _, own in rates)
    small, large = (_plain_chain(20_000_000, block) for block in (32_768, 1_000_000))
    print(
        f"grid of {sweep.cells:,} cells, {len(sweep.axes)} axes, {len(sweep.select)} columns: "
        f"{rate / 1e6:.1f} M cells/s on {threads()} cores (wanted {_WANTED / 1e6:.0f}), "
        f"at best {most / 1e6:.1f} M in a second of one core's own time"
    )
    print(
        f"plain numpy chain, 50 operations into 25 columns, one core: {small / 1e6:.1f} M cells/s in blocks of 32,768, "
        f"{large / 1e6:.1f} in blocks of a million; the sweep reaches {rate / small:.0%} of the first on {threads()} cores"
    )
    names = [axis.keys[0] for axis in sweep.axes]
    picks = [
        {n: a.values[0][i % a.size] for n, a in zip(names, sweep.axes, strict=True)}
        for i in range(60)
    ]
    start = time.perf_counter()
    for pick in picks:
        estimate(
            with_sets(scenario, [f"{key}={value}" for key, value in pick.items()], None, catalog),
            catalog,
        )
    loop = len(picks) / (time.perf_counter() - start)
    print(
        f"a loop over `estimate`: {loop:,.0f} cells/s; the sweep is {rate / loop:,.0f} times faster"
    )


def _front() -> None:
    catalog = load_catalog()
    scenario = load_scenario("llama-3.1-405b", [], catalog)
    wanted = ["cost_total_usd", "days"]
    sweep = Sweep(scenario, parse_axes(AXES, [], catalog), catalog, (), wanted, wanted)
    blocks = list(run_local(sweep))
    start = time.perf_counter()
    pareto = Pareto(["cost_total_usd", "days"])
    for block in blocks:
        pareto.add(block)
    size = len(pareto.rows()["days"])
    print(
        f"Pareto front of 2 objectives over {sweep.cells:,} cells: {time.perf_counter() - start:.2f} s, {size} rows (limit 2 s)"
    )


def _files() -> None:
    with tempfile.TemporaryDirectory() as folder:
        base = [sys.executable, "-m", "llmcost", "sweep", "llama-3.1-405b", "-q"]
        axes = ["--axis", "model.params=1B:1T:log:1000", "--axis", "training.mfu=0.2:0.6:lin:1000"]
        seconds = []
        for _ in range(3):
            start = time.perf_counter()
            subprocess.run([*base, *axes, "--output", f"{folder}/m.parquet"], check=True)
            seconds.append(time.perf_counter() - start)
        print(
            f"1 million rows, all columns, to Parquet, start-up included: {sorted(seconds)[1]:.2f} s (limit 2.5 s)"
        )
        print(
            f"writing 30 columns of random numbers with pyarrow alone: {_random_columns(folder):.2f} s"
        )
        many = [
            "--axis",
            "model.params=1B:1T:log:10000",
            "--axis",
            "training.mfu=0.2:0.6:lin:10000",
        ]
        select = ["--select", "model.params,training.mfu,days,cost_total_usd"]
        start = time.perf_counter()
        subprocess.run([*base, *many, *select, "--output", f"{folder}/h.parquet"], check=True)
        took = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        size = Path(f"{folder}/h.parquet").stat().st_size / 1e9
        print(
            f"100 million rows of 4 columns to Parquet: {took:.0f} s, {size:.1f} GB, peak memory {peak:.0f} MiB (limit 1,000)"
        )


def _random_columns(folder: str) -> float:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    table = pa.table({f"c{i}": np.random.default_rng(i).random(1_000_000) for i in range(30)})
    start = time.perf_counter()
    parquet.write_table(
        table, f"{folder}/r.parquet", compression="zstd", compression_level=1, use_dictionary=False
    )
    return time.perf_counter() - start


def _dask() -> None:
    catalog = load_catalog()
    scenario = load_scenario("llama-3.1-405b", [], catalog)
    sweep = Sweep(
        scenario, parse_axes(AXES, [], catalog), catalog, ["days < 3"], ["days", "cost_total_usd"]
    )
    start = time.perf_counter()
    rows = sum(block.rows for block in run_dask(sweep, None))
    local = sum(block.rows for block in run_local(sweep))
    print(
        f"dask, two workers on this machine, {sweep.cells:,} cells: {time.perf_counter() - start:.1f} s with starting them; {rows:,} rows, local {local:,}"
    )


def main() -> None:
    """Print all figures."""
    _throughput()
    _front()
    _files()
    _dask()


if __name__ == "__main__":
    main()
