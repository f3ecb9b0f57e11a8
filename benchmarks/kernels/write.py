"""Write the constants as the catalog's kind ``kernels``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from benchmarks.kernels.raw import PROCESSORS, Fit, device

FILE = Path(__file__).parents[2] / "llmcost" / "catalog" / "data" / "kernels.toml"
#: When the measurements were read and fitted.
DATE = "2026-11-25"
HEAD = """\
# Constants of single kernels and collectives, made by `python -m benchmarks.kernels`. A name is a device or a family
# (`general` for all others), the kind of kernel and the precision. Shares are of the device's own peak and bandwidth in
# the catalog of accelerators. median_error and p90_error are what is left on the points; left_out_*: the worst of a
# family's devices when its constants come from the others; measured_on: the devices that ran them, which stand in for the
# family's others; date: when read and fitted. The functions in llmcost/engine/kernels say what each is.
"""


class Entry(NamedTuple):
    """A table of the catalog."""

    name: str
    values: dict[str, float]
    source: str
    url: str
    confidence: str
    #: Devices that the points were measured on; none where other entries' median is taken.
    devices: tuple[str, ...] = ()
    date: str = DATE


def fitted(
    name: str,
    fit: Fit,
    source: tuple[str, str],
    confidence: str,
    more: dict[str, float] | None = None,
    devices: Iterable[str] = (),
) -> Entry:
    """A table of fitted constants, with the errors that they leave."""
    left = {"median_error": fit.median, "p90_error": fit.p90, "points": fit.points}
    values = fit.constants | left | (more or {})
    return Entry(name, values, *source, confidence, tuple(dict.fromkeys(devices)))


def stated(
    name: str,
    values: dict[str, float],
    source: str,
    url: str,
    confidence: str,
    devices: Iterable[str] = (),
) -> Entry:
    """A table of constants that a rule gives."""
    return Entry(name, values, source, url, confidence, tuple(dict.fromkeys(devices)))


def processors() -> list[Entry]:
    """Processors by device, and the 16-bit peak of one by family, for devices without a count."""
    entries = []
    by_family: dict[str, float] = {}
    for name, count in PROCESSORS.items():
        entry = device(name)
        by_family.setdefault(entry["family"], entry["bf16_tflops"] / count)
        values = {"processors": float(count)}
        entries.append(
            Entry(
                f"{name}-processors",
                values,
                "vendor's white papers and device listings",
                "https://www.nvidia.com/en-us/data-center/",
                "medium",
            )
        )
    for family, tflops in [*by_family.items(), ("general", by_family["hopper"])]:
        values = {"tflops_per_processor": round(tflops, 3)}
        entries.append(
            Entry(
                f"{family}-processors",
                values,
                "vendor's white papers and device listings",
                "https://www.nvidia.com/en-us/data-center/",
                "medium",
            )
        )
    return entries


def write(entries: list[Entry]) -> None:
    """Write the file anew."""
    lines = [HEAD]
    for entry in [*processors(), *entries]:
        lines.append(f"[{entry.name}]")
        for key, value in entry.values.items():
            lines.append(f"{key} = {value if isinstance(value, int) else float(f'{value:.4g}')}")
        if entry.devices:
            lines.append(f"measured_on = {json.dumps(entry.devices)}")
        lines.append(f'source = "{entry.source}"')
        lines += [
            f'url = "{entry.url}"',
            f"date = {entry.date}",
            f'confidence = "{entry.confidence}"',
            "",
        ]
    FILE.write_text("\n".join(lines))
