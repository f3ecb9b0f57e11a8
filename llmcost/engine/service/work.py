"""Weights that a token multiplies, tokens that it attends to, and sequences in flight."""

from __future__ import annotations

import numpy as np

from llmcost.engine.architecture import value_width
from llmcost.engine.chain import Array, rule

_POPE = "Pope et al. 2022, arXiv:2211.05102"
_DEEPSEEK = "DeepSeek-AI 2024, arXiv:2405.04434, section 2.1"


@rule(
    "service_dense_params",
    formula="block_params - moe_layers * experts * expert_params",
    reference=_POPE,
)
def service_dense_params(
    block_params: Array, moe_layers: Array, experts: Array, expert_params: Array
) -> Array:
    """Weights of the blocks that every token multiplies: all but the router's experts [1]."""
    return block_params - moe_layers * experts * expert_params


@rule(
    "service_prompt_ratio",
    formula="prompt_tokens_per_day / output_tokens_per_day",
    reference="definition",
)
def service_prompt_ratio(prompt_tokens_per_day: Array, output_tokens_per_day: Array) -> Array:
    """Prompt tokens read for each output token [1]."""
    return prompt_tokens_per_day / output_tokens_per_day


@rule(
    "service_prompt_tokens",
    formula="context_tokens * service_prompt_ratio / (service_prompt_ratio + 1 / 2)",
    reference="a sequence's mean context is its prompt and half of its output",
)
def service_prompt_tokens(context_tokens: Array, service_prompt_ratio: Array) -> Array:
    """Length of a prompt, from the mean context of an output token [tokens].

    Parameters
    ----------
    context_tokens : array_like
        Tokens that an output token attends to, on average [tokens].
    service_prompt_ratio : array_like
        Prompt tokens for each output token [1].

    Returns
    -------
    ndarray
        Tokens: the prompt p and the output r of a sequence have ``p / r`` as given and
        ``p + r / 2`` as mean context.
    """
    return context_tokens * service_prompt_ratio / (service_prompt_ratio + 0.5)


def attended(tokens: Array, window: Array) -> Array:
    """Tokens that a windowed layer sees of a context [tokens]."""
    return np.where(window > 0, np.minimum(tokens, window), tokens)


@rule(
    "service_kv_bytes_per_sequence",
    formula="2 * kv_heads * head_dim * service_kv_bytes * (full layers * context_tokens + windowed"
    " layers * min(window, context_tokens)) + 4 * recurrent_layers * recurrent_state_size;"
    " (kv_lora_rank + qk_rope_head_dim) for 2 * kv_heads * head_dim with latent attention",
    reference=f"Shazeer 2019, arXiv:1911.02150; Ainslie et al. 2023, arXiv:2305.13245; {_DEEPSEEK}",
)
def service_kv_bytes_per_sequence(
    kv_heads: Array,
    head_dim: Array,
    kv_lora_rank: Array,
    qk_rope_head_dim: Array,
    service_kv_bytes: Array,
    attention_layers: Array,
    windowed_layers: Array,
    window: Array,
    windowed_kv_heads: Array,
    windowed_head_dim: Array,
    recurrent_layers: Array,
    recurrent_state_size: Array,
    context_tokens: Array,
) -> Array:
    """Keys and values that a sequence holds in memory, halfway through its output.

    Parameters
    ----------
    kv_heads, head_dim : array_like
        Key-value heads and their width [1]; of windowed layers their own.
    kv_lora_rank, qk_rope_head_dim : array_like
        Width of the latent that stands for keys and values, and its rotary part; 0 without [1].
    service_kv_bytes : array_like
        Bytes of a number in the cache [B].
    attention_layers, windowed_layers, window : array_like
        Layers with attention, those of them with a window, and the window [tokens].
    windowed_kv_heads, windowed_head_dim : array_like
        Key-value heads of windowed layers and their width [1].
    recurrent_layers, recurrent_state_size : array_like
        Layers that keep a state instead, in 32 bits, and its elements [1].
    context_tokens : array_like
        Mean context of an output token [tokens].

    Returns
    -------
    ndarray
        Bytes [B].

    References
    ----------
    .. [1] Shazeer (2019), arXiv:1911.02150; Ainslie et al. (2023), arXiv:2305.13245.
    .. [2] DeepSeek-AI (2024), arXiv:2405.04434, section 2.1.
    """
    latent = kv_lora_rank > 0
    full = np.where(latent, kv_lora_rank + qk_rope_head_dim, 2 * kv_heads * head_dim)
    part = np.where(
        latent, kv_lora_rank + qk_rope_head_dim, 2 * windowed_kv_heads * windowed_head_dim
    )
    seen = attended(context_tokens, window)
    numbers = (attention_layers - windowed_layers) * full * context_tokens
    numbers = numbers + windowed_layers * part * seen
    return numbers * service_kv_bytes + 4 * recurrent_layers * recurrent_state_size


