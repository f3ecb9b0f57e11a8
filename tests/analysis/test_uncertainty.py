"""Samples: closed forms, streams, correlations, intervals in every command."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from llmcost.analysis.estimate import Estimate, estimate
from llmcost.analysis.sampling import Sampling, quantiles_of, uniforms
from llmcost.analysis.tornado import tornado
from llmcost.analysis.uncertainty import with_uncertainty
from llmcost.catalog import load_catalog
from llmcost.engine.distributions import quantile
from llmcost.engine.results import MEMORY_IN_USE, MEMORY_PARTS, RESULTS
from llmcost.errors import InputError
from llmcost.scenario import load_scenario, parse_scenario
from llmcost.scenario.tables import Correlation
from llmcost.scenario.values import Distribution
from tests.conftest import Run

CATALOG = load_catalog()
Z = 1.6448536269514722
BASE = {
    "start_date": "2024-01-01",
    "cluster": {"device_hours": {"low": 5e5, "high": 2e6}},
    "cost": {"cloud_usd_per_device_hour": {"low": 1.0, "high": 4.0}},
}


def sample(count: int = 100_000, seed: int = 0, defaults: bool = False, **table: Any) -> Estimate:
    scenario = parse_scenario({"name": "x", **table})
    return with_uncertainty(estimate(scenario), Sampling(count, seed, defaults=defaults), CATALOG)


def test_a_product_of_lognormals_is_lognormal() -> None:
    band = sample(**BASE).intervals["cost_cloud_usd"]
    sigma = math.hypot(math.log(4) / 2 / Z, math.log(4) / 2 / Z)
    for name, z in (("p5", -Z), ("p50", 0.0), ("p95", Z)):
        assert band[name] == pytest.approx(2e6 * math.exp(sigma * z), rel=0.005), name


def test_a_sum_of_normals_is_normal() -> None:
    """Embodied and operational carbon add up; each is one normal times constants."""
    result = sample(
        cluster={"device_hours": 1e6},
        energy={"device_power_w": {"low": 400, "high": 600, "dist": "normal"}, "pue": 1.0},
        carbon={
            "grid_kgco2e_per_kwh": 0.4, "hardware_lifetime_years": 5, "fleet_utilisation": 1.0,
            "embodied_kgco2e_per_device": {"low": 4000, "high": 8000, "dist": "normal"},
        },
    )  # fmt: skip
    share = 1e6 / (5 * 8766) / 1000
    mean, spread = 200 + 6000 * share, math.hypot(40 / Z, 2000 * share / Z)
    band = result.intervals["total_tco2e"]
    for name, z in (("p5", -Z), ("p50", 0.0), ("p95", Z)):
        assert band[name] == pytest.approx(mean + spread * z, rel=0.005), name


def test_a_triangular_has_its_quantiles() -> None:
    result = sample(
        cluster={"device_hours": {"low": 1e6, "high": 4e6, "dist": "triangular", "mode": 2e6}}
    )
    distribution = Distribution(1e6, 4e6, "triangular", 2e6)
    band = result.intervals["device_hours"]
    assert band["p5"] == pytest.approx(1e6, rel=0.005)
    assert band["p95"] == pytest.approx(4e6, rel=0.005)
    # An ordinary triangle with these percentiles: from a to b over its mode, by the textbook.
    a, b = (float(quantile(distribution, share)) for share in (0.0, 1.0))
    split = (2e6 - a) / (b - a)
    median = (
        a + math.sqrt(0.5 * (b - a) * (2e6 - a))
        if split > 0.5
        else b - math.sqrt(0.5 * (b - a) * (b - 2e6))
    )
    assert band["p50"] == pytest.approx(median, rel=0.005)


def test_same_seed_same_numbers_everywhere() -> None:
    code = (
        "from llmcost.analysis.sampling import uniforms; import hashlib\n"
        "print(hashlib.sha256(uniforms(['training.mfu', 'energy.pue'], 1000, 7)['energy.pue'].tobytes()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    }
    assert digests == {"9d8da47e6c7f66d0a3c72a788a98e79116ebc67a5de5d153b98efd47b0b4a809\n"}
    first, again, other = (sample(1000, seed, **BASE).intervals for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_a_hypercube_has_one_sample_a_stratum() -> None:
    found = uniforms(["a", "b"], 1000, 3, [])
    for values in found.values():
        assert sorted(np.floor(values * 1000).astype(int)) == list(range(1000))
    assert uniforms(["a"], 1000, 3)["a"].tolist() == found["a"].tolist()  # a stream of its own


@pytest.mark.parametrize("rho", [-0.8, 0.0, 0.5, 0.95])
def test_correlation_is_a_gaussian_copula(rho: float) -> None:
    from llmcost.engine.distributions import normal_quantile

    found = uniforms(["a", "b", "c"], 20_000, 0, [Correlation(("a", "b"), rho)])
    z = normal_quantile(np.stack([found[name] for name in "abc"]))
    corr = np.corrcoef(z)
    assert corr[0, 1] == pytest.approx(rho, abs=0.01)
    assert corr[0, 2] == pytest.approx(0, abs=0.03)
    assert sorted(np.floor(found["b"] * 20_000).astype(int)) == list(range(20_000))


def test_correlated_cost_is_wider() -> None:
    pair = {"keys": ["cluster.device_hours", "cost.cloud_usd_per_device_hour"], "rho": 0.9}
    plain = sample(**BASE).intervals["cost_cloud_usd"]
    wide = sample(**BASE, correlation=[pair]).intervals["cost_cloud_usd"]
    sigma = math.log(4) / 2 / Z * math.sqrt(2 + 2 * 0.9)
    assert wide["p95"] == pytest.approx(2e6 * math.exp(sigma * Z), rel=0.01)
    assert (wide["p95"] or 0) > 1.3 * (plain["p95"] or 0)
    keys = ["cluster.device_hours", "cost.cloud_usd_per_device_hour", "energy.pue"]
    rhos = [(0, 1, 0.9), (1, 2, 0.9), (0, 2, -0.9)]
    pairs = [{"keys": [keys[i], keys[j]], "rho": rho} for i, j, rho in rhos]
    with pytest.raises(InputError, match="contradict one another"):
        sample(**BASE, energy={"pue": {"low": 1.1, "high": 1.3}}, correlation=pairs)


def test_truncation_at_physical_bounds_is_said() -> None:
    result = sample(
        training={"mfu": {"low": 0.3, "high": 0.95}, "flops": 1e24},
        cluster={"accelerator": "h100-sxm", "devices": 8},
    )
    assert float(np.max(result.samples["mfu"])) <= 1
    assert any("training.mfu" in note and "cut off" in note for note in result.warnings)


def test_gpt_4_has_the_width_that_the_paper_gives() -> None:
    result = with_uncertainty(estimate(load_scenario("gpt-4-uncertain")), Sampling(20_000), CATALOG)
    band = result.intervals["cost_amortized_usd"]
    assert band["p50"] == pytest.approx(40e6, rel=0.10)
    # Table 5 of Cottier et al. 2024: 0.3 to 4 times the estimate.
    assert 0.2 < (band["p5"] or 0) / 40e6 < 0.4
    assert 2.5 < (band["p95"] or 0) / 40e6 < 5


def test_defaults_give_a_bare_scenario_a_range() -> None:
    table = {
        "start_date": "2024-06-01",
        "model": {"params": 70e9},
        "cluster": {"accelerator": "h100-sxm", "devices": 1024},
    }
    bare = sample(2000, **table)
    assert any("no input is uncertain" in note for note in bare.warnings)
    known = sample(2000, defaults=True, **table)
    for key in (
        "flops",
        "days",
        "energy_mwh",
        "operational_tco2e",
        "cost_amortized_usd",
        "water_m3",
    ):
        band = known.intervals[key]
        assert (band["p5"] or 0) < (band["p50"] or 0) < (band["p95"] or 0), key
        assert band["p50"] == pytest.approx(known.result(key), rel=0.12), key
    mine = sample(
        2000, defaults=True, **{**table, "training": {"mfu": 0.4}, "data": {"tokens": 1e12}}
    )
    assert mine.intervals["flops"]["p5"] == mine.intervals["flops"]["p95"]


def test_memory_has_a_range_of_its_own_and_says_how_often_it_is_too_much() -> None:
    layout = {"tp": 8, "pp": 4, "micro_batch": 1, "global_batch_seqs": 256, "sharding": "zero1"}

    def sampled(**device: float) -> Estimate:
        return sample(
            4000,
            defaults=True,
            model={"preset": "llama-3.1-70b"},
            cluster={"accelerator": "h100-sxm", "devices": 256, **device},
            parallelism=layout,
        )

    room = 1.05 * (sampled().result("memory_gb_per_device") or 0)
    found = sampled(memory_gb=room)
    need = found.result("memory_gb_per_device") or 0
    band = found.intervals["memory_gb_per_device"]
    low, high = CATALOG.kind("performance")["general"]["error_memory"]
    assert band["p5"] == pytest.approx(low * need, rel=0.01)
    assert band["p95"] == pytest.approx(high * need, rel=0.01)
    assert sum(found.result(part) or 0 for part in MEMORY_PARTS) == pytest.approx(need)
    usable = float(found.inputs.known["usable_memory_gb"])
    share = float(np.mean(found.samples[MEMORY_IN_USE] > usable))
    note = f"in {share:.0%} of the samples the layout needs more memory than a device can use"
    assert (note in found.warnings) == (0 < share < 1)
    assert 0 < share < 1
    roomy = sampled(memory_gb=2 * room)
    assert not any("of the samples the layout needs" in one for one in roomy.warnings)


def test_sobol_indices_of_a_product_of_lognormals() -> None:
    """f = X·Y: the first-order index of X is (e^sx² - 1) / (e^(sx² + sy²) - 1)."""
    table = {
        "cluster": {"device_hours": {"low": 5e5, "high": 2e6}},
        "cost": {"cloud_usd_per_device_hour": {"low": 1.0, "high": 2.0}},
    }
    base = estimate(parse_scenario({"name": "x", **table}))
    bars = {bar.key: bar for bar in tornado(base, Sampling(200_000), CATALOG, "cost_cloud_usd")}
    sx, sy = math.log(4) / 2 / Z, math.log(2) / 2 / Z
    whole = math.exp(sx**2 + sy**2) - 1
    for key, mine, other in (
        ("cluster.device_hours", sx, sy),
        ("cost.cloud_usd_per_device_hour", sy, sx),
    ):
        first = (math.exp(mine**2) - 1) / whole
        total = 1 - (math.exp(other**2) - 1) / whole
        assert bars[key].first_order == pytest.approx(first, abs=0.01)
        assert bars[key].total == pytest.approx(total, abs=0.01)
    hours = bars["cluster.device_hours"]
    assert (hours.low_input, hours.high_input) == (pytest.approx(5e5), pytest.approx(2e6))
    assert hours.low == pytest.approx(5e5 * 2**0.5, rel=1e-9)
    assert hours.high == pytest.approx(2e6 * 2**0.5, rel=1e-9)


def test_median_alone_is_the_estimate_without_samples() -> None:
    result = sample(100, **BASE)
    assert result.results == estimate(parse_scenario({"name": "x", **BASE})).results


SEARCHED = {
    "parallelism": "auto",
    "model": {"preset": "llama-3.1-8b"},
    "data": {"tokens": "1T"},
    "cluster": {"accelerator": "h100-sxm", "devices": "auto", "deadline_days": 30},
}


def test_samples_keep_the_cluster_and_layout_that_a_search_found() -> None:
    """Nothing uncertain: every sample is the estimate, with the batch that the cluster came with."""
    result = sample(10, **SEARCHED)
    for key, value in result.results.items():
        if value is not None:
            assert result.intervals[key]["p5"] == pytest.approx(value), key
            assert result.intervals[key]["p95"] == pytest.approx(value), key


def test_estimate(llmcost: Run) -> None:
    done = llmcost(
        "estimate",
        "gpt-4",
        "--uncertainty",
        "defaults",
        "--samples",
        "2000",
        "--seed",
        "3",
        "--json",
    )
    found = json.loads(done.stdout)
    assert set(found["intervals"]["cost_total_usd"]) == {"p5", "p50", "p95"}
    assert set(found["intervals"]) == {key for key in RESULTS if found["results"][key] is not None}
    own = llmcost(
        "estimate", "gpt-4", "--uncertainty", "defaults", "--quantiles", "0.1,0.975", "--json"
    )
    assert set(json.loads(own.stdout)["intervals"]["cost_total_usd"]) == {"p10", "p97.5"}
    table = llmcost("estimate", "gpt-4", "--uncertainty", "defaults", "--tornado", "cost_total_usd")
    assert "90 % range" in table.stdout
    assert "What drives cost_total_usd" in table.stdout
    assert max(map(len, table.stdout.splitlines())) <= 80
    bars = json.loads(
        llmcost(
            "estimate",
            "gpt-4",
            "--uncertainty",
            "defaults",
            "--tornado",
            "cost_total_usd",
            "--json",
        ).stdout
    )["tornado"]
    assert bars["inputs"][0]["key"] == "cost.device_price_usd"
    csv = llmcost("estimate", "gpt-4", "--uncertainty", "defaults", "--format", "csv").stdout
    assert "cost_total_usd_p95" in csv.splitlines()[0]


def test_compare_uses_common_samples(llmcost: Run) -> None:
    same = json.loads(
        llmcost("compare", "gpt-4", "gpt-4", "--uncertainty", "defaults", "--json").stdout
    )
    assert same["probability_below_baseline"]["gpt-4 (2)"]["cost_total_usd"] == 0.0
    cheaper = json.loads(
        llmcost(
            "compare", "gpt-4", "--set-b", "cluster.days=94", "--uncertainty", "defaults", "--json"
        ).stdout
    )
    # Every input is common, so a shorter run is cheaper in every sample.
    assert cheaper["probability_below_baseline"]["days=94"]["cost_total_usd"] == 1.0
    table = llmcost("compare", "gpt-4", "--set-b", "cluster.days=94", "--uncertainty", "defaults")
    assert "with a probability of 100%" in table.stdout


def test_project_gives_bands_and_chances(llmcost: Run) -> None:
    done = llmcost(
        "project",
        "gpt-4",
        "--follow",
        "frontier",
        "--uncertainty",
        "defaults",
        "--threshold",
        "cost_total_usd=1e9",
        "--until",
        "2030",
        "--json",
    )
    found = json.loads(done.stdout)
    assert [row["year"] for row in found["intervals"]] == [row["year"] for row in found["years"]]
    first, last = found["intervals"][0]["cost_total_usd"], found["intervals"][-1]["cost_total_usd"]
    assert first["p5"] < found["years"][0]["cost_total_usd"] < first["p95"]
    assert (
        last["p95"] / last["p5"] > 1.5 * first["p95"] / first["p5"]
    )  # the trend is uncertain, too
    chances = list(found["crossings"][0]["probability_by_year"].values())
    assert chances == sorted(chances)
    assert chances[0] < 0.01
    assert chances[-1] > 0.95
    table = llmcost(
        "project",
        "gpt-4",
        "--follow",
        "frontier",
        "--uncertainty",
        "defaults",
        "--threshold",
        "cost_total_usd=1e9",
    )
    assert "p5–p95" in table.stdout
    assert max(map(len, table.stdout.splitlines())) <= 80


def test_sweep_gives_quantiles_in_every_cell(llmcost: Run) -> None:
    options = ("--uncertainty", "defaults", "--samples", "500", "--seed", "2")
    sweep = llmcost(
        "sweep",
        "gpt-4",
        "--axis",
        "cluster.days=50,95,150",
        *options,
        "--select",
        "cost_total_usd,cost_total_usd_p5,cost_total_usd_p95",
        "--format",
        "jsonl",
    )
    rows = [json.loads(line) for line in sweep.stdout.splitlines()]
    assert len(rows) == 3
    single = json.loads(llmcost("estimate", "gpt-4", *options, "--json").stdout)
    assert rows[1]["cost_total_usd"] == single["results"]["cost_total_usd"]
    for name in ("p5", "p95"):
        assert rows[1][f"cost_total_usd_{name}"] == pytest.approx(
            single["intervals"]["cost_total_usd"][name], rel=1e-12
        )
    kept = llmcost(
        "sweep",
        "gpt-4",
        "--axis",
        "cluster.days=50,95,150",
        *options,
        "--where",
        "cost_total_usd_p95 < 5e7",
        "--format",
        "csv",
    )
    assert len(kept.stdout.splitlines()) == 2


def test_bad_input(llmcost: Run) -> None:
    for arguments, message in (
        (["--samples", "1"], "from 2 to"),
        (["--samples", "-5"], "from 2 to"),
        (["--samples", "many"], "--samples"),
        (["--samples", "10", "--seed", "-1"], "is negative"),
        (["--quantiles", "0.5"], "goes with --samples"),
        (["--samples", "10", "--quantiles", "0.5,2"], "between 0 and 1"),
        (["--uncertainty", "default"], 'did you mean "defaults"'),
        (["--tornado", "cost"], "is not a result"),
        (["--plot", "x.svg", "--draw", "tornado"], "give --tornado RESULT"),
        (["--plot", "x.svg", "--draw", "costs"], 'did you mean "cost"'),
        (["--plot", "x.gif"], "svg, png, pdf"),
        (["--draw", "cost"], "give both"),
    ):
        done = llmcost("estimate", "gpt-4", *arguments)
        assert (done.returncode, done.stdout) == (2, ""), arguments
        assert message in done.stderr, arguments
    nothing = llmcost("estimate", "gpt-4", "--tornado", "cost_total_usd")
    assert nothing.returncode == 1
    assert "no input is uncertain" in nothing.stderr


def test_quantiles_leave_out_what_is_not_known() -> None:
    rng = np.random.default_rng(0)
    values = rng.lognormal(size=(101, 3, 4))
    values[rng.random(values.shape) < 0.3] = np.nan
    shares = (0.0, 0.05, 0.5, 0.95, 1.0)
    wanted = np.nanquantile(values, shares, axis=0)
    np.testing.assert_allclose(quantiles_of(values, shares), wanted, rtol=1e-12)
    values[:, 1, 2] = np.nan
    assert np.isnan(quantiles_of(values, shares)[:, 1, 2]).all()
    assert np.isnan(quantiles_of(values, shares)).sum() == len(shares)


def test_a_sweep_in_which_a_result_is_never_known_says_nothing_else(llmcost: Run) -> None:
    # No thermal design power is published for TPU v5p, so its energy is not known.
    done = llmcost(
        "sweep", "gpt-4-uncertain", "--axis", "training.mfu=0.2,0.6", "--samples", "20",
        "--axis", "cluster.accelerator=h100-sxm,tpu-v5p", "--format", "csv",
    )  # fmt: skip
    assert done.returncode == 0
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 5


DEADLINE = {
    "start_date": "2026-12-01",
    "parallelism": "auto",
    "model": {"preset": "llama-3.1-70b"},
    "data": {"tokens": 6e12},
    "cluster": {"accelerator": "h200-sxm", "devices": "auto", "deadline_days": 60},
}


def test_samples_of_a_found_cluster_may_miss_its_deadline_and_say_how_often() -> None:
    found = sample(200, defaults=True, **DEADLINE)
    days = np.ravel(found.samples["days"])
    assert not np.isnan(days).any()
    late = float((days > 60).mean())
    assert 0 < late < 1
    assert any(f"in {late:.0%} of the samples" in note for note in found.warnings)
    fixed = {**DEADLINE["cluster"], "devices": float(found.values["devices"])}
    batch = {"global_batch_seqs": float(found.values["global_batch_seqs"])}
    layout = {k: float(found.values[k]) for k in ("tp", "pp", "vpp", "micro_batch")}
    given = {**DEADLINE, "cluster": fixed, "parallelism": {**batch, **layout, "sharding": "zero1"}}
    assert found.values["dp"] > 1
    same = sample(200, defaults=True, **given)
    assert same.intervals["days"]["p50"] == pytest.approx(found.intervals["days"]["p50"], rel=1e-9)


def test_a_sampled_sweep_answers_as_the_sampled_estimate(llmcost: Run, tmp_path: Any) -> None:
    scenario = tmp_path / "deadline.toml"
    scenario.write_text(
        'name = "x"\nstart_date = 2026-12-01\nparallelism = "auto"\n'
        '[model]\npreset = "llama-3.1-70b"\n[data]\ntokens = 6e12\n'
        '[cluster]\naccelerator = "h200-sxm"\ndevices = "auto"\ndeadline_days = 60\n'
    )
    args = (str(scenario), "--samples", "200", "--uncertainty", "defaults", "-q")
    one = json.loads(llmcost("estimate", *args, "--json").stdout)
    rows = llmcost(
        "sweep",
        *args,
        "--axis",
        "data.tokens=6e12,5e12",
        "--select",
        "days_p5,days_p95",
        "--format",
        "jsonl",
    ).stdout.splitlines()
    for name in ("p5", "p95"):
        assert json.loads(rows[0])[f"days_{name}"] == pytest.approx(
            one["intervals"]["days"][name], rel=1e-9
        )
