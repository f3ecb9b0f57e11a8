"""Parameters and FLOPs counted from the architecture of a transformer."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array, rule

_VASWANI = "Vaswani et al. 2017; each family's published configuration"
_DEEPSEEK = "DeepSeek-AI 2024, arXiv:2405.04434, section 2.1"


@rule(
    "attention_params",
    formula="2 * hidden_size * head_dim * (heads + kv_heads)",
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
    q_lora_rank, kv_lora_rank, qk_rope_head_dim, v_head_dim : array_like
        Ranks of multi-head latent attention, 0 without it [1].

    Returns
    -------
    ndarray
        Weights [1].

    References
    ----------
    .. [1] Vaswani et al. (2017), Attention is all you need.
    .. [2] DeepSeek-AI (2024), arXiv:2405.04434, section 2.1.
    """
    grouped = 2 * hidden_size * head_dim * (heads + kv_heads)
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
    "ffn_params",
    formula="(2 + gated_ffn) * hidden_size * ffn_hidden_size",
    reference="Shazeer 2020, arXiv:2002.05202",
)
def ffn_params(hidden_size: Array, ffn_hidden_size: Array, gated_ffn: Array) -> Array:
    """Weights of one dense feed-forward block: two matrices, three when gated [1]."""
    return (2 + gated_ffn) * hidden_size * ffn_hidden_size


@rule(
    "expert_params",
    formula="(2 + gated_ffn) * hidden_size * expert_ffn_hidden_size",
    reference="Shazeer 2020, arXiv:2002.05202; Jiang et al. 2024, arXiv:2401.04088",
)
def expert_params(hidden_size: Array, expert_ffn_hidden_size: Array, gated_ffn: Array) -> Array:
    """Weights of one expert [1]."""
    return (2 + gated_ffn) * hidden_size * expert_ffn_hidden_size


@rule(
    "moe_layers",
    formula="layers - dense_layers, 0 without experts",
    reference="DeepSeek-AI 2024, arXiv:2401.06066",
)
def moe_layers(layers: Array, dense_layers: Array, experts: Array) -> Array:
    """Layers whose feed-forward block is a mixture of experts [1]."""
    return np.where(experts > 0, layers - dense_layers, 0.0)


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
    "block_params",
    formula="layers * attention_params + (layers - moe_layers) * ffn_params"
    " + moe_layers * ((experts + shared_experts) * expert_params + hidden_size * experts)",
    reference="sum over the blocks; the router is hidden_size * experts",
)
def block_params(
    layers: Array,
    attention_params: Array,
    moe_layers: Array,
    ffn_params: Array,
    experts: Array,
    shared_experts: Array,
    expert_params: Array,
    hidden_size: Array,
) -> Array:
    """Weights of all blocks that a matmul uses, experts and routers included [1]."""
    mixture = (experts + shared_experts) * expert_params + hidden_size * experts
    return layers * attention_params + (layers - moe_layers) * ffn_params + moe_layers * mixture


@rule(
    "architecture_params",
    formula="block_params + vocab_size * hidden_size * (2 - tied_embeddings)"
    " + (2 * layers + 1) * hidden_size",
    reference="sum over blocks, embedding, output head and norms",
)
def architecture_params(
    block_params: Array,
    vocab_size: Array,
    hidden_size: Array,
    tied_embeddings: Array,
    layers: Array,
) -> Array:
    """Parameters of the model counted from its architecture [1].

    Biases and learned positions, below 0.7 % in every model of the catalog, are left out.
    """
    embeddings = vocab_size * hidden_size * (2 - tied_embeddings)
    return block_params + embeddings + (2 * layers + 1) * hidden_size


@rule("params", formula="architecture_params", reference="count of the architecture")
def params(architecture_params: Array) -> Array:
    """Parameters when none are given: the count of the architecture [1]."""
    return architecture_params


@rule(
    "params",
    formula="active_params * sparsity",
    reference="Faraboschi et al. 2024, arXiv:2404.08811",
)
def params_from_sparsity(active_params: Array, sparsity: Array) -> Array:
    """Total parameters from the active ones and the sparsity K [1]."""
    return active_params * sparsity


@rule(
    "active_params",
    formula="params / sparsity",
    reference="Faraboschi et al. 2024, arXiv:2404.08811",
)
def active_params_from_sparsity(params: Array, sparsity: Array) -> Array:
    """Active parameters from the total and the sparsity K [1]."""
    return params / sparsity