def score_flops(
    tokens: Array,
    heads: Array,
    head_dim: Array,
    qk_rope_head_dim: Array,
    v_head_dim: Array,
    attention_layers: Array,
    windowed_layers: Array,
    window: Array,
) -> Array:
    """Arithmetic of one token's attention over the tokens that it sees, forward [FLOP].

    Parameters
    ----------
    tokens, window : array_like
        Tokens that it sees where nothing limits them, and within a window [tokens].
    heads, head_dim, qk_rope_head_dim, v_head_dim : array_like
        Query heads, their width without and with a rotary part, width of a value head, which
        is ``head_dim`` where 0 [1].
    attention_layers, windowed_layers : array_like
        Layers with attention, and those of them with a window [1].
    """
    value = value_width(head_dim, v_head_dim)
    seen = (attention_layers - windowed_layers) * tokens
    seen = seen + windowed_layers * attended(tokens, window)
    return 2 * heads * (head_dim + qk_rope_head_dim + value) * seen


@rule(
    "service_decode_score_flops",
    formula="2 * heads * (key width + value width) * context_tokens over the layers; key and value"
    " are kv_lora_rank wide with latent attention, whose weights are folded into query and output",
    reference=f"{_POPE}; {_DEEPSEEK}",
)
def service_decode_score_flops(
    context_tokens: Array,
    heads: Array,
    head_dim: Array,
    kv_lora_rank: Array,
    qk_rope_head_dim: Array,
    v_head_dim: Array,
    attention_layers: Array,
    windowed_layers: Array,
    window: Array,
) -> Array:
    """Arithmetic of an output token's attention, `score_flops` over its context [FLOP]."""
    latent = kv_lora_rank > 0
    key = np.where(latent, kv_lora_rank, head_dim)
    value = np.where(latent, kv_lora_rank, v_head_dim)
    layers = (attention_layers, windowed_layers, window)
    return score_flops(context_tokens, heads, key, qk_rope_head_dim, value, *layers)


@rule(
    "service_prefill_score_flops",
    formula="2 * heads * (key width + value width) * service_prompt_tokens / 2 over the layers",
    reference=_POPE,
)
def service_prefill_score_flops(
    service_prompt_tokens: Array,
    heads: Array,
    head_dim: Array,
    qk_rope_head_dim: Array,
    v_head_dim: Array,
    attention_layers: Array,
    windowed_layers: Array,
    window: Array,
) -> Array:
    """Arithmetic of a prompt token's attention: it sees half of the prompt on average [FLOP]."""
    layers = (attention_layers, windowed_layers, window)
    seen = service_prompt_tokens / 2
    return score_flops(seen, heads, head_dim, qk_rope_head_dim, v_head_dim, *layers)


@rule(
    "inference_flops",
    formula="service_days * (2 * matmul_params * (output and prompt tokens a day)"
    " + service_decode_score_flops * output_tokens_per_day"
    " + service_prefill_score_flops * prompt_tokens_per_day)",
    reference=_POPE,
)
def inference_flops(
    service_days: Array,
    matmul_params: Array,
    output_tokens_per_day: Array,
    prompt_tokens_per_day: Array,
    service_decode_score_flops: Array,
    service_prefill_score_flops: Array,
) -> Array:
    """Arithmetic of the service over its days [FLOP]."""
    products = 2 * matmul_params * (output_tokens_per_day + prompt_tokens_per_day)
    scores = service_decode_score_flops * output_tokens_per_day
    scores = scores + service_prefill_score_flops * prompt_tokens_per_day
    return service_days * (products + scores)
