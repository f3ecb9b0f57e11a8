"""The ledger's sum, on the stage where it is largest."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array, rule
from llmcost.engine.papers import KORTHIKANTI


@rule(
    "first_stage_bytes",
    formula="state_bytes + activation_bytes + working_bytes, and logit_bytes without a pipeline",
    reference=KORTHIKANTI,
)
def first_stage_bytes(
    state_bytes: Array, activation_bytes: Array, working_bytes: Array, logit_bytes: Array, pp: Array
) -> Array:
    """Memory of a device of the first stage, which keeps most activations [B]."""
    return state_bytes + activation_bytes + working_bytes + np.where(pp > 1, 0.0, logit_bytes)


@rule(
    "last_stage_bytes",
    formula="last_state_bytes + (last_stage_layers + mtp_layers) * layer_activation_bytes + working_bytes"
    " + (1 + mtp_layers) * logit_bytes",
    reference=KORTHIKANTI,
)
def last_stage_bytes(
    last_state_bytes: Array,
    last_stage_layers: Array,
    mtp_layers: Array,
    layer_activation_bytes: Array,
    working_bytes: Array,
    logit_bytes: Array,
) -> Array:
    """Memory of a device of the last stage, which holds the logits of one micro-batch [B]."""
    kept = (last_stage_layers + mtp_layers) * layer_activation_bytes
    return last_state_bytes + kept + working_bytes + (1 + mtp_layers) * logit_bytes


@rule(
    "memory_gb_per_device",
    formula="max(first_stage_bytes, last_stage_bytes) / 1e9",
    reference=KORTHIKANTI,
)
def memory_gb_per_device(first_stage_bytes: Array, last_stage_bytes: Array) -> Array:
    """Memory that the layout needs on the fullest device [GB]."""
    return np.maximum(first_stage_bytes, last_stage_bytes) / 1e9
