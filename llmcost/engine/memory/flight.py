"""Activations of all micro-batches that a stage of a pipeline keeps at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from llmcost.engine.chain import Array, rule
from llmcost.engine.papers import KORTHIKANTI


@rule(
    "flight",
    formula="chunks that the schedule lets run ahead of their backward pass, min(vpp pp + pp - 1, vpp micro_batches)"
    " over vpp; without interleaving min(pp, micro_batches); pp + 1 with DualPipe",
    reference=f"{KORTHIKANTI}, section 4.2.3; DeepSeek-AI 2024, arXiv:2412.19437, table 2",
)
def flight(pp: Array, vpp: Array, micro_batches: Array, schedule: Array) -> Array:
    """Micro-batches whose activations the first stage keeps at once [1]."""
    return in_flight(0.0, pp, vpp, micro_batches, schedule)


def in_flight(stage: Any, pp: Array, vpp: Array, micro_batches: Array, schedule: Array) -> Array:
    """Micro-batches whose activations a stage keeps at once.

    Parameters
    ----------
    stage : array_like
        Number of the stage, the first is 0 [1].
    pp, vpp, micro_batches : array_like
        Stages, virtual ones on each, micro-batches of a step [1].
    schedule : array_like
        0 1F1B, 1 zero-bubble, 2 DualPipe [1].

    Returns
    -------
    ndarray
        Micro-batches [1]. With interleaving a stage runs (vpp - 1) pp + 2 (pp - stage - 1) chunks
        before its first backward pass, and each is 1 / vpp of its layers.

    References
    ----------
    .. [1] Narayanan et al. (2021), arXiv:2104.04473, section 2.2.
    """
    rest = pp - stage - 1
    chunks = np.where(vpp > 1, (vpp - 1) * pp + 2 * rest + 1, rest + 1)
    plain = np.minimum(chunks, vpp * micro_batches) / vpp
    return np.where((schedule > 1) & (pp > 1), np.minimum(pp + 1, micro_batches), plain)


def layers_in_flight(
    stage: Any,
    own_layers: Array,
    stage_layers: Array,
    pp: Array,
    vpp: Array,
    micro_batches: Array,
    schedule: Array,
) -> Array:
    """Layers of all micro-batches that the first or the last stage of a pipeline keeps at once.

    Parameters
    ----------
    stage : array_like
        Number of the stage, the first is 0 [1].
    own_layers, stage_layers : array_like
        Layers of the stage, and of one between the two ends [1].
    pp, vpp, micro_batches, schedule : array_like
        As :func:`in_flight` [1].

    Returns
    -------
    ndarray
        Layers [1]. What a stage spares for the embedding or the head, its first or last chunk spares; of the others one
        group of pp micro-batches is there, of that one the rest of what is in flight [1].

    References
    ----------
    .. [1] Narayanan et al. (2021), arXiv:2104.04473, section 2.2; Megatron-LM,
       account_for_embedding_in_pipeline_split and account_for_loss_in_pipeline_split.
    """
    ahead = in_flight(stage, pp, vpp, micro_batches, schedule)
    others = (vpp - 1) * np.minimum(pp, micro_batches)
    end = np.maximum(own_layers - stage_layers * (vpp - 1) / vpp, 0.0)
    apart = end * (vpp * ahead - others) + (own_layers - end) * np.minimum(pp, micro_batches)
    return np.where((vpp > 1) & (pp > 1) & (schedule < 2), apart, own_layers * ahead)


def _on_device(kept: Array, layer: Array, offloads: Array) -> Array:
    """What of the activations stays: of the layer at work, and of the one on the link [B]."""
    return np.where(offloads > 0, np.minimum(kept, 2 * layer), kept)


@rule(
    "activation_bytes",
    formula="layer_activation_bytes * layers in flight on the first stage: first_stage_layers * flight, less of a chunk with"
    " fewer layers (with DualPipe head_device_layers); at most two layers' where offloaded",
    reference=KORTHIKANTI,
)
def activation_bytes(
    first_stage_layers: Array,
    head_device_layers: Array,
    stage_layers: Array,
    layer_activation_bytes: Array,
    pp: Array,
    vpp: Array,
    micro_batches: Array,
    schedule: Array,
    stages_per_device: Array,
    offloads_activations: Array,
) -> Array:
    """Activations on the first stage, which keeps most micro-batches in flight [B]."""
    own = np.where(stages_per_device > 1, head_device_layers, first_stage_layers)
    layers = layers_in_flight(0.0, own, stage_layers, pp, vpp, micro_batches, schedule)
    return _on_device(layers * layer_activation_bytes, layer_activation_bytes, offloads_activations)


@rule(
    "middle_activation_bytes",
    formula="stage_layers * layer_activation_bytes * flight of the second stage; 0 below three stages",
    reference=KORTHIKANTI,
)
def middle_activation_bytes(
    stage_layers: Array,
    layer_activation_bytes: Array,
    pp: Array,
    vpp: Array,
    micro_batches: Array,
    schedule: Array,
    offloads_activations: Array,
) -> Array:
    """Activations on the second of three or more stages [B]."""
    kept = stage_layers * layer_activation_bytes * in_flight(1.0, pp, vpp, micro_batches, schedule)
    kept = _on_device(kept, layer_activation_bytes, offloads_activations)
    return np.where(pp > 2, kept, 0.0)


@rule(
    "last_activation_bytes",
    formula="(layers in flight on the last stage, head_device_layers * its flight with a chunk of fewer layers, + mtp_layers)"
    " * layer_activation_bytes",
    reference=KORTHIKANTI,
)
def last_activation_bytes(
    head_device_layers: Array,
    stage_layers: Array,
    mtp_layers: Array,
    layer_activation_bytes: Array,
    pp: Array,
    vpp: Array,
    micro_batches: Array,
    schedule: Array,
    offloads_activations: Array,
) -> Array:
    """Activations on the last stage: one micro-batch, more where it is interleaved [B]."""
    layers = layers_in_flight(
        pp - 1, head_device_layers, stage_layers, pp, vpp, micro_batches, schedule
    )
    kept = (layers + mtp_layers) * layer_activation_bytes
    return _on_device(kept, layer_activation_bytes, offloads_activations)
