"""A layer, its host, and what is done again."""

from __future__ import annotations

import pytest

from tests.layouts import LAYOUT_8, mixture, run

LAYOUT = {"tp": 8, "pp": 1, "micro_batch": 1, "global_batch_seqs": 256, "sharding": "zero1"}


def test_synchronous_launches_add_the_hosts_time() -> None:
    usual = run(parallelism=LAYOUT).values
    waits = run(parallelism=LAYOUT, training={"synchronous_launch": True}).values
    assert usual["launch_wait_s"] > usual["kernel_launch_s"]  # nothing of it is hidden
    issue = 3 * float(usual["kernels_per_layer"] * usual["launch_wait_s"])
    assert float(waits["layer_s"]) == pytest.approx(float(usual["layer_busy_s"]) + issue)


def test_short_layers_wait_for_the_host() -> None:
    """Experts that are launched one by one can keep the host busy longer than the device."""
    longer = set()
    for software in ("pytorch-compile", "megatron-core"):
        found = mixture(ep=2, training={"software": software})
        kernels = found["kernels_per_layer"]
        kernels += (found["expert_kernels"] + found["kernels_per_expert"] * 128) * 58 / 61
        issue = 3 * kernels * found["kernel_launch_s"]
        assert found["layer_s"] == pytest.approx(max(issue, found["layer_busy_s"]))
        longer.add(issue > found["layer_busy_s"])
    assert longer == {True, False}


def test_selective_recompute_of_fused_attention_is_free() -> None:
    none, selective, full = (
        run(parallelism=LAYOUT_8, training={"activation_recompute": word}).values
        for word in ("none", "selective", "full")
    )
    assert float(selective["step_time_s"]) == float(none["step_time_s"])
    assert float(selective["memory_gb_per_device"]) == float(none["memory_gb_per_device"])
    assert float(full["step_time_s"]) > 1.15 * float(none["step_time_s"])


def test_a_share_of_the_layers_is_done_again() -> None:
    none, half, whole, full = (
        float(run(parallelism=LAYOUT_8, training=training).values["compute_s"])
        for training in (
            {},
            {"recompute_share": 0.5},
            {"recompute_share": 1},
            {"activation_recompute": "full"},
        )
    )
    assert whole == full
    assert half == pytest.approx((none + whole) / 2, rel=1e-9)


def test_recomputing_may_stop_before_the_last_product() -> None:
    def again(software: str) -> tuple[float, float]:
        values = run(
            parallelism=LAYOUT_8, training={"activation_recompute": "full", "software": software}
        ).values
        last = 8192 * 28672 / float(values["active_layer_params"])
        whole = float(values["layer_forward_s"])
        return float(values["layer_again_s"]), whole - last * float(values["products_forward_s"])

    found, without_last = again("pytorch-compile")
    assert found == pytest.approx(without_last, rel=1e-12)
    found, without_last = again("megatron-core")
    assert found > 1.05 * without_last
