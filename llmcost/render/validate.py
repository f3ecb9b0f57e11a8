"""Published against predicted, as table, JSON, CSV or Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console

from llmcost.analysis.cases import Case
from llmcost.analysis.serving import ENERGY, ENERGY_GROUP, SPEED
from llmcost.analysis.validate import Summary, failures, held_by_kind
from llmcost.engine.results import CHECKED
from llmcost.render.data import to_csv, to_markdown
from llmcost.render.grid import grid
from llmcost.render.numbers import readable
from llmcost.version import __version__


def validate_object(
    cases: Sequence[Case], groups: Sequence[Summary], sources: Sequence[Summary]
) -> dict[str, Any]:
    """All cases and their summary."""
    return {
        "schema_version": 1,
        "llmcost_version": __version__,
        "passed": not failures(groups, sources),
        "summary": [{**group._asdict(), "passed": group.passed} for group in groups],
        "by_source": [item._asdict() for item in sources],
        "by_what_is_known": [item._asdict() for item in held_by_kind(cases)],
        "cases": [
            {**case._asdict(), "error": case.error, "covered": case.covered} for case in cases
        ],
    }


def validate_csv(cases: Sequence[Case]) -> str:
    """A line a case."""
    return to_csv(
        [*Case._fields, "error", "covered"], [[*case, case.error, case.covered] for case in cases]
    )


def _percent(share: float | None) -> str:
    return "—" if share is None else f"{share:+.1%}"


def _summary_rows(groups: Sequence[Summary]) -> list[list[str]]:
    return [
        [
            g.group,
            str(g.cases),
            f"{g.mean_absolute_error:.2%}",
            f"{g.median_absolute_error:.1%}",
            f"{g.worst:.1%}",
            "" if g.coverage is None else f"{g.coverage:.0%}",
            _tolerance(g),
            "yes" if g.passed else "NO",
        ]
        for g in groups
    ]


def _tolerance(summary: Summary) -> str:
    if summary.median_tolerance is None:
        return f"{100 * (summary.mean_tolerance or 0):g}% / {100 * (summary.tolerance or 0):g}%"
    if summary.coverage_tolerance is None:
        return f"{summary.median_tolerance:.0%}"
    low, high = summary.coverage_tolerance
    return f"{summary.median_tolerance:.0%}, {low:.0%}–{high:.0%}"


_HEADER = ["Group", "cases", "mean", "median", "worst", "held", "tolerance", "ok"]


def validate_markdown(groups: Sequence[Summary], sources: Sequence[Summary]) -> str:
    """The summary by group, then by source."""
    text = to_markdown(_HEADER, _summary_rows(groups), range(1, 7))
    rows = [
        [
            g.group,
            str(g.cases),
            f"{g.mean_absolute_error:.2%}",
            f"{g.median_absolute_error:.1%}",
            _percent(g.bias),
            f"{g.worst:.1%}",
        ]
        for g in sources
    ]
    return (
        text
        + "\n"
        + to_markdown(
            ["Group and source", "cases", "mean", "median", "bias", "worst"], rows, range(1, 6)
        )
    )


#: Results that the name of the group says already.
_SAID_BY_GROUP = ("step_time_s", "memory_gb_per_device", "device_power_w", SPEED, ENERGY)


def validate_table(
    cases: Sequence[Case],
    groups: Sequence[Summary],
    sources: Sequence[Summary],
    all_cases: bool,
    target: Console,
) -> None:
    """Print the summary, and the cases: all, or the worst of each group."""
    for group in groups:
        members = [case for case in cases if case.group == group.group]
        members.sort(key=lambda case: -abs(case.error if case.error is not None else 1.0))
        shown = members if all_cases else members[:4]
        table = grid(
            group.group if all_cases else f"{group.group}, worst",
            "published",
            "predicted",
            "error",
            right=[1, 2, 3],
        )
        for case in shown:
            unit = CHECKED[case.result].unit
            label = (
                case.case
                if case.result in _SAID_BY_GROUP
                else f"{case.case}, {CHECKED[case.result].label.lower()}"
            )
            table.add_row(
                "  " + label,
                readable(case.published, unit),
                readable(case.predicted, unit),
                _percent(case.error),
            )
        target.print(table)
        target.print()
    table = grid("By source", "cases", "mean", "median", "bias", right=[1, 2, 3, 4])
    for item in sources:
        of, _, source = item.group.partition(": ")
        if of.startswith(("throughput", "serving")):
            joules = ", energy" if of == ENERGY_GROUP else ""
            table.add_row(
                "  " + source + joules,
                str(item.cases),
                f"{item.mean_absolute_error:.1%}",
                f"{item.median_absolute_error:.1%}",
                _percent(item.bias),
            )
    target.print(table)
    target.print()
    table = grid("Held, by what is known", "cases", "sources", "held", right=[1, 2, 3])
    for kind in held_by_kind(cases):
        table.add_row("  " + kind.known, str(kind.cases), str(kind.sources), f"{kind.coverage:.0%}")
    target.print(table)
    target.print()
    table = grid(*_HEADER, right=[1, 2, 3, 4, 5, 6])
    for row in _summary_rows(groups):
        table.add_row(*row)
    target.print(table)
    target.print(
        "Mean, median and worst are of the absolute error; held: published figures within the 90 % interval. "
        "By what is known each source counts once. A tolerance is that of the mean and of a case; where held has one, of the median (of service of each "
        "source's) and of held.",
        style="dim",
    )
