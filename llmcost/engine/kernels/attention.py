"""Fused attention, forward and backward."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array
from llmcost.engine.kernels.products import smooth_max

#: Rows of queries that one processor works on at a time.
QUERY_TILE = 128.0
#: Bytes of a number of queries, keys, values and results.
_WIDTH = 2.0


def attention_scores(
    seq: Array, window: Array | float = np.inf, causal: Array | float = 1.0
) -> Array:
    """Scores that a head works out for a sequence.

    Parameters
    ----------
    seq : array_like
        Length of the sequence [tokens].
    window : array_like
        Tokens that a query sees at most [tokens].
    causal : array_like
        1 where a query sees no later token, 0 where it sees all [1].

    Returns
    -------
    ndarray
        ``seq · w − causal · w² / 2`` with w the smaller of window and sequence [1].
    """
    seq = np.asarray(seq, dtype=float)
    seen = np.minimum(seq, window)
    return np.asarray(seq * seen - causal * seen**2 / 2)


def attention_forward_s(
    batch: Array,
    seq: Array,
    heads: Array,
    kv_heads: Array,
    head_dim: Array,
    peak_flops: Array,
    memory_bytes_s: Array,
    processors: Array,
    efficiency: Array,
    seq_half: Array,
    fill: Array,
    dim_half: Array,
    memory_share: Array,
    launch_s: Array,
    window: Array | float = np.inf,
    causal: Array | float = 1.0,
) -> Array:
    """Time of fused attention, forward.

    A score costs ``4 · (head_dim + dim_half)`` operations' time: the exponentials and the sums of
    softmax do not depend on the width of a head. Each row of tiles has a start worth `seq_half`
    scores a query, and the last ones leave processors idle.

    Parameters
    ----------
    batch, seq, heads, kv_heads, head_dim : array_like
        Sequences, their length [tokens], heads of queries and of keys, width of a head [1].
    peak_flops, memory_bytes_s, processors : array_like
        Dense peak at the precision [FLOP/s], memory bandwidth [B/s], processors [1].
    efficiency : array_like
        Share of the peak that long sequences reach with heads 128 wide [1].
    seq_half : array_like
        Scores a query that a row of tiles loses at its start and at the diagonal [1].
    fill : array_like
        Rows of tiles that each processor leaves undone at the end [1].
    dim_half : array_like
        Width of a head whose products take as long as the softmax that is not hidden [1].
    memory_share, launch_s : array_like
        Share of the memory bandwidth reached [1], time to start [s].
    window, causal : array_like
        As of `attention_scores`.

    Returns
    -------
    ndarray
        Time [s], broadcast over the inputs.

    References
    ----------
    .. [1] Dao (2023), FlashAttention-2, arXiv:2307.08691.
    .. [2] Shah et al. (2024), FlashAttention-3, arXiv:2407.08608.
    """
    batch, seq, heads = (np.asarray(item, dtype=float) for item in (batch, seq, heads))
    scores = attention_scores(seq, window, causal)
    longest = np.minimum(seq, window) * QUERY_TILE
    work = batch * heads * (scores + seq * seq_half) + fill * processors * longest
    slower = (head_dim + dim_half) * 128 / (128 + dim_half)
    arithmetic = 4 * work * slower / (efficiency * peak_flops)
    numbers = batch * seq * head_dim * (2 * heads + 2 * kv_heads)
    traffic = _WIDTH * numbers / (memory_bytes_s * memory_share)
    return np.asarray(launch_s + smooth_max(arithmetic, traffic, 4.0))


def attention_backward_s(forward_s: Array, backward_rate: Array, launch_s: Array) -> Array:
    """Time of fused attention, backward: five products where forward has two.

    Parameters
    ----------
    forward_s : array_like
        Forward time [s].
    backward_rate : array_like
        Rate of the backward pass over that of the forward [1].
    launch_s : array_like
        Time to start a kernel, part of `forward_s` [s].

    Returns
    -------
    ndarray
        Time [s].

    References
    ----------
    .. [1] Dao (2023), arXiv:2307.08691: 2.5 times the operations.
    """
    work = np.maximum(forward_s - launch_s, 0.0)
    return np.asarray(launch_s + 2.5 * work / backward_rate)
