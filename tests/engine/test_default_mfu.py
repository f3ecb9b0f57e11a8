"""The MFU of a run of which only its kind is known: number format, mixture of experts."""

from __future__ import annotations

from statistics import median
from typing import Any

import numpy as np
import pytest

from llmcost.analysis.validate import rows
from llmcost.catalog import load_catalog
from llmcost.engine.identity import default_mfu
from tests.conftest import Run, of, rows_of_csv

#: MFU of published runs of mixtures of experts, of the 16-bit peak; True where they ran in fp8.
PUBLISHED = {
    "GShard 600B": (48.0 / 123, False),  # Patterson et al. 2021, table 4
    "Switch Transformer 1.5T": (34.4 / 123, False),  # the same
    "Skywork-MoE": (0.38, False),  # arXiv:2406.06563
    "Pangu Ultra MoE": (0.30, False),  # arXiv:2505.04519
    "DeepSeek-V3": (6 * 37e9 * 14.8e12 / (2.664e6 * 3600 * 989.4e12), True),  # arXiv:2412.19437
    "Llama 4 Behemoth": (390 / 989.4, True),  # Meta 2025
    "ERNIE 4.5": (0.47, True),  # Baidu 2025
}


def days(precision: str, accelerator: str = "b200-sxm", **model: Any) -> float:
    found = of(
        model={"params": "70B", **model},
        training={"precision": precision},
        cluster={"accelerator": accelerator, "devices": 512},
    )
    assert found.result("days") is not None
    return found.result("days") or 0.0


def pairs(narrow: str, wide: str, accelerator: str) -> list[float]:
    """Speed in one format over that in another, of the same model, cluster and release."""
    same = ("layers", "hidden_size", "ffn_hidden_size", "seq_len", "devices", "experts")
    found: dict[Any, dict[str, float]] = {}
    for row in rows("throughput.csv"):
        nvidia = "dgxc" in row["source"] or "Bridge" in row["source"]
        if row["excluded"] or row["accelerator"] != accelerator or not nvidia:
            continue
        release = row["id"].split("_")[1] if "Bridge" in row["source"] else row["source"]
        speed = float(row["global_batch_seqs"]) / float(row["published_step_s"])
        run = found.setdefault((release, *(row[name] for name in same)), {})
        run[row["precision"]] = max(speed, run.get(row["precision"], 0.0))
    return [run[narrow] / run[wide] for run in found.values() if {narrow, wide} <= set(run)]


def test_what_a_narrower_format_gains_is_that_of_published_pairs() -> None:
    gained = pairs("fp8", "bf16", "h100-sxm")
    assert len(gained) == 20
    exponent = load_catalog().entry("defaults", "training.mfu.narrow")["value"]
    assert 2**exponent == pytest.approx(median(gained), rel=0.005)
    # Four bits, of which no constant is taken: their gain over eight is as the exponent says.
    assert 2**exponent == pytest.approx(median(pairs("fp4", "fp8", "gb200-nvl72")), rel=0.02)


def test_a_mixture_of_experts_takes_the_median_of_its_kind() -> None:
    defaults = load_catalog().kind("defaults")
    gain = 2 ** defaults["training.mfu.narrow"]["value"]
    in_16_bits = [mfu / gain if fp8 else mfu for mfu, fp8 in PUBLISHED.values()]
    found = defaults["training.mfu.experts"]["value"]
    assert found == pytest.approx(median(in_16_bits), abs=0.005)
    for model in ({"active_params": "7B"}, {"sparsity": 10}):
        run = of(model={"params": "70B", **model}, cluster={"accelerator": "h100-sxm"})
        assert run.inputs.known["experts_factor"] * 0.375 == pytest.approx(found)
    assert days("bf16", active_params="7B") == pytest.approx(days("bf16") / 10 * 0.375 / found)
    named = of(
        model={"preset": "mixtral-8x7b"}, cluster={"accelerator": "h100-sxm", "devices": 512}
    )
    assert named.result("mfu") == pytest.approx(found)
    source = named.provenance()["training.mfu"]["source"]
    assert source.startswith("default: median of 7 published runs of mixtures of experts")


