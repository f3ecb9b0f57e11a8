"""Runs from a table: cells, columns that pass through, European spreadsheets, every wrong cell by its line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import BASE, Run


def lines(llmcost: Run, *line: str) -> list[dict[str, object]]:
    done = llmcost("sweep", "finetune-8xh100", *line, "--format", "jsonl")
    assert done.returncode == 0, done.stderr
    return [json.loads(text) for text in done.stdout.splitlines()]


def test_rows_are_cells_and_other_columns_pass_through(llmcost: Run, tmp_path: Path) -> None:
    (tmp_path / "runs.csv").write_text(
        "run,model.params,data.tokens,cluster.accelerator,owner\n"
        'alpha,7B,2T,h100-sxm,"me, you"\nbeta,70B,5T,B200 SXM,\n'
    )
    found = lines(llmcost, "--rows", "runs.csv")
    assert [row["run"] for row in found] == ["alpha", "beta"]
    assert [row["owner"] for row in found] == ["me, you", ""]
    single = llmcost(
        "estimate", "finetune-8xh100", "--set", "model.params=70B", "--set", "data.tokens=5T",
        "--set", "cluster.accelerator=b200-sxm", "--json",
    )  # fmt: skip
    assert found[1]["days"] == json.loads(single.stdout)["results"]["days"]
    both = lines(
        llmcost, "--rows", "runs.csv", "--axis", "energy.pue=1.1,1.2", "--select", "run,energy.pue"
    )
    assert [(row["energy.pue"], row["run"]) for row in both] == [
        (1.1, "alpha"), (1.1, "beta"), (1.2, "alpha"), (1.2, "beta"),
    ]  # fmt: skip
    best = lines(llmcost, "--rows", "runs.csv", "--minimize", "days", "--top", "1")
    assert best[0]["run"] == "alpha"


def test_a_european_spreadsheet_and_parquet_say_the_same(llmcost: Run, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as parquet

    (tmp_path / "a.csv").write_text(
        "run;model.params;training.mfu\r\nx;7B;0,35\r\ny;1.000.000.000;\r\n"
    )
    (tmp_path / "b.csv").write_text("run,model.params,training.mfu\nx,7B,0.35\ny,1e9,0.4\n")
    parquet.write_table(
        pa.table({"run": ["x", "y"], "model.params": [7e9, 1e9], "training.mfu": [0.35, 0.4]}),
        tmp_path / "c.parquet",
    )
    sets = ("--set", "training.mfu=0.4")
    one, two, three = (
        lines(llmcost, "--rows", name, *sets) for name in ("b.csv", "c.parquet", "b.csv")
    )
    assert one == two == three
    assert lines(llmcost, "--rows", "a.csv", *sets)[0] == one[0]


def test_every_wrong_cell_is_named_with_its_line(llmcost: Run, tmp_path: Path) -> None:
    (tmp_path / "wrong.csv").write_text(
        "run,model.params,cluster.accelerator,model.prams,flops\na,7B,h100-sxm,1,1\nb,x,h101,1,1\nc,,h100-sxm,1,1\nd,7B\n"
    )
    done = llmcost("sweep", "gpt-3", "--rows", "wrong.csv")
    assert done.returncode == 2
    assert done.stdout == ""
    for text in (
        "line 1: column 4: model.prams", "line 1: column 5: flops is a result", "line 3: model.params",
        "line 3: cluster.accelerator", "line 4: model.params: is empty", "line 5: has 2 cells",
    ):  # fmt: skip
        assert text in done.stderr, text
    (tmp_path / "none.csv").write_text("run\na\n")
    assert llmcost("sweep", "gpt-3", "--rows", "none.csv").returncode == 2
    assert llmcost("sweep", "gpt-3", "--rows", "nowhere.csv").returncode == 2


@pytest.mark.parametrize("form", ["table", "json", "jsonl", "csv", "markdown"])
def test_no_matching_cell_is_exit_1_in_every_format(llmcost: Run, form: str) -> None:
    done = llmcost(
        "sweep",
        "gpt-4",
        "--axis",
        "energy.pue=1.1,1.2",
        "--where",
        "energy_mwh < 0",
        "--format",
        form,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert "no cell of 2" in done.stderr


def test_cells_that_nothing_can_judge_are_counted_and_named(llmcost: Run) -> None:
    axis = (
        "--axis",
        "cluster.accelerator=h100-sxm,trainium1,h800-sxm",
        "--select",
        "cluster.accelerator",
    )
    ranked = llmcost("sweep", "gpt-4", *axis, "--minimize", "cost_total_usd", "--format", "csv")
    assert ranked.returncode == 0
    assert "2 cells are left out: their cost_total_usd is not known" in ranked.stderr
    kept = llmcost("sweep", "gpt-4", *axis, "--where", "cost_total_usd < 1e12", "--format", "csv")
    assert kept.stdout.splitlines()[1:] == ["h100-sxm"]
    assert "2 cells are left out" in kept.stderr
    front = llmcost("sweep", "gpt-4", *axis, "--pareto", "days,cost_total_usd", "--format", "csv")
    assert "cost_total_usd is not known" in front.stderr


def test_an_output_file_follows_its_suffix(llmcost: Run, tmp_path: Path) -> None:
    for name, start in (
        ("a.json", "{"),
        ("a.csv", "scenario,"),
        ("a.md", "## "),
        ("a.txt", "gpt-4"),
    ):
        done = llmcost("estimate", "gpt-4", "--output", name)
        assert done.returncode == 0, done.stderr
        assert done.stdout == ""
        assert (tmp_path / name).read_text().startswith(start)
    for name in ("a.parquet", "a.html", "a.pdf"):
        done = llmcost("estimate", "gpt-4", "--output", name)
        assert done.returncode == 2
        assert "cannot write" in done.stderr
        assert not (tmp_path / name).exists()
    assert llmcost("estimate", "gpt-4", "--output", "b.csv", "--json").returncode == 2
    assert llmcost("report", "gpt-4", "--output", "r.md", "--quiet").returncode == 0
    assert (tmp_path / "r.md").read_text().startswith("# What it takes")
    assert llmcost("report", "gpt-4", "--output", "r.docx").returncode == 2
    years = llmcost(
        "project",
        "gpt-4",
        "--until",
        "2025",
        "--uncertainty",
        "defaults",
        "--samples",
        "100",
        "--format",
        "csv",
    )
    assert "cost_total_usd_p95" in years.stdout.splitlines()[0]


def test_a_table_names_its_runs_and_says_each_input_once(llmcost: Run, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(
        "run,cluster.devices,note\nfirst,64,a\nsecond,128,b\n", encoding="utf-8"
    )
    (tmp_path / "base.toml").write_text(BASE + '[data]\ntokens = "1T"\n[training]\nmfu = 0.4\n')
    shown = llmcost("sweep", "base.toml", "--rows", "rows.csv", "--quiet").stdout.splitlines()
    assert shown[0].split()[:3] == ["run", "devices", "FLOP"]
    assert [line.split()[0] for line in shown[1:3]] == ["first", "second"]
