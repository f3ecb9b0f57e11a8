"""What a device holds beside the tensors: the allocator's reserve, CUDA's context, NCCL's buffers."""

from __future__ import annotations

from typing import Any

import pytest

from llmcost.analysis.estimate import Estimate, estimate
from llmcost.analysis.explain import explain_quantities
from llmcost.engine.results import MEMORY, MEMORY_BESIDE, MEMORY_IN_USE
from llmcost.scenario import parse_scenario
from tests.layouts import CATALOG, scenario

ALONE = {"tp": 1, "pp": 1, "micro_batch": 1}


def made(
    layout: dict[str, Any] | None = None,
    device: str = "h100-sxm",
    preset: str = "llama-3.1-8b",
    devices: int = 64,
    **training: Any,
) -> Estimate:
    table = scenario(
        model={"preset": preset, "seq_len": 8192},
        cluster={"accelerator": device, "devices": devices},
        parallelism={"global_batch_seqs": 256, **ALONE, **(layout or {})},
        training={"software": "megatron-core", **training},
    )
    return estimate(parse_scenario(table), CATALOG)


def value(found: Estimate, name: str) -> float:
    return float(found.values[name])


def test_a_vendor_s_gb_is_a_gib_of_which_the_driver_keeps_some() -> None:
    """PyTorch finds 79.1 to 79.3 GiB of an H100, 178.35 of a B200, 267.69 of a B300, 276.5 of a GB300."""
    gib = 2**30 / 1e9
    for device, found in {
        "h100-sxm": 79.2, "b200-sxm": 178.35, "b300-sxm": 267.69, "gb300-nvl72": 276.5, "v100-sxm-32gb": 31.74,
    }.items():  # fmt: skip
        usable = float(made(device=device, software="megatron-2021").inputs.known["usable_memory_gb"])  # fmt: skip
        assert usable == pytest.approx(found * gib, rel=0.01), device


def test_a_process_alone_has_a_context_and_each_group_buffers() -> None:
    alone = value(made(devices=1), "memory_context_gb")
    assert alone == pytest.approx(
        0.48 * 1.0737, rel=0.2
    )  # 0.48 to 0.66 GiB where an H100's memory ran out
    replicas = value(made(), "memory_context_gb")
    assert replicas - alone == pytest.approx(0.65)
    split = value(made({"tp": 8, "pp": 2}), "memory_context_gb")
    assert split - alone == pytest.approx(4 * 0.65)  # tp, pp, the replicas, all devices


def test_an_exchange_of_experts_has_buffers_for_each_device_of_a_domain() -> None:
    def buffers(ep: int) -> float:
        layout = {"tp": 1, "pp": 4, "ep": ep}
        return value(made(layout, preset="qwen3-30b-a3b"), "memory_context_gb")

    assert buffers(8) - buffers(1) == pytest.approx(4.34 - 1.06, rel=0.01)  # measured on 8 H100
    assert buffers(16) == buffers(8) > buffers(4) > buffers(2)


def test_xla_plans_its_memory_and_keeps_none_back() -> None:
    found = made(device="tpu-v5p", software="maxtext")
    assert found.result("memory_reserve_gb") == 0
    assert found.result("memory_context_gb") == pytest.approx(0.1)


def test_at_the_loss_what_a_layer_s_forward_pass_took_is_idle() -> None:
    found = made({"sharding": "none"}, device="h200-sxm", software="pytorch-eager")
    half = value(found, "working_bytes") / 2
    assert half < value(found, "logit_bytes")
    assert value(found, "idle_bytes") == pytest.approx(half)
    chunked = made(
        {"sharding": "none"}, device="h200-sxm", software="pytorch-eager", loss_chunks=64
    )
    assert value(chunked, "logit_bytes") < value(found, "logit_bytes")


@pytest.mark.parametrize(("software", "expands"), [("transformers-2023", 1), ("fsdp1-2023", 0)])
def test_what_is_idle_goes_back_before_memory_runs_out(software: str, expands: int) -> None:
    layout = {"sharding": "none", "tp": 8}
    roomy = made(layout, device="h200-sxm", software=software)
    tensors, context = value(roomy, MEMORY), value(roomy, "memory_context_gb")
    gaps, least = value(roomy, "fragment_gb"), value(roomy, "least_fragment_gb")
    assert value(roomy, "memory_reserve_gb") > gaps >= least > 0
    assert (least < gaps) == expands  # with segments that expand, 0.01 of what comes and goes
    full = (tensors + context + least) * 1.001 / (0.985 * 2**30 / 1e9)

    def within(size: float) -> Estimate:
        table = scenario(
            model={"preset": "llama-3.1-8b", "seq_len": 8192},
            cluster={"accelerator": "h200-sxm", "devices": 64, "memory_gb": size},
            parallelism={"global_batch_seqs": 256, **ALONE, **layout},
            training={"software": software},
        )
        return estimate(parse_scenario(table), CATALOG)

    tight = within(full)
    assert value(tight, "memory_reserve_gb") < value(roomy, "memory_reserve_gb")
    assert value(tight, MEMORY_IN_USE) <= value(tight, "usable_memory_gb")
    assert not any("does not fit" in note for note in tight.warnings)
    assert any("has to return blocks" in note for note in tight.warnings)
    over = within(full / 1.002)
    assert value(over, "memory_reserve_gb") == pytest.approx(least)
    assert any("does not fit" in note for note in over.warnings)


def test_the_explanation_of_a_device_s_memory_goes_on_to_what_is_in_use() -> None:
    order = explain_quantities(made(), MEMORY)
    assert {*MEMORY_BESIDE, MEMORY_IN_USE} <= {*order}
    assert order.index(MEMORY) < order.index(MEMORY_IN_USE)


def test_pytorch_s_pipeline_has_tensors_for_every_micro_batch_of_a_step() -> None:
    def boundary(batch: int, software: str) -> float:
        layout = {"pp": 4, "vpp": 1, "tp": 8, "global_batch_seqs": batch}
        return value(made(layout, software=software), "boundary_bytes")

    one = 8192 * 2 * 4096 / 8
    few, many = (boundary(batch, "pytorch-compile") for batch in (32, 64))
    assert few == pytest.approx(one * (4 + 2 * 16))
    assert many - few == pytest.approx(one * 2 * 16)
    assert boundary(32, "megatron-core") == 0


def test_devices_that_share_a_vocabulary_need_more_for_a_logit() -> None:
    """PyTorch's loss_parallel makes gradients of four tensors in 32 bits where one device fuses them."""

    def a_logit(tp: int) -> float:
        found = made({"tp": tp, "sharding": "zero3"}, software="pytorch-compile")
        saved = 2 * 4096 * (1 + 1 / tp)
        return (value(found, "logit_bytes") / 8192 - saved) * tp / 128256

    assert a_logit(1) == pytest.approx(14)
    assert a_logit(8) == pytest.approx(16)
