"""What an architecture computes for each token: products with weights, scores, states, encoders."""

from __future__ import annotations

import numpy as np

from llmcost.engine.architecture import value_width
from llmcost.engine.chain import Array, rule

_VASWANI = "Vaswani et al. 2017; each family's published configuration"


@rule(
    "encoder_tokens_per_token",
    formula="encoder_seq_len / seq_len",
    reference="an encoder runs once for each sequence",
)
def encoder_tokens_per_token(encoder_seq_len: Array, seq_len: Array) -> Array:
    """Tokens of encoders and towers for each token of the model [1]."""
    return encoder_seq_len / seq_len


@rule(
    "mtp_matmul_params",
    formula="mtp_layers * (attention_params + a feed-forward block, of active experts where there are any"
    " + 2 hidden_size^2 + the output head)",
    reference="DeepSeek-AI 2024, arXiv:2412.19437, section 2.2",
)
def mtp_matmul_params(
    mtp_layers: Array,
    attention_params: Array,
    experts: Array,
    experts_per_token: Array,
    shared_experts: Array,
    expert_params: Array,
    shared_expert_params: Array,
    ffn_params: Array,
    hidden_size: Array,
    vocab_size: Array,
    embedding_size: Array,
) -> Array:
    """Weights that multiply each token in the layers that predict further tokens.

    Parameters
    ----------
    mtp_layers : array_like
        Layers of multi-token prediction, beside the model's own [1].
    attention_params, expert_params, shared_expert_params, ffn_params : array_like
        Weights of one block of each kind [1].
    experts, experts_per_token, shared_experts : array_like
        Experts of a router, and those that a token visits [1].
    hidden_size, vocab_size, embedding_size : array_like
        Width, and the size of the output head, which each such layer uses once more [1].

    Returns
    -------
    ndarray
        Weights [1]; published counts of parameters leave these layers out.

    References
    ----------
    .. [1] DeepSeek-AI (2024), arXiv:2412.19437, section 2.2.
    """
    mixture = experts_per_token * expert_params + shared_experts * shared_expert_params
    mixture = mixture + hidden_size * experts
    feed_forward = np.where(experts > 0, mixture, ffn_params)
    head = vocab_size * embedding_size
    return mtp_layers * (attention_params + feed_forward + 2 * hidden_size**2 + head)


@rule(
    "matmul_params",
    formula="block_params - inactive_params + the output head + mtp_matmul_params"
    " + encoder_params * encoder_seq_len / seq_len",
    reference="Narayanan et al. 2021, arXiv:2104.04473, appendix; Chowdhery et al. 2022",
)
def matmul_params(
    block_params: Array,
    inactive_params: Array,
    vocab_size: Array,
    embedding_size: Array,
    output_head: Array,
    mtp_matmul_params: Array,
    encoder_params: Array,
    encoder_tokens_per_token: Array,
) -> Array:
    """Weights that multiply each token: active blocks, the output head, encoders by their tokens.

    Parameters
    ----------
    block_params, inactive_params : array_like
        Weights of all blocks, and those of experts that a token does not visit [1].
    vocab_size, embedding_size, output_head : array_like
        Size of the output head, and 1 where there is one [1].
    mtp_matmul_params : array_like
        Weights of multi-token prediction [1].
    encoder_params : array_like
        Weights of encoders, vision and audio towers [1].
    encoder_tokens_per_token : array_like
        Tokens of the encoder for each of the model's own [1].

    Returns
    -------
    ndarray
        Weights [1].

    References
    ----------
    .. [1] Narayanan et al. (2021), arXiv:2104.04473, appendix.
    """
    head = vocab_size * embedding_size * output_head
    encoder = encoder_params * encoder_tokens_per_token
    return block_params - inactive_params + head + mtp_matmul_params + encoder


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
    "windowed_attended_tokens",
    formula="min(window, seq_len), less window^2 / (2 * seq_len) with training.attention_flops = causal",
    reference="Jiang et al. 2023, arXiv:2310.06825",
)
def windowed_attended_tokens(window: Array, seq_len: Array, causal_flops: Array) -> Array:
    """Tokens within a window whose scores with a token are counted as model FLOPs [tokens]."""
    seen = np.where(window > 0, np.minimum(window, seq_len), seq_len)
    return seen * (1 - causal_flops * seen / (2 * seq_len))


