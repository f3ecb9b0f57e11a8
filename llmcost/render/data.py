"""Results as data: JSON, CSV and Markdown."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from llmcost.analysis.estimate import Estimate, Item
from llmcost.analysis.sampling import column
from llmcost.engine.chain import scalar
from llmcost.engine.results import MEMORY, MEMORY_IN_USE, RESULTS, STEP_PARTS
from llmcost.errors import printable
from llmcost.render.cost import cost_label
from llmcost.render.numbers import plain, range_heading, readable, show_in, span
from llmcost.scenario.schema import KEYS
from llmcost.version import __version__

#: Version of the JSON that commands print.
JSON_VERSION = 1


def clean(value: Any) -> Any:
    """The same value in which JSON has nothing that it cannot hold: NaN and infinities are null."""
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    if isinstance(value, Mapping):
        return {str(key): clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean(item) for item in value]
    return value


def to_json(value: Any, indent: int | None = 2) -> str:
    """JSON text with a final newline."""
    return json.dumps(clean(value), indent=indent, ensure_ascii=False, allow_nan=False) + "\n"


def estimate_object(result: Estimate) -> dict[str, Any]:
    """An estimate as the contract's JSON object."""
    return {
        "schema_version": JSON_VERSION,
        "llmcost_version": __version__,
        "scenario": result.name,
        "inputs": result.provenance(),
        "results": result.results,
        "intervals": result.intervals,
        "warnings": result.warnings,
        **({"cost_items": [_item(item) for item in result.items]} if result.items else {}),
        **performance_object(result),
        **_stages(result),
        **_levers(result),
    }


def _item(item: Item) -> dict[str, Any]:
    band = {"interval": item.interval} if item.interval else {}
    return {"name": item.name, "usd": item.usd, **band}


def _stages(result: Estimate) -> dict[str, Any]:
    if not result.stages:
        return {}
    from llmcost.render.stages import objects

    return {"stages": objects(result)}


def _levers(result: Estimate) -> dict[str, Any]:
    if not result.levers:
        return {}
    from llmcost.render.levers import objects

    return objects(result)


def performance_object(result: Estimate) -> dict[str, Any]:
    """The parts of a step and what a search found, as the estimate's JSON carries them."""
    parts = step_parts(result)
    if not parts:
        return {}
    found: dict[str, Any] = {"step_breakdown_s": parts}
    if result.search is not None:
        from llmcost.analysis.layout import words

        search = result.search
        found["layout_search"] = {
            "best": words(search.best),
            "runners_up": [
                {
                    **words(item),
                    "step_time_s": item["step_time_s"],
                    **{name: item[name] for name in (MEMORY, MEMORY_IN_USE)},
                }
                for item in search.runners_up
            ],
            "searched": search.searched,
            "feasible": search.feasible,
            "excluded": search.excluded,
        }
    return {"performance": found}


#: Times of a step this close are the same.
_SAME_TIME = 0.005


def step_parts(result: Estimate) -> dict[str, float]:
    """Time of each part of a step; they add up to it, so there are none where one is not known.

    The host has one only where something is offloaded.
    """
    found = {name: scalar(result.values.get(name)) for name in STEP_PARTS}
    if result.result("predicted_mfu") is None:
        return {}
    return {
        name: value
        for name, value in found.items()
        if value is not None and (value or name != "offload_s")
    }


def step_note(result: Estimate) -> str:
    """What is said behind the heading of a step's parts: where days are given, they are what was expected."""
    total, taken = sum(step_parts(result).values()), result.result("step_time_s")
    same = taken is None or math.isclose(total, taken, rel_tol=_SAME_TIME)
    return "" if same else ", as predicted"


#: Parts of a step as a reader knows them.
STEP_LABELS = {
    "compute_s": "Arithmetic and memory",
    "model_collectives_s": "Tensor, expert, context parallel",
    "pipeline_bubble_s": "Pipeline bubble",
    "pipeline_transfer_s": "Pipeline transfers",
    "data_parallel_s": "Data parallel",
    "optimizer_s": "Optimizer",
    "offload_s": "Host memory",
    "straggler_s": "Waiting for the slowest",
    "software_s": "Software not named",
}


class Assumption(NamedTuple):
    """An input that the scenario did not give, and where its value comes from."""

    key: str
    value: str
    source: str


