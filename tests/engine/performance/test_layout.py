"""Who holds what in a layout."""

from __future__ import annotations

from tests.layouts import mixture


def test_more_experts_than_replicas_take_in_the_devices_of_tensor_parallelism() -> None:
    few = mixture(devices=64, tp=2, ep=64, global_batch_seqs=64)
    assert few["expert_tp"] == 1
    assert few["device_expert_params"] == 58 * 4 * 3 * 7168 * 2048  # 4 whole experts of 256
    many = mixture(devices=256, tp=2, ep=64, global_batch_seqs=128)
    assert many["expert_tp"] == 2
    assert many["device_expert_params"] == few["device_expert_params"] / 2
