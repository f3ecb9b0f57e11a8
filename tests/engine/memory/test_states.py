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
