"""Weights, gradients and optimizer states: bytes for a parameter of the device, and for one it owns."""

from __future__ import annotations

import numpy as np

from llmcost.engine.adapters import ADAPTER_STATE_BYTES
from llmcost.engine.chain import Array
from llmcost.engine.memory.stages import of_each_stage
from llmcost.engine.papers import ZERO

#: Bytes of an adapter's weight, and of its gradient, among those of its states.
_ADAPTER_WEIGHT_BYTES = 2.0


def _adapters(
    params: Array, own_params: Array, table_params: Array, sharding: Array, share: Array
) -> Array:
    """Parameters of adapters that a device keeps, beside all weights but the tables [1]."""
    held = np.where(sharding > 0, own_params, params)
    return np.asarray(held * (1 - np.minimum(table_params / np.maximum(params, 1.0), 1.0)) * share)


def weights(
    params: Array,
    own_params: Array,
    table_params: Array,
    sharding: Array,
    param_bytes: Array,
    weight_copy_bytes: Array,
    master_is_weight: Array,
    trains_base: Array,
    trained_share: Array,
    frozen_bytes: Array,
) -> Array:
    """Weights of a device.

    Parameters
    ----------
    params, own_params : array_like
        Parameters of the device, and those that it keeps where its replicas share them [1].
    table_params : array_like
        Parameters of embedding and head among them, which stay in 16 bits where others are narrower [1].
    sharding : array_like
        0 none, 1 optimizer, 2 and gradients, 3 and weights [1].
    param_bytes, weight_copy_bytes : array_like
        Bytes of a weight, and of its copies for 8-bit products [B].
    master_is_weight : array_like
        1 where sharded weights are the optimizer's copy itself, as in PyTorch's FSDP [1].
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
    wide = np.minimum(table_params, params)
    narrow = np.where(param_bytes < 2, 2.0 - param_bytes, 0.0) - weight_copy_bytes
    whole = (param_bytes + weight_copy_bytes) * params + narrow * wide
    apart = param_bytes * np.where(master_is_weight > 0, 0.0, 1.0)
    trained = np.where(sharding > 2, apart * own_params, whole)
    share = wide / np.maximum(params, 1.0)
    held = np.where(sharding > 2, own_params, params)
    adapters = _adapters(params, own_params, table_params, sharding, trained_share)
    frozen = (2 * share + (1 - share) * frozen_bytes) * held + _ADAPTER_WEIGHT_BYTES * adapters
    return np.where(trains_base > 0, trained, frozen)


def gradients(
    params: Array,
    own_params: Array,
    table_params: Array,
    sharding: Array,
    grad_bytes: Array,
    master_is_weight: Array,
    master_bytes: Array,
    trains_base: Array,
    trained_share: Array,
) -> Array:
    """Gradients of a device, between micro-batches.

    Parameters
    ----------
    params, own_params, table_params, sharding, master_is_weight, trains_base, trained_share : array_like
        As :func:`weights`.
    grad_bytes, master_bytes : array_like
        Bytes of a gradient, and of a weight of the optimizer's copy [B].

    Returns
    -------
    ndarray
        Memory [B]. A shard's gradient has the width of the weight that the optimizer steps.

    References
    ----------
    .. [1] Rajbhandari et al. (2020), arXiv:1910.02054.
    """
    shard = np.where(master_is_weight > 0, np.maximum(grad_bytes, master_bytes), grad_bytes)
    whole = np.where(sharding > 1, shard * own_params, grad_bytes * params)
    adapters = _adapters(params, own_params, table_params, sharding, trained_share)
    return np.where(trains_base > 0, whole, _ADAPTER_WEIGHT_BYTES * adapters)


def optimizer(
    params: Array,
    own_params: Array,
    table_params: Array,
    sharding: Array,
    optimizer_bytes: Array,
    trains_base: Array,
    trained_share: Array,
) -> Array:
    """Master weights and moments of a device.

    Parameters
    ----------
    params, own_params, table_params, sharding, trains_base, trained_share : array_like
        As :func:`weights`.
    optimizer_bytes : array_like
        Bytes of a parameter's states beside the weight that computes [B].

    Returns
    -------
    ndarray
        Memory [B].

    References
    ----------
    .. [1] Rajbhandari et al. (2020), arXiv:1910.02054.
    """
    held = np.where(sharding > 0, own_params, params)
    adapters = _adapters(params, own_params, table_params, sharding, trained_share)
    rest = ADAPTER_STATE_BYTES - 2 * _ADAPTER_WEIGHT_BYTES
    return np.where(trains_base > 0, optimizer_bytes * held, rest * adapters)


_FORMULA = (
    "param_bytes + weight_copy_bytes + grad_bytes + optimizer_bytes a parameter of the stage, or of its own where"
    " sharded: the optimizer with zero1, gradients with zero2, weights with zero3; embedding and head in 16 bits at"
    " least; frozen_bytes where adapters alone are trained, and 16 bytes a parameter of theirs"
)


@of_each_stage(
    {"first": "state_bytes", "middle": "middle_state_bytes", "last": "last_state_bytes"},
    ("params", "own_params", "table_params"),
    formula=_FORMULA,
    reference=ZERO,
)
def states(
    params: Array,
    own_params: Array,
    table_params: Array,
    sharding: Array,
    param_bytes: Array,
    weight_copy_bytes: Array,
    grad_bytes: Array,
    optimizer_bytes: Array,
    master_is_weight: Array,
    master_bytes: Array,
    trains_base: Array,
    trained_share: Array,
    frozen_bytes: Array,
) -> Array:
    """Weights, gradients and optimizer states on a device of a stage [B], of the arguments of the three."""
    held = (params, own_params, table_params, sharding)
    adapted = (trains_base, trained_share)
    copies = (param_bytes, weight_copy_bytes, master_is_weight)
    summed = (grad_bytes, master_is_weight, master_bytes)
    found = weights(*held, *copies, *adapted, frozen_bytes) + gradients(*held, *summed, *adapted)
    return np.asarray(found + optimizer(*held, optimizer_bytes, *adapted))
