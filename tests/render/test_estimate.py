"""The table of an estimate: one screen, nothing lost without a word, the total where the eye ends."""

from __future__ import annotations

import os
import re
import select
from pathlib import Path

import pytest

from tests.conftest import Run

PRESETS = sorted(path.stem for path in (Path(__file__).parents[2] / "scenarios").glob("*.toml"))
AUTO = ("--set", "training.mfu=", "--set", "parallelism=auto")


@pytest.mark.parametrize("name", PRESETS)
def test_every_bundled_scenario_is_answered_on_one_screen(llmcost: Run, name: str) -> None:
    done = llmcost("estimate", name)
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 80


def test_what_is_shortened_says_so_and_is_shown_when_asked_for(llmcost: Run) -> None:
    short = llmcost("estimate", "llama-3.1-405b", *AUTO).stdout
    whole = llmcost("estimate", "llama-3.1-405b", *AUTO, "--details").stdout
    assert "Shortened to one screen: --details shows all." in short
    assert "Shortened" not in whole
    for heading in ("Layouts found", "Memory, second stage", "Other methods"):
        assert heading in whole
        assert heading + "  " not in short
    for line in ("Layout taken: tp 8", "Memory, second stage: ", "Step: ", "By other methods: "):
        assert line in short
    assert "Shortened" not in llmcost("estimate", "llama-3.1-405b").stdout


def test_the_total_is_the_last_figure_of_the_tables(llmcost: Run) -> None:
    for name in ("llama-3.1-405b", "classroom-tutor", "bloom-176b", "gpt-4-development"):
        lines = llmcost("estimate", name, "--details").stdout.splitlines()
        total = next(i for i, line in enumerate(lines) if line.startswith("  Total  "))
        tables = [line for line in lines[total + 1 :] if line and not line.startswith("  ")]
        assert tables[0].startswith(("Other methods", "Total is")), name


def test_a_file_and_a_list_of_sources_are_whole(llmcost: Run, tmp_path: Path) -> None:
    assert llmcost("estimate", "classroom-tutor", "--output", "a.txt").returncode == 0
    written = (tmp_path / "a.txt").read_text()
    sources = llmcost("estimate", "classroom-tutor", "--sources").stdout
    for text in (written, sources):
        assert "Even in cost after" in text
        assert "Shortened" not in text


def test_a_narrow_terminal_cuts_no_figure(llmcost: Run) -> None:
    for name in ("classroom-tutor", "llama-3.1-405b"):
        wide = llmcost("estimate", name, "--details", COLUMNS="120").stdout
        thin = llmcost("estimate", name, "--details", COLUMNS="60").stdout
        assert max(map(len, thin.splitlines())) <= 60
        assert "…" not in thin
        for figure in ("$", "MWh", "kt", "days"):
            assert wide.count(figure) == thin.count(figure)


@pytest.mark.parametrize("metrics", ["cost,carbon,time", "money", "run,energy"])
def test_many_metrics_on_a_narrow_terminal_cut_no_figure(llmcost: Run, metrics: str) -> None:
    arguments = (
        "compare", "llama-3.1-405b", "--quiet", "--metrics", metrics,
        "--with", "cluster.accelerator=h200-sxm,b200-sxm,mi300x,tpu-v5p",
    )  # fmt: skip
    wide, thin = (llmcost(*arguments, COLUMNS=width).stdout for width in ("140", "60"))
    assert max(map(len, thin.splitlines())) <= 60
    assert "…" not in thin
    assert set(re.findall(r"\S*\$\S+", wide)) <= set(re.findall(r"\S*\$\S+", thin))


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="no pseudo-terminals here")
class TestWaiting:
    """The line that says on a terminal that a command is at work."""

    @staticmethod
    def _seen(patience: float, quiet: bool, monkeypatch: pytest.MonkeyPatch) -> str:
        import sys
        import time

        from llmcost.cli import progress
        from llmcost.cli.options import say

        main, other = os.openpty()
        with os.fdopen(other, "w") as stream:
            monkeypatch.setattr(sys, "stderr", stream)
            monkeypatch.setenv("TERM", "xterm")
            monkeypatch.setattr(progress, "_PATIENCE", patience)
            monkeypatch.setattr(progress, "_PACE", 0.05)
            with progress.waiting("report", quiet):
                progress.tell("a\x1b[31m name")
                time.sleep(0.2)
                say("warning: one")
            seen = b""
            while select.select([main], [], [], 0.3)[0]:
                seen += os.read(main, 100_000)
        os.close(main)
        return seen.decode()

    def test_it_is_gone_before_anything_else_is_written(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen = self._seen(0.01, False, monkeypatch)
        assert "report: a" in seen
        assert "\x1b[31m" not in seen
        before, _, after = seen.partition("warning: one")
        assert before.endswith("\r\x1b[2K")
        assert after.endswith(("\n", "\r\x1b[2K"))

    def test_short_or_quiet_work_shows_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert "report" not in self._seen(5.0, False, monkeypatch)
        assert "report" not in self._seen(0.01, True, monkeypatch)


def test_no_line_where_standard_error_is_no_terminal(llmcost: Run) -> None:
    done = llmcost("report", "gpt-4", "gpt-3", "--output", "-")
    assert done.returncode == 0
    assert "…" not in done.stderr
    assert "\x1b" not in done.stderr


def test_what_is_not_known_at_all_is_said_by_group(llmcost: Run) -> None:
    text = 'name = "x"\n[model]\npreset = "llama-3.1-8b"\n'
    said = " ".join(llmcost("estimate", "-", stdin=text).stdout.split())
    assert "device-hours, energy, carbon and water of the run, costs of the run." in said
    assert ", MFU, " in said
    text += "[cluster]\naccelerator = 'h100-sxm'\ndevice_hours = 1000\n"
    said = " ".join(llmcost("estimate", "-", stdin=text).stdout.split())
    assert "costs of the run" not in said  # what is rented is known
