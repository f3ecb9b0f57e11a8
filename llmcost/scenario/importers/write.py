"""A scenario file of what a trainer's files say."""

from __future__ import annotations

from collections.abc import Sequence

from llmcost.scenario.importers.run import Run, toml_value
from llmcost.scenario.schema import KEYS

_SECTIONS = ("model", "data", "training", "cluster", "parallelism")
#: Column at which the origin of a value is noted.
_COLUMN = 34


def _clean(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)


def scenario_text(run: Run, name: str, files: Sequence[str]) -> str:
    """The scenario file: each value with the key that it was read from, then what was not understood.

    Parameters
    ----------
    run : Run
        What was read, finished.
    name : str
        Name of the scenario.
    files : sequence of str
        The files that were read.
    """
    trainers = " and ".join(dict.fromkeys(run.trainers))
    lines = [
        f"# Read by llmcost from {', '.join(_clean(file) for file in files)} ({trainers}).",
        "schema_version = 1",
        f"name = {toml_value(name)}",
    ]
    if run.title:
        lines.append(f"description = {toml_value(run.title)}")
    if "start_date" in run.values:
        lines.append(f"start_date = {toml_value(run.get('start_date'))}")
    else:
        lines.append("# start_date = 2026-01-01  # dates prices, depreciation and electricity")
    others = [key.partition(".")[0] for key in run.values if "." in key]
    for section in dict.fromkeys((*_SECTIONS, *others)):
        own = [key for key in KEYS if key.startswith(f"{section}.") and key in run.values]
        remarks = run.remarks.get(section, [])
        if not own and not remarks:
            continue
        lines += ["", f"[{section}]"]
        before = ""
        for key in own:
            found = run.values[key]
            text = f"{key.partition('.')[2]} = {toml_value(found.value)}"
            same = found.origin == before
            lines.append(text if same else f"{text:<{_COLUMN}} # {_clean(found.origin)}")
            before = found.origin
        lines += [f"# {_clean(remark)}" for remark in remarks]
    for heading, items in (
        ("Understood, but not in this scenario:", run.notes),
        ("Not understood:", run.unread),
    ):
        if items:
            lines += ["", f"# {heading}", *(f"#   {_clean(item)}" for item in items)]
    return "\n".join(lines) + "\n"
