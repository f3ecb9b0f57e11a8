"""Weights, gradients and optimizer states: bytes for a parameter of the device, and for one it owns."""

from __future__ import annotations

import numpy as np

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
    offloads_optimizer: Array,
    offloads_parameters: Array,
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
    offloads_optimizer, offloads_parameters : array_like
        1 where the host has the optimizer's copy, so that the device keeps weights of its own, and where it has those
        too, of zero3: a layer's come for their use, as what is gathered [1].

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
    shared = (master_is_weight > 0) & (offloads_optimizer <= 0)
    apart = param_bytes * np.where(shared, 0.0, 1.0)
    trained = np.where(sharding > 2, apart * own_params, whole)
    share = wide / np.maximum(params, 1.0)
    held = np.where(sharding > 2, own_params, params)
    adapters = _adapters(params, own_params, table_params, sharding, trained_share)
    frozen = (2 * share + (1 - share) * frozen_bytes) * held + _ADAPTER_WEIGHT_BYTES * adapters
    leaves = (offloads_parameters > 0) & (sharding > 2)
    return np.where(leaves, 0.0, np.where(trains_base > 0, trained, frozen))


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
    offloads_optimizer: Array,
    gradient_buffer: Array,
    layer_device_params: Array,
    sums_whole: Array,
    micro_batches: Array,
    steps_in_backward: Array,
) -> Array:
    """Gradients of a device, between micro-batches.

    Parameters
    ----------
    params, own_params, table_params, sharding, master_is_weight, trains_base, trained_share : array_like
        As :func:`weights`.
    grad_bytes, master_bytes : array_like
        Bytes of a gradient, and of a weight of the optimizer's copy [B].
    offloads_optimizer, gradient_buffer, layer_device_params : array_like
        1 where the host steps the weights; gradients without a buffer on the device then leave it as
        they are made, all but those of a layer of so many parameters [2] [1].
    sums_whole, micro_batches : array_like
        1 where shards of gradients are made after the last micro-batch alone, and how many there are [1].
    steps_in_backward : array_like
        1 where a weight is stepped as soon as the only micro-batch has made its gradient: one layer's are there [1].

    Returns
    -------
    ndarray
        Memory [B]. A shard's gradient has the width of the weight that the optimizer steps.

    References
    ----------
    .. [1] Rajbhandari et al. (2020), arXiv:1910.02054.
    .. [2] Ren et al. (2021), arXiv:2101.06840.
    """
    shard = np.where(master_is_weight > 0, np.maximum(grad_bytes, master_bytes), grad_bytes)
    shards = (sharding > 1) & ((sums_whole <= 0) | (micro_batches <= 1))
    whole = np.where(shards, shard * own_params, grad_bytes * params)
    leaves = (offloads_optimizer > 0) & (gradient_buffer <= 0)
    leaves = leaves | ((steps_in_backward > 0) & (micro_batches <= 1))
    whole = np.where(leaves, np.minimum(whole, grad_bytes * layer_device_params), whole)
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
    offloads_optimizer: Array,
    pages_optimizer: Array,
    moment_bytes: Array,
) -> Array:
    """Master weights and moments of a device.

    Parameters
    ----------
    params, own_params, table_params, sharding, trains_base, trained_share : array_like
        As :func:`weights`.
    optimizer_bytes : array_like
        Bytes of a parameter's states beside the weight that computes [B]; adapters have the same.
    offloads_optimizer : array_like
        1 where they are in the host's memory [1].
    pages_optimizer, moment_bytes : array_like
        1 where the moments are in memory that device and host share, and their bytes, which may then be the host's [1], [B].

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
    stays = optimizer_bytes - np.where(pages_optimizer > 0, moment_bytes, 0.0)
    found = stays * np.where(trains_base > 0, held, adapters)
    return np.where(offloads_optimizer > 0, 0.0, found)


_FORMULA = (
    "param_bytes + weight_copy_bytes + grad_bytes + optimizer_bytes a parameter of the stage, or of its own where"
    " sharded: the optimizer with zero1, gradients with zero2 (not where sums_whole and several micro_batches), weights with zero3; embedding and head in 16 bits at"
    " least; frozen_bytes where adapters alone are trained, and 4 + optimizer_bytes a parameter of theirs; what is offloaded is left out"
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
    offloads_optimizer: Array,
    offloads_parameters: Array,
    pages_optimizer: Array,
    moment_bytes: Array,
    gradient_buffer: Array,
    layer_device_params: Array,
    sums_whole: Array,
    micro_batches: Array,
    steps_in_backward: Array,
) -> Array:
    """Weights, gradients and optimizer states on a device of a stage [B], of the arguments of the three."""
    held = (params, own_params, table_params, sharding)
    adapted = (trains_base, trained_share)
    copies = (param_bytes, weight_copy_bytes, master_is_weight)
    summed = (grad_bytes, master_is_weight, master_bytes)
    leaving = (offloads_optimizer, gradient_buffer, layer_device_params)
    rounds = (sums_whole, micro_batches, steps_in_backward)
    paged = (offloads_optimizer, pages_optimizer, moment_bytes)
    found = weights(*held, *copies, *adapted, frozen_bytes, offloads_optimizer, offloads_parameters)
    found = found + gradients(*held, *summed, *adapted, *leaving, *rounds)
    return np.asarray(found + optimizer(*held, optimizer_bytes, *adapted, *paged))
