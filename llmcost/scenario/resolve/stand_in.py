"""Whose kernels an accelerator takes: its own, those of its chip in another product, or another chip's."""

from __future__ import annotations

from typing import NamedTuple

from llmcost.catalog import Catalog


class StandIn(NamedTuple):
    """The devices that ran the kernels that another takes."""

    devices: tuple[str, ...]
    #: The chip where both are of one, else None.
    chip: str | None

    @property
    def label(self) -> str:
        """How a source names them."""
        more = ", the same chip" if self.chip else ", scaled by peak and bandwidth"
        return f"measured on {' and '.join(self.devices)}{more}"


def of_entry(catalog: Catalog, accelerator: str | None, name: str | None) -> StandIn | None:
    """Who stands in where a device takes an entry of kind kernels; None where it ran them itself.

    Of several devices, those of the accelerator's own chip are named where there are any.
    """
    entry = catalog.kind("kernels").get(name or "", {})
    devices = tuple(map(str, entry.get("measured_on", ())))
    if not accelerator or not devices or accelerator in devices:
        return None
    chip = catalog.entry("accelerators", accelerator).get("chip")
    same = tuple(
        d for d in devices if chip and catalog.entry("accelerators", d).get("chip") == chip
    )
    return StandIn(same or devices, str(chip) if same else None)


def note(catalog: Catalog, accelerator: str, family: str) -> str | None:
    """What to say of a device whose family's kernels another chip ran; None where there is none to say."""
    found = of_entry(catalog, accelerator, f"{family}-products-bf16")
    if found is None or found.chip:
        return None
    return (
        f"nobody measured the kernels of {accelerator}: those of {' and '.join(found.devices)}, another"
        " chip of its architecture, stand in, scaled by peak and bandwidth"
    )
