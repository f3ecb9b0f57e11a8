"""The stages of a model's making, a row each."""

from __future__ import annotations

from typing import Any

from llmcost.analysis.estimate import Estimate
from llmcost.engine.results import RESULTS
from llmcost.render.numbers import readable

#: Results of a stage beside its name and kind, with short headings.
COLUMNS = {
    "flops": "FLOP",
    "device_hours": "Hours",
    "days": "Days",
    "energy_mwh": "Energy",
    "total_tco2e": "Carbon",
}
HEADER = ("Stage", "Kind", *COLUMNS.values(), "Cost")


def rows(result: Estimate) -> list[list[str]]:
    """Cells of the stages, then of their sum."""
    found = []
    for stage in result.stages:
        found.append([stage.name, stage.kind, *_cells(stage.estimate)])
    return [*found, ["All", "", *_cells(result)]]


def _cells(result: Estimate) -> list[str]:
    texts = [readable(result.result(key), RESULTS[key].unit) for key in COLUMNS]
    short = [
        text.removesuffix(" FLOP").removesuffix(" CO2e").removesuffix(" days") for text in texts
    ]
    run = result.values.get("cost_run_usd")
    return [*short, readable(None if run is None else float(run), "USD")]


def objects(result: Estimate) -> list[dict[str, Any]]:
    """The stages as the contract's JSON has them."""
    return [
        {"name": item.name, "kind": item.kind, "results": item.estimate.results}
        for item in result.stages
    ]
