"""Activations by hand."""

from __future__ import annotations

import pytest

from tests.layouts import LAYOUT_8, mixture, run


def test_what_a_dense_layer_keeps_of_a_token() -> None:
    """Llama 3.1 70B, tp 8 with sequence parallelism, 16 bits, no dropout."""
    found = run(parallelism=LAYOUT_8).values
    attention = 2 * (8192 + 2 * 1024 + 8192)  # queries, keys, values, output
    feed_forward = 2 * 3 * 28672  # gate, up, and the input of the last product
    by_hand = (8 * 8192 + attention + feed_forward) / 8
    assert float(found["kept_token_bytes"]) == pytest.approx(by_hand)


def test_copies_of_a_token_are_kept() -> None:
    found = mixture(ep=8)
    more = 2 * (2 * 7168 + 3 * 2048)  # in and out of an expert, and inside it
    latent = 2 * (128 * 192 + 128 * 192 + 128 * 128 + 128 * 128)
    dense = (3 * 6 * 18432 + 58 * 6 * 2048) / 61
    by_hand = 8 * 7168 + latent + dense + 58 / 61 * 8 * more
    assert found["kept_token_bytes"] == pytest.approx(by_hand)


def test_inputs_saved_in_8_bits_are_smaller() -> None:
    def kept(precision: str) -> float:
        return float(
            run(parallelism=LAYOUT_8, training={"precision": precision}).values["kept_token_bytes"]
        )

    assert kept("fp8") < kept("bf16") < kept("fp32")


def test_logits_count_on_the_last_of_several_stages() -> None:
    layout = {"tp": 1, "pp": 2, "vpp": 1, "micro_batch": 4, "global_batch_seqs": 1024}
    found = run(parallelism=layout, training={"activation_recompute": "full"}).values
    logits = 4 * 8192 * float(found["logit_memory_bytes"]) * 128256
    assert float(found["logit_bytes"]) > logits
    assert float(found["last_stage_bytes"]) > float(found["last_state_bytes"]) + logits
    assert float(found["memory_gb_per_device"]) * 1e9 == pytest.approx(
        max(float(found["first_stage_bytes"]), float(found["last_stage_bytes"]))
    )
