"""What a prediction says where the software is not named, and how sure it says it is."""

from __future__ import annotations

import csv
import io
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmcost.analysis.estimate import Estimate, estimate
from llmcost.analysis.sampling import Sampling
from llmcost.analysis.uncertainty import samples_of, uncertain_inputs
from llmcost.catalog import Catalog, load_catalog
from llmcost.engine.distributions import outside, quantile
from llmcost.scenario import parse_scenario
from llmcost.scenario.resolve.accuracy import step_error
from llmcost.scenario.values import Distribution
from tests.conftest import Run, results
from tests.layouts import CATALOG, LAYOUT_8, scenario

KINDS = ("assumed", "mixture", "unmeasured", "across")


def made(accelerator: str, catalog: Catalog = CATALOG, **training: Any) -> Estimate:
    table = scenario(parallelism=LAYOUT_8, training=training)
    table["cluster"]["accelerator"] = accelerator
    return estimate(parse_scenario(table), catalog)


def step_s(found: Estimate) -> float:
    return float(found.result("step_time_s") or np.nan)


@pytest.mark.parametrize("accelerator", ["a100-sxm-80gb", "h100-sxm", "b200-sxm", "tpu-v5p"])
def test_a_name_of_the_software_takes_the_allowance_away(accelerator: str) -> None:
    unnamed = made(accelerator)
    profile = str(unnamed.inputs.shown["training.software"])
    named = made(accelerator, software=profile)
    speed = float(unnamed.values["software_speed"])
    assert 0.5 < speed <= 1
    assert (speed < 1) == (accelerator != "tpu-v5p")
    assert float(named.values["software_s"]) == 0
    assert step_s(named) == pytest.approx(speed * step_s(unnamed), rel=1e-12)
    assert step_s(made(accelerator, software_speed=1.0)) == step_s(named)
    assert step_s(made(accelerator, software=profile, software_speed=0.5)) == pytest.approx(
        2 * step_s(named), rel=1e-12
    )
    source = unnamed.provenance()["training.software_speed"]["source"]
    assert ("training.software" in source and source.startswith("default")) == (speed < 1)


def test_software_of_before_has_a_profile_of_its_own() -> None:
    table = scenario(parallelism=LAYOUT_8, start_date="2021-05-01")
    table["cluster"]["accelerator"] = "a100-sxm-80gb"
    found = estimate(parse_scenario(table), CATALOG)
    assert found.inputs.shown["training.software"] == "megatron-2021"
    assert float(found.values["software_speed"]) == 1


def test_a_profile_in_a_catalog_of_the_user_is_known(tmp_path: Path) -> None:
    (tmp_path / "ours.toml").write_text(
        '[software.megatron-core]\nproduct_quality = 0.9\nsource = "our steps"\n'
    )
    ours = load_catalog([tmp_path / "ours.toml"])
    found, other = made("h100-sxm", ours), made("h100-sxm")
    assert float(found.values["software_speed"]) == 1
    assert step_s(found) == step_s(made("h100-sxm", ours, software="megatron-core"))
    assert found.inputs.intervals["training.mfu"][1] == step_error(ours, [])
    assert other.inputs.intervals["training.mfu"][1] == step_error(CATALOG, ["assumed"])


def test_a_sweep_has_the_allowance_of_each_accelerator(llmcost: Run) -> None:
    line = ["llama-3.1-8b", "--set", "training.mfu=", "--set", "cluster.device_hours=", "--set", "cluster.devices=64",
            "--set", "parallelism.tp=2", "--set", "parallelism.global_batch_seqs=512"]  # fmt: skip
    for key, words in (
        ("cluster.accelerator", ("a100-sxm-80gb", "h100-sxm", "tpu-v5p")),
        ("training.software", ("megatron-core", "pytorch-compile")),
        ("training.software_speed", ("0.8", "0.9")),
    ):
        swept = llmcost("sweep", *line, "--axis", f"{key}={','.join(words)}", "--format", "csv")
        rows = {
            row[key]: float(row["step_time_s"]) for row in csv.DictReader(io.StringIO(swept.stdout))
        }
        assert set(rows) == set(words)
        for word, found in rows.items():
            alone = llmcost("estimate", *line, "--set", f"{key}={word}", "--json")
            assert found == results(alone.stdout)["step_time_s"], word


@pytest.mark.parametrize(
    ("accelerator", "preset"),
    [("h100-sxm", "llama-3.1-8b"), ("a100-sxm-80gb", "llama-3.1-8b"), ("mi300x", "llama-3.1-8b"), ("h100-sxm", "mixtral-8x7b")],
)  # fmt: skip
def test_half_of_the_samples_meet_the_deadline_that_a_cluster_was_sized_for(
    accelerator: str, preset: str
) -> None:
    table = {
        "name": "sized", "model": {"preset": preset}, "data": {"tokens": 2e12},
        "cluster": {"accelerator": accelerator, "devices": "auto", "deadline_days": 30},
    }  # fmt: skip
    found = estimate(parse_scenario(table), CATALOG)
    sampling = Sampling(2000, defaults=True)
    alone = {item.key: np.full(2000, 0.5) for item in uncertain_inputs(found, True)}
    alone["training.mfu"] = (np.arange(2000) + 0.5) / 2000
    days = samples_of(found, sampling, CATALOG, ["days"], alone)["days"]
    slack = 30 / float(found.result("days") or np.nan)
    assert 1 <= slack < 1.15
    assert float(np.median(days)) == pytest.approx(found.result("days"), rel=1e-3)
    error = found.inputs.intervals["training.mfu"][1]
    late = float((days > 30).mean())
    assert 0.2 < late <= 0.5
    assert float(quantile(error, late)) == pytest.approx(1 / slack, rel=0.01)


def test_what_is_known_less_well_has_a_wider_range() -> None:
    every = [list(names) for size in range(5) for names in combinations(KINDS, size)]
    for names in every:
        error = step_error(CATALOG, names)
        assert 0 < error.low < 1 < error.high
        assert float(quantile(error, 0.5)) == 1
        for more in set(KINDS) - set(names):
            wider = step_error(CATALOG, [*names, more])
            assert wider.low < error.low
            assert wider.high > error.high


@given(
    low=st.floats(0.01, 0.99),
    high=st.floats(1.01, 50),
    share=st.floats(0.001, 0.999),
)
def test_a_lognormal_with_a_median_of_its_own(low: float, high: float, share: float) -> None:
    plain = Distribution(low, high, "lognormal", 1.0, 0.0)
    ends = [float(quantile(plain, at)) for at in (0.05, 0.5, 0.95)]
    assert ends == pytest.approx([low, 1, high], rel=1e-9)
    value = float(quantile(plain, share))
    assert outside(plain._replace(floor=value)) == pytest.approx(share, abs=1e-6)
    assert float(quantile(plain, min(share + 0.0005, 0.9999))) > value
    middle = (low * high) ** 0.5
    same = Distribution(low, high, "lognormal", middle, 0.0)
    assert float(quantile(same, share)) == pytest.approx(
        float(quantile(same._replace(mode=None), share)), rel=1e-9
    )
