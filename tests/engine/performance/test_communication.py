"""Communication inside a replica."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from llmcost.engine.kernels.collectives import (
    distinct_places,
    domain_collective_s,
    expert_exchange_s,
)
from llmcost.scenario import parse_scenario, resolve
from tests.layouts import CATALOG, LAYOUT_8, mixture, run, scenario


def _exchange(found: dict[str, float], way: str, nodes: float, near: float) -> float:
    return float(
        expert_exchange_s(
            4096 * found["expert_imbalance"], 7168, 2.0, 8, nodes, near, found["scale_up_bytes_s"],
            found["scale_out_bytes_s"], found[f"{way}_domain_share"], found["exchange_nic_share"],
            found[f"{way}_base_s"], found["exchange_copies"], groups=8, groups_chosen=4,
        )
    )  # fmt: skip


@pytest.mark.parametrize(("ep", "nodes", "near"), [(64, 8, 8), (8, 1, 8)])
def test_tokens_go_to_their_experts_and_back(ep: int, nodes: float, near: float) -> None:
    found = mixture(ep=ep)
    by_hand = sum(_exchange(found, way, nodes, near) for way in ("dispatch", "combine"))
    assert found["expert_forward_s"] == pytest.approx(by_hand * 58 / 61, rel=1e-12)
    assert mixture(ep=1)["expert_exchange_s"] == 0


def test_between_domains_is_slower() -> None:
    assert mixture(ep=64)["expert_exchange_s"] > 2 * mixture(ep=8)["expert_exchange_s"]


def test_hidden_exchange_of_experts_takes_processors_and_fits_under_computation() -> None:
    none, half, whole = (
        mixture(ep=64, training={"expert_overlap": share}) for share in (0, 0.5, 1)
    )
    shown = 2 * none["expert_forward_s"]
    steal = none["comm_steal"]
    assert none["expert_exchange_s"] == pytest.approx(shown)
    for share, found in ((0.5, half), (1, whole)):
        hidden = min(share * shown, found["layer_busy_s"])
        assert found["expert_exchange_s"] == pytest.approx(shown - hidden * (1 - steal))


@pytest.mark.parametrize("ep", [8, 64])
def test_a_copy_for_each_expert_is_more_than_one_for_each_place(ep: int) -> None:
    once, copies = (
        mixture(ep=ep, training={"expert_dispatch": way}) for way in ("deduplicated", "all-to-all")
    )
    assert copies["expert_forward_s"] > 1.2 * once["expert_forward_s"]
    # 8 experts chosen at random among those of 4 nodes: how many of these they are in.
    if ep > 8:
        crossing = 4 * (1 - (1 - 1 / 4) ** 8)
        assert copies["expert_forward_s"] < 1.01 * 8 / crossing * once["expert_forward_s"]


#: Devices, GB/s of a dispatch and of a combine with 32 processors on GB200: kernels, and calls
#: (deepseek-ai/DeepEP 41cad94, docs/README_Hybrid-EP.md).
HYBRID = [
    (8, (764.03, 737.13), (545.71, 568.94)),
    (16, (706.95, 666.26), (523.48, 521.55)),
    (32, (642.23, 605.15), (484.22, 464.54)),
]


def _constants(accelerator: str, training: dict[str, Any]) -> dict[str, Any]:
    table = scenario(
        model={"preset": "deepseek-v3"},
        cluster={"accelerator": accelerator, "devices": 64},
        parallelism={"tp": 1, "pp": 1, "ep": 8, "micro_batch": 1, "global_batch_seqs": 512},
        training=training,
    )
    return resolve(parse_scenario(table), CATALOG).known


@pytest.mark.parametrize(("devices", "kernels", "calls"), HYBRID)
def test_hybrid_exchange_is_as_fast_as_its_authors_measured(
    devices: int, kernels: tuple[float, float], calls: tuple[float, float]
) -> None:
    """4,096 tokens of width 7,168 to 8 experts; a graph of the whole step has no calls."""
    for fused, rates in ((True, kernels), (False, calls)):
        training = {"software": "megatron-bridge", "precision": "fp8", "fused_experts": fused}
        known = _constants("gb200-nvl72", training)
        for way, rate in zip(("dispatch", "combine"), rates, strict=True):
            found = expert_exchange_s(
                4096.0, 7168.0, 2.0, 8.0, 1.0, float(devices), 900e9, 50e9,
                known[f"{way}_domain_share"], 1.0, known[f"{way}_base_s"],
            )  # fmt: skip
            received = 4096 * 7168 * 2 * distinct_places(float(devices), 8.0)
            assert found == pytest.approx(received / rate / 1e9, rel=0.12)


def test_an_exchange_runs_at_what_its_own_kernels_reach() -> None:
    kernels = CATALOG.kind("kernels")
    ways = {
        ("gb200-nvl72", "megatron-bridge", "deduplicated"): "blackwell-hybrid-dispatch",
        ("gb200-nvl72", "megatron-core", "deduplicated"): "blackwell-dispatch",
        ("gb200-nvl72", "megatron-bridge", "all-to-all"): "blackwell-all-to-all",
        ("h100-sxm", "megatron-bridge", "deduplicated"): "h100-sxm-dispatch",
        ("h100-sxm", "megatron-core", "all-to-all"): "hopper-all-to-all",
    }
    for (accelerator, software, way), entry in ways.items():
        known = _constants(accelerator, {"software": software, "expert_dispatch": way})
        assert known["dispatch_domain_share"] == kernels[entry]["domain_share"], entry


def test_recipes_that_fuse_experts_hide_their_exchange() -> None:
    def overlap(software: str, **more: Any) -> float:
        training = {"software": software, "precision": "fp8", **more}
        return float(_constants("gb200-nvl72", training)["expert_overlap"])

    plain = overlap("megatron-bridge", fused_experts=False)
    assert plain < overlap("megatron-bridge", fused_experts=True) < 1
    assert overlap("megatron-core", fused_experts=True) == overlap(
        "megatron-core", fused_experts=False
    )
    assert overlap("megatron-bridge", fused_experts=True, expert_overlap=0.3) == 0.3


def test_fused_experts_sort_themselves_and_wait_for_no_host() -> None:
    grouped = {"software": "pytorch-compile"}
    plain, fused = (
        mixture(ep=8, training={"fused_experts": yes, **grouped}) for yes in (False, True)
    )
    # Less to do through memory leaves the clock a little lower.
    assert fused["products_forward_s"] == pytest.approx(plain["products_forward_s"], rel=0.02)
    rows = 4096 * 8 * plain["expert_imbalance"]  # copies of tokens on the busiest of 8 devices
    sorted_bytes = rows * 7168 * plain["expert_move_bytes"] * 58 / 61
    bandwidth = plain["memory_bytes_s"] * plain["expert_memory_share"]
    saved = plain["experts_forward_s"] - fused["experts_forward_s"]
    assert saved == pytest.approx(sorted_bytes / bandwidth, rel=0.1)
    assert fused["layer_s"] == fused["layer_busy_s"]


def test_tensor_parallelism_by_hand() -> None:
    values = run(parallelism=LAYOUT_8).values
    found = {name: float(value) for name, value in values.items() if value.ndim == 0}
    once = domain_collective_s(
        "all_gather", 2 * 8192 * 8192, 8.0, found["scale_up_bytes_s"], found["gather_domain_share"],
        found["gather_base_s"], found["gather_hop_s"], found["gather_pipeline"],
    )  # fmt: skip
    assert found["tensor_forward_s"] == pytest.approx(4 * float(once), rel=1e-12)
    whole = 2 * found["tensor_forward_s"]
    # Gathered again for the gradients of weights, half of a forward, under the products of the backward.
    again = found["tensor_forward_s"] / 2 * found["sequence_parallel"]
    assert again > 0
    hidden = found["tensor_overlap"] * whole + min(again, found["products_backward_s"] / 2)
    assert hidden < found["products_forward_s"] + found["products_backward_s"]
    shown = whole + again - hidden * (1 - found["comm_steal"])
    assert found["tensor_collectives_s"] == pytest.approx(shown, rel=1e-12)


def test_sums_of_gradients_run_beside_products_of_those_of_weights() -> None:
    """Megatron-LM from September 2021: the all-reduces of the backward pass, or half of what replaces them."""
    for split in (False, True):
        values = run(
            parallelism={**LAYOUT_8, "sequence_parallel": split},
            training={"software": "megatron-2022"},
        ).values
        found = {name: float(value) for name, value in values.items() if value.ndim == 0}
        if not split:
            once = domain_collective_s(
                "all_reduce", 2 * 8192 * 8192, 8.0, found["scale_up_bytes_s"], found["reduce_domain_share"],
                found["reduce_base_s"], found["reduce_hop_s"], found["reduce_pipeline"],
            )  # fmt: skip
            assert found["tensor_forward_s"] == pytest.approx(2 * float(once), rel=1e-12)
        forward = found["tensor_forward_s"]
        assert forward < found["products_backward_s"] / 2
        # Split: two gathers forward, two in the backward and half a forward under each half of the products.
        hidden = forward
        whole = (2.5 if split else 2) * forward
        shown = whole - hidden * (1 - found["comm_steal"])
        assert found["tensor_collectives_s"] == pytest.approx(shown, rel=1e-12)


def test_slow_links_cost_tensor_parallelism_its_gain() -> None:
    def step(gb_s: float) -> float:
        return float(
            run(
                parallelism=LAYOUT_8,
                cluster={"accelerator": "h100-sxm", "devices": 512, "scale_up_gb_s_each_way": gb_s},
            ).values["step_time_s"]
        )

    assert step(450 / 16) > 1.15 * step(450)
    assert step(450 / 64) > 2 * step(450)


def _torus(accelerator: str, **layout: Any) -> dict[str, float]:
    written = scenario(
        model={"preset": "mixtral-8x7b"},
        cluster={"accelerator": accelerator, "devices": 512},
        parallelism={"micro_batch": 1, "global_batch_seqs": 512, "sharding": "zero3", **layout},
    )
    values = run(**written).values
    return {name: float(value) for name, value in values.items() if np.ndim(value) == 0}


@pytest.mark.parametrize(("accelerator", "axes"), [("tpu-v5e", 2), ("tpu-v5p", 3), ("h100-sxm", 1)])
def test_a_group_has_the_links_of_its_axes_of_a_torus(accelerator: str, axes: int) -> None:
    found, alone = _torus(accelerator, tp=4), _torus(accelerator, tp=1)
    whole = found["scale_up_gb_s_each_way"] * 1e9
    assert found["tensor_bytes_s"] == pytest.approx(whole / axes)
    # Those that share states have what is left, all of it where there is no tensor parallelism.
    assert found["data_bytes_s"] == pytest.approx(whole * (1 if axes == 1 else 1 - 1 / axes))
    assert alone["data_bytes_s"] == pytest.approx(whole)


def test_an_exchange_in_a_torus_passes_a_quarter_of_each_axis() -> None:
    whole = _torus("tpu-v5p", tp=1, ep=8)["scale_up_bytes_s"]
    # 8 devices are 2 x 2 x 2, 64 are 4 x 4 x 4: half a hop, and a hop, on each of three axes.
    assert _torus("tpu-v5p", tp=1, ep=8)["exchange_bytes_s"] == pytest.approx(whole / 1.5)
    assert _torus("tpu-v5e", tp=1, ep=4)["exchange_bytes_s"] == pytest.approx(200e9)
    switched = _torus("h100-sxm", tp=1, ep=8)
    assert switched["exchange_bytes_s"] == pytest.approx(switched["scale_up_bytes_s"])


def test_a_larger_server_around_the_same_domain_is_not_slower() -> None:
    """Beyond the fast network the adapters are as good as the link through the host, or better."""

    def seconds(devices_per_node: int) -> float:
        cluster = {
            "accelerator": "h100-sxm",
            "devices": 64,
            "scale_up_domain": 8,
            "devices_per_node": devices_per_node,
        }
        return (
            run(cluster=cluster, parallelism={"tp": 8, "sharding": "zero3"}).result("step_time_s")
            or 0
        )

    assert 0 < seconds(16) <= 1.001 * seconds(8)
