"""Temporary buffers: gathered layers, a layer that is made again."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array, rule
from llmcost.engine.memory.stages import STAGES, of_each_stage
from llmcost.engine.papers import KORTHIKANTI

_FSDP = "Zhao et al. 2023, arXiv:2304.11277"


_FORMULA = (
    "zero2: gradients of a layer; zero3: weights of two layers and of embedding and head where frees_weights, else of the whole stage, and"
    " gradients of a layer, in a pipeline of the whole stage"
)


@of_each_stage(
    {stage: f"gathered_{stage}_bytes" for stage in STAGES},
    ("params", "own_params", "table_params"),
    formula=_FORMULA,
    reference=f"{_FSDP}; torchtitan, apply_fsdp",
)
def gathered(
    params: Array,
    own_params: Array,
    table_params: Array,
    layer_device_params: Array,
    sharding: Array,
    pp: Array,
    frees_weights: Array,
    grad_bytes: Array,
    gathered_bytes: Array,
    reduced_bytes: Array,
    trains_base: Array,
) -> Array:
    """What is whole for a time on a device of a stage where gradients or weights are sharded.

    Parameters
    ----------
    params, own_params, table_params, layer_device_params : array_like
        Parameters of the device, its shard of them, those of embedding and head, those of a layer [1].
    sharding, pp, frees_weights : array_like
        2 where gradients are sharded, 3 where layers are gathered for their use; stages; 1 where weights are freed
        after each pass [1].
    grad_bytes, gathered_bytes, reduced_bytes : array_like
        Bytes of a gradient, of a gathered weight, and of a gradient before it is reduced [B].
    trains_base : array_like
        0 where frozen weights have no gradients [1].

    Returns
    -------
    ndarray
        Memory [B]. zero2: a layer's gradients until they are reduced. zero3: two layers (one is fetched meanwhile), or all where they are not freed, a layer's gradients, and embedding and
        head, which stay whole from the first use to the last. In a pipeline gradients are reduced
        after the last micro-batch, and weights, unless they are freed, gathered once.

    References
    ----------
    .. [1] Zhao et al. (2023), arXiv:2304.11277.
    .. [2] torchtitan, `apply_fsdp`: no resharding after the forward pass in a pipeline.
    """
    reduced = np.where(trains_base > 0, reduced_bytes, 0.0)
    layerwise = np.minimum(2 * layer_device_params + table_params, params)
    weights = gathered_bytes * np.where(frees_weights > 0, layerwise, params)
    sharded = weights + reduced * np.where(pp > 1, params, np.minimum(layer_device_params, params))
    layer = np.where(trains_base > 0, grad_bytes, 0.0) * np.minimum(
        layer_device_params, params - own_params
    )
    return np.where(sharding > 2, sharded, np.where(sharding > 1, layer, 0.0))


@rule(
    "at_work_bytes",
    formula="micro_tokens * activation_width * hidden_size * (1, 2 with sequence parallelism, and 2 experts_per_token / tp"
    " where there are experts, and 1 / tp between stages)",
    reference=f"{KORTHIKANTI}, section 4.2.2; Narayanan et al. 2021, arXiv:2104.04473",
)
def at_work_bytes(
    micro_tokens: Array,
    activation_width: Array,
    hidden_size: Array,
    moe_layers: Array,
    experts_per_token: Array,
    tp: Array,
    pp: Array,
    sequence_parallel: Array,
) -> Array:
    """Tensors of a layer's backward pass that are not kept: gradients, gathered inputs, what arrived.

    Parameters
    ----------
    micro_tokens, activation_width : array_like
        Tokens of a micro-batch on a device, bytes of a number [1], [B].
    hidden_size, moe_layers, experts_per_token : array_like
        Width of the model, layers with experts, experts that a token enters [1].
    tp, pp, sequence_parallel : array_like
        Devices that share a layer, stages, whether the sequence is split too [1].

    Returns
    -------
    ndarray
        Memory [B]: the gradient of a product's input, that input gathered again where devices
        share the sequence, what experts send back and its gradient, and the gradient that the
        next stage sent. The gradient of a product's output takes the place
        of an activation that is no longer needed.

    References
    ----------
    .. [1] Korthikanti et al. (2022), arXiv:2205.05198.
    """
    split = np.where(sequence_parallel > 0, tp, 1.0)
    gathers = (sequence_parallel > 0) & (tp > 1)
    copies = np.where(moe_layers > 0, 2 * experts_per_token / tp, 0.0)
    arrived = np.where(pp > 1, 1.0, 0.0) / split
    inputs = 1 + np.where(gathers, 1.0, 0.0) + copies + arrived
    return np.asarray(micro_tokens * activation_width * hidden_size * inputs)


@rule(
    "working_bytes",
    formula="at_work_bytes, and where something is recomputed one layer made again, or remade_token_bytes of it; the largest weight in 16 bits where"
    " frozen ones have 4",
    reference=KORTHIKANTI,
)
def working_bytes(
    at_work_bytes: Array,
    tp: Array,
    layer_recompute_share: Array,
    drops_products: Array,
    micro_tokens: Array,
    full_token_bytes: Array,
    remade_token_bytes: Array,
    trains_base: Array,
    frozen_bytes: Array,
    hidden_size: Array,
    ffn_hidden_size: Array,
) -> Array:
    """Buffers of the layer at work, while no loss is computed.

    Parameters
    ----------
    at_work_bytes, tp : array_like
        Gradients and gathered inputs [B], devices that share a layer [1].
    layer_recompute_share, drops_products, micro_tokens, full_token_bytes, remade_token_bytes : array_like
        What is made again, a layer at a time [1], [1], [tokens], [B], [B].
    trains_base, frozen_bytes, hidden_size, ffn_hidden_size : array_like
        Where weights are frozen in 4 bits, the largest of a layer is made in 16 [1], [B].

    Returns
    -------
    ndarray
        Memory [B].
    """
    narrow = (trains_base <= 0) & (frozen_bytes < 1)
    unpacked = np.where(narrow, 2 * hidden_size * ffn_hidden_size / tp, 0.0)
    remakes = (layer_recompute_share > 0) | (drops_products > 0)
    again = micro_tokens * np.where(remakes, full_token_bytes, remade_token_bytes)
    return np.asarray(at_work_bytes + unpacked + again)


@rule(
    "boundary_bytes",
    formula="between stages: micro_tokens * activation_width * hidden_size (/ tp with sequence parallelism) * (flight where"
    " keeps_outputs, receive_buffers * micro_batches * vpp)",
    reference="PyTorch, distributed/pipelining/stage.py; DeepSpeed, runtime/pipe/engine.py",
)
def boundary_bytes(
    micro_tokens: Array,
    activation_width: Array,
    hidden_size: Array,
    tp: Array,
    pp: Array,
    vpp: Array,
    sequence_parallel: Array,
    flight: Array,
    micro_batches: Array,
    keeps_outputs: Array,
    receive_buffers: Array,
) -> Array:
    """What software keeps of the tensors that stages send each other, beyond what its layers save.

    Parameters
    ----------
    micro_tokens, activation_width, hidden_size : array_like
        Tokens of a micro-batch on a device, bytes of a number, width of the model [1], [B].
    tp, pp, vpp, sequence_parallel : array_like
        Devices that share a layer, stages, virtual ones on each, whether the sequence is split too [1].
    flight, micro_batches : array_like
        Micro-batches in flight, and of a step [1].
    keeps_outputs, receive_buffers : array_like
        1 where outputs stay until their backward pass; tensors for each micro-batch of a step [1].

    Returns
    -------
    ndarray
        Memory [B].
    """
    one = micro_tokens * activation_width * hidden_size
    one = one / np.where(sequence_parallel > 0, tp, 1.0)
    kept = np.where(keeps_outputs > 0, flight, 0.0) + receive_buffers * micro_batches * vpp
    return np.where(pp > 1, one * kept, 0.0)