def active_params(
    params: Array,
    inactive_params: Array,
    active_without_embedding: Array,
    vocab_size: Array,
    hidden_size: Array,
) -> Array:
    """Parameters used per token.

    Parameters
    ----------
    params, inactive_params : array_like
        All parameters, and those of experts that a token does not visit [1].
    active_without_embedding : array_like
        1 where the family's own count leaves the input embedding out, a look-up [1].
    vocab_size, hidden_size : array_like
        Size of that embedding [1].

    Returns
    -------
    ndarray
        Active parameters [1].

    References
    ----------
    .. [1] Jiang et al. (2024), arXiv:2401.04088; DeepSeek-AI (2024), arXiv:2412.19437.
    """
    embedding = np.where(active_without_embedding > 0, vocab_size * hidden_size, 0.0)
    return np.asarray(params - np.nan_to_num(inactive_params) - np.nan_to_num(embedding))


@rule(
    "active_params",
    formula="published_active_params, or params - inactive_params of a dense model",
    reference="published count of the model",
)
def active_params_published(
    published_active_params: Array,
    params: Array,
    inactive_params: Array,
    active_without_embedding: Array,
    vocab_size: Array,
    hidden_size: Array,
) -> Array:
    """Published active parameters, counted where none are published (0) [1]."""
    counted = active_params(
        params, inactive_params, active_without_embedding, vocab_size, hidden_size
    )
    return np.where(published_active_params > 0, published_active_params, counted)


rule(
    "active_params",
    formula="params - inactive_params, less the input embedding in families that leave it out",
    reference="Jiang et al. 2024, arXiv:2401.04088",
)(active_params)


@rule("active_params", formula="params", reference="a dense model uses all its parameters")
def active_params_dense(params: Array) -> Array:
    """Active parameters of a dense model: all of them [1]."""
    return params


@rule(
    "matmul_params",
    formula="block_params - inactive_params + vocab_size * hidden_size",
    reference="Narayanan et al. 2021, arXiv:2104.04473, appendix; Chowdhery et al. 2022",
)
def matmul_params(
    block_params: Array, inactive_params: Array, vocab_size: Array, hidden_size: Array
) -> Array:
    """Weights that multiply each token: active blocks and the output head [1]."""
    return block_params - inactive_params + vocab_size * hidden_size


@rule(
    "attended_tokens",
    formula="seq_len, or half of it with training.attention_flops = causal",
    reference="Narayanan et al. 2021, arXiv:2104.04473 (full); Dao 2023, arXiv:2307.08691 (causal)",
)
def attended_tokens(seq_len: Array, causal_flops: Array) -> Array:
    """Tokens whose scores with a token are counted as model FLOPs [tokens].

    The whole row of the score matrix, as Megatron-LM and PaLM count, or the half of it that
    a causal kernel computes. What a step takes does not depend on how it is counted.
    """
    return seq_len * (1 - causal_flops / 2)


@rule(
    "attention_flops_per_token",
    formula="12 * layers * heads * (head_dim + qk_rope_head_dim + v_head_dim) / 2 * attended_tokens",
    reference="Narayanan et al. 2021, arXiv:2104.04473; Chowdhery et al. 2022, arXiv:2204.02311",
)
def attention_flops_per_token(
    layers: Array,
    heads: Array,
    head_dim: Array,
    qk_rope_head_dim: Array,
    v_head_dim: Array,
    attended_tokens: Array,
) -> Array:
    """FLOPs of the attention scores per token, forward and backward.

    Parameters
    ----------
    layers, heads, attended_tokens : array_like
        Layers, query heads, tokens whose scores with a token count [1].
    head_dim, qk_rope_head_dim, v_head_dim : array_like
        Width of a query head without and with its rotary part, and of a value head [1]. With
        ``v_head_dim`` 0 a value head is as wide as a query head: 12 · L · heads · head_dim · s.

    Returns
    -------
    ndarray
        FLOPs per token [FLOP].

    References
    ----------
    .. [1] Narayanan et al. (2021), arXiv:2104.04473, appendix.
    .. [2] Chowdhery et al. (2022), arXiv:2204.02311, appendix B.
    """
    value_width = np.where(v_head_dim > 0, v_head_dim, head_dim)
    return 6 * layers * heads * (head_dim + qk_rope_head_dim + value_width) * attended_tokens