def test_eight_bits_do_not_halve_a_run_and_four_do_not_quarter_it() -> None:
    assert days("bf16") / days("fp8") == pytest.approx(1.34, abs=0.01)
    assert days("bf16") / days("fp4") == pytest.approx(1.34**2, abs=0.02)
    assert days("fp16") == days("bf16")
    dense = of(
        model={"params": "70B"},
        training={"precision": "fp8"},
        cluster={"accelerator": "h100-sxm", "devices": 512},
    )
    assert dense.result("mfu") == pytest.approx(0.375 * 1.34 / 2, rel=0.002)
    assert "fp8 1.34 (2^0.42) times as fast" in dense.provenance()["training.mfu"]["source"]


@pytest.mark.parametrize("accelerator", ["gaudi3", "trainium1", "tpu-v5p"])
def test_a_format_without_a_higher_peak_gains_nothing(accelerator: str) -> None:
    assert days("fp8", accelerator) == days("bf16", accelerator)


def test_a_higher_peak_never_makes_a_run_slower_nor_more_than_as_much_faster() -> None:
    ratios = np.geomspace(1, 16, 40)
    found = default_mfu(*map(np.asarray, (0.375, 1.0)), ratios, np.asarray(0.42))
    assert np.all(np.diff(found) < 0)
    assert np.all(np.diff(found * ratios) > 0)
    assert found[0] == 0.375


def test_a_peak_of_ones_own_says_by_its_bits_what_it_gains() -> None:
    def mfu(**cluster: float) -> float | None:
        sections = {"model": {"params": "7B"}, "training": {"precision": "fp8"}}
        return of(**sections, cluster={"devices": 8, **cluster}).result("mfu")

    assert mfu(peak_flops=2e15) == pytest.approx(0.375 * 2**-0.58)
    assert mfu(fp8_tflops=2000, bf16_tflops=1000) == pytest.approx(0.375 * 2**-0.58)
    assert mfu(fp8_tflops=2000, bf16_tflops=2000) == 0.375


def test_an_mfu_that_is_given_is_taken_and_one_from_another_peak_is_warned_of() -> None:
    def run(mfu: float, precision: str) -> Any:
        return of(
            model={"params": "70B"},
            training={"mfu": mfu, "precision": precision},
            cluster={"accelerator": "b200-sxm", "devices": 512},
        )

    assert run(0.5, "fp8").result("mfu") == 0.5
    assert any("measured in 16 bits" in note for note in run(0.5, "fp8").warnings)
    assert any("measured in 16 bits" in note for note in run(0.375, "fp4").warnings)
    for mfu, precision in ((0.4, "fp8"), (0.5, "bf16")):
        assert not any("MFU" in note for note in run(mfu, precision).warnings)


def test_a_sweep_takes_the_same_defaults(llmcost: Run, base: str) -> None:
    axes = ("--axis", "training.precision=bf16,fp8,fp4", "--axis", "model.sparsity=1,10")
    chips = ("--axis", "cluster.accelerator=h100-sxm,b200-sxm,gaudi3")
    swept = rows_of_csv(llmcost("sweep", base, *axes, *chips, "--format", "csv").stdout)
    assert len(swept) == 18
    for row in swept:
        sets = {key: row[key] for key in row if "." in key}
        if row["training.precision"] == "fp4" and row["cluster.accelerator"] != "b200-sxm":
            assert row["mfu"] == row["days"] == ""
            continue
        one = of(
            start_date="2025-01-01",
            model={"params": "70B", "sparsity": float(sets["model.sparsity"])},
            training={"precision": sets["training.precision"]},
            cluster={"accelerator": sets["cluster.accelerator"], "devices": 1024},
        )
        assert float(row["mfu"]) == one.result("mfu")
        assert float(row["days"]) == pytest.approx(one.result("days") or 0, rel=1e-12)
