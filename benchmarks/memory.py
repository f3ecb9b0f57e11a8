"""Predicted against measured peak memory, by source.

``python -m benchmarks.memory`` takes the cases that ``llmcost validate`` takes, the first stages of
Korthikanti et al. 2022, and BLOOM's tuning (memory_bloom.csv: what the device said), each by its own meter. ``python -m benchmarks.memory FILE`` takes a file
with the columns of llmcost/catalog/data/memory_measured.csv instead.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from llmcost.analysis.cases import Case, estimate_of, rows
from llmcost.analysis.finetune_cases import finetune_cases
from llmcost.analysis.memory_cases import case_of, measured_memory_cases, scenario_of
from llmcost.analysis.validate import layout_scenario, memory_cases
from llmcost.catalog import Catalog, load_catalog
from llmcost.engine.results import MEMORY, MEMORY_IN_USE


def _bloom() -> Iterator[Case]:
    layouts = {row["id"]: row for row in rows("throughput.csv")}
    path = Path(__file__).with_name("memory_bloom.csv")
    for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines()):
        scenario = layout_scenario(layouts[row["id"]])
        scenario["training"]["software"] = row["software"]
        yield case_of(row, scenario, load_catalog())


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
        too_large(catalog)


#: Share of the cases beyond each end of the interval, so that it holds nine of ten of sources that are left out.
_TAIL = 0.02


def ends(cases: list[Case]) -> tuple[float, float, float]:
    """Measured over predicted memory at both ends and in the middle, each source counted once."""
    sources = [case.source for case in cases]
    ratios = np.array([case.published / (case.predicted or np.nan) for case in cases])
    weight = np.array([1 / sources.count(source) for source in sources])
    order = np.argsort(ratios)
    place = (np.cumsum(weight[order]) - weight[order] / 2) / weight.sum()
    low, middle, high = np.interp((_TAIL, 0.5, 1 - _TAIL), place, ratios[order])
    return float(low), float(middle), float(high)


def interval(cases: list[Case]) -> None:
    """Print the interval of measured over predicted memory, and what it holds of each source when taken without it."""
    counted = [case for case in cases if case.predicted and case.result == MEMORY]
    held = []
    for source in sorted({case.source for case in counted}):
        low, _, high = ends([case for case in counted if case.source != source])
        own = [case for case in counted if case.source == source]
        inside = [low <= case.published / (case.predicted or np.nan) <= high for case in own]
        held.append(sum(inside) / len(own))
    low, middle, high = ends(counted)
    print(
        f"measured over predicted: {len(held)} sources, {low:.2f} {middle:.2f} {high:.2f}; "
        f"held of sources left out {sum(held) / len(held):.0%}"
    )


def too_large(catalog: Catalog) -> None:
    """Print how many published layouts, all of which ran, need more than a device can use, by source."""
    own = {row["id"]: scenario_of(row)["cluster"] for row in rows("memory_measured.csv")}
    layouts: dict[str, list[bool]] = {}
    for row in rows("throughput.csv"):
        scenario = layout_scenario(row)
        if "memory_gb" in own.get(row["id"], {}):
            scenario["cluster"]["memory_gb"] = own[row["id"]]["memory_gb"]
        found = estimate_of(scenario, catalog)
        need = None if found is None else found.result(MEMORY_IN_USE)
        if found is not None and need is not None:
            room = float(found.inputs.known["usable_memory_gb"])
            layouts.setdefault(row["source"], []).append(need > room)
    for source, beyond in layouts.items():
        if any(beyond):
            print(f"{source:62s} {sum(beyond):3d} of {len(beyond)} do not fit")
    every = [one for beyond in layouts.values() for one in beyond]
    print(f"published layouts that do not fit: {sum(every)} of {len(every)}")


if __name__ == "__main__":
    main()
