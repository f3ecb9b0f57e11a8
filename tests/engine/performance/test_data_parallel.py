"""What replicas share, and what that costs."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

from llmcost.analysis.estimate import estimate
from llmcost.engine.performance.data_parallel import data_parallel_s, reduce_s
from llmcost.scenario import parse_scenario
from tests.layouts import CATALOG, mixture, run, scenario


def test_experts_have_fewer_replicas_than_the_rest() -> None:
    alone, shared = mixture(ep=256, sharding="none"), mixture(ep=256, sharding="zero1")
    experts = 58 * 3 * 7168 * 2048  # one of the 256 in each of 58 layers
    assert alone["device_expert_params"] == pytest.approx(experts, rel=1e-12)
    # The optimizer of the only copy of an expert cannot be shared; that of the rest is, by 256.
    saved = 12 * alone["device_dense_params"] * (1 - 1 / 256)
    assert alone["state_bytes"] - shared["state_bytes"] == pytest.approx(saved, rel=1e-9)
    # Nor are its weights gathered.
    assert mixture(ep=128)["gather_s"] > alone["gather_s"]


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
    names = inspect.signature(reduce_s).parameters
    between = reduce_s(**{name: tpu[name] for name in names})
    inside = reduce_s(**{name: alone[name] for name in names})
    by_hand = float(tpu["reduced_bytes"] * tpu["own_params"]) / float(tpu["scale_out_bytes_s"])
    assert float(between - inside) == pytest.approx(by_hand, rel=1e-6)


def _exposed(**layout: Any) -> float:
    plain = {"tp": 1, "pp": 1, "micro_batch": 1, "global_batch_seqs": 512 * 8, **layout}
    return float(run(parallelism=plain).values["data_parallel_s"])


def test_accumulation_reduces_once_or_every_micro_batch() -> None:
    once, every, freed = (_exposed(sharding=word) for word in ("zero1", "zero2", "zero3"))
    assert every > 3 * once  # eight micro-batches, as far as none hides
    assert freed > every


@pytest.mark.parametrize(
    ("pp", "vpp", "micro_batches", "windows"),
    [(4, 1, 16, 1), (4, 2, 16, 2.5), (4, 4, 16, 3.25), (4, 4, 2, 1.75), (1, 1, 16, 1)],
)
def test_parts_of_a_stage_hide_each_other_s_communication(
    pp: int, vpp: int, micro_batches: int, windows: float
) -> None:
    # A stage of 10 layers, 1 s of forward and 2 s of backward a micro-batch, that never hides all.
    found = data_parallel_s(
        gather_s=np.asarray(100.0), reduce_s=np.asarray(100.0), dp=np.asarray(8), cp=np.asarray(1),
        pp=np.asarray(pp), vpp=np.asarray(vpp), sharding=np.asarray(1), micro_batches=np.asarray(micro_batches),
        stage_layers=np.asarray(10), forward_window_s=np.asarray(1.0), backward_window_s=np.asarray(2.0),
        data_overlap=np.asarray(1.0), comm_steal=np.asarray(0.0), sums_whole=np.asarray(0), trained_gather_s=np.asarray(100.0),
    )  # fmt: skip
    assert float(found) == pytest.approx(200 - 3 * windows, rel=1e-12)


def test_sharding_of_gradients_changes_no_software() -> None:
    layout = {"tp": 8, "pp": 1, "micro_batch": 1, "global_batch_seqs": 64}
    first, second = (run(parallelism={**layout, "sharding": z}) for z in ("zero1", "zero2"))
    assert first.inputs.shown["training.software"] == second.inputs.shown["training.software"]
    steps = [float(item.values["step_time_s"]) for item in (first, second)]
    assert steps[1] == pytest.approx(steps[0], rel=0.12)


def test_gradients_travel_as_wide_as_the_software_sends_them() -> None:
    values = run(parallelism={"tp": 8, "pp": 4, "micro_batch": 1, "global_batch_seqs": 512}).values
    ratio = float(values["reduced_bytes"] / values["gathered_bytes"])
    assert float(values["reduce_s"]) == pytest.approx(ratio * float(values["gather_s"]))


def test_replicas_of_frozen_weights_exchange_adapters_alone() -> None:
    layout = {"tp": 1, "pp": 1, "micro_batch": 1, "global_batch_seqs": 512}
    for sharding in ("none", "zero1"):
        full, lora = (
            run(
                parallelism={**layout, "sharding": sharding},
                training={"activation_recompute": "full", "method": method},
            ).values
            for method in ("full", "lora")
        )
        share = float(lora["trained_share"])
        assert 0 < share < 0.02
        whole = float(lora["gather_s"] + lora["reduce_s"] / share)
        assert 0 < float(lora["data_parallel_s"]) <= share * whole * (1 + 1e-9)
        assert float(full["data_parallel_s"]) > float(lora["data_parallel_s"])
