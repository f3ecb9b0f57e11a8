"""The parts of a device's memory: they add up, and sharding more never takes more."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from llmcost.analysis.estimate import Estimate, estimate
from llmcost.engine.results import MEMORY_BESIDE, MEMORY_IN_USE, MEMORY_PARTS
from llmcost.errors import InputError
from llmcost.scenario import parse_scenario
from tests.layouts import CATALOG, mixture, scenario

SOFTWARE = ("megatron-core", "pytorch-compile", "nemo-mlperf", "maxtext", "megatron-2021")
SHARDINGS = ("none", "zero1", "zero2", "zero3")
RECOMPUTE = ("none", "selective", "full")
MODELS = ("llama-3.1-8b", "llama-3.1-70b", "deepseek-v3")


def made(layout: dict[str, Any], training: dict[str, Any], preset: str) -> Estimate:
    table = scenario(
        model={"preset": preset, "seq_len": 4096},
        cluster={"accelerator": "h100-sxm", "devices": 256},
        parallelism={"global_batch_seqs": 1024, **layout},
        training=training,
    )
    return estimate(parse_scenario(table), CATALOG)


LAYOUTS = st.fixed_dictionaries(
    {
        "tp": st.sampled_from((1, 2, 4, 8)),
        "pp": st.sampled_from((1, 2, 4, 8)),
        "vpp": st.sampled_from((1, 2)),
        "cp": st.sampled_from((1, 2)),
        "micro_batch": st.sampled_from((1, 2)),
        "sharding": st.sampled_from(SHARDINGS),
    }
)
TRAINING = st.fixed_dictionaries(
    {
        "software": st.sampled_from(SOFTWARE),
        "precision": st.sampled_from(("bf16", "fp8", "fp32")),
        "activation_recompute": st.sampled_from(RECOMPUTE),
        "optimizer": st.sampled_from(("adamw", "adamw-8bit", "adamw-bf16", "muon")),
        "method": st.sampled_from(("full", "lora", "qlora")),
    }
)


@settings(deadline=None, max_examples=60)
@given(LAYOUTS, TRAINING, st.sampled_from(MODELS))
def test_parts_add_up_on_the_fullest_stage(
    layout: dict[str, Any], training: dict[str, Any], preset: str
) -> None:
    try:
        found = made(layout, training, preset)
    except InputError:
        assume(False)
        return
    total = found.result("memory_gb_per_device")
    parts = [found.result(name) for name in MEMORY_PARTS]
    assert total is not None
    assert all(part is not None and part >= 0 for part in parts)
    assert sum(part or 0.0 for part in parts) == pytest.approx(total, rel=1e-12)
    stages = [float(found.values[f"{name}_stage_bytes"]) for name in ("first", "middle", "last")]
    assert max(stages) / 1e9 == pytest.approx(total, rel=1e-9)
    beside = [found.result(name) for name in MEMORY_BESIDE]
    assert all(part is not None and part >= 0 for part in beside)
    in_use = found.result(MEMORY_IN_USE)
    assert in_use == pytest.approx(total + sum(part or 0.0 for part in beside), rel=1e-12)
    # What is idle goes back before a layout that has room for the rest does not fit.
    room = float(found.inputs.known["usable_memory_gb"])
    least = total + float(found.values["least_fragment_gb"]) + (beside[1] or 0.0)
    assert ((in_use or 0.0) <= room * (1 + 1e-12)) == (least <= room * (1 + 1e-12))


@settings(deadline=None, max_examples=25)
@given(LAYOUTS, TRAINING, st.sampled_from(MODELS))
def test_sharding_or_recomputing_more_never_takes_more(
    layout: dict[str, Any], training: dict[str, Any], preset: str
) -> None:
    def memory(**change: Any) -> float:
        more = {**training, **{k: v for k, v in change.items() if k in training}}
        own = {**layout, **{k: v for k, v in change.items() if k in layout}}
        try:
            return made(own, more, preset).result("memory_gb_per_device") or 0.0
        except InputError:
            assume(False)
            return 0.0

    # With a pipeline zero3 keeps a stage's weights whole between its micro-batches.
    stages = [memory(pp=1, vpp=1, sharding=word) for word in SHARDINGS]
    assert stages == sorted(stages, reverse=True)
    again = [memory(activation_recompute=word) for word in RECOMPUTE]
    assert again == sorted(again, reverse=True)
    splits = [memory(tp=tp) for tp in (1, 2, 4, 8)]
    assert splits == sorted(splits, reverse=True)


def test_the_last_stage_can_be_the_fullest() -> None:
    """Few layers and many words: the head's logits and states outweigh the first stage's activations."""
    found = made(
        {"tp": 1, "pp": 2, "vpp": 1, "micro_batch": 8, "sharding": "none"},
        {"activation_recompute": "full"},
        "llama-3.1-8b",
    ).values
    assert float(found["fullest_stage"]) == 2
    assert float(found["last_stage_bytes"]) > float(found["first_stage_bytes"])


def test_llama_3_s_own_layout_fits() -> None:
    table = scenario(
        model={"preset": "llama-3.1-405b", "seq_len": 8192},
        cluster={"accelerator": "h100-sxm", "devices": 8192},
        parallelism={"tp": 8, "pp": 16, "micro_batch": 1, "global_batch_seqs": 2048, "sharding": "zero2"},
    )  # fmt: skip
    found = estimate(parse_scenario(table), CATALOG)
    assert (found.result(MEMORY_IN_USE) or 99) < float(found.inputs.known["usable_memory_gb"])
    assert not any("does not fit" in text for text in found.warnings)


def test_8_bit_weights_have_a_second_form_and_16_bit_ones_two() -> None:
    def weights(**training: str) -> float:
        training = {"precision": "fp8", "software": "megatron-core", **training}
        layout = {"tp": 1, "pp": 1, "micro_batch": 1, "sharding": "none"}
        return made(layout, training, "llama-3.1-8b").result("memory_parameters_gb") or 0.0

    blocks = 32 * (2 * 4096 * (4096 + 1024) + 3 * 4096 * 14336) / 1e9
    assert weights() == pytest.approx(weights(param_precision="fp8"), rel=1e-3)
    more = weights(param_precision="bf16") - weights(param_precision="fp8")
    assert more == pytest.approx(2 * blocks, rel=1e-3)


def test_experts_shared_by_fewer_devices_take_more_room() -> None:
    wide = mixture(tp=4, ep=16, expert_tp=4, global_batch_seqs=512)
    narrow = mixture(tp=4, ep=16, expert_tp=1, global_batch_seqs=512)
    assert narrow["device_expert_params"] == 4 * wide["device_expert_params"]
    assert narrow["expert_sharers"] == 4 * wide["expert_sharers"]
    assert mixture(tp=4, ep=16, global_batch_seqs=512)["expert_tp"] == 4  # the default


def test_blackwell_reads_8_bit_weights_with_one_scale_either_way() -> None:
    def weights(device: str, software: str = "nemo-mlperf", **training: str) -> float:
        table = scenario(
            model={"preset": "llama-3.1-8b"}, training={"precision": "fp8", "software": software, **training},
            cluster={"accelerator": device, "devices": 8},
            parallelism={"tp": 1, "pp": 1, "micro_batch": 1, "global_batch_seqs": 8, "sharding": "none"},
        )  # fmt: skip
        return estimate(parse_scenario(table), CATALOG).result("memory_parameters_gb") or 0.0

    blocks = 32 * (2 * 4096 * (4096 + 1024) + 3 * 4096 * 14336) / 1e9
    for said in ({}, {"param_precision": "fp8"}, {"param_precision": "bf16"}):
        less = weights("h200-sxm", **said) - weights("gb200-nvl72", **said)
        assert less == pytest.approx(blocks, rel=1e-3)
    # Blocks of 32 numbers with a scale each are another copy along each side.
    assert weights("gb200-nvl72", "megatron-bridge") == weights("h200-sxm", "megatron-bridge")
