"""Weights, gradients and optimizer states."""

from __future__ import annotations

import numpy as np

from llmcost.engine.adapters import ADAPTER_STATE_BYTES
from llmcost.engine.chain import Array, rule
from llmcost.engine.papers import KORTHIKANTI, ZERO


def states(
    params: Array,
    own_params: Array,
    sharding: Array,
    param_bytes: Array,
    grad_bytes: Array,
    optimizer_bytes: Array,
    master_is_weight: Array,
    tables: Array,
    trains_base: Array,
    trained_share: Array,
    frozen_bytes: Array,
) -> Array:
    """Bytes of a device's states.

    Parameters
    ----------
    params, own_params : array_like
        Parameters of the device, and those that it keeps where its replicas share them [1].
    sharding : array_like
        0 none, 1 optimizer, 2 and gradients, 3 and weights [1].
    param_bytes, grad_bytes, optimizer_bytes : array_like
        Bytes of a weight, of its gradient, of its 32-bit copy and moments [B].
    master_is_weight : array_like
        1 where sharded weights are the 32-bit copy itself, as in PyTorch's FSDP [1].
    tables : array_like
        Parameters of embedding and head among them, which stay in 16 bits where others are narrower [1].
    trains_base, trained_share, frozen_bytes : array_like
        0 where the weights are frozen and adapters are trained, their share of the weights [1], and
        bytes of a frozen weight [B].

    Returns
    -------
    ndarray
        Memory [B].

    References
    ----------
    .. [1] Rajbhandari et al. (2020), arXiv:1910.02054.
    """
    apart = param_bytes * np.where(master_is_weight > 0, 0.0, 1.0)
    weights = np.where(sharding > 2, apart * own_params, param_bytes * params)
    gradients = grad_bytes * np.where(sharding > 1, own_params, params)
    full = weights + gradients + optimizer_bytes * np.where(sharding > 0, own_params, params)
    wide = np.minimum(tables / np.maximum(params, 1.0), 1.0)
    each = wide * 2.0 + (1 - wide) * frozen_bytes
    frozen = each * np.where(sharding > 2, own_params, params)
    adapters = np.where(sharding > 0, own_params, params) * (1 - wide) * trained_share
    return np.where(trains_base > 0, full, frozen + ADAPTER_STATE_BYTES * adapters)


@rule(
    "state_bytes",
    formula="param_bytes + grad_bytes + optimizer_bytes a parameter of the device, or of own_params where"
    " sharded: the optimizer with zero1, gradients with zero2, weights with zero3; frozen_bytes where adapters alone"
    " are trained, and 16 bytes a parameter of theirs",
    reference=f"{KORTHIKANTI}; {ZERO}",
)
def state_bytes(
    device_dense_params: Array,
    device_expert_params: Array,
    own_params: Array,
    sharding: Array,
    param_bytes: Array,
    grad_bytes: Array,
    optimizer_bytes: Array,
    master_is_weight: Array,
    table_params: Array,
    tied_embeddings: Array,
    tp: Array,
    pp: Array,
    trains_base: Array,
    trained_share: Array,
    frozen_bytes: Array,
) -> Array:
    """Weights, gradients and optimizer states on a device of the first, fullest stage [B]."""
    params = device_dense_params + device_expert_params
    heads = np.where((pp > 1) | (tied_embeddings > 0), 1.0, 2.0)
    return states(
        params,
        own_params,
        sharding,
        param_bytes,
        grad_bytes,
        optimizer_bytes,
        master_is_weight,
        heads * table_params / tp,
        trains_base,
        trained_share,
        frozen_bytes,
    )


@rule(
    "last_state_bytes",
    formula="state_bytes for the last stage: last_stage_layers, mtp_layers, and the output head",
    reference=f"{KORTHIKANTI}; {ZERO}",
)
def last_state_bytes(
    last_stage_layers: Array,
    mtp_layers: Array,
    hidden_size: Array,
    layer_dense_params: Array,
    layer_uses: Array,
    layer_expert_params: Array,
    table_params: Array,
    tied_embeddings: Array,
    output_head: Array,
    tp: Array,
    pp: Array,
    ep: Array,
    expert_tp: Array,
    sharers: Array,
    expert_sharers: Array,
    sharding: Array,
    param_bytes: Array,
    grad_bytes: Array,
    optimizer_bytes: Array,
    master_is_weight: Array,
    trains_base: Array,
    trained_share: Array,
    frozen_bytes: Array,
) -> Array:
    """Weights, gradients and optimizer states on a device of the last stage.

    Parameters
    ----------
    last_stage_layers, mtp_layers, hidden_size, layer_dense_params, layer_uses, layer_expert_params : array_like
        Layers that the stage holds, and those of multi-token prediction [1].
    table_params, tied_embeddings, output_head : array_like
        The head; a tied one is a copy of the embedding on another stage [1].
    tp, pp, ep, expert_tp, sharers, expert_sharers : array_like
        Devices that share it [1].
    sharding, param_bytes, grad_bytes, optimizer_bytes, master_is_weight, trains_base, trained_share, frozen_bytes : array_like
        As :func:`states`.

    Returns
    -------
    ndarray
        Memory [B].
    """
    alone = np.where(pp > 1, 0.0, 1.0)
    tables = output_head * np.where(tied_embeddings > 0, 1 - alone, 1.0) + alone
    further = mtp_layers * (layer_dense_params + 2 * hidden_size**2)
    blocks = last_stage_layers * layer_dense_params / layer_uses + further
    dense = (blocks + tables * table_params) / tp
    routed = (last_stage_layers + mtp_layers) * layer_expert_params / (ep * expert_tp)
    return states(
        dense + routed,
        dense / sharers + routed / expert_sharers,
        sharding,
        param_bytes,
        grad_bytes,
        optimizer_bytes,
        master_is_weight,
        tables * table_params / tp,
        trains_base,
        trained_share,
        frozen_bytes,
    )
