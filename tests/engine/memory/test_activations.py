"""Activations by hand."""

from __future__ import annotations

import pytest

from tests.layouts import LAYOUT_8, mixture, run


def test_what_a_dense_layer_keeps_of_a_token() -> None:
    """Llama 3.1 70B, tp 8 with sequence parallelism, 16 bits, no dropout."""
    found = run(parallelism=LAYOUT_8).values
    attention = 2 * (8192 + 2 * 1024 + 8192)  # queries, keys, values, output
    feed_forward = 2 * 3 * 28672  # gate, up, and the input of the last product
    sums = 4 * 64  # of fused attention, 32 bits a head
    by_hand = (8 * 8192 + attention + sums + feed_forward) / 8
    assert float(found["kept_token_bytes"]) == pytest.approx(by_hand)


def test_copies_of_a_token_are_kept() -> None:
    found = mixture(ep=8)
    more = 2 * (2 * 7168 + 3 * 2048)  # in and out of an expert, and inside it
    latent = 2 * (128 * 192 + 128 * 192 + 128 * 128 + 128 * 128)
    dense = (3 * 6 * 18432 + 58 * 6 * 2048) / 61
    by_hand = 8 * 7168 + latent + 4 * 128 + dense + 58 / 61 * 8 * more
    assert found["kept_token_bytes"] == pytest.approx(by_hand)


def test_inputs_saved_in_8_bits_are_smaller() -> None:
    def kept(precision: str) -> float:
        return float(
            run(parallelism=LAYOUT_8, training={"precision": precision}).values["kept_token_bytes"]
        )

    assert kept("fp8") < kept("bf16") < kept("fp32")


def test_what_mlperf_s_fp8_run_of_405b_keeps_of_a_token() -> None:
    """Saved inputs in 8 bits; attention's output in 16 for itself and in 8 for the next product."""
    found = run(
        model={"preset": "llama-3.1-405b", "seq_len": 8192},
        training={"precision": "fp8", "software": "nemo-mlperf"},
        parallelism={"tp": 8, "pp": 8, "vpp": 8, "cp": 2, "micro_batch": 1, "global_batch_seqs": 1152},
    ).values  # fmt: skip
    attention = 2 * (16384 + 2 * 1024 + 16384) + 16384 + 4 * 128
    by_hand = ((2 + 2 + 1 + 1) * 16384 + attention + (2 * 2 + 1) * 53248) / 8
    assert float(found["kept_token_bytes"]) == pytest.approx(by_hand)
    # 71 of the 8 chunks of a micro-batch run ahead on the first stage, 69 on the second.
    assert float(found["flight"]) == 71 / 8
    kept = 4096 * by_hand * 16 * 69 / 8
    assert float(found["middle_activation_bytes"]) == pytest.approx(kept)
    # Embedding and head each spare a layer of one chunk: of the first stage's first chunk 15 micro-batches run ahead, of
    # the last stage's last one 1, of each other chunk 8.
    layers = {"activation_bytes": 15 + 7 * 8 * 2, "last_activation_bytes": 1 + 7 * 8 * 2}
    for name, count in layers.items():
        assert float(found[name]) == pytest.approx(4096 * by_hand * count)


def test_frozen_products_keep_only_what_adapters_read() -> None:
    def kept(**training: object) -> float:
        table = {"software": "megatron-core", **training}
        layout = {"tp": 1, "micro_batch": 1, "global_batch_seqs": 512}
        return float(run(parallelism=layout, training=table).values["kept_token_bytes"])

    whole = kept()
    assert kept(method="lora", lora_targets="all-linear") == whole
    without = whole - kept(method="lora", lora_targets="attention")
    assert without == 2 * 8192 + 2 * 28672  # inputs of gate and up, and of the last product


def test_logits_count_on_the_last_of_several_stages() -> None:
    layout = {"tp": 1, "pp": 2, "vpp": 1, "micro_batch": 4, "global_batch_seqs": 1024}
    found = run(parallelism=layout, training={"activation_recompute": "full"}).values
    logits = 4 * 8192 * float(found["logit_memory_bytes"]) * 128256
    assert float(found["logit_bytes"]) > logits
    assert float(found["last_stage_bytes"]) > float(found["last_state_bytes"]) + logits
    assert float(found["memory_gb_per_device"]) * 1e9 == pytest.approx(
        max(float(found["first_stage_bytes"]), float(found["last_stage_bytes"]))
    )
