"""llmcost: what it takes to train a large model, in devices, days, money, energy, carbon and water.

From Python::

    from llmcost import estimate, sweep

    run = estimate("llama-3.1-405b", sets={"cluster.accelerator": "b200-sxm"})
    run.results["cost_total_usd"]
    table = sweep("llama-3.1-405b", axis={"cluster.devices": [8192, 16384]})
    table["days"]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmcost.version import __version__

__all__ = [
    "Estimate",
    "InputError",
    "LlmcostError",
    "NoAnswerError",
    "Table",
    "__version__",
    "compare",
    "estimate",
    "project",
    "sweep",
]

if TYPE_CHECKING:
    from llmcost.analysis.estimate import Estimate
    from llmcost.api import compare, estimate, project, sweep
    from llmcost.columns import Table
    from llmcost.errors import InputError, LlmcostError, NoAnswerError


def __getattr__(name: str) -> Any:
    """The public names, imported when they are first asked for: a command needs few of them."""
    from importlib import import_module

    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    where = {"Estimate": "llmcost.analysis.estimate", "Table": "llmcost.columns"}.get(
        name, "llmcost.errors" if name.endswith("Error") else "llmcost.api"
    )
    found = globals()[name] = getattr(import_module(where), name)
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
