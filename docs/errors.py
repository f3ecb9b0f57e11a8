"""Tables of errors that pages show: measured memories by source, fine-tuning by method."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median


def memories() -> str:
    """How far off measured memories are, by source."""
    from benchmarks.memory import by_source
    from llmcost.render.data import to_markdown

    rows = [
        [source, str(len(errors)), f"{_mean(map(abs, errors)):.1%}", f"{_mean(errors):+.1%}"]
        for source, errors in by_source().items()
    ]
    return to_markdown(["Source", "cases", "mean error", "with sign"], rows, [1, 2, 3])


def _mean(numbers: Iterable[float]) -> float:
    found = list(numbers)
    return sum(found) / len(found)


def tuning() -> str:
    """How far off published fine-tuning is, by method."""
    from llmcost.analysis.finetune_cases import MEMORY_GROUP, SPEED_GROUP, finetune_cases
    from llmcost.catalog import load_catalog
    from llmcost.render.data import to_markdown

    errors: dict[tuple[str, str], list[float]] = {}
    for case in finetune_cases(load_catalog()):
        key = (case.source.rpartition(", ")[2], case.group)
        errors.setdefault(key, []).append(abs(case.error or 0.0))
    rows = []
    for method, shown in (("full", "full"), ("lora", "LoRA"), ("qlora", "QLoRA")):
        row = [shown]
        for group in (MEMORY_GROUP, SPEED_GROUP):
            found = errors[method, group]
            row += [str(len(found)), f"{median(found):.1%}"]
        rows.append(row)
    head = ["Method", "memory, cases", "median error", "speed, cases", "median error"]
    return to_markdown(head, rows, [1, 2, 3, 4])
