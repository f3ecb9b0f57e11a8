"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from llmcost.files import atomic_stream


def test_an_interruption_right_after_a_file_is_made_leaves_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever comes between the making of the file and its first use."""
    made: list[int] = []
    really = os.open

    def interrupted(*arguments: Any) -> int:
        made.append(really(*arguments))
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "open", interrupted)
    with pytest.raises(KeyboardInterrupt), atomic_stream(tmp_path / "rows.csv", False):
        pass
    monkeypatch.undo()
    os.close(made[0])
    assert list(tmp_path.iterdir()) == []


def test_a_file_appears_when_all_of_it_is_written(tmp_path: Path) -> None:
    target = tmp_path / "rows.csv"
    with atomic_stream(target, False) as stream:
        stream.write("days\n")
        assert not target.exists()
    assert target.read_text() == "days\n"
    assert list(tmp_path.iterdir()) == [target]


def test_what_a_killed_run_left_goes_with_the_next_and_what_is_written_stays(
    tmp_path: Path,
) -> None:
    fcntl = pytest.importorskip("fcntl")
    left, young, held, other = (
        tmp_path / name
        for name in (
            ".rows.csv.0123abcd",
            ".rows.csv.0123abce",
            ".rows.csv.0123abcf",
            ".rows.csv.backup",
        )
    )
    for path in (left, young, held, other):
        path.touch()
    for path in (left, held, other):
        os.utime(path, (1e9, 1e9))
    with held.open("wb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        with atomic_stream(tmp_path / "rows.csv", False):
            pass
    assert {path.name for path in tmp_path.iterdir()} == {
        "rows.csv",
        young.name,
        held.name,
        other.name,
    }


def test_a_file_under_way_is_held(tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    with atomic_stream(tmp_path / "rows.csv", False):
        (under_way,) = tmp_path.iterdir()
        with under_way.open("rb") as stream, pytest.raises(BlockingIOError):
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
