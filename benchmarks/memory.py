"""Predicted against measured peak memory, by source.

``python -m benchmarks.memory`` takes the cases that ``llmcost validate`` takes, the first stages of
Korthikanti et al. 2022, and BLOOM's tuning (memory_bloom.csv: what the device said, with CUDA's context and
the allocator's reserve, which are not predicted). ``python -m benchmarks.memory FILE`` takes a file
with the columns of llmcost/catalog/data/memory_measured.csv instead.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from llmcost.analysis.cases import Case, rows
from llmcost.analysis.finetune_cases import finetune_cases
from llmcost.analysis.memory_cases import case_of, measured_memory_cases, scenario_of
from llmcost.analysis.validate import layout_scenario, memory_cases
from llmcost.catalog import load_catalog
from llmcost.scenario.resolve.accuracy import MEMORY


def _bloom() -> Iterator[Case]:
    layouts = {row["id"]: row for row in rows("throughput.csv")}
    path = Path(__file__).with_name("memory_bloom.csv")
    for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines()):
        yield case_of(row, layout_scenario(layouts[row["id"]]), load_catalog())


def _published() -> Iterator[Case]:
    catalog = load_catalog()
    yield from (*measured_memory_cases(catalog), *memory_cases(catalog), *_bloom())


def _error(case: Case) -> float:
    return 1.0 if case.error is None else case.error


def by_source(cases: Iterable[Case] | None = None) -> dict[str, list[float]]:
    """Errors of the cases, of the published ones if none are given, by source."""
    sources: dict[str, list[float]] = {}
    for case in _published() if cases is None else cases:
        sources.setdefault(case.source, []).append(_error(case))
    return sources


def main() -> None:
    """Print each case, and by source the mean error, with and without its sign."""
    catalog = load_catalog()
    if len(sys.argv) > 1 and sys.argv[1].endswith(".csv"):
        text = Path(sys.argv[1]).read_text(encoding="utf-8")
        cases = [
            case_of(row, scenario_of(row), catalog) for row in csv.DictReader(text.splitlines())
        ]
    else:
        cases = list(_published())
    for case in cases:
        found = "no answer" if case.predicted is None else f"{case.predicted:6.1f}"
        print(f"{case.case:44s} {case.published:6.1f} GB measured, {found} ({_error(case):+.1%})")
    print()
    for source, errors in by_source(cases).items():
        count = len(errors)
        size = sum(abs(error) for error in errors) / count
        print(
            f"{source:62s} {count:3d}: mean error {size:5.1%}, with sign {sum(errors) / count:+6.1%}"
        )
    if len(sys.argv) == 1:
        interval([*cases, *finetune_cases(catalog)])


def interval(cases: list[Case]) -> None:
    """Print measured over predicted memory at 5 and 95 %, each source counted once.

    No constant of the ledger is fitted to a memory, so each source is one that is left out. What a
    device said, with CUDA's context beside the framework's, is another quantity: BLOOM is not in.
    """
    counted = [
        case
        for case in cases
        if case.predicted and case.result == MEMORY and "BLOOM" not in case.source
    ]
    sources = [case.source for case in counted]
    ratios = np.array([case.published / (case.predicted or np.nan) for case in counted])
    weight = np.array([1 / sources.count(source) for source in sources])
    order = np.argsort(ratios)
    place = (np.cumsum(weight[order]) - weight[order] / 2) / weight.sum()
    low, middle, high = np.interp((0.05, 0.5, 0.95), place, ratios[order])
    print(
        f"measured over predicted: {len(set(sources))} sources, {low:.2f} {middle:.2f} {high:.2f}"
    )


if __name__ == "__main__":
    main()
