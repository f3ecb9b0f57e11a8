"""Offload: what leaves the device, what the host costs, and that nothing changes without it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmcost.analysis.estimate import Estimate, estimate
from llmcost.errors import InputError
from llmcost.scenario import parse_scenario
from tests.layouts import CATALOG

MEMORY = "memory_gb_per_device"


def made(offload: str | None, sharding: str = "zero2", **more: Any) -> Estimate:
    cluster = {"accelerator": more.pop("accelerator", "h100-sxm"), "devices": 8, **more.pop("cluster", {})}  # fmt: skip
    layout = {"tp": more.pop("tp", 1), "pp": more.pop("pp", 1), "vpp": 1, "micro_batch": 1, "global_batch_seqs": 32}  # fmt: skip
    training = {**more, **({} if offload is None else {"offload": offload})}
    table = {
        "name": "x", "model": {"preset": "llama-3.1-8b", "seq_len": 2048}, "data": {"tokens": 1e9},
        "training": training, "cluster": cluster,
        "parallelism": {**layout, "dp": 8 // (layout["tp"] * layout["pp"]), "sharding": sharding},
    }  # fmt: skip
    return estimate(parse_scenario(table), CATALOG)


def value(result: Estimate, name: str) -> float:
    return float(result.values[name])


layouts = st.fixed_dictionaries(
    {
        "sharding": st.sampled_from(["none", "zero1", "zero2", "zero3"]),
        "software": st.sampled_from(["pytorch-eager", "megatron-core"]),
        "activation_recompute": st.sampled_from(["none", "selective", "full"]),
        "accelerator": st.sampled_from(["h100-sxm", "a100-sxm-80gb", "rtx-4090", "gh200"]),
        "method": st.sampled_from(["full", "lora"]),
        "pp": st.sampled_from([1, 2, 4]),
        "tp": st.sampled_from([1, 2]),
    }
)


@settings(max_examples=40, deadline=None)
@given(layout=layouts)
def test_memory_falls_and_time_does_not(layout: dict[str, Any]) -> None:
    plain = made(None, **layout)
    same = made("none", **layout)
    assert same.results == plain.results
    assert value(same, "offload_s") == 0
    for kind in ("optimizer", "activations"):
        moved = made(kind, **layout)
        assert value(moved, MEMORY) < value(plain, MEMORY)
        assert value(moved, "predicted_step_s") >= value(plain, "predicted_step_s")
        assert value(moved, "offload_s") >= 0


@pytest.mark.parametrize("software", ["pytorch-eager", "megatron-core"])
def test_what_leaves_is_the_optimizer(software: str) -> None:
    plain, moved = made(None, software=software), made("optimizer", software=software)
    assert value(moved, "memory_optimizer_gb") == 0
    assert value(moved, "memory_parameters_gb") == value(plain, "memory_parameters_gb")
    gradients = [value(item, "memory_gradients_gb") for item in (plain, moved)]
    # A buffer of gradients stays on the device; without one they leave as they are made.
    assert (gradients[1] == gradients[0]) == (software == "megatron-core")
    left = value(plain, "memory_optimizer_gb") + gradients[0] - gradients[1]
    assert value(plain, MEMORY) - value(moved, MEMORY) == pytest.approx(left)


def test_weights_stay_where_the_hosts_copy_was_theirs() -> None:
    """ZeRO-3 whose 32-bit shard is the weight itself: the device keeps one in 16 bits."""
    plain, moved = (made(kind, "zero3", software="pytorch-eager") for kind in (None, "optimizer"))
    assert value(plain, "memory_parameters_gb") == 0
    assert value(moved, "memory_parameters_gb") == pytest.approx(2 * 8.03 / 8, rel=0.01)


def test_the_host_steps_by_bytes() -> None:
    rates = {"host_link_gb_s_each_way": 1e6, "host_memory_gb_s": 50.0}
    found = made("optimizer", software="megatron-core", cluster=rates)
    owned = value(found, "own_params")
    assert value(found, "host_step_s") == pytest.approx(30 * owned / 50e9)
    assert value(found, "optimizer_s") == 0
    # Weights alone on a slow link: 2 bytes of each that the device owns, and its gradients before.
    slow = made(
        "optimizer",
        software="megatron-core",
        cluster={"host_link_gb_s_each_way": 0.1, "host_memory_gb_s": 1e6},
    )
    layers = value(slow, "stage_layers")
    backward = layers * (value(slow, "layer_s") - value(slow, "layer_forward_s"))
    bytes_of_both = (2 + value(slow, "grad_bytes")) * owned
    assert value(slow, "host_step_s") == pytest.approx(bytes_of_both / 0.1e9 - backward)


def test_activations_wait_for_a_slow_link_alone() -> None:
    fast, slow = (
        made("activations", cluster={"host_link_gb_s_each_way": rate}) for rate in (1e6, 1.0)
    )
    assert value(fast, "activation_link_s") == 0
    assert value(slow, "activation_link_s") > value(fast, "predicted_step_s")
    assert value(slow, "memory_activations_gb") == pytest.approx(
        2 * value(slow, "layer_activation_bytes") / 1e9
    )


def test_a_host_that_nobody_knows_is_asked_for() -> None:
    with pytest.raises(InputError, match="host_memory_gb_s"):
        made("optimizer", accelerator="tpu-v4")
    known = {"host_link_gb_s_each_way": 16.0, "host_memory_gb_s": 20.0}
    assert value(made("optimizer", accelerator="tpu-v4", cluster=known), "offload_s") > 0
    with pytest.raises(InputError, match="none, optimizer, activations"):
        made("weights")
