"""Parameters counted from an architecture: blocks by kind, embeddings, encoders."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array, rule

_VASWANI = "Vaswani et al. 2017; each family's published configuration"
_DEEPSEEK = "DeepSeek-AI 2024, arXiv:2405.04434, section 2.1"


def value_width(head_dim: Array, v_head_dim: Array) -> Array:
    """Width of a head's values: that of its keys where `v_head_dim` is 0 [1]."""
    return np.where(v_head_dim > 0, v_head_dim, head_dim)


@rule(
    "attention_layers",
    formula="layers - recurrent_layers",
    reference="Lieber et al. 2024, arXiv:2403.19887: what is not recurrent attends",
)
def attention_layers(layers: Array, recurrent_layers: Array) -> Array:
    """Layers with softmax attention where nothing else says how many [1]."""
    return np.maximum(layers - recurrent_layers, 0.0)


@rule(
    "other_params",
    formula="(2 * layers + 1) * hidden_size",
    reference=_VASWANI,
)
def norm_params(layers: Array, hidden_size: Array) -> Array:
    """Weights of two norms a layer and a last one: all that is no product in most families [1]."""
    return np.asarray((2 * layers + 1) * hidden_size)


@rule(
    "moe_layers",
    formula="ffn_layers - dense_layers, 0 without experts",
    reference="DeepSeek-AI 2024, arXiv:2401.06066",
)
def moe_layers(ffn_layers: Array, dense_layers: Array, experts: Array) -> Array:
    """Layers whose feed-forward block is a mixture of experts [1]."""
    return np.where(experts > 0, ffn_layers - dense_layers, 0.0)


@rule(
    "attention_params",
    formula="hidden_size * (heads + kv_heads) * (head_dim + v_head_dim), 2 head_dim where v_head_dim is 0",
    reference=f"{_VASWANI}; with latent ranks, {_DEEPSEEK}",
)
def attention_params(
    hidden_size: Array,
    heads: Array,
    kv_heads: Array,
    head_dim: Array,
    q_lora_rank: Array,
    kv_lora_rank: Array,
    qk_rope_head_dim: Array,
    v_head_dim: Array,
) -> Array:
    """Weights of one attention block: grouped-query, or latent where ``kv_lora_rank`` > 0.

    Parameters
    ----------
    hidden_size, heads, kv_heads, head_dim : array_like
        Width, query heads, key-value heads, width of a head [1].
    q_lora_rank, kv_lora_rank, qk_rope_head_dim : array_like
        Ranks of multi-head latent attention, 0 without it [1].
    v_head_dim : array_like
        Width of a value head, 0 where it is that of a query head [1].

    Returns
    -------
    ndarray
        Weights [1].

    References
    ----------
    .. [1] Vaswani et al. (2017), Attention is all you need.
    .. [2] DeepSeek-AI (2024), arXiv:2405.04434, section 2.1.
    """
    value_dim = value_width(head_dim, v_head_dim)
    grouped = hidden_size * (heads + kv_heads) * (head_dim + value_dim)
    query_width = heads * (head_dim + qk_rope_head_dim)
    query = np.where(
        q_lora_rank > 0, q_lora_rank * (hidden_size + query_width), hidden_size * query_width
    )
    latent = (
        query
        + hidden_size * (kv_lora_rank + qk_rope_head_dim)
        + kv_lora_rank * heads * (head_dim + v_head_dim)
        + heads * v_head_dim * hidden_size
    )
    return np.where(kv_lora_rank > 0, latent, grouped)


@rule(
    "windowed_attention_params",
    formula="attention_params with windowed_heads, windowed_kv_heads, windowed_head_dim",
    reference=_VASWANI,
)
def windowed_attention_params(
    hidden_size: Array,
    windowed_heads: Array,
    windowed_kv_heads: Array,
    windowed_head_dim: Array,
    q_lora_rank: Array,
    kv_lora_rank: Array,
    qk_rope_head_dim: Array,
    v_head_dim: Array,
) -> Array:
    """Weights of one attention block whose tokens attend within a window [1]."""
    latent = q_lora_rank, kv_lora_rank, qk_rope_head_dim, v_head_dim
    sizes = hidden_size, windowed_heads, windowed_kv_heads, windowed_head_dim
    return np.asarray(attention_params(*sizes, *latent))


@rule(
    "ffn_params",
    formula="(2 + gated_ffn) * hidden_size * ffn_hidden_size",
    reference="Shazeer 2020, arXiv:2002.05202",
)
def ffn_params(hidden_size: Array, ffn_hidden_size: Array, gated_ffn: Array) -> Array:
    """Weights of one dense feed-forward block: two matrices, three when gated [1]."""
    return (2 + gated_ffn) * hidden_size * ffn_hidden_size


@rule(
    "expert_params",
    formula="(2 + gated_ffn) * expert_hidden_size * expert_ffn_hidden_size",
    reference="Shazeer 2020, arXiv:2002.05202; Jiang et al. 2024, arXiv:2401.04088",
)
def expert_params(
    expert_hidden_size: Array, expert_ffn_hidden_size: Array, gated_ffn: Array
) -> Array:
    """Weights of one expert that a router chooses; narrower than the model in some families [1]."""
    return (2 + gated_ffn) * expert_hidden_size * expert_ffn_hidden_size


@rule(
    "shared_expert_params",
    formula="(2 + gated_ffn) * hidden_size * expert_ffn_hidden_size",
    reference="DeepSeek-AI 2024, arXiv:2401.06066",
)
def shared_expert_params(
    hidden_size: Array, expert_ffn_hidden_size: Array, gated_ffn: Array
) -> Array:
    """Weights of one expert that every token visits [1]."""
    return (2 + gated_ffn) * hidden_size * expert_ffn_hidden_size


