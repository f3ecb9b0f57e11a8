"""Element-wise work: norms, residuals, rotary positions, activations, the sorting of tokens by expert."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array, rule
from llmcost.engine.kernels import elementwise as kernels
from llmcost.engine.papers import KORTHIKANTI


@rule(
    "elementwise_bytes",
    formula="elementwise_passes * activation_width * (hidden_passes * hidden_size, rotary positions, activations; the widths of"
    " recurrent mixers, read and written), mean over the layers",
    reference=f"{KORTHIKANTI}; Gale et al. 2022, arXiv:2211.15841",
)
def elementwise_bytes(
    micro_tokens: Array,
    hidden_size: Array,
    heads: Array,
    kv_heads: Array,
    head_dim: Array,
    ffn_hidden_size: Array,
    gated_ffn: Array,
    experts_per_token: Array,
    shared_experts: Array,
    expert_ffn_hidden_size: Array,
    ffn_layers: Array,
    moe_layers: Array,
    layers: Array,
    attending_share: Array,
    windowed_share: Array,
    recurrent_layers: Array,
    recurrent_params: Array,
    tp: Array,
    sequence_parallel: Array,
    fused_experts: Array,
    hidden_passes: Array,
    elementwise_passes: Array,
    activation_width: Array,
) -> Array:
    """Traffic of norms, residuals, rotary positions and activations of a layer, forward.

    Parameters
    ----------
    micro_tokens, hidden_size, heads, kv_heads, head_dim, ffn_hidden_size, gated_ffn : array_like
        Sizes [1].
    experts_per_token, shared_experts, expert_ffn_hidden_size, ffn_layers, moe_layers, layers : array_like
        The experts of a token, whose activations count [1]; sorting it to them and back is part
        of their products.
    attending_share, windowed_share, recurrent_layers, recurrent_params : array_like
        Blocks of attention a layer, layers with a state, and weights of their mixers [1].
    tp, sequence_parallel : array_like
        Devices of tensor parallelism, and whether it also splits norms and residuals [1].
    fused_experts : array_like
        1 where the products of the experts do their part themselves [1].
    hidden_passes : array_like
        Numbers that norms, dropouts and residuals of the software read and write for each of the
        model's width [1].
    elementwise_passes : array_like
        Bytes moved over those counted [1].
    activation_width : array_like
        Bytes of a number [B].

    Returns
    -------
    ndarray
        Traffic [B].

    References
    ----------
    .. [1] Korthikanti et al. (2022), arXiv:2205.05198, section 4.
    """
    mixtures = moe_layers / layers
    outer = hidden_passes / np.where(sequence_parallel > 0, tp, 1.0)
    routed = experts_per_token * (1 - fused_experts)
    width = (ffn_layers - moe_layers) / layers * ffn_hidden_size
    width = width + mixtures * (shared_experts + routed) * expert_ffn_hidden_size
    mixed = 2 * (attending_share + windowed_share) * (heads + kv_heads) * head_dim
    mixed = mixed + recurrent_layers / layers * 2 * recurrent_params / hidden_size
    inner = (mixed + (2 + gated_ffn) * width) / tp
    return elementwise_passes * activation_width * micro_tokens * (outer * hidden_size + inner)


@rule(
    "elementwise_forward_s",
    formula="elementwise_s of elementwise_bytes",
    reference="kernels measured by Vidur and LLMCompass, fitted by benchmarks/kernels",
)
def elementwise_forward_s(
    elementwise_bytes: Array, memory_bytes_s: Array, elementwise_memory_share: Array
) -> Array:
    """Element-wise work of a layer and micro-batch, forward; its launches count with the host's [s]."""
    return kernels.elementwise_s(
        elementwise_bytes, memory_bytes_s, elementwise_memory_share, np.zeros(())
    )
