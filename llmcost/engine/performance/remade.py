"""The products that software makes again in the backward pass whatever is asked for."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array, rule
from llmcost.engine.performance.products import SHARPNESS
from llmcost.engine.performance.shapes import Mixer, latent_shapes, passes_s


@rule(
    "remade_s",
    formula="remakes_cheap * product_s of queries, keys and values out of the latents of latent attention; 0 where the"
    " weights are frozen. Norms and activations made again are among elementwise_passes",
    reference="DeepSeek-AI 2024, arXiv:2412.19437, section 3.2.3",
)
def remade_s(
    remakes_cheap: Array,
    micro_tokens: Array,
    heads: Array,
    head_dim: Array,
    qk_rope_head_dim: Array,
    v_head_dim: Array,
    q_lora_rank: Array,
    kv_lora_rank: Array,
    attending_share: Array,
    tp: Array,
    peak_flops: Array,
    memory_bytes_s: Array,
    processors: Array,
    product_share: Array,
    product_wave_fill: Array,
    product_depth_half: Array,
    product_memory_share: Array,
    product_launch_s: Array,
    product_input_bytes: Array,
    product_cast_bytes: Array,
    trains_base: Array,
) -> Array:
    """Products of a layer and micro-batch that its backward pass makes again to keep less.

    Parameters
    ----------
    remakes_cheap : array_like
        1 where the software makes the products out of latents again [1].
    micro_tokens, heads, head_dim, qk_rope_head_dim, v_head_dim, q_lora_rank, kv_lora_rank, attending_share, tp : array_like
        Sizes; blocks of attention a layer [1].
    peak_flops, memory_bytes_s, processors, product_share, product_wave_fill, product_depth_half, product_memory_share, product_launch_s, product_input_bytes, product_cast_bytes : array_like
        Constants of :func:`llmcost.engine.kernels.products.product_s`.
    trains_base : array_like
        0 where the weights are frozen [1].

    Returns
    -------
    ndarray
        Time [s].

    References
    ----------
    .. [1] DeepSeek-AI (2024), arXiv:2412.19437, section 3.2.3.
    """
    if not np.any((remakes_cheap > 0) & (kv_lora_rank > 0)):
        return np.zeros(())
    kernel = (
        peak_flops,
        memory_bytes_s,
        processors,
        product_share,
        product_wave_fill,
        product_depth_half,
        product_memory_share,
        SHARPNESS,
        product_launch_s,
        product_input_bytes,
        2.0,
        product_cast_bytes,
    )
    block = Mixer(attending_share, heads, heads, head_dim)
    sizes = qk_rope_head_dim, v_head_dim, q_lora_rank, kv_lora_rank
    query, keys = latent_shapes(q_lora_rank, block, *sizes, tp)
    query = query._replace(share=np.where(q_lora_rank > 0, query.share, 0.0))
    found = remakes_cheap * passes_s((query, keys), micro_tokens, False, kernel)
    return np.where(trains_base > 0, found, 0.0)
