"""Names of results: the nearest to what was asked for, and every wrong one at once."""

from __future__ import annotations

import pytest

from llmcost.analysis.names import _SAID, nearest_result
from llmcost.engine.results import RESULTS
from tests.conftest import Run


@pytest.mark.parametrize(
    ("word", "key"),
    [("cost", "cost_total_usd"), ("carbon", "total_tco2e"), ("power", "peak_power_mw"), ("cots", "cost_total_usd"),
     ("dais", "days"), ("energy_mhw", "energy_mwh")],
)  # fmt: skip
def test_a_word_of_speech_and_a_slip_lead_to_a_result(word: str, key: str) -> None:
    assert f'"{key}"' in nearest_result(word)


def test_words_lead_to_results_and_are_none_themselves() -> None:
    assert set(_SAID.values()) <= set(RESULTS)
    assert not set(_SAID) & set(RESULTS)
    assert nearest_result("zzzzz") == ""


def test_every_wrong_name_of_a_command_is_said_at_once(llmcost: Run) -> None:
    done = llmcost(
        "project", "frontier", "--threshold", "power=3", "--threshold", "flop=1e27", "--waterfall", "carbon",
        "--metrics", "dais,monney",
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    for wrong, right in (("power", "peak_power_mw"), ("flop", "flops"), ("carbon", "total_tco2e"), ("dais", "days")):  # fmt: skip
        assert any(f'"{wrong}"' in line and right in line for line in done.stderr.splitlines())
    assert "monney" in done.stderr
    axes = ("--axis", "cluster.device=1,2", "--minimize", "cost")
    said = llmcost("sweep", "gpt-3", *axes).stderr
    assert "cluster.devices" in said
    assert "cost_total_usd" in said
    said = llmcost(
        "sweep", "gpt-3", "--axis", "cluster.devices=1,2", "--where", "dayz < 3", "--select", "carbon,watr"
    ).stderr  # fmt: skip
    assert [line.partition('"')[0] for line in said.splitlines()] == [
        "error: --where ",
        "error: --select ",
        "error: --select ",
    ]
