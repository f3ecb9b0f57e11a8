"""The catalog: every figure has a source; users can add to it."""

from __future__ import annotations

import math
from datetime import date
from pathlib import Path

import pytest

from llmcost.analysis.estimate import estimate
from llmcost.catalog import KINDS, load_catalog
from llmcost.catalog.load import REQUIRED, builtin, builtin_entry
from llmcost.engine.carbon import SERVER_SHARE_KGCO2E, act_embodied_kgco2e
from llmcost.errors import InputError
from llmcost.scenario import parse_scenario

WANTED = [
    "v100-sxm-32gb",
    "a100-sxm-40gb",
    "a100-sxm-80gb",
    "h100-sxm",
    "h100-pcie",
    "h800-sxm",
    "h200-sxm",
    "b200-sxm",
    "gb200-nvl72",
    "mi250x",
    "mi300x",
    "tpu-v3",
    "tpu-v4",
    "tpu-v5e",
    "tpu-v5p",
    "tpu-v6e",
    "trainium2",
    "gaudi2",
    "gaudi3",
    "l40s",
    "rtx-4090",
    "rtx-5090",
    "gh200",
    "b300-sxm",
    "gb300-nvl72",
    "mi325x",
    "mi355x",
    "tpu-v7",
]


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_entry_has_its_provenance(kind: str) -> None:
    for name, entry in builtin(kind).items():
        for field in ("source", "url", "date", "confidence", *REQUIRED.get(kind, ())):
            assert entry.get(field) not in (None, ""), (name, field)
        assert isinstance(entry["date"], date)
        assert entry["url"].startswith("http")
        assert entry["confidence"] in ("high", "medium", "low")
        numbers = {key: v for key, v in entry.items() if isinstance(v, int | float)}
        assert all(math.isfinite(v) for v in numbers.values())
        assert all(v >= 0 for key, v in numbers.items() if not key.startswith("cov_"))


@pytest.mark.parametrize("kind", list(KINDS))
def test_one_entry_reads_as_in_the_whole_file(kind: str) -> None:
    for name, entry in builtin(kind).items():
        assert builtin_entry(kind, name) == entry, name
    assert builtin_entry(kind, "no such entry") is None


def test_sizes() -> None:
    assert set(WANTED) <= set(builtin("accelerators"))
    assert len(builtin("models")) >= 25
    assert len(builtin("grids")) >= 70


def test_embodied_carbon_says_how_it_was_found() -> None:
    for name, entry in builtin("accelerators").items():
        method = entry["embodied_method"]
        assert method in ("product-footprint", "published-estimate", "act-estimate"), name
        assert entry["embodied_source"]
        if method == "act-estimate":
            found = act_embodied_kgco2e(
                entry["die_mm2"],
                entry["fab_kgco2e_per_cm2"],
                entry["memory_gb"],
                entry["dram_kgco2e_per_gb"],
            )
            assert entry["embodied_kgco2e"] == pytest.approx(float(found), abs=0.06), name


#: What a datasheet says of a device, where a catalog is easily wrong: both ways together or each way,
#: a link or all of them, a chip or a host, another card of the same name.
DATASHEETS = {
    "tpu-v2": {"scale_up_gb_s_each_way": 4 * 496 / 8, "scale_up_domain": 256},
    "tpu-v3": {"scale_up_gb_s_each_way": 4 * 70, "scale_up_domain": 1024},
    "tpu-v4": {"scale_up_gb_s_each_way": 6 * 50, "scale_up_domain": 4096},
    "tpu-v5e": {"scale_up_gb_s_each_way": 400 / 2, "scale_out_gbit_s_per_device": 6400 / 256},
    "tpu-v5p": {"scale_up_gb_s_each_way": 1200 / 2, "scale_out_gbit_s_per_device": 50},
    "tpu-v6e": {"scale_up_gb_s_each_way": 800 / 2, "scale_out_gbit_s_per_device": 25600 / 256},
    "tpu-v7": {"scale_up_gb_s_each_way": 1200 / 2},
    "trainium1": {"scale_up_gb_s_each_way": 384 / 2, "tf32_tflops": 190},
    "trainium2": {"scale_up_gb_s_each_way": 1024 / 2, "scale_out_gbit_s_per_device": 3200 / 16},
    "gaudi2": {"scale_up_gb_s_each_way": 21 * 100 / 8, "scale_out_gbit_s_per_device": 3 * 100},
    "gaudi3": {"fp16_tflops": 459, "tf32_tflops": 459, "fp32_tflops": 229, "bf16_tflops": 1677},
    "v100-sxm-32gb": {"scale_out_gbit_s_per_device": 4 * 100 / 8, "scale_up_gb_s_each_way": 300 / 2},
    "v100-sxm-16gb": {"scale_out_gbit_s_per_device": 4 * 100 / 8, "scale_up_gb_s_each_way": 300 / 2},
    "a100-pcie-40gb": {"scale_up_gb_s_each_way": 600 / 2, "scale_up_domain": 2, "bf16_matmul_tflops": 252.9},
    "a100-pcie-80gb": {"scale_up_gb_s_each_way": 600 / 2, "scale_up_domain": 2, "bf16_matmul_tflops": 252.9},
    "h100-pcie": {"scale_up_gb_s_each_way": 600 / 2, "scale_up_domain": 2},
    "h800-sxm": {"scale_up_gb_s_each_way": 400 / 2},
    "b300-sxm": {"tdp_w": 1000, "scale_out_gbit_s_per_device": 800},
    "mi250x": {"scale_up_gb_s_each_way": 800 / 2, "devices_per_node": 4},
    "mi300x": {"scale_up_gb_s_each_way": 7 * 64},
}  # fmt: skip


