"""Bring the outputs that README and docs show up to date: ``python -m docs.update``."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
_SHOWN = re.compile(r"(<!-- output: llmcost (.*?) -->\n```text\n)(.*?)(```)", re.S)


def _output(match: re.Match[str]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ["bash", "-c", f"{sys.executable} -m llmcost {match[2]}"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        )
    return f"{match[1]}{done.stdout}{match[4]}"


def main() -> None:
    """Run every command whose output is shown, and put its output in."""
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = path.read_text()
        path.write_text(_SHOWN.sub(_output, text))


if __name__ == "__main__":
    main()