def assumptions(result: Estimate) -> tuple[list[Assumption], dict[str, list[Assumption]]]:
    """The defaults, and by entry what the catalog gave; of both what the results used."""
    used = {name for step in result.steps for name in (*step.needs, *step.optional)}
    defaults: list[Assumption] = []
    entries: dict[str, list[Assumption]] = {}
    for key, item in result.provenance().items():
        kind, _, text = item["source"].partition(": ")
        quantity = KEYS[key].quantity
        if quantity and quantity not in used:
            continue
        taken = Assumption(key, plain(item["value"]), text)
        if kind == "default":
            defaults.append(taken)
        elif kind == "catalog":
            entries.setdefault(text.partition(" ")[0].rstrip(","), []).append(taken)
    return defaults, entries


def tornado_object(key: str | None, bars: Sequence[Any] | None) -> dict[str, Any]:
    """What drives a result, as the estimate's JSON carries it; empty where it was not asked for."""
    if key is None or bars is None:
        return {}
    return {"tornado": {"result": key, "inputs": [bar._asdict() for bar in bars]}}


def csv_cell(value: Any) -> Any:
    """A value as a CSV cell, of one line; text that a spreadsheet would run as a formula gets an apostrophe."""
    value = clean(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        value = printable(" ".join(value.splitlines()))
        return "'" + value if value[:1] in ("=", "+", "-", "@", "\t") else value
    return value


def to_csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """CSV text with a header line."""
    import csv
    import io

    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([csv_cell(name) for name in header])
    writer.writerows([csv_cell(cell) for cell in row] for row in rows)
    return stream.getvalue()


def estimates_csv(results: Mapping[str, Estimate]) -> str:
    """A line a scenario by its name, a column a result."""
    quantiles = list(
        dict.fromkeys(
            (key, name)
            for item in results.values()
            for key, band in item.intervals.items()
            for name in band
        )
    )
    header = ["scenario", *RESULTS, *(column(*pair) for pair in quantiles)]
    rows = []
    for label, item in results.items():
        bands = [item.intervals.get(key, {}).get(name) for key, name in quantiles]
        rows.append([label, *item.results.values(), *bands])
    return to_csv(header, rows)


def to_markdown(
    header: Sequence[str], rows: Iterable[Sequence[str]], right: Iterable[int] = ()
) -> str:
    """A Markdown table."""
    turned = set(right)
    lines = ["| " + " | ".join(map(_escaped, header)) + " |"]
    lines.append(
        "|" + "|".join(" ---: " if i in turned else " --- " for i in range(len(header))) + "|"
    )
    lines += ["| " + " | ".join(_escaped(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _escaped(cell: str) -> str:
    """A cell that stays one, and no HTML."""
    cell = " ".join(cell.replace("\\", "\\\\").splitlines())
    return cell.replace("|", "\\|").replace("<", "\\<")


def markdown_text(text: str) -> str:
    """A name as plain text of a Markdown page, whatever signs are in it."""
    return re.sub(r"([\\`*_{}\[\]<>#|~])", r"\\\1", " ".join(text.split()))


def estimate_markdown(result: Estimate) -> str:
    """An estimate as Markdown: results, then assumptions."""
    show_in(result.inputs.scenario)
    rows = []
    for key, item in RESULTS.items():
        if result.result(key) is None:
            continue
        band = result.intervals.get(key, {})
        label = cost_label(result, key)
        rows.append(
            [
                label,
                readable(result.result(key), item.unit),
                span(band, item.unit),
                f"`{key}`",
                item.source,
            ]
        )
        if key == "cost_items_usd":
            rows += [
                [
                    f"– {one.name}",
                    readable(one.usd, item.unit),
                    span(one.interval, item.unit),
                    "",
                    "scenario",
                ]
                for one in result.items
            ]
    header = ["Result", "Value", range_heading(result.intervals), "Key", "Source"]
    right = [1]
    if not result.intervals:
        header.pop(2)
        rows = [[*row[:2], *row[3:]] for row in rows]
    text = f"## {markdown_text(result.name)}\n\n" + to_markdown(header, rows, right)
    if result.stages:
        from llmcost.render import stages

        names = list(stages.HEADER)
        text += "\n### Stages\n\n" + to_markdown(names, stages.rows(result), range(2, len(names)))
    if result.levers:
        from llmcost.render import levers

        names = levers.header(result)
        text += "\n### Levers\n\n" + to_markdown(names, levers.rows(result), range(1, len(names)))
        text += f"\n{levers.note(result)}\n\n"
        text += "".join(f"- {markdown_text(line)}\n" for line in levers.changes(result))
    assumed = [
        [f"`{key}`", str(item["value"]), item["source"]]
        for key, item in result.provenance().items()
        if item["source"].startswith(("default", "catalog"))
    ]
    text += "\n### Assumptions\n\n" + to_markdown(["Key", "Value", "Source"], assumed)
    if result.warnings:
        text += "\n" + "\n".join(f"> Warning: {item}" for item in result.warnings) + "\n"
    return text
