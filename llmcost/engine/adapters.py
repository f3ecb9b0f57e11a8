"""Adapters of low rank beside frozen weights: what they hold, and what they leave out."""

from __future__ import annotations

import numpy as np

from llmcost.engine.architecture import value_width
from llmcost.engine.chain import Array, rule

_HU = "Hu et al. 2021, arXiv:2106.09685"
_DETTMERS = "Dettmers et al. 2023, arXiv:2305.14314"


@rule(
    "adapter_widths",
    formula="sum of inputs and outputs of the adapted products of a layer, mean over the layers",
    reference=_HU,
)
def adapter_widths(
    adapted_query: Array,
    adapted_key: Array,
    adapted_value: Array,
    adapted_output: Array,
    adapted_gate: Array,
    adapted_up: Array,
    adapted_down: Array,
    hidden_size: Array,
    heads: Array,
    kv_heads: Array,
    head_dim: Array,
    v_head_dim: Array,
    attention_layers: Array,
    ffn_layers: Array,
    moe_layers: Array,
    layers: Array,
    ffn_hidden_size: Array,
    gated_ffn: Array,
    experts: Array,
    shared_experts: Array,
    expert_ffn_hidden_size: Array,
) -> Array:
    """Inputs and outputs of the products of a layer that adapters stand beside.

    Parameters
    ----------
    adapted_query, adapted_key, adapted_value, adapted_output, adapted_gate, adapted_up, adapted_down : array_like
        1 where the product has an adapter [1].
    hidden_size, heads, kv_heads, head_dim, v_head_dim : array_like
        Sizes of attention; of latent attention those of its heads stand for its projections [1].
    attention_layers, ffn_layers, moe_layers, layers : array_like
        Layers of each kind, and all [1].
    ffn_hidden_size, gated_ffn, experts, shared_experts, expert_ffn_hidden_size : array_like
        Sizes of the feed-forward blocks; each expert has adapters of its own [1].

    Returns
    -------
    ndarray
        Sum of widths [1].

    References
    ----------
    .. [1] Hu et al. (2021), arXiv:2106.09685.
    """
    value_dim = value_width(head_dim, v_head_dim)
    attention = (
        adapted_query * (hidden_size + heads * head_dim)
        + adapted_key * (hidden_size + kv_heads * head_dim)
        + adapted_value * (hidden_size + kv_heads * value_dim)
        + adapted_output * (heads * value_dim + hidden_size)
    )
    of_block = adapted_gate * gated_ffn + adapted_up + adapted_down
    dense = (ffn_layers - moe_layers) * (hidden_size + ffn_hidden_size)
    mixture = moe_layers * (experts + shared_experts) * (hidden_size + expert_ffn_hidden_size)
    return (attention_layers * attention + of_block * (dense + mixture)) / layers


@rule("layer_adapter_params", formula="lora_rank * adapter_widths", reference=_HU)
def layer_adapter_params(lora_rank: Array, adapter_widths: Array) -> Array:
    """Parameters of the adapters of a layer, on average over the layers [1]."""
    return lora_rank * adapter_widths


@rule("adapter_params", formula="layers * layer_adapter_params", reference=_HU)
def adapter_params(layers: Array, layer_adapter_params: Array) -> Array:
    """Parameters that are trained where the model's own are frozen [1]."""
    return layers * layer_adapter_params


@rule(
    "trained_share",
    formula="1, or layer_adapter_params / (layer_dense_params + layer_expert_params) where the model is frozen",
    reference=_HU,
)
def trained_share(
    trains_base: Array,
    layer_adapter_params: Array,
    layer_dense_params: Array,
    layer_expert_params: Array,
) -> Array:
    """Parameters with gradients and states over those of the model [1]."""
    adapters = layer_adapter_params / (layer_dense_params + layer_expert_params)
    return np.where(trains_base > 0, 1.0, adapters)


@rule(
    "adapters_forward_s",
    formula="micro_tokens * adapter_widths of a token / 2 * (activation_width to read inputs, elementwise_passes * 2 activation_width to"
    " add to outputs, 2 activation_width + 1 to drop inputs where lora_dropout) / tp / memory_bytes_s",
    reference=f"{_HU}: products of so low a rank read their inputs and add to their outputs",
)
def adapters_forward_s(
    trains_base: Array,
    adapter_widths: Array,
    experts: Array,
    experts_per_token: Array,
    shared_experts: Array,
    moe_layers: Array,
    micro_tokens: Array,
    tp: Array,
    memory_bytes_s: Array,
    activation_width: Array,
    elementwise_passes: Array,
    lora_dropout: Array,
) -> Array:
    """Adapters of a layer and micro-batch, forward: bound by memory [s].

    Of the widths about half are inputs and half outputs, as what one product widens another narrows.
    """
    seen = (experts_per_token + shared_experts) / np.maximum(experts + shared_experts, 1.0)
    widths = adapter_widths * np.where(moe_layers > 0, seen, 1.0)
    drops = np.where(
        lora_dropout > 0, 2 * activation_width + 1, 0.0
    )  # read, written, and a byte of mask
    each = (activation_width * (1 + 2 * elementwise_passes) + drops) / 2
    found = each * micro_tokens * widths / tp / memory_bytes_s
    return np.where(trains_base > 0, 0.0, found)


@rule(
    "dequantise_s",
    formula="(frozen_bytes + 2 * 2) * layer_device_params / memory_bytes_s where they are frozen in 4 bits",
    reference=f"{_DETTMERS}: a layer's weights are made in 16 bits before each use",
)
def dequantise_s(
    trains_base: Array,
    frozen_bytes: Array,
    layer_device_params: Array,
    memory_bytes_s: Array,
) -> Array:
    """Making a layer's weights in 16 bits, once a pass [s]."""
    found = (frozen_bytes + 4) * layer_device_params / memory_bytes_s
    return np.where((trains_base > 0) | (frozen_bytes >= 1), 0.0, found)
