"""Bring the outputs that README and docs show up to date: ``python -m docs.update``."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
SHOWN = re.compile(r"(<!-- output: llmcost (.*?) -->\n```text\n)(.*?)(```)", re.S)


def _output(match: re.Match[str]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [
                "bash",
                "-c",
                f'llmcost() {{ {sys.executable} -m llmcost "$@"; }}; llmcost {match[2]}',
            ],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        )
    return f"{match[1]}{done.stdout}{match[4]}"


def formulas() -> str:
    """Every rule of the engine as a Markdown table."""
    import llmcost.engine.memory
    import llmcost.engine.performance  # noqa: F401
    from llmcost.engine.chain import RULES
    from llmcost.engine.results import RESULTS
    from llmcost.render.data import to_markdown

    rows = []
    for rule in sorted(RULES, key=lambda rule: rule.function.__module__):
        name = f"**`{rule.gives}`**" if rule.gives in RESULTS else f"`{rule.gives}`"
        rows.append([name, f"`{rule.formula}`", rule.reference])
    return to_markdown(["Quantity", "Formula", "Source"], rows)


GENERATED = {"formulas": formulas}


def refreshed(text: str) -> str:
    """A page with its generated parts made anew."""
    for name, make in GENERATED.items():
        part = re.compile(rf"(<!-- generated: {name} -->\n).*?(<!-- end -->)", re.S)
        text = part.sub(lambda match, make=make: match[1] + make() + match[2], text)  # type: ignore[misc]
    return text


def pages() -> list[Path]:
    """The pages that show output or hold generated parts."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def main() -> None:
    """Run every command whose output is shown, and put its output in."""
    for path in pages():
        path.write_text(SHOWN.sub(_output, refreshed(path.read_text())))


if __name__ == "__main__":
    main()
