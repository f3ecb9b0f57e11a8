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
    assert value(slow, "host_step_s") == pytest.approx(2 * owned / 0.1e9)
    leaving = value(slow, "grad_bytes") * owned / 0.1e9 - value(slow, "backward_window_s")
    assert value(slow, "gradient_link_s") == pytest.approx(leaving)
    # The gradients leave while the device waits for its replicas, too.
    both = 2 * owned / 0.1e9 + leaving - value(slow, "data_parallel_s")
    assert value(slow, "offload_s") == pytest.approx(both)


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


@settings(max_examples=30, deadline=None)
@given(layout=layouts, rate=st.floats(0.5, 1e4))
def test_weights_on_the_host_come_over_the_link(layout: dict[str, Any], rate: float) -> None:
    layout = {**layout, "sharding": "zero3"}
    cluster = {"host_link_gb_s_each_way": rate}
    plain, moved = (made(kind, cluster=cluster, **layout) for kind in ("optimizer", "parameters"))
    assert value(moved, "memory_parameters_gb") == 0
    lighter = value(plain, MEMORY) - value(plain, "memory_parameters_gb")
    assert value(moved, MEMORY) == pytest.approx(lighter)
    each = value(moved, "gathered_bytes") * value(moved, "own_params") / (rate * 1e9)
    windows = [value(moved, f"{name}_window_s") for name in ("forward", "backward")]
    waits = sum(max(each - window, 0.0) for window in windows)
    found = value(moved, "parameter_link_s")
    assert found == pytest.approx(value(moved, "micro_batches") * waits)
    # Gradients leave beside it, and while the device waits for its replicas nothing else is waited for.
    longest = max(found, value(moved, "gradient_link_s")) - value(moved, "data_parallel_s")
    assert value(moved, "offload_s") == pytest.approx(
        value(moved, "host_step_s") + max(longest, 0.0)
    )


def test_whole_weights_do_not_come_from_the_host() -> None:
    with pytest.raises(InputError, match=r"offload: .*zero3"):
        made("parameters", "zero2")


@pytest.mark.parametrize("optimizer", ["adamw", "adamw-bf16", "adamw-8bit", "adafactor"])
def test_paged_moments_cross_where_they_have_no_room(optimizer: str) -> None:
    moments = {"adamw": 8, "adamw-bf16": 4, "adamw-8bit": 2, "adafactor": 0}[optimizer]
    more = {"software": "megatron-core", "optimizer": optimizer}
    plain = made(None, **more)
    owned = value(plain, "own_params")
    paged = made("paged", cluster={"memory_gb": 500.0}, **more)
    assert value(plain, MEMORY) - value(paged, MEMORY) == pytest.approx(
        moments * owned / 1e9, abs=1e-6
    )
    assert value(paged, "paged_link_s") == 0
    # A device with no room for a byte of them, and one with room for half.
    need = sum(value(paged, name) for name in (MEMORY, "least_fragment_gb", "memory_context_gb"))
    usable = 0.985 * 2**30 / 1e9  # GB that a framework finds of what a vendor calls one
    link = value(paged, "host_link_gb_s_each_way") * 1e9
    for share in (0.0, 0.5):
        room = need + share * moments * owned / 1e9
        tight = made("paged", cluster={"memory_gb": room / usable}, **more)
        crossing = 2 * (1 - share) * moments * owned / link
        assert value(tight, "paged_link_s") == pytest.approx(crossing, rel=1e-6)
        assert value(tight, "offload_s") == value(tight, "paged_link_s")


def test_a_step_in_the_backward_pass_keeps_a_layers_gradients() -> None:
    def run(seqs: int, early: bool) -> Estimate:
        table = {
            "name": "x", "model": {"preset": "llama-3.1-8b", "seq_len": 512}, "data": {"tokens": 1e9},
            "training": {"software": "megatron-core", "optimizer_in_backward": early},
            "cluster": {"accelerator": "h100-sxm", "devices": 1},
            "parallelism": {"tp": 1, "pp": 1, "dp": 1, "micro_batch": 1, "global_batch_seqs": seqs},
        }  # fmt: skip
        return estimate(parse_scenario(table), CATALOG)

    late, early = (run(1, kind) for kind in (False, True))
    assert value(late, "memory_gradients_gb") == pytest.approx(4 * 8.03, rel=0.01)
    layer = value(early, "grad_bytes") * value(early, "layer_device_params") / 1e9
    assert value(early, "memory_gradients_gb") == pytest.approx(layer)
    assert value(early, "predicted_step_s") == value(late, "predicted_step_s")
    with pytest.raises(InputError, match="optimizer_in_backward"):
        run(2, True)
    assert value(run(2, False), "memory_gradients_gb") == value(late, "memory_gradients_gb")
