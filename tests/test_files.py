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
