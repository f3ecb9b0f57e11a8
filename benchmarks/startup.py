"""Start-up time of the command, against what it cannot do without."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

_ONE_COMMAND = '''"""A typer program of one command."""
import typer

app = typer.Typer()


@app.command()
def main(name: str = "x") -> None:
    """Say a name."""
    print(name)


app()
'''


#: Installed packages come compiled; so must a checkout that is installed in place.
_ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


def _seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
        env=_ENVIRONMENT,
    )
    return time.perf_counter() - start


def compare(
    what: str, command: list[str], baseline: list[str], limit: float, runs: int = 21
) -> None:
    """Time two commands in turn and print the medians and the median of the ratios."""
    _seconds(command), _seconds(baseline)
    pairs = [(_seconds(command), _seconds(baseline)) for _ in range(runs)]
    mine, theirs = (median(side) * 1e3 for side in zip(*pairs, strict=True))
    ratio = median(a / b for a, b in pairs)
    print(f"{what}: {mine:.0f} ms, baseline {theirs:.0f} ms, ratio {ratio:.2f} (limit {limit})")


def main() -> None:
    """Compare `estimate --json` with importing typer and numpy, and `--help` with a bare typer program."""
    llmcost = str(Path(sys.executable).with_name("llmcost"))
    compare(
        "llmcost estimate llama-3.1-405b --json",
        [llmcost, "estimate", "llama-3.1-405b", "--json"],
        [sys.executable, "-c", "import typer, numpy"],
        1.25,
    )
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "one_command.py"
        program.write_text(_ONE_COMMAND)
        compare(
            "llmcost --help", [llmcost, "--help"], [sys.executable, str(program), "--help"], 1.15
        )
