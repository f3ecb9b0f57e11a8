"""Published fine-tuning: what `validate` makes of the rows."""

from __future__ import annotations

from llmcost.analysis.cases import Case, rows
from llmcost.analysis.finetune_cases import COLUMNS, MEMORY_GROUP, SPEED_GROUP, finetune_cases
from llmcost.analysis.validate import summarize
from tests.layouts import CATALOG


def test_every_row_is_a_case_of_its_own() -> None:
    table = rows("finetune.csv")
    assert tuple(table[0]) == COLUMNS
    assert len({row["id"] for row in table}) == len(table)
    settings = [tuple(row[name] for name in COLUMNS[3:]) for row in table]
    assert len(set(settings)) == len(table)
    assert {row["method"] for row in table} == {"full", "lora", "qlora"}
    assert all(row["url"].startswith("https://github.com/") for row in table)


def test_a_step_is_its_tokens_over_their_rate() -> None:
    row = next(row for row in rows("finetune.csv") if row["id"] == "llama-3.2-3b_full_1")
    case = next(
        case for case in finetune_cases(CATALOG) if (case.group, case.case) == (SPEED_GROUP, row["id"])
    )  # fmt: skip
    assert case.published == 2 * 4096 / 7075
    assert case.predicted is not None


def test_the_median_of_all_methods_is_judged(cases: list[Case]) -> None:
    for group, most in ((MEMORY_GROUP, 0.12), (SPEED_GROUP, 0.25)):
        summary = next(item for item in summarize(cases) if item.group == group)
        assert summary.median_tolerance == most
        assert summary.median_absolute_error <= most
        assert summary.coverage_tolerance is None
        found = summarize(cases, by_source=True)
        sources = [item for item in found if item.group.startswith(group)]
        assert sum(item.cases for item in sources) == summary.cases
        assert all(item.median_tolerance is None for item in sources)