@pytest.mark.parametrize("name", DATASHEETS)
def test_an_accelerator_is_what_its_datasheet_says(name: str) -> None:
    entry = builtin("accelerators")[name]
    assert {field: entry[field] for field in DATASHEETS[name]} == DATASHEETS[name]


def test_a_ceiling_was_measured_on_the_card_itself_and_is_below_its_peak() -> None:
    entries = builtin("accelerators")
    assert not {"bf16_matmul_tflops", "fp8_matmul_tflops"} & set(entries["gh200"])  # 141 GB, 900 W
    for name, entry in entries.items():
        for precision in ("bf16", "fp8"):
            measured = entry.get(f"{precision}_matmul_tflops", 0.0)
            assert measured < entry.get(f"{precision}_tflops", math.inf), name


#: Cards of one die, which differ by their memory and by what it stands on.
SAME_DIE = (
    ("h100-sxm", "h100-pcie", "h800-sxm", "h200-sxm", "h20", "gh200"),
    ("a100-sxm-40gb", "a100-sxm-80gb", "a100-pcie-40gb", "a100-pcie-80gb", "a800-sxm"),
    ("v100-sxm-16gb", "v100-sxm-32gb"),
    ("b200-sxm", "gb200-nvl72", "b300-sxm", "gb300-nvl72"),
    ("mi300x", "mi325x"),
    ("l40s", "rtx-4090"),
)


@pytest.mark.parametrize("names", SAME_DIE, ids=lambda names: names[0])
def test_one_die_is_made_once(names: tuple[str, ...]) -> None:
    """What is left between two cards of a die is their memory, at no more than 0.8 kg a GB."""
    entries = [builtin("accelerators")[name] for name in names]
    for one in entries:
        for other in entries:
            apart = abs(one["embodied_kgco2e"] - other["embodied_kgco2e"])
            assert apart <= 0.8 * abs(one["memory_gb"] - other["memory_gb"]) + 0.1


def test_the_estimate_of_a_card_finds_published_ones() -> None:
    """The A100 of Falk et al. 2025 and NVIDIA's HGX B200, from which no constant is taken."""
    a100 = act_embodied_kgco2e(826, 3.27, 40, 0.78) - SERVER_SHARE_KGCO2E
    assert float(a100) == pytest.approx(127.6, rel=0.07)
    b200 = act_embodied_kgco2e(1600, 3.88, 180, 0.78) - SERVER_SHARE_KGCO2E
    assert float(b200) == pytest.approx(2274 / 8, rel=0.07)


def test_an_operator_has_the_pue_that_it_reports() -> None:
    found = {name: entry["pue"] for name, entry in builtin("operators").items()}
    assert (found["microsoft"], found["amazon"], found["google"]) == (1.16, 1.15, 1.1)


def _write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def test_a_user_adds_and_overrides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = _write(
        tmp_path / "mine.toml",
        '[accelerators.x1]\nbf16_tflops = 500\ntdp_w = 300\nsource = "me"\n'
        '[accelerators.h100-sxm]\nprice_usd = 20000\nsource = "our contract"\n',
    )
    catalog = load_catalog([mine])
    table = {
        "name": "x",
        "start_date": "2024-01-01",
        "cluster": {"accelerator": "x1", "device_hours": 1000},
        "training": {"flops": 7.2e20},
    }
    result = estimate(parse_scenario(table, catalog=catalog), catalog)
    assert result.result("mfu") == pytest.approx(0.4)
    assert catalog.entry("accelerators", "h100-sxm")["price_usd"] == 20000
    assert catalog.entry("accelerators", "h100-sxm")["memory_gb"] == 80
    monkeypatch.setenv("LLMCOST_CATALOG", mine)
    assert load_catalog().entry("accelerators", "x1")["tdp_w"] == 300


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[acelerators.x]\nsource='a'", 'did you mean "accelerators"'),
        ("[accelerators.x]\nbf16_tflop = 3\nsource = 'a'", 'did you mean "bf16_tflops"'),
        ("[accelerators.x]\nbf16_tflops = 3", "source"),
        ("[accelerators.x]\nbf16_tflops = 'fast'\nsource = 'a'", "is not a number"),
        ("[accelerators.x]\nbf16_tflops = -3\nsource = 'a'", "is not a number"),
        ("accelerators = 3", "must hold tables"),
        ("[accelerators]\nx = 3", "must be a table"),
    ],
)
def test_a_wrong_catalog_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_catalog([_write(tmp_path / "bad.toml", text)])
