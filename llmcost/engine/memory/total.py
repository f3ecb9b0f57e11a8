"""The ledger of the fullest stage, and its sum."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array, rule
from llmcost.engine.memory.states import gradients, optimizer, weights
from llmcost.engine.papers import KORTHIKANTI

_PYTORCH = "PyTorch, Optimizer.zero_grad(set_to_none=True); torchtune, README (optimizations)"


@rule(
    "first_buffer_bytes",
    formula="gathered_first_bytes + boundary_bytes + working_bytes; without a pipeline logit_bytes where they are more than working_bytes",
    reference=KORTHIKANTI,
)
def first_buffer_bytes(
    gathered_first_bytes: Array,
    boundary_bytes: Array,
    working_bytes: Array,
    logit_bytes: Array,
    pp: Array,
) -> Array:
    """Buffers on a device of the first stage; at the loss no layer is made again [B]."""
    work = np.maximum(working_bytes, np.where(pp > 1, 0.0, logit_bytes))
    return gathered_first_bytes + boundary_bytes + work


@rule(
    "last_buffer_bytes",
    formula="gathered_last_bytes + boundary_bytes + max(working_bytes, (1 + mtp_layers) * logit_bytes)",
    reference=KORTHIKANTI,
)
def last_buffer_bytes(
    gathered_last_bytes: Array,
    boundary_bytes: Array,
    working_bytes: Array,
    logit_bytes: Array,
    mtp_layers: Array,
) -> Array:
    """Buffers on a device of the last stage; at the loss no layer is made again [B]."""
    work = np.maximum(working_bytes, (1 + mtp_layers) * logit_bytes)
    return gathered_last_bytes + boundary_bytes + work


@rule(
    "first_stage_bytes",
    formula="state_bytes + activation_bytes + first_buffer_bytes",
    reference=KORTHIKANTI,
)
def first_stage_bytes(
    state_bytes: Array, activation_bytes: Array, first_buffer_bytes: Array
) -> Array:
    """Memory of a device of the first stage, which keeps most activations [B]."""
    return state_bytes + activation_bytes + first_buffer_bytes


@rule(
    "middle_stage_bytes",
    formula="middle_state_bytes + middle_activation_bytes + gathered_middle_bytes + boundary_bytes + working_bytes; 0 below three stages",
    reference=KORTHIKANTI,
)
def middle_stage_bytes(
    middle_state_bytes: Array,
    middle_activation_bytes: Array,
    gathered_middle_bytes: Array,
    boundary_bytes: Array,
    working_bytes: Array,
    pp: Array,
) -> Array:
    """Memory of a device of the second of three or more stages [B]."""
    buffers = gathered_middle_bytes + boundary_bytes + working_bytes
    found = middle_state_bytes + middle_activation_bytes + buffers
    return np.where(pp > 2, found, 0.0)


@rule(
    "last_stage_bytes",
    formula="last_state_bytes + last_activation_bytes + last_buffer_bytes",
    reference=KORTHIKANTI,
)
def last_stage_bytes(
    last_state_bytes: Array, last_activation_bytes: Array, last_buffer_bytes: Array
) -> Array:
    """Memory of a device of the last stage, which holds the logits of one micro-batch [B]."""
    return last_state_bytes + last_activation_bytes + last_buffer_bytes


@rule(
    "fullest_stage",
    formula="0, 1 or 2: the largest of first_stage_bytes, middle_stage_bytes and last_stage_bytes",
    reference=KORTHIKANTI,
)
def fullest_stage(
    first_stage_bytes: Array, middle_stage_bytes: Array, last_stage_bytes: Array
) -> Array:
    """Which stage needs most memory: 0 the first, 1 the second, 2 the last [1]."""
    inner = np.where(middle_stage_bytes > first_stage_bytes, 1.0, 0.0)
    most = np.maximum(first_stage_bytes, middle_stage_bytes)
    return np.where(last_stage_bytes > most, 2.0, inner)


def _of(stage: Array, first: Array, middle: Array, last: Array) -> Array:
    """What the fullest stage has of a thing."""
    return np.where(stage > 1, last, np.where(stage > 0, middle, first))


@rule("peak_params", formula="parameters of the fullest stage on a device", reference=KORTHIKANTI)
def peak_params(
    fullest_stage: Array, first_params: Array, middle_params: Array, last_params: Array
) -> Array:
    """Parameters on a device of the fullest stage [1]."""
    return _of(fullest_stage, first_params, middle_params, last_params)


@rule("peak_own_params", formula="own parameters of the fullest stage", reference=KORTHIKANTI)
def peak_own_params(
    fullest_stage: Array, first_own_params: Array, middle_own_params: Array, last_own_params: Array
) -> Array:
    """Parameters that a device of the fullest stage keeps where its replicas share them [1]."""
    return _of(fullest_stage, first_own_params, middle_own_params, last_own_params)


@rule("peak_table_params", formula="embedding and head on the fullest stage", reference=KORTHIKANTI)
def peak_table_params(
    fullest_stage: Array,
    first_table_params: Array,
    middle_table_params: Array,
    last_table_params: Array,
) -> Array:
    """Parameters of embedding and head on a device of the fullest stage [1]."""
    return _of(fullest_stage, first_table_params, middle_table_params, last_table_params)


@rule(
    "memory_parameters_gb",
    formula="(param_bytes + weight_copy_bytes) * peak_params, with zero3 param_bytes * peak_own_params, nothing where"
    " master_is_weight; embedding and head in 16 bits at least; frozen_bytes where the weights are frozen; 0 where offloads_parameters, / 1e9",
    reference=KORTHIKANTI,
)
def memory_parameters_gb(
    peak_params: Array,
    peak_own_params: Array,
    peak_table_params: Array,
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
    """Weights on the fullest device [GB]."""
    return (
        weights(
            peak_params,
            peak_own_params,
            peak_table_params,
            sharding,
            param_bytes,
            weight_copy_bytes,
            master_is_weight,
            trains_base,
            trained_share,
            frozen_bytes,
            offloads_optimizer,
            offloads_parameters,
        )
        / 1e9
    )


@rule(
    "gradient_room_gb",
    formula="memory_activations_gb + what logits take over working_bytes, where gradients have no gradient_buffer, one"
    " micro-batch makes them, no pipeline and no replica holds others; else 0",
    reference=_PYTORCH,
)
def gradient_room_gb(
    memory_activations_gb: Array,
    memory_buffers_gb: Array,
    gathered_first_bytes: Array,
    working_bytes: Array,
    gradient_buffer: Array,
    micro_batches: Array,
    pp: Array,
    dp: Array,
    cp: Array,
) -> Array:
    """Room that the backward pass frees before the last gradient is made.

    Parameters
    ----------
    memory_activations_gb, memory_buffers_gb : array_like
        Activations and buffers at the peak of the forward pass [GB].
    gathered_first_bytes, working_bytes : array_like
        Buffers that are there at the end of the backward pass too [B].
    gradient_buffer : array_like
        1 where the software keeps a buffer of all gradients through the step [1].
    micro_batches, pp, dp, cp : array_like
        A second micro-batch finds the gradients of the first; replicas sum them in buckets, and the
        reserved memory of sharded ones, as published, does not show the room [1].

    Returns
    -------
    ndarray
        Memory [GB]: a layer's gradients are made as its activations go.

    References
    ----------
    .. [1] PyTorch, `Optimizer.zero_grad(set_to_none=True)`.
    """
    late = (gradient_buffer <= 0) & (micro_batches <= 1) & (pp * dp * cp <= 1)
    stays = (gathered_first_bytes + working_bytes) / 1e9
    goes = memory_activations_gb + np.maximum(memory_buffers_gb - stays, 0.0)
    return np.where(late, goes, 0.0)


@rule(
    "memory_gradients_gb",
    formula="grad_bytes * peak_params, from zero2 on of peak_own_params (not where sums_whole and several micro_batches), of at least master_bytes where master_is_weight; of adapters alone where the weights are"
    " frozen, / 1e9; less gradient_room_gb, whose place they take; of a layer where offloaded, or steps_in_backward",
    reference=KORTHIKANTI,
)
def memory_gradients_gb(
    peak_params: Array,
    peak_own_params: Array,
    peak_table_params: Array,
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
    gradient_room_gb: Array,
) -> Array:
    """Gradients on the fullest device, beyond the room that activations leave to them [GB]."""
    found = gradients(
        peak_params,
        peak_own_params,
        peak_table_params,
        sharding,
        grad_bytes,
        master_is_weight,
        master_bytes,
        trains_base,
        trained_share,
        offloads_optimizer,
        gradient_buffer,
        layer_device_params,
        sums_whole,
        micro_batches,
        steps_in_backward,
    )
    return np.maximum(found / 1e9 - gradient_room_gb, 0.0)


@rule(
    "memory_optimizer_gb",
    formula="optimizer_bytes * peak_params, from zero1 on of peak_own_params; of adapters alone where the weights are"
    " frozen, 0 where offloaded, without moment_bytes where paged, / 1e9",
    reference=KORTHIKANTI,
)
def memory_optimizer_gb(
    peak_params: Array,
    peak_own_params: Array,
    peak_table_params: Array,
    sharding: Array,
    optimizer_bytes: Array,
    trains_base: Array,
    trained_share: Array,
    offloads_optimizer: Array,
    pages_optimizer: Array,
    moment_bytes: Array,
) -> Array:
    """Master weights and moments on the fullest device [GB]."""
    return (
        optimizer(
            peak_params,
            peak_own_params,
            peak_table_params,
            sharding,
            optimizer_bytes,
            trains_base,
            trained_share,
            offloads_optimizer,
            pages_optimizer,
            moment_bytes,
        )
        / 1e9
    )


@rule(
    "memory_activations_gb",
    formula="activation_bytes, middle_activation_bytes or last_activation_bytes, of the fullest stage, / 1e9",
    reference=KORTHIKANTI,
)
def memory_activations_gb(
    fullest_stage: Array,
    activation_bytes: Array,
    middle_activation_bytes: Array,
    last_activation_bytes: Array,
) -> Array:
    """Activations that the fullest device keeps for the backward pass [GB]."""
    return (
        _of(fullest_stage, activation_bytes, middle_activation_bytes, last_activation_bytes) / 1e9
    )


@rule(
    "memory_buffers_gb",
    formula="first_buffer_bytes, gathered_middle_bytes + boundary_bytes + working_bytes or last_buffer_bytes, of the fullest stage, / 1e9",
    reference=KORTHIKANTI,
)
def memory_buffers_gb(
    fullest_stage: Array,
    first_buffer_bytes: Array,
    gathered_middle_bytes: Array,
    boundary_bytes: Array,
    working_bytes: Array,
    last_buffer_bytes: Array,
) -> Array:
    """Logits, gathered weights and a layer made again, on the fullest device [GB]."""
    middle = gathered_middle_bytes + boundary_bytes + working_bytes
    return _of(fullest_stage, first_buffer_bytes, middle, last_buffer_bytes) / 1e9


@rule(
    "memory_gb_per_device",
    formula="(memory_parameters_gb + memory_gradients_gb + memory_optimizer_gb + memory_activations_gb"
    " + memory_buffers_gb) * memory_factor",
    reference=KORTHIKANTI,
)
def memory_gb_per_device(
    memory_parameters_gb: Array,
    memory_gradients_gb: Array,
    memory_optimizer_gb: Array,
    memory_activations_gb: Array,
    memory_buffers_gb: Array,
    memory_factor: Array,
) -> Array:
    """Memory that the layout needs on the fullest device [GB].

    `memory_factor` is 1; under uncertainty it carries what the ledger leaves out [1].
    """
    states_gb = memory_parameters_gb + memory_gradients_gb + memory_optimizer_gb
    return (states_gb + memory_activations_gb + memory_buffers_gb) * memory_factor
