"""sweep: axes, order, bit-identity with estimate, ranking, solving, files."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmcost.analysis.axes import parse_axes, parse_axis
from llmcost.analysis.engines import run_local
from llmcost.analysis.estimate import estimate
from llmcost.analysis.rank import beaten, front
from llmcost.analysis.solve import Solve
from llmcost.analysis.sweep import Sweep, plain, records
from llmcost.catalog import load_catalog
from llmcost.engine.results import RESULTS
from llmcost.errors import InputError
from llmcost.scenario import load_scenario, parse_scenario, with_sets
from tests.conftest import Run

CATALOG = load_catalog()
BASE = 'name = "base"\nstart_date = 2025-01-01\n[model]\nparams = "70B"\n[cluster]\naccelerator = "h100-sxm"\ndevices = 1024\n'
TABLE: dict[str, Any] = {
    "name": "base",
    "start_date": "2025-01-01",
    "model": {"params": 70e9},
    "cluster": {"accelerator": "h100-sxm", "devices": 1024},
}


@pytest.fixture
def base(tmp_path: Path) -> str:
    (tmp_path / "base.toml").write_text(BASE)
    return "base.toml"


def rows_of(sweep: Sweep) -> list[dict[str, Any]]:
    return [row for block in run_local(sweep) for row in records(block.columns, sweep.select)]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("training.mfu=0.3:0.5:0.05", [0.3, 0.35, 0.4, 0.45, 0.5]),
        ("training.mfu=0.5:0.3:-0.1", [0.5, 0.4, 0.3]),
        ("cluster.devices=8:40:16", [8, 24, 40]),
        ("cluster.devices=8:39:16", [8, 24]),
        ("model.params=1B:1T:log:4", [1e9, 1e10, 1e11, 1e12]),
        ("energy.pue=1:2:lin:3", [1, 1.5, 2]),
        ("model.params=7B, 70B,405B", [7e9, 70e9, 405e9]),
        ("cluster.devices=1:8:log:4", [1, 2, 4, 8]),
    ],
)
def test_axes(text: str, values: list[float]) -> None:
    found = parse_axis(text, "--axis", CATALOG)[1]
    assert found.tolist() == pytest.approx(values, rel=1e-12)


def test_words_dates_and_files(tmp_path: Path) -> None:
    names = parse_axis("cluster.accelerator=H100, b200-sxm", "--axis", CATALOG)[1]
    assert names.tolist() == ["h100-sxm", "b200-sxm"]
    dates = parse_axis("start_date=2024-01-01:2024-03-01:30", "--axis", CATALOG)[1]
    assert [str(day) for day in dates] == ["2024-01-01", "2024-01-31", "2024-03-01"]
    (tmp_path / "v.csv").write_text("model.params,x\n1B,2\n7B,3\n")
    assert parse_axis(f"model.params=@{tmp_path}/v.csv", "--axis", CATALOG)[1].tolist() == [
        1e9,
        7e9,
    ]
    (tmp_path / "one.csv").write_text("1B\n7B\n")
    assert parse_axis(f"model.params=@{tmp_path}/one.csv", "--axis", CATALOG)[1].tolist() == [
        1e9,
        7e9,
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model.parms=1B", 'did you mean "model.params"'),
        ("params=1B", 'did you mean "model.params"'),
        ("model.params", "key=values"),
        ("model.params=", "empty value"),
        ("model.params=1B,,2B", "empty value"),
        ("model.params=1B:1T", "2 parts"),
        ("model.params=1B:1T:log", "no number|is not a number"),
        ("model.params=1B:1T:lgo:5", "neither log nor lin"),
        ("model.params=0:1T:log:5", "start and stop > 0"),
        ("model.params=-1:1T:lin:5", "is negative"),
        ("model.params=1:1T:-1", "does not lead"),
        ("model.params=1:1T:1", "more than"),
        ("training.mfu=0.5:1.5:0.5", "out of range"),
        ("training.mfu=0.3:0.5:lin:2.5", "not a whole number"),
        ("cluster.accelerator=h100-sxm,b20", "not in the catalog"),
        ("training.precision=bf61", 'did you mean "bf16"'),
        ("name=a,b", "cannot be an axis"),
        ("parallelism=auto", "cannot be an axis"),
        ("cluster.devices=auto", "cannot be a value"),
        ("start_date=2024-01-01:2023-01-01:30", "stop not before start"),
        ("model.params=@none.csv", "no such values file"),
        ("model.params={low=1,high=2}", "is not a number|distribution"),
    ],
)
def test_wrong_axes(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_axis(text, "--axis", CATALOG)


def test_axes_that_do_not_go_together() -> None:
    with pytest.raises(InputError, match="varied twice"):
        parse_axes(["training.mfu=0.3,0.4", "training.mfu=0.5"], [], CATALOG)
    with pytest.raises(InputError, match="as many values"):
        parse_axes([], ["training.mfu=0.3,0.4", "cluster.devices=1,2,3"], CATALOG)


AXES = [
    "cluster.accelerator=a100-sxm-80gb,h100-sxm,tpu-v5p,b200-sxm",
    "model.params=1B:1T:log:5",
    "training.mfu=0.2:0.6:0.2",
    "carbon.grid=USA,FRA,SWE",
    "start_date=2023-06-01,2025-06-01",
    "cost.cloud_vendor=aws,lambda",
]


def test_every_cell_is_the_estimate_to_the_last_bit() -> None:
    scenario = parse_scenario(TABLE)
    sweep = Sweep(scenario, parse_axes(AXES, [], CATALOG), CATALOG)
    rows = rows_of(sweep)
    assert len(rows) == sweep.cells == 4 * 5 * 3 * 3 * 2 * 2
    for row in rows[::7]:
        sets = [f"{axis.keys[0]}={row[axis.keys[0]]!r}".replace("'", '"') for axis in sweep.axes]
        single = estimate(with_sets(scenario, sets))
        for key in RESULTS:
            assert row.get(key) == single.result(key), (key, sets)


def test_models_of_the_catalog_as_an_axis() -> None:
    scenario = load_scenario(
        "llama-3.1-8b",
        ["cluster.device_hours=", "cluster.devices=64", "training.flops_method=architecture"],
    )
    names = "gpt2-xl,llama-3.1-70b,mixtral-8x7b,deepseek-v3,gpt-3-175b,qwen3-30b-a3b"
    sweep = Sweep(scenario, parse_axes([f"model.preset={names}"], [], CATALOG), CATALOG)
    for row in rows_of(sweep):
        single = estimate(with_sets(scenario, [f"model.preset={row['model.preset']}"]))
        for key in RESULTS:
            assert row.get(key) == single.result(key), (key, row["model.preset"])


def test_order_is_that_of_the_axes_across_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    import llmcost.analysis.sweep as module

    axes = parse_axes(
        ["model.params=1B:1T:log:7", "cluster.devices=8:88:8", "training.mfu=0.3,0.4,0.5"],
        ["energy.pue=1.1,1.2", "carbon.grid=USA,FRA"],
        CATALOG,
    )
    reference = None
    for cells in (32768, 1, 5, 66, 200):
        monkeypatch.setattr(module, "BLOCK_CELLS", cells)
        sweep = Sweep(parse_scenario(TABLE), axes, CATALOG)
        rows = rows_of(sweep)
        assert len(rows) == 7 * 11 * 3 * 2
        reference = reference or rows
        assert rows == reference
    assert reference is not None
    assert [row["energy.pue"] for row in reference[:4]] == [1.1, 1.2, 1.1, 1.2]
    assert [row["carbon.grid"] for row in reference[:2]] == ["USA", "FRA"]
    assert reference[0]["training.mfu"] == 0.3
    assert reference[2]["training.mfu"] == 0.4


def test_where_select_and_words() -> None:
    axes = parse_axes(AXES[:3], [], CATALOG)
    every = rows_of(Sweep(parse_scenario(TABLE), axes, CATALOG))
    where = [
        "days <= 90",
        'cluster.accelerator == "h100-sxm" or model.params > 1e11',
        "cost_total_usd < 100M",
    ]
    found = rows_of(
        Sweep(
            parse_scenario(TABLE), axes, CATALOG, where, ["model.params", "days", "cluster.devices"]
        )
    )
    expected = [
        row for row in every
        if row["days"] <= 90 and (row["cluster.accelerator"] == "h100-sxm" or row["model.params"] > 1e11)
        and row["cost_total_usd"] is not None and row["cost_total_usd"] < 1e8
    ]  # fmt: skip
    assert [(row["model.params"], row["days"]) for row in found] == [
        (row["model.params"], row["days"]) for row in expected
    ]
    assert all(
        list(row) == ["model.params", "days", "cluster.devices"] and row["cluster.devices"] == 1024
        for row in found
    )


def test_cells_without_an_answer_are_null_and_counted() -> None:
    table = {**TABLE, "cluster": {"accelerator": "h100-sxm", "devices": 1024, "days": 10}}
    sweep = Sweep(parse_scenario(table), parse_axes(["model.params=1B,10T"], [], CATALOG), CATALOG)
    block = sweep.block(0)
    assert block.unanswered == 1
    assert [plain(value) for value in block.columns["flops"]] == [1.2e20, None]


points = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=40
)


@given(points=points, objectives=st.integers(1, 3))
def test_front_is_what_nothing_beats(points: list[tuple[int, int, int]], objectives: int) -> None:
    table = np.array(points, dtype=float)[:, :objectives]
    expected = [
        i for i, p in enumerate(table) if not any((q <= p).all() and (q < p).any() for q in table)
    ]
    assert sorted(front(table).tolist()) == expected
    if objectives > 1:
        assert np.flatnonzero(~beaten(table, table[expected])).tolist() == expected


def _csv(output: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(output)))


def test_ranking(llmcost: Run, base: str) -> None:
    axes = (
        "sweep",
        base,
        "--axis",
        "model.params=1B:1T:log:30",
        "--axis",
        "training.mfu=0.3:0.6:lin:30",
    )
    every = _csv(llmcost(*axes, "--format", "csv").stdout)
    assert len(every) == 900
    best = _csv(
        llmcost(
            *axes,
            "--where",
            "model.params > 100B",
            "--minimize",
            "cost_total_usd",
            "--top",
            "7",
            "--format",
            "csv",
        ).stdout
    )
    expected = sorted(
        (row for row in every if float(row["model.params"]) > 1e11),
        key=lambda r: float(r["cost_total_usd"]),
    )[:7]
    assert best == expected
    largest = _csv(llmcost(*axes, "--maximize", "days", "--top", "3", "--format", "csv").stdout)
    assert largest == sorted(every, key=lambda r: -float(r["days"]))[:3]
    pareto = _csv(llmcost(*axes, "--pareto", "-params,cost_total_usd", "--format", "csv").stdout)
    assert len(pareto) == 30
    assert {row["training.mfu"] for row in pareto} == {"0.6"}


def test_formats(llmcost: Run, base: str, tmp_path: Path) -> None:
    axes = (
        "sweep",
        base,
        "--axis",
        "model.params=1B:1T:log:30",
        "--axis",
        "cluster.accelerator=h100-sxm,tpu-v5p",
    )
    lines = [json.loads(line) for line in llmcost(*axes, "--format", "jsonl").stdout.splitlines()]
    rows = _csv(llmcost(*axes, "--format", "csv").stdout)
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
        "cluster.accelerator=h100-sxm,tpu-v5p",
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


def test_sweep_section_of_the_file(llmcost: Run, tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(
        BASE
        + '[sweep]\naxis = ["training.mfu=0.3,0.4", "model.params=1B,7B"]\nminimize = "cost_total_usd"\ntop = 2\n'
    )
    assert len(_csv(llmcost("sweep", "s.toml", "--format", "csv").stdout)) == 2
    own = llmcost(
        "sweep", "s.toml", "--axis", "model.params=1B,2B,3B", "--top", "99", "--format", "csv"
    )
    assert len(_csv(own.stdout)) == 6


def test_solve(llmcost: Run, base: str) -> None:
    fixed = ("--set", "training.mfu=0.4", "--json")
    done = llmcost(
        "sweep", base, "--solve", "model.params", "--target", "cost_total_usd=1e6", *fixed
    )
    row = json.loads(done.stdout)["rows"][0]
    assert row["cost_total_usd"] == pytest.approx(1e6, rel=1e-12)
    again = llmcost("estimate", base, "--set", f"model.params={row['model.params']!r}", *fixed)
    assert json.loads(again.stdout)["results"]["cost_total_usd"] == row["cost_total_usd"]
    cells = llmcost(
        "sweep",
        base,
        "--axis",
        "training.mfu=0.3:0.5:0.05",
        "--axis",
        "cluster.accelerator=h100-sxm,tpu-v5p",
        "--solve",
        "model.params",
        "--target",
        "cost_total_usd=1e6",
        "--format",
        "csv",
    )
    rows = _csv(cells.stdout)
    assert len(rows) == 10
    for row in rows:
        if row["cluster.accelerator"] == "tpu-v5p":  # no energy, so no cost: nothing to solve
            assert row["model.params"] == ""
        else:
            assert float(row["cost_total_usd"]) == pytest.approx(1e6, rel=1e-12)


def test_solve_for_whole_devices_and_several_targets(llmcost: Run, base: str) -> None:
    done = llmcost(
        "sweep",
        base,
        "--set",
        "training.mfu=0.4",
        "--solve",
        "cluster.devices",
        "--target",
        "days=20",
        "--json",
    )
    row = json.loads(done.stdout)["rows"][0]
    assert row["cluster.devices"] == int(row["cluster.devices"])
    assert 19.9 < row["days"] <= 20
    both = (
        "sweep",
        base,
        "--set",
        "cluster.devices=64",
        "--set",
        "training.mfu=0.4",
        "--solve",
        "model.params",
        "--json",
    )
    for targets, binding in (
        (("cost_total_usd=1e6", "days=30"), "days"),
        (("cost_total_usd=1e4", "days=30"), "cost_total_usd"),
    ):
        row = json.loads(llmcost(*both, "--target", targets[0], "--target", targets[1]).stdout)[
            "rows"
        ][0]
        limits = {
            name: float(value) for name, _, value in (text.partition("=") for text in targets)
        }
        assert row[binding] == pytest.approx(limits[binding], rel=1e-12)
        assert all(row[name] <= limit * (1 + 1e-12) for name, limit in limits.items())


def test_solve_says_when_there_is_no_solution_or_several(llmcost: Run, base: str) -> None:
    never = llmcost("sweep", base, "--solve", "energy.pue", "--target", "cost_total_usd=1")
    assert (never.returncode, never.stdout) == (1, "")
    assert "no energy.pue between" in never.stderr
    solve = Solve("reliability.checkpoint_interval_seconds", ["goodput=0.85"])
    table = {
        "name": "x",
        "cluster": {"devices": 16384},
        "reliability": {"device_mtbf_hours": 5e4, "checkpoint_seconds": 60, "restart_seconds": 300},
    }
    sweep = Sweep(parse_scenario(table), (), CATALOG, solve=solve)
    block = sweep.block(0)
    assert block.columns["solutions"].tolist() == [2.0]
    assert block.columns["goodput"][0] == pytest.approx(0.85, rel=1e-12)


def test_bad_input(llmcost: Run, base: str) -> None:
    axis = ["--axis", "training.mfu=0.3,0.4"]
    for arguments, code, message in (
        ([], 2, "at least one --axis"),
        ([*axis, "--where", "dys < 3"], 2, 'did you mean "days"'),
        ([*axis, "--where", "days <"], 2, "ends too early"),
        ([*axis, "--where", "days"], 2, "not a condition"),
        ([*axis, "--minimize", "cost"], 2, "cannot be ranked"),
        ([*axis, "--minimize", "days", "--maximize", "days"], 2, "contradicts"),
        ([*axis, "--pareto", "days,days"], 2, "named twice"),
        ([*axis, "--select", "dayz"], 2, 'did you mean "days"'),
        ([*axis, "--top", "0"], 2, "whole number"),
        ([*axis, "--solve", "cluster.accelerator", "--target", "days=3"], 2, "not a numeric key"),
        ([*axis, "--solve", "training.mfu", "--target", "days=3"], 2, "varied twice"),
        ([*axis, "--solve", "model.params"], 2, "--target"),
        ([*axis, "--target", "days=3"], 2, "go with --solve"),
        ([*axis, "--solve", "model.params", "--target", "dayz=3"], 2, 'did you mean "days"'),
        ([*axis, "--solve", "model.params", "--target", "days=3", "--between", "9:3"], 2, "low < high"),
        ([*axis, "--format", "parquet"], 2, "needs --output"),
        ([*axis, "--engine", "spark"], 2, "local, dask"),
        ([*axis, "--scheduler", "tcp://x"], 2, "goes with --engine dask"),
        ([*axis, "--shard", "3/2"], 2, "i/n"),
        ([*axis, "--resume"], 2, "goes with --output"),
        ([*axis, "--where", "days < 0"], 1, "no cell"),
        (["--axis", "model.params=1:1e7:lin:10000000", *axis, "--json"], 2, "too many"),
        (["--axis", "model.params=1:1e7:lin:10000000", "--axis", "energy.pue=1:2:lin:1000000", "--format", "csv"], 2, "cells"),
        (["--axis", "data.tokens=1B", "--set", "data.tokens_per_param=20"], 2, "contradict"),
    ):  # fmt: skip
        done = llmcost("sweep", base, *arguments)
        assert done.returncode == code, (arguments, done.stderr)
        assert message in done.stderr, (arguments, done.stderr)
        assert "Traceback" not in done.stderr


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
        assert "US dollars" in (tmp_path / "p.svg").read_text()
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
        "p.png",
    )
    assert done.returncode == 0, done.stderr
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
    assert done.returncode == 2
    assert "GB are free" in done.stderr
    assert not list(tmp_path.iterdir())


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
