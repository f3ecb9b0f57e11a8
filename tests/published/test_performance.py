"""The performance model against published step times and memory."""

from __future__ import annotations

import pytest

from llmcost.analysis.estimate import estimate
from llmcost.analysis.validate import (
    Case,
    layout_scenario,
    memory_cases,
    rows,
    summarize,
    throughput_cases,
)
from llmcost.catalog import load_catalog
from llmcost.scenario import parse_scenario

CATALOG = load_catalog()


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return list(throughput_cases(CATALOG))


def _mfu_errors(cases: list[Case]) -> list[float]:
    """A published step time over the predicted one is a predicted MFU over the published."""
    return [abs(case.published / (case.predicted or 1e-9) - 1) for case in cases]


def test_main_rows_within_6_percent_on_average(cases: list[Case]) -> None:
    main = [case for case in cases if case.group == "throughput"]
    assert len(main) == 72
    errors = _mfu_errors(main)
    assert sum(errors) / len(errors) <= 0.06


def test_every_source_within_10_percent_on_average(cases: list[Case]) -> None:
    for source in {case.source for case in cases}:
        mine = [abs(case.error or 1) for case in cases if case.source == source]
        assert sum(mine) / len(mine) <= 0.10, source


def test_intervals_hold_the_published_figures(cases: list[Case]) -> None:
    """They come from sources left out of the fit, so they hold more of those that are in it."""
    coverage = {group.group: group.coverage for group in summarize(cases)}
    assert all(0.9 <= (share or 0) < 1 for share in coverage.values())
    assert all(case.covered is not None for case in cases)


def test_no_row_is_without_an_answer(cases: list[Case]) -> None:
    assert all(case.predicted is not None for case in cases)
    assert len(cases) == 509


def test_korthikanti_step_times_within_5_percent(cases: list[Case]) -> None:
    errors = [abs(case.error or 1) for case in cases if case.case.startswith("korthikanti")]
    assert len(errors) == 4
    assert max(errors) <= 0.05


def test_korthikanti_figure_1_memory_within_5_percent() -> None:
    found = list(memory_cases(CATALOG))
    assert len(found) == 8
    for case in found:
        assert abs(case.error or 1) <= 0.05, case


def test_rows_set_aside_have_a_reason() -> None:
    every = rows("throughput.csv")
    assert len(every) == 579
    aside = [row for row in every if row["excluded"]]
    assert len(aside) <= 70
    for row in every:
        assert float(row["published_step_s"]) > 0
        assert row["source"]


def test_a_row_is_what_the_user_would_write() -> None:
    row = next(
        row for row in rows("throughput.csv") if row["id"] == "mosaic-7b-2048-256-h100-sxm-amp_bf16"
    )
    result = estimate(parse_scenario(layout_scenario(row)), CATALOG)
    assert result.result("mfu") == pytest.approx(0.4415, rel=0.1)
    assert result.result("mfu") == result.result("predicted_mfu")
