"""What replicas share, and what that costs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from llmcost.analysis.estimate import estimate
from llmcost.engine.performance.data_parallel import data_parallel_s
from llmcost.errors import InputError
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
    between = float(tpu["copies_sum_s"])
    port = float(tpu["scale_out_bytes_s"] * tpu["net_ring_share"])
    by_hand = float(tpu["reduced_bytes"] * tpu["own_params"]) / port
    assert by_hand < between < 1.02 * by_hand  # and a message for each layer
    assert float(gpu["copies_sum_s"]) == 0


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
        data_overlap=np.asarray(1.0), comm_steal=np.asarray(0.0), sums_whole=np.asarray(0), trained_gather_s=np.asarray(100.0), frees_weights=np.asarray(0),
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


def _sharded(**more: Any) -> dict[str, float]:
    """Fully sharded over 64 devices in nodes of 8, eight micro-batches."""
    layout = {"tp": 1, "pp": 1, "micro_batch": 1, "global_batch_seqs": 512, "sharding": "zero3"}
    found = run(
        cluster={"accelerator": "h100-sxm", "devices": 64},
        parallelism={**layout, **more},
        training={"software": "pytorch-compile"},
    )
    return {name: float(value) for name, value in found.values.items() if np.ndim(value) == 0}


def test_hybrid_sharding_gathers_inside_a_node_and_sums_between_nodes() -> None:
    whole, hybrid = _sharded(), _sharded(dp_shard=8)
    assert hybrid["own_params"] == pytest.approx(8 * whole["own_params"])
    assert hybrid["gather_s"] < whole["gather_s"]
    assert whole["copies_sum_s"] == 0
    # Shards of 1/8 around a ring of eight nodes, there and back, each over a port of its own.
    sent = 2 * 7 / 8 * hybrid["reduced_bytes"] * hybrid["own_params"]
    port = hybrid["scale_out_bytes_s"] * hybrid["net_ring_share"]
    assert sent / port < hybrid["copies_sum_s"] < 1.2 * sent / port
    assert hybrid["memory_optimizer_gb"] == pytest.approx(8 * whole["memory_optimizer_gb"])
    assert _sharded(dp_shard=64)["step_time_s"] == whole["step_time_s"]
    with pytest.raises(InputError, match="dp_shard does not divide dp"):
        _sharded(dp_shard=24)


def test_weights_that_stay_are_gathered_once_a_micro_batch() -> None:
    freed, kept = _sharded(), _sharded(reshard=False)
    assert kept["data_parallel_s"] < freed["data_parallel_s"]
    more = kept["memory_gb_per_device"] - freed["memory_gb_per_device"]
    layers = kept["peak_params"] - 2 * kept["layer_device_params"] - kept["peak_table_params"]
    assert more == pytest.approx(kept["gathered_bytes"] * layers / 1e9)
    # In a pipeline they stay unless they are asked to go.
    pipeline = {"pp": 2, "vpp": 1, "global_batch_seqs": 256}
    stays, goes = _sharded(**pipeline), _sharded(**pipeline, reshard=True)
    assert stays["frees_weights"] < goes["frees_weights"]
    assert stays["memory_gb_per_device"] > goes["memory_gb_per_device"]
    assert stays["data_parallel_s"] < goes["data_parallel_s"]
