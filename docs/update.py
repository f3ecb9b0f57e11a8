"""Bring what README and docs show up to date: ``python -m docs.update``.

Marks in a page are kept: ``<!-- output: llmcost … -->`` before a block with the output of a command,
``<!-- shown: llmcost … -->`` before one that shows the command too (without what cuts its output),
``<!-- file: NAME -->`` before a block that the page's commands read, and ``<!-- generated: NAME -->``
to ``<!-- end -->`` around what is made from the code, ``<!-- drawn: FILE by llmcost … -->`` before a picture.
Figures in running text have no marks: docs/figures.py knows the words around them.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import tomli

from docs.errors import memories, tuning
from docs.figures import with_figures
from llmcost.cli.main import COMMANDS

ROOT = Path(__file__).parent.parent
SHOWN = re.compile(
    r"(<!-- (output|shown): (llmcost .*?) -->\n```(?:text|console)\n)(.*?)(```)", re.S
)
FILES = re.compile(r"<!-- file: (\S+) -->\n```(?:toml|bash|json|yaml|text)\n(.*?)```", re.S)
DRAWN = re.compile(r"<!-- drawn: (\S+) by (llmcost .*?) -->")
#: Terminal width of help texts, so that they are the same everywhere.
WIDTH = "80"


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command of a page in bash, with ``llmcost`` being this one."""
    line = f'llmcost() {{ {sys.executable} -m llmcost "$@"; }}; {command}'
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=240,
    )


def place_files(text: str, folder: Path) -> None:
    """Write the files that a page shows, for its commands to read."""
    for name, content in FILES.findall(text):
        (folder / name).write_text(content)


