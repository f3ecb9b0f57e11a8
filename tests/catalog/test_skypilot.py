"""SkyPilot's vms.csv as a price list."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from llmcost.catalog import load_catalog, prices, quotes
from llmcost.catalog.skypilot import NAMES, PriceList, read_skypilot
from llmcost.errors import InputError

ACCELERATORS = load_catalog().kind("accelerators")
HEAD = (
    "InstanceType,vCPUs,MemoryGiB,AcceleratorName,AcceleratorCount,GpuInfo,Price,SpotPrice,Region"
)


def read(tmp_path: Path, *lines: str, head: str = HEAD, cloud: str = "lambda") -> PriceList:
    folder = tmp_path / cloud
    folder.mkdir(exist_ok=True)
    path = folder / "vms.csv"
    path.write_text("\n".join([head, *lines]) + "\n")
    return read_skypilot(path, ACCELERATORS)


def test_an_instances_price_is_divided_by_its_devices(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "gpu_8x_h100_sxm5,208,1800,H100-SXM,8.0,\"{'Gpus': [1, 2]}\",31.92,,us-east-1",
        "gpu_1x_h100_pcie,26,200,H100,1.0,,3.29,,us-east-1",
        "cpu_4x,4,16,,,,0.1,,us-east-1",
    )
    assert [(p.accelerator, p.commitment, p.usd) for p in found.prices] == [
        ("h100-sxm", "on-demand", pytest.approx(3.99)),
        ("h100-pcie", "on-demand", pytest.approx(3.29)),
    ]
    first = found.prices[0]
    assert first.vendor == "lambda"
    assert first.day is None
    assert "vms.csv: line 2" in first.source
    assert first.note == "gpu_8x_h100_sxm5 us-east-1"
    assert found.unknown == ()


def test_the_lowest_price_of_the_regions_is_taken(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "a,1,1,B200,8,,64,40,east",
        "a,1,1,B200,8,,48,56,west",
        "a,1,1,B200,8,,,24,north",
    )
    assert {(p.commitment, p.usd) for p in found.prices} == {("on-demand", 6.0), ("spot", 3.0)}


@pytest.mark.parametrize(
    ("name", "count", "device", "each"),
    [
        ("tpu-v5p-8", 1, "tpu-v5p", 4),
        ("tpu-v4-32", 1, "tpu-v4", 16),
        ("tpu-v5litepod-8", 1, "tpu-v5e", 8),
        ("tpu-v6e-8", 1, "tpu-v6e", 8),
        ("tpu-v2-8", 1, "tpu-v2", 4),
        ("Trainium", 16, "trainium1", 16),
        ("MI300X", 8, "mi300x", 8),
        ("RTX4090", 2, "rtx-4090", 2),
        ("A100-80GB", 8, "a100-sxm-80gb", 8),
    ],
)
def test_names_and_sizes(tmp_path: Path, name: str, count: int, device: str, each: int) -> None:
    found = read(tmp_path, f"x,1,1,{name},{count},,{each * 2},,here")
    assert [(p.accelerator, p.usd) for p in found.prices] == [(device, 2.0)]


def test_names_are_of_the_catalog() -> None:
    assert set(NAMES.values()) <= set(ACCELERATORS)


def test_unknown_accelerators_are_reported(tmp_path: Path) -> None:
    found = read(tmp_path, "x,1,1,T4,1,,0.5,,a", "x,1,1,T4,4,,2,,a", "x,1,1,K80,1,,1,,a")
    assert found == ((), ("T4", "K80"))


def test_errors_name_the_line(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        read(
            tmp_path,
            "x,1,1,H100,8,,cheap,,a",
            "x,1,1,H100,0,,1,,a",
            "x,1,1,H100,,,1,,a",
            "x,1,1,H100,1,,1,-2,a",
            "x,1,1,H100,1,,inf,,a",
        )
    assert len(error.value.problems) == 5
    for line, what in ((2, "Price: 'cheap'"), (3, "AcceleratorCount: '0'"), (4, "is empty"),
                       (5, "SpotPrice: '-2'"), (6, "Price: 'inf'")):  # fmt: skip
        assert any(f"line {line}: " in text and what in text for text in error.value.problems), what


def test_a_file_without_its_columns_says_which(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no column AcceleratorCount"):
        read(tmp_path, "x,1,H100", head="InstanceType,Price,AcceleratorName")
    with pytest.raises(InputError, match="no row with an accelerator"):
        read(tmp_path, "cpu,4,16,,,,0.1,,a")
    with pytest.raises(InputError, match="no such catalog file"):
        read_skypilot(tmp_path / "none.csv", ACCELERATORS)


def test_many_errors_are_cut_short(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        read(tmp_path, *["x,1,1,H100,1,,?,,a"] * 50)
    assert len(error.value.problems) == 21
    assert "30 more" in error.value.problems[-1]


def test_a_price_list_prices_a_run_of_any_date(tmp_path: Path) -> None:
    own = read(tmp_path, "x,1,1,H100,8,,8,,a", cloud="our-cloud").prices
    quote = quotes.rent((*prices.rentals("h100-sxm"), *own), date(2029, 1, 1).toordinal())
    assert quote is not None
    assert quote.usd == 1.0
    assert not quote.warning
    assert "our-cloud" in quote.source


def test_a_file_of_another_name_is_the_vendor(tmp_path: Path) -> None:
    path = tmp_path / "our-prices.csv"
    path.write_text("AcceleratorName,AcceleratorCount,Price\nH200,8,16\n")
    found = read_skypilot(path, ACCELERATORS)
    assert [(p.vendor, p.accelerator, p.usd) for p in found.prices] == [
        ("our-prices", "h200-sxm", 2.0)
    ]
