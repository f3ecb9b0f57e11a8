"""What shells offer at Tab: commands, bundled scenarios, keys, catalog names, results."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Run

#: Words typed, the last to be completed, and what must and must not be offered.
CASES = [
    (["est"], {"estimate"}, {"sweep"}),
    (["estimate", "llama-3"], {"llama-3.1-405b", "llama-3.1-8b"}, {"gpt-3"}),
    (["estimate", "x", "--set", "cluster.acc"], {"cluster.accelerator="}, {"cluster.days="}),
    (["estimate", "x", "--set", "cluster.accelerator=h1"], {"cluster.accelerator=h100-sxm"}, {"cluster.accelerator=b200-sxm"}),
    (["estimate", "x", "--set", "training.precision="], {"training.precision=bf16"}, set()),
    (["estimate", "x", "--set", "model.gated_ffn=t"], {"model.gated_ffn=true"}, set()),
    (["compare", "gpt-3", "gpt-4", "--set-b", "carbon.grid=FR"], {"carbon.grid=FRA"}, set()),
    (["compare", "gpt-3", "--metrics", "days,cost_t"], {"days,cost_total_usd"}, set()),
    (["sweep", "gpt-3", "--axis", "carbon.grid=FRA,US"], {"carbon.grid=FRA,USA"}, set()),
    (["sweep", "gpt-3", "--pareto", "days,-predicted_m"], {"days,-predicted_mfu"}, set()),
    (["sweep", "gpt-3", "--solve", "cluster.dev"], {"cluster.devices"}, {"cluster.accelerator"}),
    (["sweep", "gpt-3", "--target", "day"], {"days="}, set()),
    (["project", "gpt-3", "--follow", ""], {"model", "frontier"}, set()),
    (["catalog", "gr"], {"grids"}, {"clouds"}),
    (["catalog", "accelerators", "b2"], {"b200-sxm"}, {"a100-sxm-80gb"}),
    (["report", "gpt-4"], {"gpt-4", "gpt-4-uncertain"}, set()),
]  # fmt: skip
IDS = [" ".join(case[0]) for case in CASES]


@pytest.mark.parametrize(("words", "offered", "not_offered"), CASES, ids=IDS)
def test_fish(llmcost: Run, words: list[str], offered: set[str], not_offered: set[str]) -> None:
    line = "llmcost " + " ".join(words)
    done = llmcost(
        _LLMCOST_COMPLETE="complete_fish",
        _TYPER_COMPLETE_ARGS=line,
        _TYPER_COMPLETE_FISH_ACTION="get-args",
    )
    found = {item.partition("\t")[0] for item in done.stdout.splitlines()}
    assert offered <= found
    assert not not_offered & found
    assert done.stderr == ""


@pytest.mark.parametrize(("words", "offered", "not_offered"), CASES, ids=IDS)
def test_zsh(llmcost: Run, words: list[str], offered: set[str], not_offered: set[str]) -> None:
    line = "llmcost " + " ".join(words)
    done = llmcost(_LLMCOST_COMPLETE="complete_zsh", _TYPER_COMPLETE_ARGS=line)
    assert all(f'"{item}"' in done.stdout for item in offered)
    assert not any(f'"{item}"' in done.stdout for item in not_offered)


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash on this machine")
@pytest.mark.parametrize(("words", "offered", "not_offered"), CASES, ids=IDS)
def test_bash(
    llmcost: Run, tmp_path: Path, words: list[str], offered: set[str], not_offered: set[str]
) -> None:
    """Through the script that a user installs; bash splits words at = and replaces what is behind."""
    program = tmp_path / "llmcost"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m llmcost "$@"\n')
    program.chmod(0o755)
    script = llmcost("--show-completion", "bash").stdout
    split = ["llmcost"]
    for word in words:
        key, equals, value = word.partition("=")
        split += [key, *(["=", *([value] if value else [])] if equals else [])]
    quoted = " ".join(f"'{word}'" for word in split)
    test = (
        f"{script}\nCOMP_WORDS=({quoted}); COMP_CWORD={len(split) - 1}\n"
        f'_llmcost_completion {program}; printf "%s\\n" "${{COMPREPLY[@]}}"\n'
    )
    done = subprocess.run(["bash", "-c", test], capture_output=True, text=True, cwd=tmp_path)
    found = set(done.stdout.splitlines())
    behind = words[-1].count("=")
    tails = {item.partition("=")[2] if behind else item for item in offered}
    assert tails <= found
    assert not {item.partition("=")[2] if behind else item for item in not_offered} & found
    assert done.stderr == ""


def test_files_and_folders_are_offered(llmcost: Run, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "mine.toml").write_text("")
    (tmp_path / "runs" / "notes.txt").write_text("")
    for typed, wanted in (("ru", {"runs/"}), ("runs/", {"runs/mine.toml"})):
        done = llmcost(
            _LLMCOST_COMPLETE="complete_fish",
            _TYPER_COMPLETE_ARGS=f"llmcost estimate {typed}",
            _TYPER_COMPLETE_FISH_ACTION="get-args",
        )
        assert {item.partition("\t")[0] for item in done.stdout.splitlines()} == wanted


@pytest.mark.parametrize(
    "words",
    ["llmcost estimate 'open", "", "llmcost", "llmcost nonsense x", "llmcost estimate x --set ="],
)
@pytest.mark.parametrize("position", ["0", "1", "9"])
def test_what_bash_sends_never_fails(llmcost: Run, words: str, position: str) -> None:
    done = llmcost(_LLMCOST_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=position)
    assert "Traceback" not in done.stderr
