"""A service in every command: tables, sweeps, comparisons, projections, reports."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llmcost.catalog import KINDS
from tests.conftest import Run, results

SCENARIO = """name = "served"
start_date = 2025-01-01
[model]
preset = "llama-3.1-8b"
[data]
tokens = "15T"
[training]
mfu = 0.4
[cluster]
accelerator = "h100-sxm"
devices = 512
[inference]
output_tokens_per_day = 1e11
prompt_tokens_per_day = 3e11
precision = "fp8"
"""


@pytest.fixture
def served(tmp_path: Path) -> str:
    (tmp_path / "served.toml").write_text(SCENARIO)
    return "served.toml"


def test_an_estimate_shows_service_and_life(llmcost: Run, served: str) -> None:
    done = llmcost("estimate", served, "--details")
    assert done.returncode == 0, done.stderr
    for text in ("Serving devices", "A million tokens", "Lifetime carbon", "Even in cost after"):
        assert text in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    plain = llmcost("estimate", "llama-3.1-405b").stdout
    assert "serving" not in plain.lower()
    assert "lifetime" not in plain.lower().replace("hardware_lifetime", "")


def test_a_sweep_over_service_shows_its_figures(llmcost: Run, served: str) -> None:
    done = llmcost("sweep", served, "--axis", "inference.precision=bf16,fp8", "--json")
    rows = json.loads(done.stdout)["rows"]
    assert rows[1]["inference_j_per_token"] < rows[0]["inference_j_per_token"]
    alone = results(llmcost("estimate", served, "--json").stdout)
    assert rows[1]["lifetime_cost_usd"] == alone["lifetime_cost_usd"]
    table = llmcost("sweep", served, "--axis", "inference.precision=bf16,fp8").stdout
    assert "J/token" in table
    assert "FLOP" not in table
    table = llmcost("sweep", served, "--axis", "data.tokens=1T,15T").stdout
    assert "Life CO2e" in table
    assert "J/token" not in table


def test_solve_finds_the_traffic_of_a_share(llmcost: Run, served: str) -> None:
    done = llmcost(
        "sweep", served, "--solve", "inference.output_tokens_per_day", "--between", "1e6:1e13",
        "--target", "training_share_of_lifetime_tco2e=0.5", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)["rows"][0]
    assert row["lifetime_tco2e"] == pytest.approx(2 * row["total_tco2e"], rel=0.02)


def test_a_comparison_has_the_service(llmcost: Run, served: str) -> None:
    done = llmcost("compare", served, "--set-b", "inference.accelerator=mi300x", "--json")
    found = json.loads(done.stdout)
    (difference,) = found["differences"].values()
    assert difference["inference_devices"]["ratio"] < 1
    assert difference["lifetime_energy_mwh"]["difference"] != 0
    assert "Serving devices" in llmcost("compare", served, served).stdout
    assert "Serving" not in llmcost("compare", "gpt-3", "gpt-4", "--format", "markdown").stdout


def test_a_projection_starts_from_the_estimate_and_serves_with_fewer(
    llmcost: Run, served: str
) -> None:
    years = json.loads(llmcost("project", served, "--until", "2030", "--json").stdout)["years"]
    first = results(llmcost("estimate", served, "--json").stdout)
    for key in (
        "inference_devices", "inference_energy_mwh", "inference_cost_usd", "inference_flops",
        "lifetime_tco2e", "lifetime_cost_usd", "break_even_tokens_cost",
    ):  # fmt: skip
        assert years[0][key] == first[key], key
    devices = [year["inference_devices"] for year in years]
    assert devices == sorted(devices, reverse=True)
    assert devices[-1] < devices[0]
    for year in years:
        assert year["lifetime_energy_mwh"] == pytest.approx(
            year["energy_mwh"] + year["inference_energy_mwh"]
        )
    shown = llmcost("project", served, "--until", "2030").stdout
    assert "Life CO2e" in shown
    assert "Life cost" in shown
    frontier = llmcost("project", served, "--until", "2030", "--follow", "frontier", "--json")
    assert all(year["lifetime_cost_usd"] is None for year in json.loads(frontier.stdout)["years"])


def test_ranges_come_from_how_far_published_servers_are_off(llmcost: Run, served: str) -> None:
    done = llmcost("estimate", served, "--uncertainty", "defaults", "--json")
    band = json.loads(done.stdout)["intervals"]["inference_tokens_per_s_per_device"]
    middle = results(llmcost("estimate", served, "--json").stdout)[
        "inference_tokens_per_s_per_device"
    ]
    assert band["p5"] / middle == pytest.approx(0.58, abs=0.03)
    assert band["p95"] / middle == pytest.approx(1.72, abs=0.08)


def test_a_report_has_the_life(llmcost: Run, served: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    assert llmcost("report", served, "--output", "page.html").returncode == 0
    page = (tmp_path / "page.html").read_text()
    for text in ("Lifetime cost", "Serving devices", "An output token"):
        assert text in page


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_the_catalog_is_listed(llmcost: Run, kind: str) -> None:
    done = llmcost("catalog", kind)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_a_service_alone_has_no_life(llmcost: Run, served: str) -> None:
    done = llmcost(
        "estimate", served, "--json", "--set", "cluster.accelerator=", "--set", "cluster.devices=",
        "--set", "training.mfu=", "--set", "inference.accelerator=h100-sxm",
    )  # fmt: skip
    found = results(done.stdout)
    assert found["inference_cost_usd"] > 0
    assert found["lifetime_cost_usd"] is None
    assert found["break_even_tokens_cost"] is None
