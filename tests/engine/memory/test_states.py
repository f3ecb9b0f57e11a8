"""States by hand."""

from __future__ import annotations

import pytest

from tests.layouts import run


def test_memory_of_states_by_hand() -> None:
    result = run(
        parallelism={"tp": 1, "pp": 1, "micro_batch": 1, "global_batch_seqs": 512},
        training={"activation_recompute": "full"},
    )
    states = float(result.values["state_bytes"])
    assert states == pytest.approx(18 * 70.55e9, rel=0.01)
    zero3 = run(
        parallelism={
            "tp": 1,
            "pp": 1,
            "micro_batch": 1,
            "global_batch_seqs": 512,
            "sharding": "zero3",
        }
    )
    assert float(zero3.values["state_bytes"]) == pytest.approx(18 * 70.55e9 / 512, rel=0.01)


@pytest.mark.parametrize(
    ("optimizer", "moments"),
    [("adamw", 8), ("adamw-bf16", 4), ("adamw-8bit", 2), ("adamw-8bit-bf16", 2), ("sgd", 4)],
)
def test_weights_in_32_bits_are_their_own_master(optimizer: str, moments: int) -> None:
    """The states are the moments alone, whether the optimizer is made for such weights or not."""
    values = run(
        parallelism={"tp": 8, "pp": 1, "micro_batch": 1, "global_batch_seqs": 512},
        training={"precision": "fp32", "optimizer": optimizer},
    ).values
    found = float(values["memory_optimizer_gb"])
    assert found == pytest.approx(moments * float(values["peak_params"]) / 1e9)
