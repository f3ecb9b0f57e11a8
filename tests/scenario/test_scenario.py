"""Reading scenarios: numbers, dates, --set, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmcost.errors import InputError
from llmcost.scenario import bundled_names, load_scenario, parse_scenario
from llmcost.scenario.schema import KEYS
from llmcost.scenario.values import ValueProblem, parse_number
from tests.conftest import of


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("405B", 405e9), ("15.6T", 15.6e12), ("1k", 1e3), ("2M", 2e6), ("3P", 3e15), ("4E", 4e18),
        (3.8e25, 3.8e25), ("1e3", 1000.0), ("1e3k", 1e6), ("1_000", 1000.0), (5, 5.0), (" 7B ", 7e9),
    ],
)  # fmt: skip
def test_numbers(text: object, number: float) -> None:
    assert parse_number(text) == number


@pytest.mark.parametrize(
    "text", ["405b", "5K", "B", "", "nan", "inf", "1e999", True, None, [1], "0x10B", "٣B x"]
)
def test_no_numbers(text: object) -> None:
    with pytest.raises(ValueProblem):
        parse_number(text)


@given(st.floats(1e-3, 999.999), st.sampled_from("kMBTPE"))
def test_suffix_is_a_power_of_ten(value: float, suffix: str) -> None:
    power = {"k": 3, "M": 6, "B": 9, "T": 12, "P": 15, "E": 18}[suffix]
    assert parse_number(f"{value!r}{suffix}") == pytest.approx(value * 10.0**power, rel=1e-15)


def test_all_problems_of_a_file_at_once() -> None:
    with pytest.raises(InputError) as caught:
        of(
            cluster={"acelerator": "h100-sxm", "devices": -8, "accelerator": "h100sx"},
            training={"mfu": 1.5, "precision": "bf61"},
            energy={"pue": float("nan")},
            data={"tokens": True},
        )
    text = "\n".join(caught.value.problems)
    assert '[cluster] acelerator: unknown key; did you mean "accelerator"?' in text
    assert "[cluster] devices: -8 is negative" in text
    assert '"h100sx" is not in the catalog of accelerators; did you mean "h100-sxm"?' in text
    assert "[training] mfu: 1.5 is out of range" in text
    assert 'did you mean "bf16"?' in text
    assert "[energy] pue: nan is not a finite number" in text
    assert "[data] tokens: true is not a number" in text
    assert len(caught.value.problems) == 7


def test_a_key_in_the_wrong_section_is_pointed_to_the_right_one() -> None:
    with pytest.raises(InputError, match=r"\[training\] mfu"):
        of(cluster={"mfu": 0.4})
    with pytest.raises(InputError, match=r"\[cluster\] devices"):
        parse_scenario({"name": "x", "devices": 3})


def test_the_whole_schema_is_accepted() -> None:
    scenario = parse_scenario(
        {
            "schema_version": 1, "name": "x", "description": "d", "start_date": "2024-02-24",
            "reliability": {"device_mtbf_hours": 5e4, "checkpoint_seconds": 30, "checkpoint_interval_seconds": 900, "restart_seconds": 600},
            "parallelism": {"tp": 8, "pp": 4, "vpp": 2, "cp": 1, "ep": 1, "dp": 16, "micro_batch": 1, "global_batch_seqs": 512, "sharding": "zero1", "sequence_parallel": True},
            "projection": {"until": 2035, "cost_growth_per_year": {"low": 2.0, "high": 2.9}, "hardware_price_performance_ooms_per_year": 0.14},
            "levers": [{"name": "better data", "year": 2027, "flops": 0.5}],
            "correlation": [{"keys": ["training.mfu", "cost.device_price_usd"], "rho": 0.3}],
            "sweep": {"axis": ["model.params=1B:1T:log:50"], "where": "days <= 90", "top": 20},
            "staff": {"fte": 10, "months": 12, "usd_per_fte_year": "300k"},
        }
    )  # fmt: skip
    assert scenario.levers[0]["flops"] == 0.5
    assert scenario.correlations[0].rho == 0.3
    assert scenario.sweep["where"] == ["days <= 90"]
    assert parse_scenario({"name": "x", "parallelism": "auto"}).get("parallelism") == "auto"
    assert (
        parse_scenario({"name": "x", "cluster": {"devices": "auto"}}).get("cluster.devices")
        == "auto"
    )


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"name": "x", "levers": [{"year": 2030}]}, "name: is missing"),
        ({"name": "x", "levers": [{"name": "a", "flop": 0.5}]}, 'did you mean "flops"'),
        ({"name": "x", "levers": {"name": "a"}}, r"\[\[levers\]\]"),
        ({"name": "x", "correlation": [{"keys": ["training.mfu"], "rho": 0.1}]}, "two scenario keys"),
        ({"name": "x", "correlation": [{"keys": ["training.mfu", "energy.pue"], "rho": 2}]}, "between -1 and 1"),
        ({"name": "x", "sweep": {"axes": ["a"]}}, 'did you mean "axis"'),
        ({"name": "x", "sweep": {"top": 0}}, "whole number"),
        ({"name": "x", "cluster": 3}, "is a section"),
        ({"name": "x", "model": {"params": {"low": 2, "high": 1}}}, "not below high"),
        ({"name": "x", "model": {"params": {"low": 1, "high": 2, "mode": 1}}}, "triangular"),
        ({"name": "x", "training": {"mfu": {"low": 0.1, "high": 1.5}}}, "high 1.5 is out of range"),
        ({"name": "x", "schema_version": 2}, "schema_version: 2 is out of range"),
        ({"name": "x", "start_date": "24-02-2024"}, "is not a date"),
        ({"name": 3}, "name: 3 is not text"),
        ({}, "name: is missing"),
        ({"name": "x", "model": {"preset": "gpt-5", "config": "c.json"}}, "not in the catalog of models"),
        ({"name": "x", "clutser": {"devices": 3}}, 'did you mean "cluster"'),
    ],
)  # fmt: skip
def test_refused(table: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_scenario(table)


def test_set_wins_over_the_file_and_empty_removes() -> None:
    result = of("cluster.devices=64", "cluster.days=", cluster={"devices": 8, "days": 2})
    assert result.result("devices") == 64
    assert result.result("days") is None
    assert result.source("cluster.devices") == "set"


def test_set_reads_toml_values_and_plain_words() -> None:
    result = of(
        "model.params=7B",
        'cluster.accelerator="h100-sxm"',
        "start_date=2024-02-24",
        "training.mfu={ low = 0.3, high = 0.5 }",
        "name=run 7",
    )
    assert result.name == "run 7"
    assert result.inputs.scenario.start is not None
    assert "training.mfu" in result.inputs.distributions


def test_every_bundled_scenario_is_valid() -> None:
    wanted = {
        "gpt-3", "gpt-4", "palm-540b", "bloom-176b", "llama-2-70b", "llama-3.1-8b", "llama-3.1-405b",
        "deepseek-v3", "gemini-1.0-ultra", "finetune-8xh100", "gpt2-124m", "faraboschi-dense", "faraboschi-moe",
    }  # fmt: skip
    assert wanted <= set(bundled_names())
    for name in bundled_names():
        assert load_scenario(name).name == name


def test_names_are_found_however_they_are_spelt() -> None:
    for name in ("H100", "NVIDIA H100 SXM5 80GB", "h100 sxm", "h100-sxm"):
        assert (
            of(cluster={"accelerator": name}).inputs.scenario.get("cluster.accelerator")
            == "h100-sxm"
        )


def test_keys_have_help_and_a_unit_where_they_are_numbers() -> None:
    for key in KEYS.values():
        assert key.help
        assert key.allowed


def test_presets_can_be_overridden() -> None:
    half = of("model.layers=63", model={"preset": "llama-3.1-405b"})
    assert (half.result("params") or 0) < 210e9
    assert half.source("model.params") == "derived"
    small = of("model.params=8B", model={"preset": "llama-3.1-405b"})
    assert small.result("params") == 8e9
    assert any("no longer applies" in item for item in small.warnings)
    longer = of(
        "model.seq_len=131072",
        model={"preset": "llama-3.1-405b"},
        training={"flops_method": "architecture"},
        data={"tokens": 1e12},
    )
    assert longer.result("params") == 405.9e9


def test_config_is_relative_to_the_scenario(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "c.json").write_text(
        '{"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 100, "model_type": "llama", "intermediate_size": 128}'
    )
    (tmp_path / "sub" / "s.toml").write_text('name = "x"\n[model]\nconfig = "c.json"\n')
    assert load_scenario(str(tmp_path / "sub" / "s.toml")).get("model.config") == "c.json"
    from llmcost.analysis.estimate import estimate

    assert (estimate(load_scenario(str(tmp_path / "sub" / "s.toml"))).result("params") or 0) > 0
