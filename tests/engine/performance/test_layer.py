"""A layer and its host."""

from __future__ import annotations

import pytest

from tests.layouts import run


def test_synchronous_launches_add_the_hosts_time() -> None:
    layout = {"tp": 8, "pp": 1, "micro_batch": 1, "global_batch_seqs": 256, "sharding": "zero1"}
    usual = run(parallelism=layout).values
    waits = run(parallelism=layout, training={"synchronous_launch": True}).values
    assert float(waits["layer_s"] - usual["layer_s"]) == pytest.approx(
        float(usual["synchronous_launch_s"])
    )
