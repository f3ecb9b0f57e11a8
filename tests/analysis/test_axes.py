"""Axes of a sweep as a user writes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmcost.analysis.axes import parse_axes, parse_axis
from llmcost.catalog import load_catalog
from llmcost.errors import InputError

CATALOG = load_catalog()


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
