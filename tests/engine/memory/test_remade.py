"""What software makes again whatever is asked for, and in which format it keeps the rest."""

from __future__ import annotations

import pytest

from tests.engine.performance.test_exchange import trained


def test_what_a_layer_of_deepseek_v3_keeps_of_a_token_by_hand() -> None:
    """arXiv:2412.19437, sections 3.2.3 and 3.3.3: no norms, no up-projections, SwiGLU's inputs in 8 bits."""
    found = trained()
    residual = 2 * 2 * 7168
    latents = 2 * (1536 + 512 + 64)
    attended = 1.53 * 128 * 128 + 4 * 128
    width = (3 * 18432 + 58 * 9 * 2048) / 61
    dispatched = 58 / 61 * 8 * 1.03 * 7168
    by_hand = residual + latents + attended + 2 * 1.03 * width + dispatched
    assert found["kept_token_bytes"] == pytest.approx(by_hand)


def test_less_is_kept_and_more_is_done() -> None:
    ours, theirs = trained(), trained(training={"software": "megatron-core"})
    assert ours["kept_token_bytes"] < theirs["kept_token_bytes"]
    assert ours["remade_s"] > theirs["remade_s"] == 0
    assert theirs["remade_token_bytes"] == 0
    assert ours["layer_again_s"] == pytest.approx(ours["remade_s"])
    # A layer that is made again whole has nothing further to make.
    full = trained(training={"activation_recompute": "full"})
    assert full["layer_again_s"] < 1.01 * full["layer_forward_s"]


@pytest.mark.parametrize("model", ["llama-3.1-8b", "qwen3-30b-a3b", "deepseek-v2"])
@pytest.mark.parametrize("precision", ["bf16", "fp8"])
def test_what_is_made_again_is_part_of_what_would_be_kept(model: str, precision: str) -> None:
    found = trained({"preset": model}, {"precision": precision}, pp=4, ep=1, schedule="1f1b")
    assert 0 < found["remade_token_bytes"] < found["full_token_bytes"]
