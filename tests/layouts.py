"""Scenarios with a parallel layout, for the tests of the step and of the search."""

from __future__ import annotations

from typing import Any

import numpy as np

from llmcost.analysis.estimate import Estimate, estimate
from llmcost.catalog import load_catalog
from llmcost.scenario import parse_scenario

CATALOG = load_catalog()


def scenario(**more: Any) -> dict[str, Any]:
    return {
        "name": "x",
        "model": {"preset": "llama-3.1-70b"},
        "data": {"tokens": 1e12},
        "cluster": {"accelerator": "h100-sxm", "devices": 512},
        **more,
    }


def run(**more: Any) -> Estimate:
    return estimate(parse_scenario(scenario(**more)), CATALOG)


LAYOUT_8 = {
    "tp": 8,
    "pp": 4,
    "vpp": 5,
    "micro_batch": 1,
    "global_batch_seqs": 512,
    "sharding": "zero1",
}


def mixture(devices: int = 256, training: dict[str, Any] | None = None, **layout: Any) -> Any:
    table = scenario(
        model={"preset": "deepseek-v3", "mtp_layers": 0},
        cluster={"accelerator": "h100-sxm", "devices": devices},
        parallelism={
            "tp": 1, "pp": 1, "cp": 1, "micro_batch": 1, "global_batch_seqs": 2048,
            "sharding": "none", **layout,
        },
        training=training or {},
    )  # fmt: skip
    values = estimate(parse_scenario(table), CATALOG).values
    return {name: float(value) for name, value in values.items() if np.ndim(value) == 0}
