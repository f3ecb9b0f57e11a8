"""Memory of fine-tuning: gradients of one micro-batch, a loss in chunks, constants of 4-bit weights."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmcost.analysis.estimate import Estimate, estimate
from llmcost.engine.results import MEMORY_PARTS
from llmcost.errors import InputError
from llmcost.scenario import parse_scenario
from llmcost.scenario.resolve.finetune import NF4_BYTES, NF4_PLAIN_BYTES
from tests.layouts import CATALOG


def made(steps: int = 1, dp: int = 1, micro: int = 2, **training: Any) -> Estimate:
    table = {
        "name": "x", "model": {"preset": "llama-3.2-3b", "seq_len": 4096}, "data": {"tokens": 1e7},
        "training": {"software": "pytorch-eager", "optimizer": "adamw-bf16", **training},
        "cluster": {"accelerator": "h100-sxm", "devices": dp},
        "parallelism": {"tp": 1, "pp": 1, "dp": dp, "micro_batch": micro, "global_batch_seqs": micro * dp * steps},
    }  # fmt: skip
    return estimate(parse_scenario(table), CATALOG)


def value(result: Estimate, name: str) -> float:
    return float(result.values[name])


@settings(max_examples=30, deadline=None)
@given(
    recompute=st.sampled_from(["none", "selective", "full"]),
    micro=st.integers(1, 4),
    chunks=st.sampled_from([1, 8]),
    method=st.sampled_from(["full", "lora", "qlora"]),
)
def test_gradients_take_the_place_of_activations(
    recompute: str, micro: int, chunks: int, method: str
) -> None:
    more = {"activation_recompute": recompute, "loss_chunks": chunks, "method": method}
    one, several = (made(steps, micro=micro, **more) for steps in (1, 4))
    room = value(one, "gradient_room_gb")
    assert value(several, "gradient_room_gb") == 0
    whole = value(several, "memory_gradients_gb")
    assert value(one, "memory_gradients_gb") == pytest.approx(max(whole - room, 0))
    # Two moments are compared: before the backward pass, and after it.
    fixed = value(one, "memory_parameters_gb") + value(one, "memory_optimizer_gb")
    working = value(one, "working_bytes") / 1e9
    before = fixed + value(one, "memory_activations_gb") + value(one, "memory_buffers_gb")
    after = fixed + whole + working
    assert value(one, "memory_gb_per_device") == pytest.approx(max(before, after))
    assert value(one, "memory_gb_per_device") == pytest.approx(
        sum(value(one, name) for name in MEMORY_PARTS)
    )


@pytest.mark.parametrize(("dp", "software"), [(2, "pytorch-eager"), (1, "megatron-core")])
def test_replicas_and_buffers_keep_gradients(dp: int, software: str) -> None:
    found = made(dp=dp, software=software, optimizer="adamw")
    assert value(found, "gradient_room_gb") == 0
    assert value(found, "memory_gradients_gb") > 0


def test_a_loss_in_chunks_keeps_logits_and_their_gradient() -> None:
    whole, chunked = (value(made(loss_chunks=chunks), "logit_bytes") for chunks in (1, 8))
    logits = 2 * 4096 * 128256
    assert whole - chunked == pytest.approx((14 - 4) * (1 - 1 / 8) * logits)
    assert value(made(), "logit_bytes") == whole


def test_transformers_of_2023_copies_its_logits() -> None:
    names = ("pytorch-eager", "transformers-2023")
    plain, copied = (value(made(software=name), "logit_bytes") for name in names)
    assert copied - plain == 4 * 2 * 4096 * 128256


def test_constants_of_four_bits_are_quantised_unless_said() -> None:
    assert NF4_PLAIN_BYTES * 8 == 4.5
    once, twice, default = (
        value(made(method="qlora", **more), "memory_parameters_gb")
        for more in ({"double_quantisation": False}, {"double_quantisation": True}, {})
    )
    assert twice == default
    blocks = 28 * (2 * 3072 * (3072 + 1024) + 3 * 3072 * 8192) / 1e9
    assert once - twice == pytest.approx(blocks * (NF4_PLAIN_BYTES - NF4_BYTES), rel=0.01)
    with pytest.raises(InputError, match="double_quantisation"):
        made(method="full", double_quantisation=True)


@pytest.mark.parametrize(
    ("targets", "width"),
    [("q_proj,v_proj", 2 * 3072), ("down_proj", 8192), ("all-linear", 5 * 3072 + 3072 + 8192)],
)
def test_dropout_copies_each_adapters_input(targets: str, width: int) -> None:
    found = made(method="lora", lora_targets=targets, lora_dropout=0.05)
    assert value(found, "dropped_token_bytes") == 3 * width
    plain = made(method="lora", lora_targets=targets)
    assert value(plain, "dropped_token_bytes") == 0
    assert value(found, "full_token_bytes") > value(plain, "full_token_bytes")
    assert made(method="lora", lora_targets=targets, lora_dropout=0.0).results == plain.results
    with pytest.raises(InputError, match="lora_dropout"):
        made(method="full", lora_dropout=0.05)


def test_old_products_of_four_bits_keep_their_inputs() -> None:
    kinds = [
        value(made(method=method, software=name, lora_targets="q_proj"), "full_token_bytes")
        for method in ("qlora", "lora")
        for name in ("pytorch-eager", "litgpt-2024")
    ]
    # Beside the adapter's own: the input of gate and up, and that of down.
    assert kinds[1] - kinds[0] == pytest.approx(1.4 * 2 * (3072 + 8192))
    assert kinds[2] == kinds[3] == kinds[0]
