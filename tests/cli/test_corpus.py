"""Every bad input that was tried or found: exit code, output, time and memory of the whole command."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.fuzz import MOST_SECONDS

CORPUS = Path(__file__).parent.parent / "corpus"
#: Any input below 1 MB is answered within this memory [MB].
MOST_MB = 500
#: Inputs too large to keep as files.
LARGE = {
    "many-keys.toml": lambda: 'name = "x"\n[model]\n' + "".join(f"k{i} = {i}\n" for i in range(40_000)),
    "many-sections.toml": lambda: 'name = "x"\n' + "".join(f"[s{i}]\n" for i in range(90_000)),
    "many-levers.toml": lambda: 'name = "x"\nstart_date = 2024-01-01\n[cluster]\naccelerator = "h100-sxm"\ndevices = 8\ndays = 1\n'
    + "".join(f'[[levers]]\nname = "l{i}"\nyear = 2030\nflops = 0.99\n' for i in range(16_000)),
    "many-correlations.toml": lambda: 'name = "x"\n'
    + '[[correlation]]\nkeys = ["training.mfu", "cluster.days"]\nrho = 0.5\n' * 10_000,
    "long-name.toml": lambda: f'name = "{"n" * 200_000}"\n[cluster]\naccelerator = "h100-sxm"\ndevice_hours = 10\n',
    "long-key.toml": lambda: 'name = "x"\n' + "k" * 100_000 + " = 1\n",
    "long-accelerator.toml": lambda: 'name = "x"\n[cluster]\naccelerator = "' + "h" * 900_000 + '"\n',
    "long-axis.toml": lambda: 'name = "x"\nstart_date = 2024-01-01\n[cluster]\naccelerator = "h100-sxm"\ndevices = 8\ndays = 1\n[sweep]\naxis = ["training.mfu='
    + ",".join(f"0.{i:06d}" for i in range(1, 90_000)) + '"]\n',
    "deep-arrays.toml": lambda: 'name = "x"\na = ' + "[" * 400_000 + "]" * 400_000,
    "deep-inline.toml": lambda: 'name = "x"\nsweep = ' + "{ a = " * 100_000 + "1" + " }" * 100_000,
    "deep-dotted.toml": lambda: 'name = "x"\na' + ".a" * 400_000 + " = 1\n",
    "deep-dotted-apart.toml": lambda: 'name = "x"\n' + "k . " * 240_000 + "k = 1\n",
    "long-word-and-dots.toml": lambda: 'name = "x"\n' + "a" * 900_000 + ' = "' + "." * 200 + '"\n',
    "quotes-and-dots.toml": lambda: 'name = "x"\nk = "' + "\"'." * 300_000 + "\n",
    "one-line.toml": lambda: "name = " + '"' + "\\u0041" * 150_000,
    "brackets.toml": lambda: "[" * 900_000,
    "binary.toml": lambda: "\x00\x01\x02" * 300_000,
    "too-big.toml": lambda: "# comment\n" * 200_000,
}  # fmt: skip
LARGE_CONFIGS = {
    "deep-open.json": lambda: "[" * 900_000,
    "deep-closed.json": lambda: "[" * 450_000 + "]" * 450_000,
    "deep-objects.json": lambda: '{"a":' * 150_000 + "1" + "}" * 150_000,
    "many-keys.json": lambda: json.dumps({f"k{i}": i for i in range(50_000)}),
}
COMMANDS = [
    ["estimate", "s.toml"],
    ["estimate", "s.toml", "--json", "--samples", "100", "--uncertainty", "defaults"],
    ["project", "s.toml", "--roadmap"],
    ["sweep", "s.toml", "--top", "3"],
]


#: Runs a command and prints what it took: a child of pytest itself would count pytest's memory as its own.
LAUNCH = """
import json, resource, subprocess, sys
with open(".out", "wb") as out, open(".err", "wb") as err:
    code = subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=out, stderr=err).returncode
took = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([code, took.ru_utime + took.ru_stime, took.ru_maxrss / 1024]))
"""


class Done:
    """A whole command: what it printed, and what it took."""

    def __init__(self, arguments: list[str], folder: Path) -> None:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("LLMCOST", "COLUMNS"))}
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", LAUNCH, sys.executable, "-m", "llmcost", *arguments],
            stdout=subprocess.PIPE, cwd=folder, env=clean, check=True,
        )  # fmt: skip
        self.code, processor_s, self.megabytes = json.loads(done.stdout)
        # Of the machine's time what this command takes, whatever else runs beside it.
        self.seconds = min(time.perf_counter() - start, processor_s)
        self.out, self.err = (folder / ".out").read_text(), (folder / ".err").read_text()

    def check(self, *codes: int) -> None:
        assert self.code in (codes or (0, 1, 2)), self.err[:500]
        assert "Traceback" not in self.err
        if self.code == 2:
            assert self.out == ""
        if self.code:
            assert re.search(r"^error: .", self.err, re.M), self.err[:500]
        assert len(self.err) < 30_000
        assert "\x1b" not in self.out + self.err
        assert self.megabytes < MOST_MB, self.megabytes
        assert self.seconds < MOST_SECONDS * _slower(), self.seconds


def _slower() -> float:
    """How much slower than alone a command may be here: tests share their machine."""
    return 2.0 if os.environ.get("CI") or os.environ.get("PYTEST_XDIST_WORKER") else 1.0


def _files(kind: str) -> list[Path]:
    return sorted((CORPUS / kind).iterdir())


@pytest.mark.parametrize("name", [*(path.name for path in _files("scenarios")), *LARGE])
def test_scenarios(name: str, tmp_path: Path) -> None:
    if name in LARGE:
        (tmp_path / "s.toml").write_text(LARGE[name]())
    else:
        (tmp_path / "s.toml").write_bytes((CORPUS / "scenarios" / name).read_bytes())
    for command in COMMANDS if name not in LARGE else COMMANDS[:1] + COMMANDS[3:]:
        Done(command, tmp_path).check()
    assert {path.name for path in tmp_path.iterdir()} == {"s.toml", ".out", ".err"}


@pytest.mark.parametrize("name", [path.name for path in _files("catalogs")])
def test_catalogs(name: str, tmp_path: Path) -> None:
    path = str(CORPUS / "catalogs" / name)
    command = [
        "estimate",
        "finetune-8xh100",
        "--quiet",
        "--set",
        "energy.operator=",
        "--set",
        "energy.pue=",
    ]
    done = Done([*command, "--catalog", path], tmp_path)
    done.check()
    assert done.code == 2
    assert name in done.err or "error: catalog: " in done.err


@pytest.mark.parametrize("name", [*(path.name for path in _files("configs")), *LARGE_CONFIGS])
def test_configs(name: str, tmp_path: Path) -> None:
    if name in LARGE_CONFIGS:
        (tmp_path / "c.json").write_text(LARGE_CONFIGS[name]())
    else:
        (tmp_path / "c.json").write_bytes((CORPUS / "configs" / name).read_bytes())
    (tmp_path / "s.toml").write_text('name = "x"\n[model]\nconfig = "c.json"\n')
    Done(["estimate", "s.toml"], tmp_path).check(2)


LINES = (CORPUS / "arguments.txt").read_text().splitlines()


@pytest.mark.parametrize("line", LINES)
def test_arguments(line: str, tmp_path: Path) -> None:
    done = Done(shlex.split(line), tmp_path)
    done.check(1, 2)
    assert {path.name for path in tmp_path.iterdir()} == {".out", ".err"}  # nothing is written
