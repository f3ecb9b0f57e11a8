"""Where a result comes from, as a table says it."""

from __future__ import annotations

from llmcost.analysis.estimate import Estimate
from llmcost.render.numbers import short_source
from llmcost.scenario.schema import by_quantity


def origin(result: Estimate, key: str) -> str:
    """Where a result comes from, in a word or two."""
    name = by_quantity().get(key)
    source = result.inputs.sources.get(name.name) if name and key != "tokens" else None
    if result.stages and key not in ("params", "active_params"):
        return "stages"
    if source is None:
        step = result.step(key)
        if step is None:
            return ""
        if step.function.__name__.endswith("_by_default"):
            return "default"
        if key == "step_time_s":  # of the MFU, which a scenario may give
            return "layout" if origin(result, "mfu") == "layout" else "derived"
        if step.function.__name__ in ("mfu_predicted", "predicted_mfu", "predicted_hfu"):
            # Where nothing can be predicted, the usual MFU stands in.
            return "default" if result.result("predicted_mfu") is None else "layout"
        if step.reference.startswith(("llmcost identity", "definition", "sum over", "count of")):
            return "derived"
        if (
            step.gives in ("flops", "device_hours", "devices", "days", "mfu")
            and "identity" in step.reference
        ):
            return "derived"
        if key == "loss":
            law = result.inputs.entry("scaling_laws", result.inputs.shown["model.scaling_law"])
            return short_source(str(law["source"]))
        return short_source(step.reference)
    return {"file": "scenario", "set": "--set"}.get(source, source.partition(":")[0])