def with_outputs(text: str) -> str:
    """A page with the output of its commands made anew."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        place_files(text, folder)

        def output(match: re.Match[str]) -> str:
            done = run(match[3], folder)
            if done.returncode:
                raise SystemExit(f"{match[3]}: exit {done.returncode}: {done.stderr}")
            typed = f"$ {_folded(match[3])}\n" if match[2] == "shown" else ""
            return f"{match[1]}{typed}{done.stdout.rstrip()}\n{match[5]}"

        return SHOWN.sub(output, text)


def drawing(command: str) -> str:
    """The SVG that a command draws."""
    with tempfile.TemporaryDirectory() as name:
        done = run(f"{command} --plot drawn.svg", Path(name))
        if done.returncode:
            raise SystemExit(f"{command}: exit {done.returncode}: {done.stderr}")
        return (Path(name) / "drawn.svg").read_text()


def _folded(command: str) -> str:
    """A command as a reader types it: without the pipe that cuts its output, in lines that fit."""
    lines = [""]
    for part in re.split(r" (?=--)", command.partition(" | sed ")[0]):
        if lines[-1] and len(lines[-1]) + len(part) > 92:
            lines.append("    " + part)
        else:
            lines[-1] += (" " if lines[-1] else "") + part
    return " \\\n".join(lines)


#: The page of a rule, by the longest of these that its module's name in the engine starts with.
FORMULAS = {
    "architecture": "compute",
    "flops": "compute",
    "identity": "time",
    "reliability": "goodput",
    "performance": "step time",
    "performance.power": "power",
    "energy": "power",
    "memory": "memory",
    "adapters": "fine-tuning",
    "carbon": "carbon",
    "cost": "cost",
    "ownership": "cost",
    "growth": "projection",
    "service": "service",
    "loss": "loss",
}


def formulas(page: str) -> str:
    """The rules of the engine that stand on a page."""
    import llmcost.engine.loss
    import llmcost.engine.memory
    import llmcost.engine.performance
    import llmcost.engine.service  # noqa: F401
    from llmcost.engine.chain import RULES
    from llmcost.engine.results import RESULTS
    from llmcost.render.data import to_markdown

    rows = []
    for rule in sorted(RULES, key=lambda rule: rule.function.__module__):
        module = rule.function.__module__.removeprefix("llmcost.engine.")
        if FORMULAS[max(filter(module.startswith, FORMULAS), key=len)] != page:
            continue
        name = f"**`{rule.gives}`**" if rule.gives in RESULTS else f"`{rule.gives}`"
        rows.append([name, f"`{rule.formula}`", rule.reference])
    return to_markdown(["Quantity", "Formula", "Source"], rows)


@cache
def _validation() -> tuple[str, str]:
    """How far predictions are off from the published cases, by group and by source."""
    from llmcost.analysis.validate import summarize, validate
    from llmcost.catalog import load_catalog
    from llmcost.render.validate import validate_markdown

    cases = validate(load_catalog())
    text = validate_markdown(summarize(cases), summarize(cases, by_source=True))
    groups, _, sources = text.partition("\n\n")
    return groups + "\n", sources


def accuracy() -> str:
    """How far off published cases are, by group."""
    return _validation()[0]


def accuracy_of(word: str) -> str:
    """How far off published cases are, of the groups whose name starts so."""
    head, rows = accuracy().splitlines()[:2], accuracy().splitlines()[2:]
    return "\n".join([*head, *(row for row in rows if row.startswith(f"| {word}"))]) + "\n"


def cases() -> str:
    """How far off published cases are, by group and source."""
    return _validation()[1]


def scenarios() -> str:
    """The scenarios that come with the program."""
    from llmcost.render.data import to_markdown

    files = sorted((ROOT / "scenarios").glob("*.toml"), key=lambda file: file.stem)
    tables = {file.stem: tomli.loads(file.read_text()) for file in files}
    rows = [[f"`{name}`", table["description"]] for name, table in tables.items()]
    return to_markdown(["Name", "What"], rows)


def keys() -> str:
    """The keys of a scenario, by section."""
    from llmcost.render.data import to_markdown
    from llmcost.scenario.schema import ITEM_KEYS, KEYS, LEVER_KEYS, STAGE_KEYS, SWEEP_KEYS

    sections: dict[str, list[list[str]]] = {}
    for key in KEYS.values():
        heading = f"[{key.section}]" if key.section else "At the top"
        row = [f"`{key.short}`", key.help, key.allowed]
        sections.setdefault(heading, []).append(row)
    for heading, table in (
        ("[[cost.items]]", ITEM_KEYS),
        ("[[levers]]", LEVER_KEYS),
        ("[[stages]]", STAGE_KEYS),
    ):
        sections[heading] = [[f"`{key.name}`", key.help, key.allowed] for key in table.values()]
    sections["[[stages]]"].append(
        [
            "`data.tokens` …",
            "Any key of the file, dotted, that the stage overrides",
            "as in the file",
        ]
    )
    sections["[[correlation]]"] = [
        ["`keys`", "Two uncertain inputs", "two scenario keys"],
        ["`rho`", "Their rank correlation", "a number > -1 and < 1"],
    ]
    sections["[sweep]"] = [
        [f"`{name}`", f"As --{name} of `llmcost sweep`", "text or a list"] for name in SWEEP_KEYS
    ]
    parts = []
    for heading, rows in sections.items():
        parts.append(f"### {heading}\n\n" + to_markdown(["Key", "What", "Holds"], rows))
    return "\n".join(parts)


def results() -> str:
    """The results, with unit and source."""
    from llmcost.engine.results import RESULTS
    from llmcost.render.data import to_markdown

    rows = [
        [f"`{item.key}`", item.description, item.unit or "count", item.source]
        for item in RESULTS.values()
    ]
    return to_markdown(["Key", "What", "Unit", "Source"], rows)


def help_of(command: str) -> str:
    """The help of a command."""
    done = subprocess.run(
        [sys.executable, "-m", "llmcost", command, "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "", "COLUMNS": WIDTH, "TERM": "dumb", "NO_COLOR": "1"},
    )
    text = "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())
    return f"```text\n{text}\n```\n"


def sources() -> str:
    """Every source of the catalog with its address, and what comes from it."""
    from llmcost.catalog import KINDS, load_catalog
    from llmcost.render.data import to_markdown

    catalog = load_catalog()
    parts = []
    for kind, text in KINDS.items():
        found: dict[tuple[str, str, str], list[str]] = {}
        for name, entry in catalog.kind(kind).items():
            mark = (
                str(entry.get("source", "")),
                str(entry.get("url", "")),
                str(entry.get("date", "")),
            )
            found.setdefault(mark, []).append(name)
        rows = []
        for (source, url, date), names in found.items():
            several = f"{len(names)} entries" if len(names) > 6 else ", ".join(names)
            rows.append([several, f"[{source}]({url})" if url else source, date])
        parts.append(
            f"## {kind}\n\n{text[0].upper()}{text[1:]}.\n\n"
            + to_markdown(["Entries", "Source", "Read"], rows)
        )
    return "\n".join(parts)


#: What is known of a prediction, by the case that its range stands under.
CASES = {
    "stated": "the software is given",
    "assumed": "added: the software is assumed",
    "mixture": "added: a mixture of experts",
    "unmeasured": "added: an accelerator whose kernels nobody measured",
    "across": "added: experts exchanged between scale-up domains",
}


def ranges() -> str:
    """What nine in ten measured steps lie in, by what is known of them."""
    from llmcost.catalog import load_catalog
    from llmcost.render.data import to_markdown

    general = load_catalog().kind("performance")["general"]
    rows = [
        [words, *(f"{end:g}" for end in general[f"error_{case}"])] for case, words in CASES.items()
    ]
    return to_markdown(["What is known", "from", "to"], rows, [1, 2])


@cache
def _whole() -> tuple[Any, ...]:
    """What whole runs took, and what their names say."""
    from llmcost.analysis.run_cases import whole_run_cases
    from llmcost.catalog import load_catalog

    return tuple(whole_run_cases(load_catalog()))


def whole_runs() -> str:
    """What each whole run took, what its name says, and whether the range holds it."""
    from llmcost.engine.results import RESULTS
    from llmcost.render.data import to_markdown
    from llmcost.render.numbers import readable

    rows = []
    for case in sorted(_whole(), key=lambda case: case.error):
        unit = RESULTS[case.result].unit
        ends = [readable(end, unit) for end in (case.low, case.high)]
        rows.append(
            [
                case.case, readable(case.published, unit), readable(case.predicted, unit), f"{case.error:+.0%}",
                "–".join(ends) if case.covered is not None else "", {True: "yes", False: "no", None: ""}[case.covered],
            ]
        )  # fmt: skip
    return to_markdown(["Run", "took", "by name", "error", "range", "held"], rows, range(1, 6))


def whole_runs_by_accelerator() -> str:
    """The median error of the hours of whole runs on each kind of accelerator."""
    from statistics import median

    from llmcost.catalog import load_catalog
    from llmcost.render.data import to_markdown

    catalog = load_catalog()
    errors: dict[str, list[float]] = {}
    for case in _whole():
        if case.result == "device_hours":
            name = str(catalog.entry("runs", case.case)["accelerator"])
            errors.setdefault(name.split("-")[0].upper(), []).append(case.error)
    rows = [
        [name, str(len(found)), f"{median(found):+.0%}", f"{min(found):+.0%}", f"{max(found):+.0%}"]
        for name, found in errors.items()
        if len(found) > 2
    ]
    return to_markdown(["Accelerator", "runs", "median", "lowest", "highest"], rows, range(1, 5))


GENERATED: dict[str, Callable[[], str]] = {
    "whole runs": whole_runs,
    "whole runs by accelerator": whole_runs_by_accelerator,
    "accuracy": accuracy,
    "ranges": ranges,
    "accuracy fine-tuning": partial(accuracy_of, "fine-tuning"),
    "accuracy service": partial(accuracy_of, "serving"),
    "memory measured": memories,
    "fine-tuning by method": tuning,
    "cases": cases,
    "scenarios": scenarios,
    "keys": keys,
    "results": results,
    "sources": sources,
    **{f"formulas {page}": partial(formulas, page) for page in FORMULAS.values()},
    **{f"help {name}": partial(help_of, name) for name in COMMANDS},
}


def refreshed(text: str) -> str:
    """A page with its generated parts made anew."""
    for name, make in GENERATED.items():
        part = re.compile(rf"(<!-- generated: {name} -->\n).*?(<!-- end -->)", re.S)
        if part.search(text):
            made = make()
            text = part.sub(lambda match, made=made: match[1] + made + match[2], text)  # type: ignore[misc]
    return text


def pages() -> list[Path]:
    """The pages that show output or hold generated parts."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def texts() -> list[Path]:
    """Whatever holds figures that docs/figures.py makes."""
    return [*pages(), ROOT / "CHANGELOG.md"]


def main() -> None:
    """Run every command whose output is shown, and put its output in; then the figures of running text."""
    for path in pages():
        text = with_outputs(refreshed(path.read_text()))
        path.write_text(text)
        for name, command in DRAWN.findall(text):
            (path.parent / name).write_text(drawing(command))
    for path in texts():
        path.write_text(with_figures(path.read_text()))


if __name__ == "__main__":
    main()
