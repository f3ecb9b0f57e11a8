"""The step as a whole, and the MFU that it predicts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmcost.analysis.estimate import Estimate, estimate
from llmcost.analysis.sampling import Sampling
from llmcost.analysis.uncertainty import with_uncertainty
from llmcost.engine.results import STEP_PARTS
from llmcost.scenario import parse_scenario
from tests.layouts import CATALOG, LAYOUT_8, run, scenario


def test_parts_add_up_to_the_step() -> None:
    result = run(parallelism=LAYOUT_8)
    parts = sum(float(result.values[name]) for name in STEP_PARTS)
    assert float(result.values["predicted_step_s"]) == pytest.approx(parts, rel=1e-12)
    assert result.result("step_time_s") == pytest.approx(parts, rel=1e-12)
    assert result.result("mfu") == result.result("predicted_mfu")
    assert result.result("devices") == 512
    days = (result.result("flops") or 0) / 512 / 989.4e12 / (result.result("mfu") or 1) / 86400
    assert result.result("days") == pytest.approx(days)


def test_a_given_mfu_wins_over_the_predicted() -> None:
    result = run(parallelism=LAYOUT_8, training={"mfu": 0.3})
    assert result.result("mfu") == 0.3
    assert result.result("predicted_mfu") != 0.3


@given(
    tp=st.sampled_from([1, 2, 4, 8]),
    pp=st.sampled_from([1, 2, 4, 8]),
    micro=st.sampled_from([1, 2, 4]),
    sharding=st.sampled_from(["none", "zero1"]),
)
def test_monotone(tp: int, pp: int, micro: int, sharding: str) -> None:
    layout = {
        "tp": tp,
        "pp": pp,
        "vpp": 1,
        "micro_batch": micro,
        "global_batch_seqs": 2048,
        "sharding": sharding,
    }
    base = run(parallelism=layout)

    def step(**more: Any) -> float:
        return run(parallelism=layout, **more).result("step_time_s") or 0.0

    assert step(training={"activation_recompute": "full"}) > step()
    assert step(training={"activation_recompute": "selective"}) == step()
    fast = {
        "accelerator": "h100-sxm",
        "devices": 512,
        "scale_out_gbit_s_per_device": 4000,
        "scale_up_gb_s_each_way": 4000,
    }
    assert step(cluster=fast) <= step()
    full = run(parallelism=layout, training={"activation_recompute": "full"})
    assert (full.result("memory_gb_per_device") or 0) < (base.result("memory_gb_per_device") or 0)
    sharded = run(parallelism={**layout, "sharding": "zero1"})
    plain = run(parallelism={**layout, "sharding": "none"})
    assert (sharded.result("memory_gb_per_device") or 0) < (
        plain.result("memory_gb_per_device") or 0
    )
    assert 0 < (base.result("predicted_mfu") or 0) < (base.result("predicted_hfu") or 0) + 1e-12


def test_hardware_without_a_bandwidth_predicts_nothing() -> None:
    bare = {"peak_flops": 1e14, "memory_gb": 80, "memory_tb_s": 2, "devices": 512}
    result = run(parallelism=LAYOUT_8, cluster=bare)
    assert result.result("predicted_mfu") is None
    assert result.result("mfu") == 0.375
    assert any("predicts nothing" in note for note in result.warnings)


def test_an_accelerator_without_measurements_says_so_and_is_wider() -> None:
    training = {"software": "megatron-core"}
    known = run(parallelism=LAYOUT_8, training=training)
    amd = {"accelerator": "mi300x", "devices": 512}
    unknown = run(parallelism=LAYOUT_8, cluster=amd, training=training)
    assert any("no kernels of" in note for note in unknown.warnings)
    assert not any("no kernels of" in note for note in known.warnings)

    def width(result: Estimate) -> float:
        band = with_uncertainty(result, Sampling(2000, defaults=True), CATALOG).intervals["mfu"]
        return (band["p95"] or 0) / (band["p5"] or 1)

    assert width(unknown) > 1.3 * width(known)


def test_palm_on_a_tpu_never_measured() -> None:
    """PaLM reports an MFU of 46.2 % (arXiv:2204.02311, table 3); the TPUs checked are v5e and v6e."""
    table = {
        "name": "palm",
        "start_date": "2021-08-01",
        "model": {"preset": "palm-540b"},
        "data": {"tokens": 780e9},
        "training": {"activation_recompute": "full"},
        "cluster": {"accelerator": "tpu-v4", "devices": 6144},
        "parallelism": {
            "tp": 12, "pp": 1, "micro_batch": 4, "global_batch_seqs": 2048, "sharding": "zero3",
        },
    }  # fmt: skip
    result = with_uncertainty(
        estimate(parse_scenario(table), CATALOG), Sampling(2000, defaults=True), CATALOG
    )
    band = result.intervals["mfu"]
    assert (band["p5"] or 1) < 0.462 < (band["p95"] or 0)
    assert (band["p95"] or 9) < 0.85


def test_experts_across_domains_widen_the_prediction() -> None:
    def made(**layout: Any) -> Estimate:
        table = scenario(
            model={"preset": "deepseek-v3"},
            parallelism={"tp": 1, "micro_batch": 1, "global_batch_seqs": 2048, **layout},
        )
        return estimate(parse_scenario(table), CATALOG)

    def doubts(result: Estimate) -> list[str]:
        return [note for note in result.warnings if "between scale-up domains" in note]

    near, far, completed = made(pp=16, vpp=1, ep=8), made(pp=16, vpp=1, ep=32), made(pp=16, ep=32)
    assert (len(doubts(near)), len(doubts(far)), len(doubts(completed))) == (0, 1, 1)
    widths = []
    for result in (near, far):
        error = result.inputs.intervals["training.mfu"][1]
        widths.append(error.high - error.low)
    assert widths[1] > widths[0]
    table = scenario(model={"preset": "deepseek-v3"}, training={"mfu": 0.2})
    assert not doubts(estimate(parse_scenario({**table, "parallelism": LAYOUT_8}), CATALOG))


def test_a_mixture_is_predicted_without_an_accelerator_by_name() -> None:
    table = scenario(
        start_date="2026-09-01",
        model={"preset": "deepseek-v3"},
        training={"precision": "fp8"},
        cluster={
            "peak_flops": 1e15, "devices": 64, "memory_tb_s": 3.0, "scale_up_gb_s_each_way": 450,
            "scale_up_domain": 8, "scale_out_gbit_s_per_device": 400,
        },
        parallelism={"tp": 1, "ep": 8, "micro_batch": 1, "global_batch_seqs": 512},
    )  # fmt: skip
    found = estimate(parse_scenario(table), CATALOG)
    assert (found.result("predicted_mfu") or 0) > 0
    assert found.values["fused_experts"] == 0