@rule(
    "mixer_params",
    formula="(attention_layers - windowed_layers + cross_layers) * attention_params"
    " + windowed_layers * windowed_attention_params + recurrent_layers * recurrent_params",
    reference="sum over what mixes the tokens of a sequence: attention and recurrence",
)
def mixer_params(
    attention_layers: Array,
    windowed_layers: Array,
    cross_layers: Array,
    recurrent_layers: Array,
    attention_params: Array,
    windowed_attention_params: Array,
    recurrent_params: Array,
) -> Array:
    """Weights of all attention and recurrent blocks.

    Parameters
    ----------
    attention_layers, windowed_layers : array_like
        Layers with attention, and those of them whose tokens attend within a window [1].
    cross_layers : array_like
        Blocks of attention to an encoder's tokens, beside those [1].
    recurrent_layers : array_like
        Layers with linear attention, a state space or a gated convolution [1].
    attention_params, windowed_attention_params, recurrent_params : array_like
        Weights of one block of each kind [1].

    Returns
    -------
    ndarray
        Weights [1]. A layer may have both an attention and a recurrent block (Falcon-H1).

    References
    ----------
    .. [1] Vaswani et al. (2017), Attention is all you need.
    .. [2] Gu and Dao (2023), arXiv:2312.00752.
    """
    full = attention_layers - windowed_layers + cross_layers
    return (
        full * attention_params
        + windowed_layers * windowed_attention_params
        + recurrent_layers * recurrent_params
    )


@rule(
    "inactive_params",
    formula="moe_layers * (experts - experts_per_token) * expert_params",
    reference="Jiang et al. 2024, arXiv:2401.04088",
)
def inactive_params(
    moe_layers: Array, experts: Array, experts_per_token: Array, expert_params: Array
) -> Array:
    """Weights of the experts that a token does not visit [1]."""
    return moe_layers * np.maximum(experts - experts_per_token, 0.0) * expert_params


@rule(
    "dense_block_params",
    formula="mixer_params + (ffn_layers - moe_layers) * ffn_params"
    " + moe_layers * (shared_experts * shared_expert_params + hidden_size * experts)"
    " + other_matmul_params",
    reference="sum over the blocks; the router is hidden_size * experts",
)
def dense_block_params(
    mixer_params: Array,
    ffn_layers: Array,
    moe_layers: Array,
    ffn_params: Array,
    experts: Array,
    shared_experts: Array,
    shared_expert_params: Array,
    hidden_size: Array,
    other_matmul_params: Array,
) -> Array:
    """Weights of all blocks that every token uses: all but the experts of the routers.

    Parameters
    ----------
    mixer_params, ffn_params, shared_expert_params : array_like
        Weights of all mixers, of one dense feed-forward block and of one shared expert [1].
    ffn_layers, moe_layers : array_like
        Layers with a feed-forward block, and those where it is a mixture of experts [1].
    experts, shared_experts, hidden_size : array_like
        Experts of a router, experts that every token visits, width [1].
    other_matmul_params : array_like
        Weights of products that are none of these: projections of embeddings, gates [1].

    Returns
    -------
    ndarray
        Weights [1].

    References
    ----------
    .. [1] DeepSeek-AI (2024), arXiv:2401.06066.
    """
    mixture = shared_experts * shared_expert_params + hidden_size * experts
    dense = (ffn_layers - moe_layers) * ffn_params
    return mixer_params + dense + moe_layers * mixture + other_matmul_params


@rule(
    "block_params",
    formula="dense_block_params + moe_layers * experts * expert_params",
    reference="sum over the blocks",
)
def block_params(
    dense_block_params: Array, moe_layers: Array, experts: Array, expert_params: Array
) -> Array:
    """Weights of all blocks that a matmul uses, experts and routers included [1]."""
    return dense_block_params + moe_layers * experts * expert_params


@rule(
    "embedding_params",
    formula="vocab_size * embedding_size * (2 where an output head has weights of its own)",
    reference=_VASWANI,
)
def embedding_params(
    vocab_size: Array, embedding_size: Array, tied_embeddings: Array, output_head: Array
) -> Array:
    """Weights of the input embedding and, where it shares none, of the output head [1]."""
    own_head = np.where((output_head > 0) & (tied_embeddings <= 0), 1.0, 0.0)
    return np.asarray(vocab_size * embedding_size * (1 + own_head))


@rule(
    "architecture_params",
    formula="block_params / layer_uses + embedding_params + other_params + encoder_params",
    reference="sum over blocks, embedding, output head, what is no product, and encoders",
)
def architecture_params(
    block_params: Array,
    layer_uses: Array,
    embedding_params: Array,
    other_params: Array,
    encoder_params: Array,
) -> Array:
    """Parameters of the model counted from its architecture.

    Parameters
    ----------
    block_params : array_like
        Weights of all blocks [1].
    layer_uses : array_like
        Layers that use the same weights: 12 in ALBERT, 1 elsewhere [1].
    embedding_params, other_params : array_like
        Embedding and output head; norms, biases, positions [1].
    encoder_params : array_like
        Encoders, vision and audio towers [1].

    Returns
    -------
    ndarray
        Parameters [1].

    References
    ----------
    .. [1] Lan et al. (2019), arXiv:1909.11942, on layers that share weights.
    """
    return block_params / layer_uses + embedding_params + other_params + encoder_params
