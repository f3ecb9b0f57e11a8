"""Tables on narrow terminals: every figure whole, no line wider than the terminal."""

from __future__ import annotations

from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from llmcost.render.grid import grid
from tests.conftest import Run

WORDS = st.text("abcdefg-", min_size=1, max_size=30)
FIGURES = st.text("0123456789", min_size=1, max_size=12)


@given(
    rows=st.lists(st.tuples(WORDS, FIGURES, FIGURES, FIGURES, FIGURES), min_size=1, max_size=5),
    width=st.integers(40, 100),
)
def test_figures_are_whole_at_every_width(rows: list[tuple[str, ...]], width: int) -> None:
    table = grid("name", "first", "second", "third", "fourth", right=[1, 2, 3, 4])
    for row in rows:
        table.add_row(*row)
    target = Console(file=StringIO(), width=width, highlight=False)
    target.print(table)
    assert isinstance(target.file, StringIO)
    text = target.file.getvalue()
    assert "…" not in text
    assert all(len(line.rstrip()) <= width for line in text.splitlines())
    found = text.split()
    assert all(figure in found for row in rows for figure in row[1:])


@pytest.mark.parametrize("columns", ["40", "60"])
@pytest.mark.parametrize(
    "arguments",
    [
        ("estimate", "llama-3.1-405b"),
        ("estimate", "gpt-4-uncertain", "--tornado", "cost_total_usd"),
        ("estimate", "deepseek-v3-stages"),
        ("compare", "gpt-4-uncertain", "gpt-3"),
        ("sweep", "gpt-4-uncertain", "--axis", "training.mfu=0.3:0.5:lin:5"),
        ("project", "llama-3.1-405b", "--until", "2032"),
        ("catalog", "models"),
        ("catalog", "runs"),
    ],
)
def test_no_command_cuts_a_figure(llmcost: Run, arguments: tuple[str, ...], columns: str) -> None:
    done = llmcost(*arguments, COLUMNS=columns)
    assert done.returncode == 0, done.stderr
    assert all(len(line) <= int(columns) for line in done.stdout.splitlines())
    assert not [line for line in done.stdout.splitlines() if "…" in line and "year …" not in line]


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ("sweep --axis cluster.accelerator=l40s --axis inference.accelerator=l40s", "cluster.accelerator  inference.accelerator"),
        ("compare --set-b cluster.accelerator=l40s --set-b inference.accelerator=l40s", "cluster.accelerator=l40s"),
    ],
)  # fmt: skip
def test_keys_that_end_alike_are_named_in_full(llmcost: Run, arguments: str, shown: str) -> None:
    command, *options = arguments.split()
    done = llmcost(command, "classroom-tutor", *options, "--quiet", COLUMNS="200")
    assert done.returncode == 0, done.stderr
    assert shown in done.stdout
