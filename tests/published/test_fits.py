"""Layouts that ran fit: of sources that say what their memory depends on."""

from __future__ import annotations

import pytest

from llmcost.analysis.cases import estimate_of, rows
from llmcost.analysis.estimate import Estimate
from llmcost.analysis.memory_cases import METERS, metered, scenario_of
from llmcost.analysis.validate import layout_scenario
from llmcost.engine.results import MEMORY, MEMORY_IN_USE
from tests.layouts import CATALOG

#: Starts of the names of sources, each with how many of its layouts are here.
SOURCES = {
    "MosaicML llm-foundry": 61,
    "MaxText TPU v5e": 24,
    "vTrain measured multi-node": 109,
    "MegaScale Table 2": 8,
    "Narayanan et al. 2021": 5,
    "Korthikanti et al. 2022": 4,
    "IBM fms-fsdp benchmark": 3,
}


def fits(found: Estimate | None) -> bool:
    assert found is not None
    need = found.result(MEMORY_IN_USE)
    assert need is not None
    return need <= float(found.inputs.known["usable_memory_gb"])


@pytest.mark.parametrize("source", SOURCES)
def test_layouts_that_ran_fit(source: str) -> None:
    found = [
        (row["id"], estimate_of(layout_scenario(row), CATALOG))
        for row in rows("throughput.csv")
        if row["source"].startswith(source)
    ]
    assert len(found) >= SOURCES[source]
    assert [name for name, one in found if not fits(one)] == []


def test_llama_3_s_own_layout_fits() -> None:
    """Table 4 of the paper, which counts no virtual stages; those of its text keep a tenth more in flight."""
    found = [
        estimate_of(layout_scenario({**row, "vpp": ""}), CATALOG)
        for row in rows("throughput.csv")
        if row["source"].startswith("Llama 3 paper")
    ]
    assert len(found) == 2
    assert all(fits(one) for one in found)


def test_measured_layouts_fit_the_devices_that_they_were_measured_on() -> None:
    """All but those that are predicted too large already in what PyTorch allocated."""
    beyond = {
        row["id"]
        for row in rows("memory_measured.csv")
        if not fits(estimate_of(scenario_of(row), CATALOG))
    }
    assert beyond <= {"mlperf-v5.0-llama2_70b_lora-nvidia-8"}


def test_each_meter_shows_more_than_the_one_before() -> None:
    row = next(row for row in rows("memory_measured.csv") if row["measure"] == "reserved")
    found = estimate_of(scenario_of(row), CATALOG)
    allocated, reserved, device = (metered(found, name) or 0.0 for name in METERS)
    assert found is not None
    assert allocated == found.result(MEMORY)
    assert reserved - allocated == pytest.approx(found.result("memory_reserve_gb"))
    assert device - reserved == pytest.approx(found.result("memory_context_gb"))
    assert metered(None, "device") is None
