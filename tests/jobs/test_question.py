"""What a sweep is asked: order, the file's own section, what contradicts."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import BASE, Run, rows_of_csv


def test_ranking(llmcost: Run, base: str) -> None:
    axes = (
        "sweep",
        base,
        "--axis",
        "model.params=1B:1T:log:30",
        "--axis",
        "training.mfu=0.3:0.6:lin:30",
    )
    every = rows_of_csv(llmcost(*axes, "--format", "csv").stdout)
    assert len(every) == 900
    best = rows_of_csv(
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
    largest = rows_of_csv(
        llmcost(*axes, "--maximize", "days", "--top", "3", "--format", "csv").stdout
    )
    assert largest == sorted(every, key=lambda r: -float(r["days"]))[:3]
    pareto = rows_of_csv(
        llmcost(*axes, "--pareto", "-params,cost_total_usd", "--format", "csv").stdout
    )
    assert len(pareto) == 30
    assert {row["training.mfu"] for row in pareto} == {"0.6"}


def test_sweep_section_of_the_file(llmcost: Run, tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(
        BASE
        + '[sweep]\naxis = ["training.mfu=0.3,0.4", "model.params=1B,7B"]\nminimize = "cost_total_usd"\ntop = 2\n'
    )
    assert len(rows_of_csv(llmcost("sweep", "s.toml", "--format", "csv").stdout)) == 2
    own = llmcost(
        "sweep", "s.toml", "--axis", "model.params=1B,2B,3B", "--top", "99", "--format", "csv"
    )
    assert len(rows_of_csv(own.stdout)) == 6


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
