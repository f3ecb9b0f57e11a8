"""A device whose kernels nobody measured says whose stand in."""

from __future__ import annotations

import pytest

from llmcost.analysis.estimate import Estimate
from llmcost.catalog import load_catalog
from llmcost.scenario.resolve.stand_in import note, of_entry
from tests.layouts import LAYOUT_8, run

CATALOG = load_catalog()


def made(accelerator: str) -> Estimate:
    cluster = {"accelerator": accelerator, "devices": 64, "scale_out_gbit_s_per_device": 100}
    return run(cluster=cluster, parallelism=LAYOUT_8)


@pytest.mark.parametrize(
    ("accelerator", "measured"),
    [("rtx-3090", "a100-sxm-80gb"), ("rtx-4080", "l40s")],
)
def test_another_chip_s_kernels_are_a_note(accelerator: str, measured: str) -> None:
    notes = [w for w in made(accelerator).warnings if "stand in" in w]
    assert len(notes) == 1
    assert measured in notes[0]
    assert accelerator in notes[0]


@pytest.mark.parametrize(
    ("accelerator", "measured"),
    [
        ("a800-sxm", "a100-sxm-80gb"),
        ("a100-pcie-80gb", "a100-sxm-80gb"),
        ("h800-sxm", "h100-sxm and h200-sxm"),
        ("h20", "h100-sxm and h200-sxm"),
        ("gh200", "h100-sxm and h200-sxm"),
        ("rtx-6000-ada", "l40s"),
        ("rtx-5090", "rtx-pro-6000"),
    ],
)
def test_the_same_chip_in_another_product_is_a_source_label(
    accelerator: str, measured: str
) -> None:
    result = made(accelerator)
    assert not [w for w in result.warnings if "stand in" in w]
    labels = {c for c in result.inputs.constants.values() if "measured on" in c}
    assert any(label.endswith(f"measured on {measured}, the same chip") for label in labels)
    assert all(label.endswith("the same chip") for label in labels)


@pytest.mark.parametrize("accelerator", ["a100-sxm-80gb", "h100-sxm", "b200-sxm", "l40s"])
def test_a_measured_device_is_itself(accelerator: str) -> None:
    result = made(accelerator)
    assert not [w for w in result.warnings if "stand in" in w]
    assert "measured on" not in result.inputs.constants["product_efficiency"]


def test_every_device_of_a_measured_family_is_told() -> None:
    """Each entry of a family names the devices that ran it, by the catalog's names."""
    accelerators, kernels = CATALOG.kind("accelerators"), CATALOG.kind("kernels")
    families = tuple({f"{entry['family']}-" for entry in accelerators.values()})
    fitted = [e for n, e in kernels.items() if n.startswith(families) and "points" in e]
    told = [e for e in fitted if "measured_on" in e]
    assert len(fitted) - len(told) == 2  # DeepEP's hybrid kernels, of a report
    assert all(set(entry["measured_on"]) <= set(accelerators) for entry in told)
    for name, entry in accelerators.items():
        products = f"{entry['family']}-products-bf16"
        found = of_entry(CATALOG, name, products)
        assert found is None or found.chip or note(CATALOG, name, str(entry["family"]))
