"""The ledger's sum."""

from __future__ import annotations

from llmcost.engine.chain import Array, rule
from llmcost.engine.papers import KORTHIKANTI


@rule(
    "memory_gb_per_device",
    formula="(state_bytes + activation_bytes + working_bytes) / 1e9",
    reference=KORTHIKANTI,
)
def memory_gb_per_device(
    state_bytes: Array, activation_bytes: Array, working_bytes: Array
) -> Array:
    """Memory that the layout needs on the fullest device [GB]."""
    return (state_bytes + activation_bytes + working_bytes) / 1e9
