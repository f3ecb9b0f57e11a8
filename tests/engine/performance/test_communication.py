"""Communication inside a replica."""

from __future__ import annotations

import pytest

from tests.layouts import mixture


def test_a_token_crosses_the_network_once_for_each_domain() -> None:
    found = mixture(ep=64)
    domains, chosen = 8, 8
    # By counting: chance that none of 8 experts lies in a given domain, over the 7 other domains.
    reached = 7 * (1 - (7 / 8) ** chosen)
    sent = 2 * 4096 * 7168
    inside = found["expert_exposure"] * chosen * (7 / 8) / found["scale_up_bytes_s"]
    each = sent * max(inside, reached / found["scale_out_bytes_s"])
    by_hand = 4 * (each + found["collective_latency_s"]) * 58 / 61
    assert domains * found["scale_up_domain"] == 64
    assert found["expert_exchange_s"] == pytest.approx(by_hand, rel=1e-12)


def test_experts_inside_a_domain_use_the_fast_network_alone() -> None:
    found = mixture(ep=8)
    each = 2 * 4096 * 7168 * 8 * (7 / 8) / found["scale_up_bytes_s"]
    each = found["expert_exposure"] * each + found["collective_latency_s"]
    assert found["expert_exchange_s"] == pytest.approx(4 * each * 58 / 61, rel=1e-12)
    assert mixture(ep=1)["expert_exchange_s"] == 0


def test_hidden_exchange_of_experts_costs_no_time() -> None:
    shown, half, hidden = (
        mixture(ep=64, training={"expert_overlap": share})["expert_exchange_s"]
        for share in (0, 0.5, 1)
    )
    assert shown == mixture(ep=64)["expert_exchange_s"]
    assert (half, hidden) == (pytest.approx(shown / 2), 0)


def test_fused_experts_move_no_copies_and_wait_for_no_host() -> None:
    plain, fused = (mixture(ep=8, training={"fused_experts": yes}) for yes in (False, True))
    assert fused["layer_matmul_s"] == plain["layer_matmul_s"]
    latency = 4 * plain["collective_latency_s"] * 58 / 61
    gained = plain["expert_exchange_s"] - fused["expert_exchange_s"]
    assert gained == pytest.approx(latency, rel=1e-9)
    # 9 copies of 7168 read and written, and 8 activations of 2048: gate, up, and their product.
    saved = 2 * 4096 * (2 * 9 * 7168 + 3 * 8 * 2048) * 58 / 61
    saved *= plain["elementwise_factor"] / (plain["memory_tb_s"] * 1e12)
    gained = plain["layer_elementwise_s"] - fused["layer_elementwise_s"]
    assert gained == pytest.approx(saved, rel=1e-9)
