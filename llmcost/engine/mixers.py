"""Weights of the blocks that mix a sequence by a state, and of what is no product.

These functions turn the sizes that a published configuration names into the quantities that the
chain knows: ``recurrent_params``, ``recurrent_state_size`` and ``other_params``.
"""

from __future__ import annotations

from typing import TypeVar

from llmcost.engine.chain import Array

#: A size, or an array of them.
Size = TypeVar("Size", float, Array)


def mamba_params(
    hidden_size: Size, inner_size: Size, state_size: Size, dt_rank: Size, kernel: Size
) -> Size:
    """Weights of a Mamba block.

    Parameters
    ----------
    hidden_size, inner_size : array_like
        Width of the model and inside the block [1].
    state_size, dt_rank, kernel : array_like
        State of each channel, rank of the step's projection, width of the convolution [1].

    Returns
    -------
    ndarray
        Weights [1]: projections in and out, convolution, step, states and skip.

    References
    ----------
    .. [1] Gu and Dao (2023), arXiv:2312.00752, section 3.4.
    """
    products = inner_size * (3 * hidden_size + 2 * dt_rank + 2 * state_size)
    return products + inner_size * (kernel + 1 + 1 + state_size + 1)


def mamba2_params(
    hidden_size: Size,
    inner_size: Size,
    state_size: Size,
    groups: Size,
    heads: Size,
    kernel: Size,
) -> Size:
    """Weights of a Mamba-2 block, without the norm before its output.

    Parameters
    ----------
    hidden_size, inner_size : array_like
        Width of the model and inside the block [1].
    state_size, groups, heads, kernel : array_like
        State of each channel, groups that share it, heads, width of the convolution [1].

    Returns
    -------
    ndarray
        Weights [1].

    References
    ----------
    .. [1] Dao and Gu (2024), arXiv:2405.21060, section 7.
    """
    mixed = inner_size + 2 * groups * state_size
    products = hidden_size * (inner_size + mixed + heads) + inner_size * hidden_size
    return products + mixed * (kernel + 1) + 3 * heads


def gated_delta_params(
    hidden_size: Size,
    key_size: Size,
    value_size: Size,
    value_heads: Size,
    value_head_dim: Size,
    kernel: Size,
) -> Size:
    """Weights of a gated delta rule (Qwen3-Next, OLMo Hybrid).

    Parameters
    ----------
    hidden_size, key_size, value_size : array_like
        Width of the model, of all keys and of all values [1].
    value_heads, value_head_dim, kernel : array_like
        Heads, their width, width of the convolution [1].

    Returns
    -------
    ndarray
        Weights [1].

    References
    ----------
    .. [1] Yang et al. (2024), arXiv:2412.06464.
    """
    projections = hidden_size * (2 * key_size + 2 * value_size + 2 * value_heads)
    convolution = (2 * key_size + value_size) * kernel
    small = 2 * value_heads + value_head_dim
    return projections + value_size * hidden_size + convolution + small


def kimi_delta_params(
    hidden_size: Size, heads: Size, head_dim: Size, kernel: Size, full_rank_gates: bool = False
) -> Size:
    """Weights of Kimi delta attention: a delta rule with a gate for each channel.

    Parameters
    ----------
    hidden_size, heads, head_dim, kernel : array_like
        Width, heads, their width, width of the convolutions [1].
    full_rank_gates : bool, default False
        Whether the gates of state and output are whole matrices, not of the rank of a head.

    Returns
    -------
    ndarray
        Weights [1].

    References
    ----------
    .. [1] Kimi Team (2025), arXiv:2510.26692.
    """
    inner = heads * head_dim
    low_rank = head_dim * (hidden_size + inner)
    gates = 2 * (hidden_size * inner if full_rank_gates else low_rank)
    small = heads + inner + head_dim
    return 4 * hidden_size * inner + 3 * inner * kernel + gates + hidden_size * heads + small


def lightning_params(hidden_size: Size, inner_size: Size) -> Size:
    """Weights of lightning attention: query, key, value, gate, output and a norm [1].

    References
    ----------
    .. [1] MiniMax (2025), arXiv:2501.08313, section 2.2.
    """
    return 5 * hidden_size * inner_size + inner_size


def short_convolution_params(hidden_size: Size, kernel: Size) -> Size:
    """Weights of a gated short convolution (LFM2): in, out and the convolution [1]."""
    return 4 * hidden_size**2 + hidden_size * kernel


def gated_recurrence_params(hidden_size: Size, lru_width: Size, heads: Size, kernel: Size) -> Size:
    """Weights of a block of the real-gated linear recurrent unit (RecurrentGemma).

    Parameters
    ----------
    hidden_size, lru_width, heads, kernel : array_like
        Width of the model and of the unit, blocks of its gates, width of the convolution [1].

    Returns
    -------
    ndarray
        Weights [1].

    References
    ----------
    .. [1] De et al. (2024), arXiv:2402.19427, section 2.
    """
    projections = 3 * hidden_size * lru_width + 2 * lru_width + hidden_size
    gates = 2 * (lru_width**2 / heads + lru_width) + lru_width
    return projections + gates + lru_width * (kernel + 1)


def time_mix_params(hidden_size: Size, inner_size: Size) -> Size:
    """Weights of an RWKV-4 time mix: key, value, receptance, output, decay, first, three mixes [1].

    References
    ----------
    .. [1] Peng et al. (2023), arXiv:2305.13048, section 3.
    """
    return 4 * hidden_size * inner_size + 2 * inner_size + 3 * hidden_size


def gated_time_mix_params(
    hidden_size: Size, inner_size: Size, mix_rank: Size, decay_rank: Size
) -> Size:
    """Weights of an RWKV-5 or RWKV-6 time mix.

    Parameters
    ----------
    hidden_size, inner_size : array_like
        Width of the model and of the state's keys [1].
    mix_rank, decay_rank : array_like
        Ranks at which RWKV-6 makes mixes and decay from the token; 0 in RWKV-5 [1].

    Returns
    -------
    ndarray
        Weights [1]: key, value, receptance, gate, output; decay, first and a norm; four mixes.

    References
    ----------
    .. [1] Peng et al. (2024), arXiv:2404.05892, sections 3 and 4.
    """
    low_rank = 10 * hidden_size * mix_rank + decay_rank * (hidden_size + inner_size)
    return 5 * hidden_size * inner_size + 4 * inner_size + 4 * hidden_size + low_rank


def matrix_lstm_params(hidden_size: Size, key_size: Size, value_size: Size, heads: Size) -> Size:
    """Weights of an mLSTM layer: query, key, value, gates, norm and output, of these widths [1].

    References
    ----------
    .. [1] Beck et al. (2025), xLSTM 7B, arXiv:2503.13427, section 3.
    """
    products = hidden_size * (2 * key_size + 3 * value_size)
    return products + 2 * heads * (hidden_size + 1) + value_size


def norm_size(width: Size, bias: Size) -> Size:
    """Weights of a norm of a width, twice as many where it has a bias [1]."""
    return width * (1 + bias)


def attention_bias_params(
    heads: Size,
    kv_heads: Size,
    head_dim: Size,
    hidden_size: Size,
    qkv_bias: Size,
    out_bias: Size,
) -> Size:
    """Biases of an attention block: of query, key and value, and of its output [1]."""
    return qkv_bias * (heads + 2 * kv_heads) * head_dim + out_bias * hidden_size


def ffn_bias_params(ffn_hidden_size: Size, hidden_size: Size, gated_ffn: Size) -> Size:
    """Biases of a feed-forward block [1]."""
    return (1 + gated_ffn) * ffn_hidden_size + hidden_size
