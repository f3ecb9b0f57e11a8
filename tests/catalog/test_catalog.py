"""The catalog: every figure has a source; users can add to it."""

from __future__ import annotations

import math
from datetime import date
from pathlib import Path

import pytest

from llmcost.analysis.estimate import estimate
from llmcost.catalog import KINDS, load_catalog
from llmcost.catalog.load import REQUIRED, builtin, builtin_entry
from llmcost.engine.carbon import act_embodied_kgco2e
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
        numbers = [v for v in entry.values() if isinstance(v, int | float)]
        assert all(math.isfinite(v) and v >= 0 for v in numbers)


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
