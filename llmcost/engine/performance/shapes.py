"""Which matrix products a layer has, and the time of them forward and backward."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from llmcost.engine.architecture import value_width
from llmcost.engine.chain import Array
from llmcost.engine.kernels.products import product_s

#: A product: weight in the sum, columns and depth.
Shape = tuple[Array, Array, Array]


class Mixer(NamedTuple):
    """Blocks that mix the tokens of a sequence: how many a layer has, and their sizes [1]."""

    share: Array
    heads: Array
    kv_heads: Array
    head_dim: Array


def latent_shapes(
    hidden_size: Array,
    mixer: Mixer,
    qk_rope_head_dim: Array,
    v_head_dim: Array,
    q_lora_rank: Array,
    kv_lora_rank: Array,
    tp: Array,
) -> tuple[Shape, Shape]:
    """The wide products of latent attention: of queries, and of keys with values.

    Parameters
    ----------
    hidden_size, qk_rope_head_dim, v_head_dim, q_lora_rank, kv_lora_rank, tp : array_like
        As :func:`shapes_of`; queries come from the width of the model where they have no latent.
    mixer : Mixer
        Blocks of attention.

    Returns
    -------
    tuple of Shape
        Weight in the sum, columns and depth [1].
    """
    here = np.where(kv_lora_rank > 0, mixer.share, 0.0)
    query = mixer.heads * (mixer.head_dim + qk_rope_head_dim) / tp
    value = mixer.heads * value_width(mixer.head_dim, v_head_dim) / tp
    return (
        (here, query, np.where(q_lora_rank > 0, q_lora_rank, hidden_size)),
        (here, mixer.heads * mixer.head_dim / tp + value, kv_lora_rank),
    )


def shapes_of(
    hidden_size: Array,
    mixers: Iterable[Mixer],
    qk_rope_head_dim: Array,
    v_head_dim: Array,
    q_lora_rank: Array,
    kv_lora_rank: Array,
    feed_forward: Iterable[tuple[Array, Array]],
    other_params: Array,
    mixtures: Array,
    experts: Array,
    gated_ffn: Array,
    tp: Array,
) -> Iterable[Shape]:
    """Products that every token of a layer goes through, on average over the layers.

    Parameters
    ----------
    hidden_size : array_like
        Width of the model [1].
    mixers : iterable of Mixer
        Blocks of attention.
    qk_rope_head_dim, v_head_dim, q_lora_rank, kv_lora_rank : array_like
        Sizes of latent attention; 0 without it [1].
    feed_forward : iterable of (array_like, array_like)
        Feed-forward blocks: how many a layer has, and their width [1].
    other_params : array_like
        Weights of recurrent mixers and of other products, a layer [1].
    mixtures, experts, gated_ffn, tp : array_like
        Routers a layer, experts of each, 1 with a gate, devices that share a product [1].

    Yields
    ------
    Shape
        Weight in the sum, columns and depth [1].
    """
    latent = np.asarray(kv_lora_rank > 0)
    for mixer in mixers:
        share, heads, kv_heads, head_dim = mixer
        if not np.any(share > 0):
            continue
        value_dim = value_width(head_dim, v_head_dim)
        yield share, hidden_size, heads * value_dim / tp
        if not latent.all():
            width = (heads + kv_heads) * head_dim + kv_heads * value_dim
            yield np.where(latent, 0.0, share), width / tp, hidden_size
        if latent.any():
            into = q_lora_rank + kv_lora_rank + qk_rope_head_dim
            yield np.where(latent, share, 0.0), into, hidden_size
            sizes = qk_rope_head_dim, v_head_dim, q_lora_rank, kv_lora_rank
            yield from latent_shapes(hidden_size, mixer, *sizes, tp)
    for share, width in feed_forward:
        if np.any(share > 0):
            yield share, (1 + gated_ffn) * width / tp, hidden_size
            yield share, hidden_size, width / tp
    if np.any(mixtures > 0):
        yield mixtures, experts, hidden_size
    # Recurrent mixers, gates and projections, as one product of their weights.
    if np.any(other_params > 0):
        yield np.where(other_params > 0, 1.0, 0.0), other_params / hidden_size / tp, hidden_size


def passes_s(
    shapes: Iterable[Shape],
    tokens: Array,
    backward: bool,
    kernel: tuple[Any, ...],
    of_weights: Array | float = 1.0,
    written: Array | float = 2.0,
) -> Array:
    """Time of products, forward, or of the gradients of their inputs and weights.

    What is cast to fewer bits for the one gradient serves the other.

    Parameters
    ----------
    shapes : iterable of Shape
        The products.
    tokens : array_like
        Their rows [1].
    backward : bool
        Whether the gradients are meant.
    kernel : tuple of array_like
        Constants of :func:`llmcost.engine.kernels.products.product_s`, in its order, the cast last.
    of_weights : array_like
        0 where the weights are frozen and have no gradients [1].
    written : array_like
        Bytes that a gradient of a weight costs: written, or added to the sum [B].

    Returns
    -------
    ndarray
        Time [s].
    """
    found: Array = np.zeros(())
    weights: tuple[Any, ...] = (*kernel[:-2], written, 0.0)
    for weight, columns, depth in shapes:
        if backward:
            time = product_s(tokens, depth, columns, *kernel)
            time = time + of_weights * product_s(depth, columns, tokens, *weights)
        else:
            time = product_s(tokens, columns, depth, *kernel)
        found = found + np.where(weight > 0, weight * time, 0.0)
    return found
