"""Memory of a device: weights, gradients, optimizer states, activations."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array, rule

_KORTHIKANTI = "Korthikanti et al. 2022, arXiv:2205.05198"
_ZERO = "Rajbhandari et al. 2020, arXiv:1910.02054"


def _inner_bytes(
    hidden_size: Array,
    heads: Array,
    kv_heads: Array,
    head_dim: Array,
    ffn_width: Array,
    ffn_copies: Array,
    gated_ffn: Array,
) -> Array:
    """Activations of a token inside a layer, which tensor parallelism splits [B].

    A token enters more than one feed-forward where it has several experts: one copy for each.
    """
    blocks = (4 * heads + 4 * kv_heads) * head_dim + (4 + 2 * gated_ffn) * ffn_width
    return blocks + 2 * (ffn_copies - 1) * hidden_size


@rule(
    "state_bytes",
    formula="2 weights + 4 gradients + 12 optimizer a parameter of the device, or of own_params where sharded:"
    " the optimizer with zero1, gradients with zero2, weights with zero3",
    reference=f"{_KORTHIKANTI}; {_ZERO}",
)
def state_bytes(
    device_dense_params: Array, device_expert_params: Array, own_params: Array, sharding: Array
) -> Array:
    """Weights, gradients and optimizer states on the device that holds most.

    Parameters
    ----------
    device_dense_params, device_expert_params : array_like
        Parameters of the device [1].
    own_params : array_like
        Those that it keeps where its replicas share them [1].
    sharding : array_like
        0 none, 1 optimizer, 2 and gradients, 3 and weights [1].

    Returns
    -------
    ndarray
        Memory [B]: 16-bit weights, 32-bit gradients, 32-bit weights and two moments.

    References
    ----------
    .. [1] Rajbhandari et al. (2020), arXiv:1910.02054.
    """
    params = device_dense_params + device_expert_params
    weights = 2 * np.where(sharding > 2, own_params, params)
    gradients = 4 * np.where(sharding > 1, own_params, params)
    return np.asarray(weights + gradients + 12 * np.where(sharding > 0, own_params, params))


@rule(
    "layer_activation_bytes",
    formula="micro_tokens * (10 hidden_size (/ tp with sequence parallelism) + (4 heads + 4 kv_heads) head_dim / tp"
    " + (4 or, gated, 6) ffn_width / tp + 2 (ffn_copies - 1) hidden_size / tp + unfused: 5 heads seq_len / tp);"
    " full recompute: 2 hidden_size alone",
    reference=f"{_KORTHIKANTI}; Gale et al. 2022, arXiv:2211.15841",
)
def layer_activation_bytes(
    micro_tokens: Array,
    hidden_size: Array,
    heads: Array,
    kv_heads: Array,
    head_dim: Array,
    ffn_width: Array,
    ffn_copies: Array,
    gated_ffn: Array,
    seq_len: Array,
    tp: Array,
    sequence_parallel: Array,
    recompute_level: Array,
    fused_attention: Array,
) -> Array:
    """Activations of a layer that a micro-batch keeps for the backward pass.

    Parameters
    ----------
    micro_tokens, hidden_size, heads, kv_heads, head_dim, ffn_width, ffn_copies, gated_ffn, seq_len : array_like
        Sizes [1].
    tp, sequence_parallel : array_like
        Devices of tensor parallelism, and whether it also splits the sequence [1].
    recompute_level, fused_attention : array_like
        0 none, 1 selective, 2 full; and whether scores are never stored [1].

    Returns
    -------
    ndarray
        Memory [B]. For a GPT layer the paper's s·b·h·(10 + 24/t + 5·a·s/(h·t)).

    References
    ----------
    .. [1] Korthikanti et al. (2022), arXiv:2205.05198, equations 1 to 4.
    """
    split = np.where(sequence_parallel > 0, tp, 1.0)
    inner = _inner_bytes(hidden_size, heads, kv_heads, head_dim, ffn_width, ffn_copies, gated_ffn)
    stored = np.where((fused_attention > 0) | (recompute_level > 0), 0.0, 5 * heads * seq_len)
    kept = 10 * hidden_size / split + (inner + stored) / tp
    return micro_tokens * np.where(recompute_level > 1, 2 * hidden_size / split, kept)


@rule(
    "activation_bytes",
    formula="stage_layers * layer_activation_bytes * min(pp, micro_batches) (1 + (pp - 1) / (pp vpp) where"
    " interleaved), and the logits of a model without pipeline",
    reference=_KORTHIKANTI,
)
def activation_bytes(
    stage_layers: Array,
    layer_activation_bytes: Array,
    pp: Array,
    vpp: Array,
    micro_batches: Array,
    micro_tokens: Array,
    hidden_size: Array,
    vocab_size: Array,
    tp: Array,
) -> Array:
    """Activations on the first stage, which keeps most micro-batches in flight.

    Parameters
    ----------
    stage_layers, layer_activation_bytes : array_like
        Layers of a stage [1], what each keeps [B].
    pp, vpp, micro_batches : array_like
        Stages, virtual stages, micro-batches of a step [1].
    micro_tokens, hidden_size, vocab_size, tp : array_like
        Size of the output head [1].

    Returns
    -------
    ndarray
        Memory [B].

    References
    ----------
    .. [1] Korthikanti et al. (2022), arXiv:2205.05198, section 4.2.3.
    """
    flight = np.minimum(pp, micro_batches) * np.where(vpp > 1, 1 + (pp - 1) / (pp * vpp), 1.0)
    head = 4 * micro_tokens * (hidden_size + vocab_size) / tp
    return np.asarray(stage_layers * layer_activation_bytes * flight + np.where(pp > 1, 0.0, head))


@rule(
    "working_bytes",
    formula="zero3: two gathered layers; full recompute: one layer made again",
    reference="Zhao et al. 2023, arXiv:2304.11277; " + _KORTHIKANTI,
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
    inner = _inner_bytes(hidden_size, heads, kv_heads, head_dim, ffn_width, ffn_copies, gated_ffn)
    again = np.where(recompute_level > 1, micro_tokens * (10 * hidden_size + inner / tp), 0.0)
    return np.asarray(gathered + again)


@rule(
    "memory_gb_per_device",
    formula="(state_bytes + activation_bytes + working_bytes) / 1e9",
    reference=_KORTHIKANTI,
)
def memory_gb_per_device(
    state_bytes: Array, activation_bytes: Array, working_bytes: Array
) -> Array:
    """Memory that the layout needs on the fullest device [GB]."""
    return (state_bytes + activation_bytes + working_bytes) / 1e9
