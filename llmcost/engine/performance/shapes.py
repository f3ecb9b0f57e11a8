"""Which matrix products a layer has, and the time of them forward and backward."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from llmcost.engine.architecture import value_width
from llmcost.engine.chain import Array
from llmcost.engine.kernels.products import product_s


class Shape(NamedTuple):
    """A product: weight in the sum, columns and depth; shares of its inputs, and of its result's gradient, that a pass casts [1]."""

    share: Array
    columns: Array
    depth: Array
    casts: Array | float = 1.0
    gradient_casts: Array | float = 1.0


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
    norm_casts: Array | float = 1.0,
) -> tuple[Shape, Shape]:
    """The wide products of latent attention: of queries, and of keys with values.

    Parameters
    ----------
    hidden_size, qk_rope_head_dim, v_head_dim, q_lora_rank, kv_lora_rank, tp : array_like
        As :func:`shapes_of`; queries come from the width of the model where they have no latent.
    mixer : Mixer
        Blocks of attention.
    norm_casts : array_like
        As :func:`shapes_of`: latents pass a norm [1].

    Returns
    -------
    tuple of Shape
        The products.
    """
    here = np.where(kv_lora_rank > 0, mixer.share, 0.0)
    query = mixer.heads * (mixer.head_dim + qk_rope_head_dim) / tp
    value = mixer.heads * value_width(mixer.head_dim, v_head_dim) / tp
    depth = np.where(q_lora_rank > 0, q_lora_rank, hidden_size)
    return (
        Shape(here, query, depth, norm_casts),
        Shape(here, mixer.heads * mixer.head_dim / tp + value, kv_lora_rank, norm_casts),
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
    norm_casts: Array | float = 1.0,
    stream_casts: Array | float = 1.0,
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
    norm_casts, stream_casts : array_like
        Shares of what comes out of a norm, and of gradients of what goes back to the residual stream, that a
        pass casts to fewer bits; routers stay in 16 [1].

    Yields
    ------
    Shape
        The products.
    """
    latent = np.asarray(kv_lora_rank > 0)
    for mixer in mixers:
        share, heads, kv_heads, head_dim = mixer
        if not np.any(share > 0):
            continue
        value_dim = value_width(head_dim, v_head_dim)
        yield Shape(share, hidden_size, heads * value_dim / tp, 1.0, stream_casts)
        if not latent.all():
            width = (heads + kv_heads) * head_dim + kv_heads * value_dim
            yield Shape(np.where(latent, 0.0, share), width / tp, hidden_size, norm_casts)
        if latent.any():
            into = q_lora_rank + kv_lora_rank + qk_rope_head_dim
            yield Shape(np.where(latent, share, 0.0), into, hidden_size, norm_casts)
            sizes = qk_rope_head_dim, v_head_dim, q_lora_rank, kv_lora_rank
            yield from latent_shapes(hidden_size, mixer, *sizes, tp, norm_casts)
    for share, width in feed_forward:
        if np.any(share > 0):
            yield Shape(share, (1 + gated_ffn) * width / tp, hidden_size, norm_casts)
            yield Shape(share, hidden_size, width / tp, 1.0, stream_casts)
    if np.any(mixtures > 0):
        yield Shape(mixtures, experts, hidden_size, 0.0, 0.0)
    # Recurrent mixers, gates and projections, as one product of their weights.
    if np.any(other_params > 0):
        width = other_params / hidden_size / tp
        yield Shape(np.where(other_params > 0, 1.0, 0.0), width, hidden_size, norm_casts)


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
    alike: tuple[Any, ...] = kernel[:-1]
    cast = kernel[-1]
    weights: tuple[Any, ...] = (*kernel[:-2], written, 0.0)
    for shape in shapes:
        share, columns, depth = shape.share, shape.columns, shape.depth
        if backward:
            time = product_s(tokens, depth, columns, *(*alike, cast * shape.gradient_casts))
            time = time + of_weights * product_s(depth, columns, tokens, *weights)
        else:
            time = product_s(tokens, columns, depth, *(*alike, cast * shape.casts))
        found = found + np.where(share > 0, share * time, 0.0)
    return found
