"""Temporary buffers: gathered layers, a layer that is made again."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array, rule
from llmcost.engine.papers import KORTHIKANTI


@rule(
    "working_bytes",
    formula="zero3: gathered_layers of the weights and one of the gradients; where a layer is recomputed, one layer"
    " made again; the largest weight in 16 bits where frozen ones have 4",
    reference="Zhao et al. 2023, arXiv:2304.11277; " + KORTHIKANTI,
)
def working_bytes(
    layer_dense_params: Array,
    layer_expert_params: Array,
    tp: Array,
    ep: Array,
    expert_tp: Array,
    sharding: Array,
    gathered_bytes: Array,
    reduced_bytes: Array,
    layer_recompute_share: Array,
    micro_tokens: Array,
    kept_token_bytes: Array,
    trains_base: Array,
    frozen_bytes: Array,
    hidden_size: Array,
    ffn_hidden_size: Array,
) -> Array:
    """Temporary buffers.

    Parameters
    ----------
    layer_dense_params, layer_expert_params, tp, ep, expert_tp : array_like
        Parameters of a layer and the devices that share them [1].
    sharding : array_like
        3 where layers are gathered for their use; the next is fetched meanwhile [1].
    gathered_bytes, reduced_bytes : array_like
        Bytes of a gathered weight and of a gradient that is reduced [B].
    layer_recompute_share, micro_tokens, kept_token_bytes : array_like
        What is made again: a layer at a time [1], [tokens], [B].
    trains_base, frozen_bytes, hidden_size, ffn_hidden_size : array_like
        Where weights are frozen in 4 bits, the largest of a layer is made in 16 [1], [B].

    Returns
    -------
    ndarray
        Memory [B].

    References
    ----------
    .. [1] Zhao et al. (2023), arXiv:2304.11277.
    """
    params = layer_dense_params / tp + layer_expert_params / (ep * expert_tp)
    each = 2 * gathered_bytes + np.where(trains_base > 0, reduced_bytes, 0.0)
    gathered = np.where(sharding > 2, each * params, 0.0)
    narrow = (trains_base <= 0) & (frozen_bytes < 1)
    gathered = gathered + np.where(narrow, 2 * hidden_size * ffn_hidden_size / tp, 0.0)
    again = np.where(layer_recompute_share > 0, micro_tokens * kept_token_bytes, 0.0)
    return np.asarray(gathered + again)
