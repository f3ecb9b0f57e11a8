"""DualPipe: a stage from each end of the pipeline on a device."""

from __future__ import annotations

import pytest

from tests.engine.performance.test_exchange import trained


def test_the_head_s_device_also_has_the_embedding_s_stage() -> None:
    both, one = trained(), trained(schedule="1f1b", training={"expert_overlap": 1})
    assert both["head_device_layers"] == (one["first_stage_layers"] + one["last_stage_layers"]) / 2
    assert both["head_device_s"] == pytest.approx(both["head_s"] / 2)
    assert one["head_device_layers"] == one["last_stage_layers"]
    assert one["head_device_s"] == one["head_s"]
    assert both["compute_s"] < one["compute_s"]


@pytest.mark.parametrize("pp", [2, 4, 8, 16])
def test_the_bubble_is_that_of_its_table(pp: int) -> None:
    """(pp / 2 - 1)(FB + B - 3 W) over (pp - 1)(F + B), with F = W = 1, B = 2, FB = 3."""
    found = trained(pp=pp)
    assert found["bubble_share"] == pytest.approx((pp / 2 - 1) * 2 / ((pp - 1) * 3))
    assert trained(pp=pp, schedule="zero-bubble")["bubble_share"] == pytest.approx(1 / 3)
    assert found["bubble_share"] < 1 / 3


def test_a_device_holds_weights_and_gradients_of_two_stages_and_states_of_one() -> None:
    """Two devices of a pipeline hold each stage, so that twice as many share its states."""
    both, one = trained(), trained(schedule="zero-bubble")
    for stage, mirror in (("first", "last"), ("middle", "middle"), ("last", "first")):
        twice = one[f"{stage}_params"] + one[f"{mirror}_params"]
        assert both[f"{stage}_params"] == pytest.approx(twice)
        mean = (one[f"{stage}_own_params"] + one[f"{mirror}_own_params"]) / 2
        assert both[f"{stage}_own_params"] == pytest.approx(mean)
        tables = one[f"{stage}_table_params"] + one[f"{mirror}_table_params"]
        assert both[f"{stage}_table_params"] == pytest.approx(tables)
    assert both["gather_s"] == pytest.approx(2 * one["gather_s"])
    assert both["flight"] == one["flight"] + 1  # table 2: activations of pp + 1
    alone = {"pp": 1, "global_batch_seqs": 16384}
    assert trained(schedule="dualpipe", **alone)["first_params"] == pytest.approx(
        trained(schedule="1f1b", **alone)["first_params"]
    )
