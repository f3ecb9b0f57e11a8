"""Published serving figures: the rows, and how a case is predicted."""

from __future__ import annotations

import pytest

from llmcost.analysis.cases import rows
from llmcost.analysis.serving import ENERGY, SPEED, predict, serving_inputs, usable
from llmcost.catalog.load import builtin
from tests.layouts import CATALOG

ROWS = rows("serving.csv")


def test_rows_are_used_or_say_why_not() -> None:
    used = usable(CATALOG)
    assert len(used) == 539
    assert not [row["url"] for row in ROWS if row not in used and not row["excluded"]]
    assert all(row["url"] and row["source"] and row["date"] for row in ROWS)


def test_rows_name_entries_of_the_catalog() -> None:
    for row in usable(CATALOG):
        assert row["accelerator"] in builtin("accelerators")
        assert row["software"] in builtin("serving")


def test_every_row_has_an_answer_inside_its_interval() -> None:
    for row in usable(CATALOG):
        found = predict(serving_inputs(row, CATALOG), [SPEED])[SPEED]
        assert found.low is not None
        assert found.value is not None
        assert found.high is not None
        assert found.low < found.value < found.high


def test_power_of_boards_leaves_the_server_out() -> None:
    row = next(row for row in ROWS if row["power_of"] == "board")
    board = serving_inputs(row, CATALOG)
    whole = serving_inputs({**row, "power_of": "system"}, CATALOG)
    one, other = (predict(inputs, [ENERGY])[ENERGY].value for inputs in (board, whole))
    assert one is not None
    assert other is not None
    assert other > 1.05 * one


def test_a_batch_a_device_is_one_a_replica_of_the_size_found() -> None:
    row = next(
        row for row in ROWS
        if row["batch_of"] == "device" and row["model"] == "llama-3.1-405b" and not row["excluded"]
    )  # fmt: skip
    found = serving_inputs(row, CATALOG)
    batch = float(found.known["service_wanted_batch"])
    assert batch / float(row["batch"]) in (2.0, 4.0, 8.0, 16.0)
    assert found.intervals["inference.tokens_per_s_per_device"][0] == "service_speed_factor"


@pytest.mark.parametrize("batch", ["", "64"])
def test_the_interval_is_wider_where_the_batch_is_found(batch: str) -> None:
    row = {**next(row for row in ROWS if row["batch_of"] == "replica"), "batch": batch}
    _, spread = serving_inputs(row, CATALOG).intervals["inference.tokens_per_s_per_device"]
    error = builtin("service")["accuracy"]
    name = "speed" if batch else "speed_of_found_batch"
    assert (spread.low, spread.high) == (error[f"{name}_low"], error[f"{name}_high"])
