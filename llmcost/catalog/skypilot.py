"""Read SkyPilot's catalog of a cloud, a ``vms.csv``, as a price list.

Its rows are instances: InstanceType, AcceleratorName, AcceleratorCount, Price and SpotPrice per
instance and hour, Region. The lowest price of a device over the regions is taken, as SkyPilot
does; it has no date, so it holds whenever a run starts.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from llmcost.catalog.prices import Rental
from llmcost.errors import InputError
from llmcost.files import read_text

#: Columns that a price list cannot be without.
COLUMNS = ("AcceleratorName", "AcceleratorCount", "Price")
#: SkyPilot's names of accelerators that are spelt otherwise here.
NAMES = {
    "a100": "a100-sxm-40gb",
    "a10080gb": "a100-sxm-80gb",
    "a10080gbsxm": "a100-sxm-80gb",
    "h100": "h100-sxm",
    "h10080gb": "h100-sxm",
    "h100mega80gb": "h100-sxm",
    "h100sxm": "h100-sxm",
    "h100nvl": "h100-pcie",
    "h200": "h200-sxm",
    "h200sxm": "h200-sxm",
    "b200": "b200-sxm",
    "b300": "b300-sxm",
    "gb200": "gb200-nvl72",
    "gb300": "gb300-nvl72",
    "v100": "v100-sxm-16gb",
    "v10032gb": "v100-sxm-32gb",
    "p100": "p100-sxm",
    "rtx4090": "rtx-4090",
    "rtx5090": "rtx-5090",
    "trainium": "trainium1",
    "gaudi2": "gaudi2",
}
#: The PCIe card of a device, for instances whose name says so.
_PCIE = {
    "h100-sxm": "h100-pcie",
    "a100-sxm-40gb": "a100-pcie-40gb",
    "a100-sxm-80gb": "a100-pcie-80gb",
}
#: A TPU's name holds its size: chips for these generations, cores (two a chip) for the others.
_TPU = re.compile(r"tpu-(v\d+)(litepod|p|e)?-(\d+)")
_SIZED_IN_CHIPS = ("v5e", "v6e")
_MOST_ERRORS = 20
#: Large clouds have tens of thousands of rows.
_MOST_BYTES = 64_000_000


class PriceList(NamedTuple):
    """Prices of a file, and the accelerators in it that the catalog does not have."""

    prices: tuple[Rental, ...]
    unknown: tuple[str, ...]


def read_skypilot(path: Path, accelerators: Mapping[str, Mapping[str, Any]]) -> PriceList:
    """Read a price list.

    Parameters
    ----------
    path : Path
        A file like SkyPilot's ``catalogs/v8/lambda/vms.csv``; the vendor is its folder's name, or
        the file's own where that is not ``vms``.
    accelerators : mapping
        The catalog's accelerators by name.

    Raises
    ------
    InputError
        If a column is missing or a cell cannot be read; names the line.
    """
    text = read_text(path, "catalog", _MOST_BYTES)
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), restkey="", strict=True)
    spelt = _spellings(accelerators)
    best: dict[tuple[str, str], Rental] = {}
    unknown: dict[str, None] = {}
    problems: list[str] = []
    vendor = path.resolve().parent.name if path.stem == "vms" else path.stem
    try:
        lacking = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        if lacking:
            raise InputError(
                f"{path}: line 1: no column {', '.join(lacking)}; a price list is SkyPilot's "
                f"vms.csv, with {', '.join(COLUMNS)} and, where known, SpotPrice, Region"
            )
        for row in reader:
            where = f"{path}: line {reader.line_num}"
            _take(row, where, vendor, spelt, best, unknown, problems)
    except csv.Error as error:
        problems.append(f"{path}: line {reader.line_num}: {error}")
    if len(problems) > _MOST_ERRORS:
        problems[_MOST_ERRORS:] = [f"{path}: and {len(problems) - _MOST_ERRORS} more"]
    if not problems and not best and not unknown:
        problems.append(f"{path}: has no row with an accelerator and a price")
    if problems:
        raise InputError(problems)
    return PriceList(tuple(best.values()), tuple(unknown))


def _take(
    row: Mapping[str, Any],
    where: str,
    vendor: str,
    spelt: Mapping[str, str],
    best: dict[tuple[str, str], Rental],
    unknown: dict[str, None],
    problems: list[str],
) -> None:
    """Take one instance's prices, the lowest of a device so far."""
    name = (row["AcceleratorName"] or "").strip()
    if not name:
        return
    try:
        count = _number(row, "AcceleratorCount", where, least=1)
        prices = {
            term: _number(row, column, where)
            for term, column in (("on-demand", "Price"), ("spot", "SpotPrice"))
        }
    except InputError as error:
        problems += error.problems
        return
    device, chips = _device(name, row.get("InstanceType") or "", spelt)
    if device is None or count is None:
        unknown[name] = None
        return
    label = " ".join(str(row.get(key) or "") for key in ("InstanceType", "Region")).strip()
    for term, usd in prices.items():
        if not usd:
            continue
        each = usd / (count * chips)
        if (device, term) not in best or each < best[device, term].usd:
            best[device, term] = Rental(
                device, vendor, term, None, each, "medium", f"file: {where}", "", label
            )


def _number(row: Mapping[str, Any], column: str, where: str, least: float = 0.0) -> float | None:
    """A cell's number; None where it is empty."""
    cell = (row.get(column) or "").strip()
    if not cell or cell.lower() == "nan":
        if column == "AcceleratorCount":
            raise InputError(f"{where}: {column} is empty beside an AcceleratorName")
        return None
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not least <= value < math.inf:
        raise InputError(f"{where}: {column}: {cell[:40]!r} is not a number ≥ {least:g}")
    return value


def _spellings(accelerators: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The catalog's name of each spelling of an accelerator, SkyPilot's own first."""
    found = {
        _plain(spelling): key
        for key, entry in accelerators.items()
        for spelling in (key, entry.get("full_name", key), *entry.get("aliases", ()))
    }
    return found | {spelling: key for spelling, key in NAMES.items() if key in accelerators}


def _device(name: str, instance: str, spelt: Mapping[str, str]) -> tuple[str | None, float]:
    """The catalog's name of an accelerator, and how many devices one of SkyPilot's is."""
    tpu = _TPU.fullmatch(name.lower())
    if tpu:
        generation = tpu[1] + {"litepod": "e", None: ""}.get(tpu[2], tpu[2] or "")
        chips = int(tpu[3]) / (1 if generation in _SIZED_IN_CHIPS else 2)
        return spelt.get(f"tpu{generation}"), max(chips, 1.0)
    found = spelt.get(_plain(name))
    if found in _PCIE and "pcie" in instance.lower():
        found = spelt.get(_plain(_PCIE[found]), found)
    return found, 1.0


def _plain(name: str) -> str:
    return "".join(char for char in name.lower() if char.isalnum())
