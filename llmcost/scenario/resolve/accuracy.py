"""How far a predicted step time and memory may be off, by what is known of their case."""

from __future__ import annotations

from typing import Any

import numpy as np

from llmcost.engine.chain import execute, plan
from llmcost.scenario.resolve.inputs import Inputs
from llmcost.scenario.resolve.software import family_of
from llmcost.scenario.values import Distribution

#: Name of the error of a memory among those of inputs: no key of a scenario stands for it.
MEMORY = "memory_gb_per_device"


def fill(inputs: Inputs) -> None:
    """How far a prediction may be off, by what is known of its case."""
    general = inputs.catalog.kind("performance")["general"]
    for factor in ("prediction_factor", "memory_factor"):
        inputs.known[factor] = 1.0
        inputs.constants[factor] = "1, but for uncertainty"
    least, most = (float(end) for end in general["error_memory"])
    error = Distribution(least, most, "lognormal", None, 0.0)
    inputs.intervals[MEMORY] = ("memory_factor", error)
    accelerator = inputs.word("cluster.accelerator")
    if not isinstance(accelerator, str):
        return
    family = family_of(inputs.catalog, accelerator)
    measured = f"{family}-products-bf16" in inputs.catalog.kind("kernels")
    cases = ["assumed" if inputs.word("training.software") is None else "stated"]
    cases += ["mixture"] if np.max(inputs.known.get("experts", 0.0)) > 1 else []
    cases += [] if measured else ["unmeasured"]
    low, high = zip(*(general[f"error_{case}"] for case in cases), strict=True)
    error = Distribution(float(min(low)), float(max(high)), "lognormal", None, 0.0)
    inputs.intervals["training.mfu"] = ("prediction_factor", error)
    if not measured:
        inputs.warnings.append(
            f"no kernels of {accelerator}'s family are measured: the prediction takes the shape of others' and may be off by {1 - min(low):.0%}"
        )


def widen_across_domains(inputs: Inputs) -> None:
    """Widen the error of a prediction whose experts are exchanged between scale-up domains."""
    known = inputs.known
    needed = ("experts", "ep", "tp", "scale_up_domain", "prediction_factor")
    if "mfu" in known or any(name not in known for name in needed):
        return
    experts, ep, tp, domain, _ = (np.asarray(known[name]) for name in needed)
    if not np.any((experts > 0) & (ep > 1)):
        return
    values: dict[str, Any] = dict(known)
    execute(plan(frozenset(known), frozenset({"expert_tp"})), values)
    crosses = (experts > 0) & (ep * values.get("expert_tp", tp) > domain)
    now = inputs.intervals.get("training.mfu")
    if not np.any(crosses) or now is None or not isinstance(now[1], Distribution):
        return
    across = inputs.catalog.kind("performance")["general"]["error_across"]
    low, high = min(now[1].low, float(across[0])), max(now[1].high, float(across[1]))
    if (low, high) != (now[1].low, now[1].high):
        wide = Distribution(low, high, "lognormal", None, 0.0)
        inputs.intervals["training.mfu"] = ("prediction_factor", wide)
        inputs.warnings.append(
            f"few published step times have experts exchanged between scale-up domains: the prediction may be off by {1 - low:.0%}"
        )
