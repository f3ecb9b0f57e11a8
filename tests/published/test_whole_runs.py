"""What whole runs took, found from their names; and that published figures of a run agree with one another."""

from __future__ import annotations

from functools import cache
from statistics import median

import pytest

from llmcost.analysis.cases import Case
from llmcost.analysis.run_cases import CARBON, WHOLE, run_cases, whole_run_cases, whole_scenario
from llmcost.analysis.validate import summarize
from llmcost.catalog import load_catalog
from llmcost.catalog.load import builtin

#: Hours on fewer devices than the most, so that days times devices is more.
IN_PARTS = ("palm-540b",)


@cache
def whole() -> list[Case]:
    return list(whole_run_cases(load_catalog()))


def test_many_runs_of_many_publishers_are_held_against() -> None:
    hours = [case for case in whole() if case.result == "device_hours"]
    assert len(hours) >= 30
    assert len({case.source for case in hours}) >= 20
    assert all(case.predicted for case in whole())


def test_nine_of_ten_lie_in_the_range_that_defaults_give() -> None:
    (group,) = summarize(whole())
    assert group.group == WHOLE
    assert group.passed
    assert 0.85 <= (group.coverage or 0) <= 0.95


def test_on_hoppers_runs_took_longer_than_the_usual_mfu_says() -> None:
    """The default MFU is the median of published runs of before; docs/accuracy.md says what that does."""
    runs = builtin("runs")
    error = {
        family: median(
            case.error or 0
            for case in whole()
            if case.result == "device_hours" and str(runs[case.case]["accelerator"]) in family
        )
        for family in (("a100-sxm-40gb", "a100-sxm-80gb"), ("h100-sxm",))
    }
    first, second = error.values()
    assert abs(first) < 0.1
    assert -0.4 < second < -0.2


def test_the_prediction_is_not_told_what_the_run_took() -> None:
    for name, run in builtin("runs").items():
        if "preset" in run:
            told = whole_scenario(run, "device_hours")
            assert told["cluster"] == {"accelerator": run["accelerator"]}, name
            assert "mfu" not in told.get("training", {}), name
        if "preset" in run and "device_hours" in run:
            twice = whole_scenario({**run, "device_hours": 2 * run["device_hours"]}, "device_hours")
            assert twice == told, name


def test_carbon_by_operator_and_date_is_what_model_cards_say() -> None:
    cases = [case for case in run_cases(load_catalog()) if case.group == CARBON]
    assert len(cases) >= 8
    assert all(abs(case.error or 1) < 0.1 for case in cases)


@pytest.mark.parametrize("name", [name for name, run in builtin("runs").items() if "days" in run])
def test_days_and_devices_of_a_run_make_its_hours(name: str) -> None:
    run = builtin("runs")[name]
    if "device_hours" in run:
        hours = run["devices"] * run["days"] * 24
        assert hours >= 0.99 * run["device_hours"], name
        if name not in IN_PARTS:
            assert hours == pytest.approx(run["device_hours"], rel=0.01), name
