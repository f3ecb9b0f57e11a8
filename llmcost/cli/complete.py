"""What the shell offers at Tab; imported only when a shell asks."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable
from inspect import signature
from pathlib import Path
from typing import Any

import typer

Offer = list[tuple[str, str]]
#: The key whose value bash completes.
_key: str | None = None


def attach(command: Callable[..., None]) -> None:
    """Give the parameters of a command their completions."""
    for name, parameter in signature(command).parameters.items():
        for note in getattr(parameter.annotation, "__metadata__", ()):
            if name in _OFFERS:
                note.autocompletion = _OFFERS[name]


def join_words(shell: str) -> None:
    """Undo what bash does to ``key=value``, which it splits at the ``=``.

    Where the word to complete is a value, its key is kept aside, as bash replaces the value alone.
    """
    global _key
    _key = None
    if not shell.endswith("bash"):
        return
    try:
        parts = shlex.split(os.environ.get("COMP_WORDS", "").replace("\n", " "))
        last = int(os.environ.get("COMP_CWORD", "0"))
    except ValueError:
        return  # an open quote: the shell completes a file name
    parts = [*parts[: last + 1], *[""] * (last + 1 - len(parts))]
    words: list[str] = []
    for index, part in enumerate(parts):
        if part == "=" and words:
            words[-1] += "="
        elif index and parts[index - 1] == "=" and words:
            words[-1] += part
        else:
            words.append(part)
    key, equals, value = words[-1].partition("=")
    if equals and "=" in parts[-2:]:
        words[-1:] = [key, value] if key.startswith("-") else [value]
        _key = None if key.startswith("-") else key
    os.environ["COMP_WORDS"] = shlex.join(words)
    os.environ["COMP_CWORD"] = str(len(words) - 1)


def _starting(items: Iterable[tuple[str, str]], incomplete: str) -> Offer:
    return [(name, text) for name, text in items if name.startswith(incomplete)]


def _scenarios(incomplete: str) -> Offer:
    """Bundled scenarios, and TOML files."""
    from llmcost.scenario.read import bundled_names

    folder, _, start = incomplete.rpartition("/")
    here = Path(folder or ("/" if incomplete.startswith("/") else "."))
    lead = f"{folder}/" if "/" in incomplete else ""
    files: Offer = []
    if here.is_dir():
        for path in sorted(here.iterdir()):
            if not path.name.startswith(start) or path.name.startswith("."):
                continue
            if path.suffix == ".toml":
                files.append((lead + path.name, "scenario file"))
            elif path.is_dir():
                files.append((f"{lead}{path.name}/", "folder"))
    bundled = [(name, "bundled scenario") for name in bundled_names()]
    return [*_starting(bundled, incomplete), *files]


def _settings(incomplete: str) -> Offer:
    """Scenario keys, then the values of one."""
    from llmcost.scenario.schema import CHOICE, ENTRY, FLAG, KEYS

    name, equals, start = incomplete.partition("=")
    if _key is not None:
        name, equals, start = _key, "=", incomplete
    if not equals:
        return _starting([(f"{key.name}=", key.help) for key in KEYS.values()], incomplete)
    key = KEYS.get(name)
    if key is None:
        return []
    done, comma, start = start.rpartition(",")
    values: Offer = [(word, "") for word in key.words]
    if key.kind == CHOICE:
        values = [(choice, "") for choice in key.choices]
    elif key.kind == FLAG:
        values = [("true", ""), ("false", "")]
    elif key.kind == ENTRY:
        values = [(entry, "") for entry in _entries(key.catalog)]
    lead = f"{name}=" if _key is None else ""
    return [(f"{lead}{done}{comma}{value}", text) for value, text in _starting(values, start)]


def _entries(kind: str) -> list[str]:
    from llmcost.catalog import load_catalog
    from llmcost.errors import LlmcostError

    try:
        return sorted(load_catalog().kind(kind))
    except LlmcostError:  # the catalog of LLMCOST_CATALOG is broken: the command will say so
        return []


def _results(incomplete: str) -> Offer:
    from llmcost.engine.results import RESULTS

    return _starting([(item.key, item.label) for item in RESULTS.values()], incomplete)


def _result_list(incomplete: str) -> Offer:
    done, comma, start = incomplete.rpartition(",")
    sign = "-" if start.startswith("-") else ""
    return [(f"{done}{comma}{sign}{name}", text) for name, text in _results(start[len(sign) :])]


def _result_value(incomplete: str) -> Offer:
    return [] if "=" in incomplete else [(f"{name}=", text) for name, text in _results(incomplete)]


def _keys(incomplete: str) -> Offer:
    from llmcost.scenario.schema import KEYS, NUMBER

    numeric = [(key.name, key.help) for key in KEYS.values() if key.kind == NUMBER]
    return _starting(numeric, incomplete)


def _kinds(incomplete: str) -> Offer:
    from llmcost.catalog import KINDS

    return _starting(KINDS.items(), incomplete)


def _names(ctx: typer.Context, incomplete: str) -> Offer:
    from llmcost.catalog import KINDS

    kind = ctx.params.get("kind")
    return _starting([(name, "") for name in _entries(kind)], incomplete) if kind in KINDS else []


def _words(*words: str) -> Callable[[str], Offer]:
    def offer(incomplete: str) -> Offer:
        return _starting([(word, "") for word in words], incomplete)

    return offer


#: What is offered for a parameter, by its name.
_OFFERS: dict[str, Callable[..., Any]] = {
    "scenario": _scenarios,
    "scenarios": _scenarios,
    "sets": _settings,
    "set_b": _settings,
    "set_c": _settings,
    "set_d": _settings,
    "axis": _settings,
    "zip": _settings,
    "solve": _keys,
    "target": _result_value,
    "threshold": _result_value,
    "explain": _results,
    "tornado": _results,
    "waterfall": _results,
    "minimize": _results,
    "maximize": _results,
    "metrics": _result_list,
    "select": _result_list,
    "pareto": _result_list,
    "kind": _kinds,
    "name": _names,
    "format": _words("table", "json", "jsonl", "csv", "markdown", "parquet"),
    "uncertainty": _words("none", "defaults"),
    "follow": _words("model", "frontier"),
    "engine": _words("local", "dask"),
}
