"""Projections that the tests share."""

from __future__ import annotations

from llmcost.analysis.estimate import estimate
from llmcost.analysis.project import project
from llmcost.analysis.years import Projection
from llmcost.catalog import load_catalog
from llmcost.scenario import load_scenario, parse_scenario

CATALOG = load_catalog()


def run(name: str, *sets: str, follow: str = "model", until: int | None = None) -> Projection:
    """A bundled scenario by year."""
    return project(estimate(load_scenario(name, sets)), CATALOG, follow, until)


def pulled(*levers: dict[str, object], until: int = 2030) -> Projection:
    """A trillion parameters under levers, with nothing else that moves."""
    table = {
        "name": "x", "start_date": "2024-01-01", "model": {"params": 1e12}, "training": {"mfu": 0.25},
        "cluster": {"accelerator": "h100-sxm", "devices": 8192}, "levers": list(levers),
        "projection": {"hardware_price_performance_ooms_per_year": 0, "electricity_growth_per_year": 1, "energy_efficiency_growth_per_year": 1},
    }  # fmt: skip
    return project(estimate(parse_scenario(table)), CATALOG, "model", until)