@rule(
    "score_flops_per_token",
    formula="6 * (attention_layers - windowed_layers + mtp_layers) * heads * (head_dim + qk_rope_head_dim + v_head_dim)"
    " * attended_tokens, and the same of windowed layers over their window",
    reference="Narayanan et al. 2021, arXiv:2104.04473; Chowdhery et al. 2022, arXiv:2204.02311",
)
def score_flops_per_token(
    attention_layers: Array,
    windowed_layers: Array,
    mtp_layers: Array,
    heads: Array,
    head_dim: Array,
    windowed_heads: Array,
    windowed_head_dim: Array,
    qk_rope_head_dim: Array,
    v_head_dim: Array,
    attended_tokens: Array,
    windowed_attended_tokens: Array,
) -> Array:
    """FLOPs of the attention scores per token, forward and backward.

    Parameters
    ----------
    attention_layers, windowed_layers, mtp_layers : array_like
        Layers with attention, those of them with a window, layers of multi-token prediction [1].
    heads, windowed_heads : array_like
        Query heads, of full layers and of windowed ones [1].
    head_dim, windowed_head_dim, qk_rope_head_dim, v_head_dim : array_like
        Width of a query head without and with its rotary part, and of a value head [1]. With
        ``v_head_dim`` 0 a value head is as wide as a query head: 12 · L · heads · head_dim · s.
    attended_tokens, windowed_attended_tokens : array_like
        Tokens that a token attends to in each [tokens].

    Returns
    -------
    ndarray
        FLOPs per token [FLOP].

    References
    ----------
    .. [1] Narayanan et al. (2021), arXiv:2104.04473, appendix.
    .. [2] Chowdhery et al. (2022), arXiv:2204.02311, appendix B.
    """

    def width(count: Array, each: Array) -> Array:
        return count * (each + qk_rope_head_dim + value_width(each, v_head_dim))

    full = (attention_layers - windowed_layers + mtp_layers) * width(heads, head_dim)
    windowed = windowed_layers * width(windowed_heads, windowed_head_dim)
    return 6 * (full * attended_tokens + windowed * windowed_attended_tokens)


@rule(
    "indexer_flops_per_token",
    formula="6 * attention_layers * indexer_width * attended_tokens",
    reference="DeepSeek-AI 2025, DeepSeek-V3.2, section 2.1: lightning indexer",
)
def indexer_flops_per_token(
    attention_layers: Array, indexer_width: Array, attended_tokens: Array
) -> Array:
    """FLOPs of the scores that choose which tokens sparse attention sees [FLOP]."""
    return 6 * attention_layers * indexer_width * attended_tokens


@rule(
    "recurrent_flops_per_token",
    formula="6 * recurrent_layers * recurrent_products * recurrent_state_size",
    reference="Megatron-LM, training FLOPs of hybrid models; Dao and Gu 2024, arXiv:2405.21060",
)
def recurrent_flops_per_token(
    recurrent_layers: Array, recurrent_products: Array, recurrent_state_size: Array
) -> Array:
    """FLOPs that update and read the states of recurrent layers, forward and backward.

    Parameters
    ----------
    recurrent_layers : array_like
        Layers with linear attention or a state space [1].
    recurrent_products : array_like
        Multiply-adds for each element of the state and token: 2 of plain linear attention
        (write and read), 3.5 of a Mamba scan, 4 of a gated delta rule [1].
    recurrent_state_size : array_like
        Elements of the state of a layer: heads · key width · value width [1].

    Returns
    -------
    ndarray
        FLOPs per token [FLOP]; they do not grow with the sequence.

    References
    ----------
    .. [1] Dao and Gu (2024), arXiv:2405.21060.
    .. [2] Yang et al. (2024), arXiv:2412.06464.
    """
    return 6 * recurrent_layers * recurrent_products * recurrent_state_size


@rule(
    "encoder_score_flops_per_token",
    formula="12 * (encoder_attention_width * encoder_seq_len^2 / seq_len"
    " + cross_layers * heads * head_dim * encoder_seq_len)",
    reference=_VASWANI,
)
def encoder_score_flops_per_token(
    encoder_attention_width: Array,
    encoder_seq_len: Array,
    encoder_tokens_per_token: Array,
    cross_layers: Array,
    heads: Array,
    head_dim: Array,
) -> Array:
    """FLOPs of an encoder's scores and of attention to it, for each token of the model.

    Parameters
    ----------
    encoder_attention_width : array_like
        Heads times their width, summed over the encoder's layers [1].
    encoder_seq_len, encoder_tokens_per_token : array_like
        Tokens of the encoder a sequence, and for each token of the model [tokens].
    cross_layers, heads, head_dim : array_like
        Blocks of attention to the encoder, their heads and width [1].

    Returns
    -------
    ndarray
        FLOPs per token [FLOP]; an encoder looks both ways, so nothing is halved.

    References
    ----------
    .. [1] Vaswani et al. (2017), Attention is all you need.
    """
    own = encoder_attention_width * encoder_tokens_per_token
    return 12 * encoder_seq_len * (own + cross_layers * heads * head_dim)


@rule(
    "attention_flops_per_token",
    formula="score_flops_per_token + indexer_flops_per_token + recurrent_flops_per_token"
    " + encoder_score_flops_per_token",
    reference="sum over what mixes the tokens of a sequence",
)
def attention_flops_per_token(
    score_flops_per_token: Array,
    indexer_flops_per_token: Array,
    recurrent_flops_per_token: Array,
    encoder_score_flops_per_token: Array,
) -> Array:
    """FLOPs per token that are no product with a weight: scores and states [FLOP]."""
    return (
        score_flops_per_token
        + indexer_flops_per_token
        + recurrent_flops_per_token
        + encoder_score_flops_per_token
    )
