"""Layouts: memory, step time, search, clusters."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmcost.analysis.axes import parse_axes
from llmcost.analysis.estimate import Estimate, estimate
from llmcost.analysis.layout import candidates, search, words
from llmcost.analysis.sampling import Sampling
from llmcost.analysis.sweep import Sweep
from llmcost.analysis.uncertainty import with_uncertainty
from llmcost.catalog import load_catalog
from llmcost.engine.evaluate import evaluate
from llmcost.engine.memory import layer_activation_bytes
from llmcost.engine.performance import data_parallel_s, layer_matmul_s
from llmcost.engine.results import STEP_PARTS
from llmcost.errors import InputError, NoAnswerError
from llmcost.scenario import parse_scenario, resolve
from tests.conftest import Run

CATALOG = load_catalog()


def scenario(**more: Any) -> dict[str, Any]:
    return {
        "name": "x",
        "model": {"preset": "llama-3.1-70b"},
        "data": {"tokens": 1e12},
        "cluster": {"accelerator": "h100-sxm", "devices": 512},
        **more,
    }


def run(**more: Any) -> Estimate:
    return estimate(parse_scenario(scenario(**more)), CATALOG)


LAYOUT_8 = {
    "tp": 8,
    "pp": 4,
    "vpp": 5,
    "micro_batch": 1,
    "global_batch_seqs": 512,
    "sharding": "zero1",
}


def test_parts_add_up_to_the_step() -> None:
    result = run(parallelism=LAYOUT_8)
    parts = sum(float(result.values[name]) for name in STEP_PARTS)
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


def test_memory_of_states_by_hand() -> None:
    result = run(
        parallelism={"tp": 1, "pp": 1, "micro_batch": 1, "global_batch_seqs": 512},
        training={"activation_recompute": "full"},
    )
    states = float(result.values["state_bytes"])
    assert states == pytest.approx(18 * 70.55e9, rel=0.01)
    zero3 = run(
        parallelism={
            "tp": 1,
            "pp": 1,
            "micro_batch": 1,
            "global_batch_seqs": 512,
            "sharding": "zero3",
        }
    )
    assert float(zero3.values["state_bytes"]) == pytest.approx(18 * 70.55e9 / 512, rel=0.01)


def test_search_equals_the_single_path_exactly() -> None:
    table = scenario(parallelism="auto")
    inputs = resolve(parse_scenario(table), CATALOG)
    inputs.known.pop("recompute_level")
    found = search(inputs, 512)
    for item in (found.best, *found.runners_up):
        written = words(item)
        training = {"activation_recompute": written.pop("activation_recompute")}
        layout = {**written, "global_batch_seqs": float(inputs.known["global_batch_seqs"])}
        single = run(parallelism=layout, training=training)
        assert single.result("step_time_s") == item["step_time_s"]
        assert single.result("memory_gb_per_device") == item["memory_gb_per_device"]
        assert single.result("predicted_mfu") == item["predicted_mfu"]


def test_search_finds_the_best_of_all() -> None:
    inputs = resolve(parse_scenario(scenario(parallelism="auto")), CATALOG)
    inputs.known.pop("recompute_level")
    found = search(inputs, 512)
    layouts = candidates(inputs.known, 512)
    values, _ = evaluate(
        {**inputs.known, **layouts, "devices": 512.0}, ["step_time_s", "memory_gb_per_device"]
    )
    rounds = float(inputs.known["global_batch_seqs"]) / (layouts["dp"] * layouts["micro_batch"])
    split = layouts["pp"] * layouts["vpp"]
    valid = (
        (layouts["dp"] % 1 == 0)
        & (rounds >= 1)
        & (rounds % 1 == 0)
        & (80 % split == 0)
        & (64 % layouts["tp"] == 0)
    )
    valid &= ((layouts["pp"] == 1) & (layouts["vpp"] == 1)) | (
        (layouts["pp"] > 1)
        & ((layouts["vpp"] == 1) | (rounds >= layouts["pp"]))
        & (layouts["sharding"] < 2)
    )
    valid &= (values["memory_gb_per_device"] <= 0.95 * 80) & (layouts["recompute_level"] != 1)
    assert found.best["step_time_s"] <= float(np.min(values["step_time_s"][valid]))
    assert found.searched == len(layouts["tp"])
    assert found.feasible + sum(found.excluded.values()) == found.searched


def test_auto_in_the_command(llmcost: Run, tmp_path: Path) -> None:
    done = llmcost(
        "estimate",
        "llama-3.1-405b",
        "--set",
        "training.mfu=",
        "--set",
        "parallelism=auto",
        "--json",
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    best = found["performance"]["layout_search"]["best"]
    assert best["tp"] * best["pp"] * best["cp"] * best["dp"] == 16384
    assert found["inputs"]["parallelism.tp"] == {
        "value": best["tp"],
        "source": "derived",
    }
    assert found["results"]["mfu"] == found["results"]["predicted_mfu"]
    assert sum(found["performance"]["step_breakdown_s"].values()) == pytest.approx(
        found["results"]["step_time_s"]
    )
    table = llmcost(
        "estimate",
        "llama-3.1-405b",
        "--set",
        "training.mfu=",
        "--set",
        "parallelism=auto",
        "--set",
        "parallelism.tp=8",
    )
    assert "Layouts found" in table.stdout
    assert max(map(len, table.stdout.splitlines())) <= 80


def test_smallest_cluster_for_a_deadline() -> None:
    def days_of(deadline: float) -> Estimate:
        return run(
            cluster={"accelerator": "h100-sxm", "devices": "auto", "deadline_days": deadline}
        )

    slow, fast = days_of(60), days_of(20)
    for result, deadline in ((slow, 60), (fast, 20)):
        assert (result.result("days") or 99) <= deadline
        assert (result.result("devices") or 0) % 8 == 0
    assert (slow.result("devices") or 0) < (fast.result("devices") or 0)
    with pytest.raises(NoAnswerError, match="data-parallel replicas"):
        days_of(0.01)


def test_nothing_fits() -> None:
    with pytest.raises(NoAnswerError, match=r"leanest.*GB a device"):
        run(cluster={"accelerator": "h100-sxm", "devices": 8}, parallelism="auto")
    with pytest.raises(InputError, match="a search needs"):
        estimate(parse_scenario({"name": "x", "parallelism": "auto"}), CATALOG)


def test_open_parts_of_a_layout_are_filled_with_the_fastest() -> None:
    partial = run(parallelism={"tp": 8, "pp": 4, "global_batch_seqs": 512, "sharding": "zero1"})
    chosen = {name: float(partial.values[name]) for name in ("micro_batch", "vpp")}
    for micro in (1, 2, 4):
        for vpp in (1, 2, 5):
            other = run(parallelism={**LAYOUT_8, "micro_batch": micro, "vpp": vpp})
            if (other.result("memory_gb_per_device") or 0) <= 0.95 * 80:
                assert (partial.result("step_time_s") or 0) <= (other.result("step_time_s") or 0), (
                    chosen,
                    micro,
                    vpp,
                )


def test_an_accelerator_without_measurements_says_so_and_is_wider() -> None:
    known = run(parallelism=LAYOUT_8)
    unknown = run(parallelism=LAYOUT_8, cluster={"accelerator": "mi300x", "devices": 512})
    assert any("general constants" in note for note in unknown.warnings)
    assert not any("general constants" in note for note in known.warnings)

    def width(result: Estimate) -> float:
        band = with_uncertainty(result, Sampling(2000, defaults=True), CATALOG).intervals["mfu"]
        return (band["p95"] or 0) / (band["p5"] or 1)

    assert width(unknown) > 1.5 * width(known)


def test_uncertainty_keeps_the_layout_found() -> None:
    result = with_uncertainty(run(parallelism="auto"), Sampling(500, defaults=True), CATALOG)
    band = result.intervals["mfu"]
    assert (band["p5"] or 0) < (result.result("mfu") or 0) < (band["p95"] or 0)


def test_layouts_as_axes_of_a_sweep() -> None:
    table = parse_scenario(scenario(parallelism=LAYOUT_8))
    sweep = Sweep(
        table,
        parse_axes(["parallelism.tp=1,2,4,8", "parallelism.micro_batch=1,2"], [], CATALOG),
        CATALOG,
    )
    block = sweep.block(0)
    for index in range(block.rows):
        layout = {
            **LAYOUT_8,
            "tp": float(block.columns["parallelism.tp"][index]),
            "micro_batch": float(block.columns["parallelism.micro_batch"][index]),
        }
        assert run(parallelism=layout).result("step_time_s") == block.columns["step_time_s"][index]
    with pytest.raises(InputError, match="does not search"):
        Sweep(
            parse_scenario(scenario(parallelism="auto")),
            parse_axes(["training.mfu=0.3"], [], CATALOG),
            CATALOG,
        )


def test_validate(llmcost: Run) -> None:
    done = llmcost("validate", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["passed"]
    groups = {item["group"]: item for item in found["summary"]}
    assert set(groups) == {
        "throughput",
        "throughput, further",
        "memory",
        "cost",
        "cost, by name and dates",
        "energy and carbon",
    }
    assert all(item["error"] is not None for item in found["cases"])
    table = llmcost("validate")
    assert max(map(len, table.stdout.splitlines())) <= 80
    assert (
        len(llmcost("validate", "--format", "csv").stdout.splitlines()) == len(found["cases"]) + 1
    )
    assert "| Group |" in llmcost("validate", "--format", "markdown").stdout


def test_validate_fails_outside_a_tolerance(llmcost: Run, tmp_path: Path) -> None:
    (tmp_path / "slow.toml").write_text(
        '[performance.general]\nplain_matmul_share = 0.3\nsource = "wrong on purpose"\n'
    )
    done = llmcost("validate", "--catalog", "slow.toml")
    assert done.returncode == 1
    assert "validation failed" in done.stderr
    assert "NO" in done.stdout


def test_hardware_without_a_bandwidth_predicts_nothing() -> None:
    result = run(parallelism=LAYOUT_8, cluster={"accelerator": "tpu-v3", "devices": 512})
    assert result.result("predicted_mfu") is None
    assert result.result("mfu") == 0.375
    assert any("predicts nothing" in note for note in result.warnings)


def _parts(**layout: Any) -> dict[str, float]:
    more = {
        "parallelism": {
            "tp": 8, "pp": 16, "vpp": 1, "micro_batch": 1, "global_batch_seqs": 256,
            "sharding": "zero1", "sequence_parallel": True, **layout,
        }
    }  # fmt: skip
    values = run(**more, model={"preset": "llama-3.1-405b"}).values
    return {name: float(np.asarray(values[name])) for name in (
        "layer_s", "layer_collectives_s", "head_s", "busiest_layers", "last_stage_layers",
        "pipeline_bubble_s", "compute_s", "micro_batches",
    )}  # fmt: skip


def test_126_layers_on_16_stages_are_8_in_each_and_6_beside_the_head() -> None:
    found = _parts()
    layer = found["layer_s"] + found["layer_collectives_s"]
    assert found["last_stage_layers"] == 6
    pace = max(8 * layer, 6 * layer + found["head_s"])
    others = 126 * layer + found["head_s"] - pace
    assert found["pipeline_bubble_s"] == pytest.approx(others, rel=1e-12)


def test_equal_stages_wait_pp_minus_1_micro_batches() -> None:
    found = _parts(pp=2)
    layer = found["layer_s"] + found["layer_collectives_s"]
    assert found["busiest_layers"] == 63
    assert found["pipeline_bubble_s"] == pytest.approx(63 * layer, rel=1e-12)


def test_interleaving_shortens_the_bubble() -> None:
    assert _parts(pp=2, vpp=3)["pipeline_bubble_s"] == pytest.approx(
        _parts(pp=2)["pipeline_bubble_s"] / 3, rel=1e-12
    )


def test_synchronous_launches_add_the_hosts_time() -> None:
    layout = {"tp": 8, "pp": 1, "micro_batch": 1, "global_batch_seqs": 256, "sharding": "zero1"}
    usual = run(parallelism=layout).values
    waits = run(parallelism=layout, training={"synchronous_launch": True}).values
    assert float(waits["layer_s"] - usual["layer_s"]) == pytest.approx(
        float(usual["synchronous_launch_s"])
    )


def test_software_is_told_by_the_layout_or_the_key() -> None:
    def software(accelerator: str, training: dict[str, Any], **layout: Any) -> float:
        table = scenario(
            parallelism={"tp": 1, "pp": 1, "micro_batch": 1, "global_batch_seqs": 512, **layout},
            training=training,
        )
        table["cluster"]["accelerator"] = accelerator
        return float(np.asarray(estimate(parse_scenario(table), CATALOG).values["software"]))

    assert software("h100-sxm", {}, sharding="zero3") == 0
    assert software("a100-sxm-80gb", {}, sharding="zero1") == 1
    assert software("h100-sxm", {}, sharding="zero1") == 2
    assert software("tpu-v5p", {}, sharding="zero3") == 3
    assert software("mi300x", {}, sharding="zero1") == 0
    assert software("h100-sxm", {"software": "xla"}, sharding="zero3") == 3


def _mixture(devices: int = 256, training: dict[str, Any] | None = None, **layout: Any) -> Any:
    table = scenario(
        model={"preset": "deepseek-v3"},
        cluster={"accelerator": "h100-sxm", "devices": devices},
        parallelism={
            "tp": 1, "pp": 1, "cp": 1, "micro_batch": 1, "global_batch_seqs": 2048,
            "sharding": "none", **layout,
        },
        training=training or {},
    )  # fmt: skip
    values = estimate(parse_scenario(table), CATALOG).values
    return {name: float(value) for name, value in values.items() if np.ndim(value) == 0}


def test_a_token_crosses_the_network_once_for_each_domain() -> None:
    found = _mixture(ep=64)
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
    found = _mixture(ep=8)
    each = 2 * 4096 * 7168 * 8 * (7 / 8) / found["scale_up_bytes_s"]
    each = found["expert_exposure"] * each + found["collective_latency_s"]
    assert found["expert_exchange_s"] == pytest.approx(4 * each * 58 / 61, rel=1e-12)
    assert _mixture(ep=1)["expert_exchange_s"] == 0


def test_hidden_exchange_of_experts_costs_no_time() -> None:
    shown, half, hidden = (
        _mixture(ep=64, training={"expert_overlap": share})["expert_exchange_s"]
        for share in (0, 0.5, 1)
    )
    assert shown == _mixture(ep=64)["expert_exchange_s"]
    assert (half, hidden) == (pytest.approx(shown / 2), 0)


def test_experts_have_fewer_replicas_than_the_rest() -> None:
    alone, shared = _mixture(ep=256, sharding="none"), _mixture(ep=256, sharding="zero1")
    experts = 58 * 3 * 7168 * 2048  # one of the 256 in each of 58 layers
    assert alone["device_expert_params"] == experts
    # The optimizer of the only copy of an expert cannot be shared; that of the rest is, by 256.
    saved = 12 * alone["device_dense_params"] * (1 - 1 / 256)
    assert alone["state_bytes"] - shared["state_bytes"] == pytest.approx(saved, rel=1e-9)
    # Nor are its gradients summed.
    half = _mixture(ep=128)
    dense_s = alone["data_parallel_s"]
    assert half["data_parallel_s"] > dense_s
    rest = 4 * alone["device_dense_params"] * 255 / 256 / (8 * alone["scale_out_bytes_s"])
    assert dense_s == pytest.approx(rest * alone["data_floor"], rel=0.02)


def test_copies_of_a_token_are_kept_and_moved() -> None:
    found = _mixture(ep=8)
    assert found["ffn_copies"] == pytest.approx((3 + 58 * 9) / 61)

    def once_more(rule: Callable[..., Any]) -> float:
        """What one more copy of each token adds."""
        given = {name: found[name] for name in inspect.signature(rule).parameters}
        more = {**given, "ffn_copies": found["ffn_copies"] + 1}
        return float(rule(**more) - rule(**given))

    copy = 2 * 4096 * 7168
    assert once_more(layer_activation_bytes) == pytest.approx(copy, rel=1e-9)
    bandwidth = found["memory_tb_s"] * 1e12
    traffic = 2 * copy * found["operand_exposure"] / bandwidth
    assert once_more(layer_matmul_s) == pytest.approx(traffic, rel=1e-6)


def test_palm_on_a_tpu_never_measured() -> None:
    """PaLM reports an MFU of 46.2 % (arXiv:2204.02311, table 3); the TPUs fitted are v5e."""
    table = {
        "name": "palm",
        "model": {"preset": "palm-540b"},
        "data": {"tokens": 780e9},
        "training": {"activation_recompute": "full"},
        "cluster": {"accelerator": "tpu-v4", "devices": 6144},
        "parallelism": {
            "tp": 12, "pp": 1, "micro_batch": 4, "global_batch_seqs": 2048, "sharding": "zero3",
        },
    }  # fmt: skip
    found = estimate(parse_scenario(table), CATALOG).result("predicted_mfu") or 0
    assert found == pytest.approx(0.462, rel=0.2)


def test_a_layout_that_does_not_fit_says_so() -> None:
    layout = {"tp": 8, "pp": 1, "micro_batch": 1, "global_batch_seqs": 512, "sharding": "none"}
    said = [note for note in run(parallelism=layout).warnings if "does not fit" in note]
    assert len(said) == 1
    need = run(parallelism=layout).result("memory_gb_per_device") or 0
    assert f"needs {need:,.0f} GB a device and a device has 80" in said[0]
    assert not any("does not fit" in note for note in run(parallelism=LAYOUT_8).warnings)
    assert not any("does not fit" in note for note in run(parallelism="auto").warnings)


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
    assert widths[1] > 2 * widths[0]
    table = scenario(model={"preset": "deepseek-v3"}, training={"mfu": 0.2})
    assert not doubts(estimate(parse_scenario({**table, "parallelism": LAYOUT_8}), CATALOG))


def test_more_experts_than_replicas_take_in_the_devices_of_tensor_parallelism() -> None:
    few = _mixture(devices=64, tp=2, ep=64, global_batch_seqs=64)
    assert few["expert_tp"] == 1
    assert few["device_expert_params"] == 58 * 4 * 3 * 7168 * 2048  # 4 whole experts of 256
    many = _mixture(devices=256, tp=2, ep=64, global_batch_seqs=128)
    assert many["expert_tp"] == 2
    assert many["device_expert_params"] == few["device_expert_params"] / 2


def test_fused_experts_move_no_copies_and_wait_for_no_host() -> None:
    plain, fused = (_mixture(ep=8, training={"fused_experts": yes}) for yes in (False, True))
    assert fused["layer_matmul_s"] == plain["layer_matmul_s"]
    latency = 4 * plain["collective_latency_s"] * 58 / 61
    gained = plain["expert_exchange_s"] - fused["expert_exchange_s"]
    assert gained == pytest.approx(latency, rel=1e-9)
    # 9 copies of 7168 read and written, and 8 activations of 2048: gate, up, and their product.
    saved = 2 * 4096 * (2 * 9 * 7168 + 3 * 8 * 2048) * 58 / 61
    saved *= plain["elementwise_factor"] / (plain["memory_tb_s"] * 1e12)
    gained = plain["layer_elementwise_s"] - fused["layer_elementwise_s"]
    assert gained == pytest.approx(saved, rel=1e-9)


def test_experts_are_fused_by_date_accelerator_and_precision() -> None:
    def fused(start: str, accelerator: str = "b200-sxm", precision: str = "fp8") -> float:
        table = scenario(
            start_date=start,
            model={"preset": "deepseek-v3"},
            training={"precision": precision},
            cluster={"accelerator": accelerator, "devices": 256},
            parallelism={"tp": 1, "pp": 1, "ep": 8, "micro_batch": 1, "global_batch_seqs": 512},
        )
        return float(estimate(parse_scenario(table), CATALOG).values["fused_experts"])

    assert fused("2026-07-01") == 1
    assert fused("2026-06-30") == 0
    assert fused("2027-01-01", accelerator="h100-sxm") == 0
    assert fused("2027-01-01", precision="bf16") == 0


def test_tpus_share_states_inside_a_slice() -> None:
    def made(accelerator: str) -> Any:
        table = scenario(
            cluster={"accelerator": accelerator, "devices": 512},
            parallelism={"tp": 1, "micro_batch": 2, "global_batch_seqs": 1024, "sharding": "zero3"},
        )
        return estimate(parse_scenario(table), CATALOG).values

    tpu, gpu = made("tpu-v5e"), made("h100-sxm")
    assert (float(tpu["sharers"]), float(gpu["sharers"])) == (256, 512)
    # Two slices: half a share of gradients each way, on top of what a slice alone would do.
    assert float(tpu["own_params"]) == pytest.approx(2 * float(gpu["own_params"]))
    alone = {**tpu, "dp": np.asarray(256.0)}
    names = inspect.signature(data_parallel_s).parameters
    free = {"compute_s": 0.0, "data_floor": 1.0}
    between = data_parallel_s(**{name: tpu[name] for name in names} | free)
    inside = data_parallel_s(**{name: alone[name] for name in names} | free)
    by_hand = 2 * float(tpu["own_params"]) / float(tpu["scale_out_bytes_s"])
    assert float(between - inside) == pytest.approx(by_hand, rel=1e-6)


def test_an_explanation_says_where_each_constant_comes_from(llmcost: Run) -> None:
    done = llmcost(
        "estimate", "llama-3.1-8b", "--set", "cluster.devices=64", "--set", "cluster.accelerator=h100",
        "--set", "parallelism.tp=1", "--set", "parallelism.micro_batch=1",
        "--set", "parallelism.global_batch_seqs=512", "--explain", "step_time_s",
    )  # fmt: skip
    assert "tuned_attention_share = 0.5" in done.stdout
    assert "(catalog: performance/hopper)" in done.stdout
    assert "(catalog: performance/general)" in done.stdout
    assert "set by the scenario's words" not in done.stdout.partition("head_s")[2]


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
