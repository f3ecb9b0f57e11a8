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


def made(
    steps: int = 1, dp: int = 1, micro: int = 2, sharding: str = "none", **training: Any
) -> Estimate:
    table = {
        "name": "x", "model": {"preset": "llama-3.2-3b", "seq_len": 4096}, "data": {"tokens": 1e7},
        "training": {"software": "pytorch-eager", "optimizer": "adamw-bf16", **training},
        "cluster": {"accelerator": "h100-sxm", "devices": dp},
        "parallelism": {"tp": 1, "pp": 1, "dp": dp, "micro_batch": micro, "global_batch_seqs": micro * dp * steps, "sharding": sharding},
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
        for name in ("pytorch-eager", "transformers-2023")
    ]
    # Beside the adapter's own: the input of gate and up, and that of down.
    assert kinds[1] - kinds[0] == pytest.approx(1.4 * 2 * (3072 + 8192))
    assert kinds[2] == kinds[3] == kinds[0]


def test_litgpt_keeps_what_its_joined_product_and_its_last_graph_hold() -> None:
    def parts(method: str, software: str, targets: str) -> list[float]:
        found = made(method=method, software=software, lora_targets=targets)
        return [value(found, name) for name in ("joined_token_bytes", "stale_token_bytes")]

    heads, kv, ffn = 24 * 128, 8 * 128, 8192
    # Keys and values are repeated, so that no part of the product is attention's; updates of two of three are apart.
    assert parts("lora", "litgpt-2024", "q_proj,v_proj") == [2 * (heads + kv), 0]
    assert parts("lora", "litgpt-2024", "all-linear") == [0, 0]
    assert parts("lora", "pytorch-eager", "q_proj,v_proj") == [0, 0]
    inputs = 2 * (2 * 3072 + heads + ffn)
    assert parts("qlora", "litgpt-2024", "all-linear") == [0, inputs]
    # The longest sample came first in 2023: none as long is left from before it.
    assert parts("qlora", "litgpt-2023", "all-linear") == [0, 0]


@pytest.mark.parametrize("optimizer", ["adamw", "adamw-bf16", "adamw-8bit", "sgd", "adafactor"])
@pytest.mark.parametrize("precision", ["bf16", "fp32"])
@pytest.mark.parametrize("software", ["pytorch-eager", "megatron-core"])
def test_each_weight_is_counted_once(optimizer: str, precision: str, software: str) -> None:
    """Shards of all replicas hold the weights and states of one, but for a copy that shards do without."""
    more = {"optimizer": optimizer, "precision": precision, "software": software, "method": "full"}
    entry = CATALOG.entry("optimizers", optimizer)
    width = 4 if precision == "fp32" else 2
    apart = entry["weight_bytes"] > 2 and width < 4  # a 32-bit copy beside the weight that computes
    master = entry["weight_bytes"] if entry["weight_bytes"] > 2 else 0  # of the states
    states = entry["state_bytes"] - (master if width == 4 else 0)
    params = 3.2127e9
    found = made(dp=8, sharding="zero3", **more)
    held = value(found, "memory_parameters_gb") + value(found, "memory_optimizer_gb")
    fused = apart and software == "pytorch-eager"
    expected = (states + (0 if fused else width)) * params / 8 / 1e9
    assert held == pytest.approx(expected, rel=0.01)


def test_gradients_of_rounds_are_whole_where_they_are_summed_so() -> None:
    def gradients(software: str, steps: int) -> float:
        found = made(steps, dp=4, sharding="zero3", software=software)
        return value(found, "memory_gradients_gb")

    assert gradients("litgpt-2024", 1) == gradients("pytorch-eager", 1)
    assert gradients("pytorch-eager", 2) == gradients("pytorch-eager", 1)
    assert gradients("litgpt-2024", 2) == pytest.approx(4 * gradients("litgpt-2024", 1))
    times = [
        value(made(4, dp=4, sharding="zero3", software=name), "data_parallel_s")
        for name in ("litgpt-2024", "pytorch-eager")
    ]
    assert times[0] < times[1]


@pytest.mark.parametrize("method", ["full", "lora"])
def test_adapters_have_the_states_of_the_optimizer(method: str) -> None:
    states = {
        name: value(made(method=method, optimizer=name), "memory_optimizer_gb")
        for name in ("adamw", "adamw-bf16", "adamw-8bit")
    }
    assert states["adamw"] == pytest.approx(3 * states["adamw-bf16"])
    assert states["adamw-8bit"] == pytest.approx(states["adamw"] / 2)


def mlperf(software: str = "nemo-mlperf-lora", cp: int = 2, **training: Any) -> Estimate:
    table = {
        "name": "x", "model": {"preset": "llama-2-70b", "seq_len": 8192}, "data": {"tokens": 1e7},
        "training": {
            "software": software, "precision": "fp8", "param_precision": "fp8", "method": "lora", "lora_rank": 16,
            "lora_targets": "attention", "lora_dropout": 0.1, **training,
        },
        "cluster": {"accelerator": "gb200", "devices": 16},
        "parallelism": {"tp": 1, "pp": 1, "cp": cp, "micro_batch": 1, "global_batch_seqs": 16 // cp},
    }  # fmt: skip
    return estimate(parse_scenario(table), CATALOG)


def test_what_mlperf_s_fine_tuning_keeps_of_a_token() -> None:
    """Transformer Engine's frozen layer with adapters beside linear_qkv and linear_proj; attention in 8 bits."""
    norms = (
        2 * 2 * 8192 + 8192
    )  # both inputs in 16 bits, and what linear_qkv shares with its adapter in 8
    adapters = 2 * 3 * 8192  # dropped inputs in 16 bits, and masks
    attention = 8192 + 2 * 1024 + 8192 + 4 * 64
    gates = 2 * 2 * 28672
    by_hand = norms + adapters + attention + gates
    assert value(mlperf(), "full_token_bytes") == by_hand
    assert value(mlperf("nemo-mlperf-lora-1"), "full_token_bytes") == by_hand - gates / 2
    wide = value(mlperf("nemo-mlperf"), "full_token_bytes")
    assert wide == by_hand + 8192 + 2 * 1024 + 8192


def test_an_adapter_reads_what_attention_keeps_in_8_bits_in_16() -> None:
    with_output, without = (
        value(mlperf(lora_targets=targets, lora_dropout=0.0), "full_token_bytes")
        for targets in ("q_proj,o_proj", "q_proj")
    )
    assert with_output - without == 2 * 8192


def test_joined_products_drop_their_input_once() -> None:
    joined, apart = (
        value(
            made(method="lora", lora_targets=targets, lora_dropout=0.1, software="megatron-core"),
            "dropped_token_bytes",
        )
        for targets in ("q_proj,k_proj,v_proj,gate_proj,up_proj", "q_proj,up_proj")
    )
    assert joined == apart == 3 * 2 * 3072
