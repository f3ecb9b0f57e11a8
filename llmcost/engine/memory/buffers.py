"""Temporary buffers."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array, rule
from llmcost.engine.memory.activations import inner_bytes
from llmcost.engine.papers import KORTHIKANTI


@rule(
    "working_bytes",
    formula="zero3: two gathered layers; full recompute: one layer made again",
    reference="Zhao et al. 2023, arXiv:2304.11277; " + KORTHIKANTI,
)
def working_bytes(
    device_dense_params: Array,
    device_expert_params: Array,
    stage_layers: Array,
    sharding: Array,
    recompute_level: Array,
    micro_tokens: Array,
    hidden_size: Array,
    heads: Array,
    kv_heads: Array,
    head_dim: Array,
    ffn_width: Array,
    ffn_copies: Array,
    gated_ffn: Array,
    tp: Array,
) -> Array:
    """Temporary buffers [B]."""
    layer_params = (device_dense_params + device_expert_params) / stage_layers
    gathered = np.where(sharding > 2, 2 * 2 * layer_params, 0.0)
    inner = inner_bytes(hidden_size, heads, kv_heads, head_dim, ffn_width, ffn_copies, gated_ffn)
    again = np.where(recompute_level > 1, micro_tokens * (10 * hidden_size + inner / tp), 0.0)
    return np.asarray(gathered + again)
