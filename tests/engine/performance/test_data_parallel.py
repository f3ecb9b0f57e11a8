"""What replicas share, and what that costs."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

from llmcost.analysis.estimate import estimate
from llmcost.engine.performance.data_parallel import data_parallel_s
from llmcost.scenario import parse_scenario
from tests.layouts import CATALOG, mixture, scenario


def test_experts_have_fewer_replicas_than_the_rest() -> None:
    alone, shared = mixture(ep=256, sharding="none"), mixture(ep=256, sharding="zero1")
    experts = 58 * 3 * 7168 * 2048  # one of the 256 in each of 58 layers
    assert alone["device_expert_params"] == experts
    # The optimizer of the only copy of an expert cannot be shared; that of the rest is, by 256.
    saved = 12 * alone["device_dense_params"] * (1 - 1 / 256)
    assert alone["state_bytes"] - shared["state_bytes"] == pytest.approx(saved, rel=1e-9)
    # Nor are its gradients summed.
    half = mixture(ep=128)
    dense_s = alone["data_parallel_s"]
    assert half["data_parallel_s"] > dense_s
    rest = 4 * alone["device_dense_params"] * 255 / 256 / (8 * alone["scale_out_bytes_s"])
    assert dense_s == pytest.approx(rest * alone["data_floor"], rel=0.02)


def test_tpus_share_states_inside_a_slice() -> None:
    def made(accelerator: str) -> Any:
        table = scenario(
            cluster={"accelerator": accelerator, "devices": 512},
            parallelism={"tp": 1, "micro_batch": 2, "global_batch_seqs": 1024, "sharding": "zero3"},
        )
        return estimate(parse_scenario(table), CATALOG).values

    tpu, gpu = made("tpu-v5e"), made("h100-sxm")
    assert (float(tpu["sharers"]), float(gpu["sharers"])) == (256, 512)
    # Two slices: half a share of gradients each way, on top of what a slice alone would do.
    assert float(tpu["own_params"]) == pytest.approx(2 * float(gpu["own_params"]))
    alone = {**tpu, "dp": np.asarray(256.0)}
    names = inspect.signature(data_parallel_s).parameters
    free = {"compute_s": 0.0, "data_floor": 1.0}
    between = data_parallel_s(**{name: tpu[name] for name in names} | free)
    inside = data_parallel_s(**{name: alone[name] for name in names} | free)
    by_hand = 2 * float(tpu["own_params"]) / float(tpu["scale_out_bytes_s"])
    assert float(between - inside) == pytest.approx(by_hand, rel=1e-6)
