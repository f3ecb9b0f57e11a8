"""The search for a layout and for a cluster."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llmcost.analysis.axes import parse_axes
from llmcost.analysis.candidates import candidates
from llmcost.analysis.estimate import Estimate, estimate
from llmcost.analysis.layout import search, words
from llmcost.analysis.sampling import Sampling
from llmcost.analysis.sweep import Sweep
from llmcost.analysis.uncertainty import with_uncertainty
from llmcost.engine.evaluate import evaluate
from llmcost.engine.performance.faults import at_fault
from llmcost.engine.results import MEMORY_IN_USE
from llmcost.errors import InputError, LlmcostError, NoAnswerError
from llmcost.scenario import parse_scenario, resolve
from tests.conftest import Run
from tests.layouts import CATALOG, LAYOUT_8, run, scenario


def test_search_equals_the_single_path_exactly() -> None:
    table = scenario(parallelism="auto")
    inputs = resolve(parse_scenario(table), CATALOG)
    inputs.known.pop("recompute_level")
    found = search(inputs.known, 512, "x")
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
    found = search(inputs.known, 512, "x")
    every = every_layout(inputs.known, 512)
    values, _ = evaluate(
        {**inputs.known, **every, "devices": 512.0}, ["step_time_s", MEMORY_IN_USE]
    )
    count = len(every["tp"])
    room = inputs.known["usable_memory_gb"]
    fits = np.broadcast_to(values[MEMORY_IN_USE], count) <= room
    valid = fits & ~at_fault({**inputs.known, **every, "devices": 512.0})
    assert found.best["step_time_s"] <= float(np.min(values["step_time_s"][valid]))
    assert found.feasible + sum(found.excluded.values()) == found.searched


def every_layout(known: Any, devices: float) -> dict[str, Any]:
    """Layouts without interleaving, made one by one."""
    names = ("tp", "pp", "micro_batch", "recompute_level", "sharding")
    parts = itertools.product((1, 2, 4, 8), (1, 2, 4, 5, 8, 10, 16), (1, 2, 4, 8), (0, 2), (0, 1))
    columns = dict(zip(names, np.array(list(parts), dtype=float).T, strict=True))
    columns |= {"cp": np.ones_like(columns["tp"]), "vpp": np.ones_like(columns["tp"])}
    columns["ep"] = columns["cp"]
    columns["dp"] = devices / (columns["tp"] * columns["pp"])
    columns["sequence_parallel"] = (columns["tp"] > 1) * 1.0
    return columns


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
        "--details",
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
            room = float(other.inputs.known["usable_memory_gb"])
            if (other.result(MEMORY_IN_USE) or 0) <= room:
                assert (partial.result("step_time_s") or 0) <= (other.result("step_time_s") or 0), (
                    chosen,
                    micro,
                    vpp,
                )


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


@pytest.mark.parametrize(
    "layout",
    ["auto", {"tp": 8, "pp": 4, "global_batch_seqs": 512}, {"tp": 8, "micro_batch": 1}],
)
def test_what_is_open_is_found_in_every_cell_as_by_estimate(layout: Any) -> None:
    table = scenario(parallelism=layout)
    axes = parse_axes(["cluster.devices=128,256,500", "model.seq_len=4096,8192"], [], CATALOG)
    block = Sweep(parse_scenario(table), axes, CATALOG).block(0)
    for index in range(block.rows):
        devices, length = (
            float(block.columns[name][index]) for name in ("cluster.devices", "model.seq_len")
        )
        changed = scenario(
            parallelism=layout,
            model={"preset": "llama-3.1-70b", "seq_len": length},
            cluster={"accelerator": "h100-sxm", "devices": devices},
        )
        try:
            single = estimate(parse_scenario(changed), CATALOG).results
        except LlmcostError:
            single = {}
        for name in ("days", "step_time_s", "memory_gb_per_device", "mfu", "cost_total_usd"):
            here = float(block.columns[name][index])
            wanted = single.get(name)
            assert np.isnan(here) if wanted is None else here == wanted, (name, index)


def test_a_search_shares_experts_and_says_what_an_estimate_of_its_layouts_says() -> None:
    """Expert tensor parallelism is searched; each layout by hand has the same step and memory."""
    table = scenario(
        model={"preset": "deepseek-v3"},
        cluster={"accelerator": "h100-sxm", "devices": 512},
        parallelism={"global_batch_seqs": 4096},
    )
    found = estimate(parse_scenario(table), CATALOG)
    assert found.search is not None
    ranked = [found.search.best, *found.search.runners_up]
    kinds = [tuple(item[name] for name in ("tp", "pp", "cp", "ep", "expert_tp", "sharding")) for item in ranked]  # fmt: skip
    assert len(set(kinds)) == len(kinds) > 1
    for item in ranked[:3]:
        own = words(item)
        training = {"activation_recompute": own.pop("activation_recompute")}
        layout = {**own, "global_batch_seqs": 4096}
        by_hand = estimate(
            parse_scenario({**table, "parallelism": layout, "training": training}), CATALOG
        )
        for name in ("memory_gb_per_device", "step_time_s"):
            assert by_hand.result(name) == pytest.approx(item[name], rel=1e-12)


def test_experts_go_beyond_the_replicas() -> None:
    """Expert parallelism takes in the devices of tensor parallelism, shared or not."""
    known = dict(resolve(parse_scenario(scenario(
        model={"preset": "deepseek-v3"},
        cluster={"accelerator": "h200-sxm", "devices": 256},
        parallelism={"global_batch_seqs": 4096},
    )), CATALOG).known)  # fmt: skip
    layouts = candidates({**known, "tp": 8.0}, 256.0).layouts
    beyond = layouts["ep"] > layouts["dp"] * layouts["cp"]
    assert beyond.any()
    group = layouts["ep"] * layouts["expert_tp"]
    assert ((layouts["dp"] * layouts["cp"] * layouts["tp"]) % group == 0).all()
    assert set(layouts["expert_tp"][beyond].tolist()) > {1.0}
