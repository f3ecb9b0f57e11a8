"""Matrix products of a layer, forward and backward, at the clock that the power limit sustains.

Each product of the layer is one of :func:`llmcost.engine.kernels.products.product_s`, with its own
rows, columns and depth; its backward pass is two more, with the same three numbers in other
places. Constants of the kernels come from measurements by device and precision.
"""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array, rule
from llmcost.engine.kernels.products import product_s
from llmcost.engine.performance.shapes import Mixer, passes_s, shapes_of

KERNELS = "products measured by NVIDIA aiconfigurator, fitted by benchmarks/kernels"
_QUANTISED = "NVIDIA Transformer Engine, pytorch/module/layernorm_linear.py: with_quantized_norm"
#: How well arithmetic and operand traffic of a product hide each other (benchmarks/kernels).
SHARPNESS = 4.0


@rule("memory_bytes_s", formula="memory_tb_s * 1e12", reference="definition")
def memory_bytes_s(memory_tb_s: Array) -> Array:
    """Memory bandwidth [B/s]."""
    return memory_tb_s * 1e12


@rule(
    "active_layer_params",
    formula="layer_dense_params + layer_expert_params * experts_per_token / experts",
    reference="sum over the blocks",
)
def active_layer_params(
    layer_dense_params: Array,
    layer_expert_params: Array,
    experts: Array,
    experts_per_token: Array,
) -> Array:
    """Weights of a layer that multiply each token, on average over the layers [1]."""
    return layer_dense_params + layer_expert_params * experts_per_token / np.maximum(experts, 1.0)


@rule(
    "product_share",
    formula="min(product_efficiency * product_quality * narrow_quality * sustained_share, matmul_ceiling_flops / peak_flops)",
    reference=KERNELS,
)
def product_share(
    product_efficiency: Array,
    product_quality: Array,
    narrow_quality: Array,
    sustained_share: Array,
    matmul_ceiling_flops: Array,
    peak_flops: Array,
) -> Array:
    """Share of the peak that large products reach inside a step.

    Parameters
    ----------
    product_efficiency : array_like
        Share of the peak that the best kernels reach in a burst [1].
    product_quality : array_like
        Share of that which the software's kernels reach [1].
    narrow_quality : array_like
        Share of that again in 8 and 4 bits: what scales of small blocks cost, 1 in wider formats [1].
    sustained_share : array_like
        Share of the clock that the power limit sustains over a step [1].
    matmul_ceiling_flops, peak_flops : array_like
        Highest rate that anybody measured, NaN where nobody did, and the peak [FLOP/s].

    Returns
    -------
    ndarray
        Share [1].
    """
    found = product_efficiency * product_quality * narrow_quality * sustained_share
    return np.fmin(found, matmul_ceiling_flops / peak_flops)


@rule("norm_casts", formula="0 where casts_in_norms, else 1", reference=_QUANTISED)
def norm_casts(casts_in_norms: Array) -> Array:
    """Share of what comes out of a norm that a pass of its own casts to fewer bits [1]."""
    return np.where(casts_in_norms > 0, 0.0, 1.0)


@rule(
    "stream_casts",
    formula="1 / tp where casts_in_norms and sequence_parallel, else 1",
    reference=_QUANTISED,
)
def stream_casts(casts_in_norms: Array, sequence_parallel: Array, tp: Array) -> Array:
    """Share of the gradients of a sum of the residual stream that a device casts: its own part, before they are gathered [1]."""
    return np.where((casts_in_norms > 0) & (sequence_parallel > 0), 1 / tp, 1.0)


def _layer_products(backward: bool) -> None:
    """Enter the rule of the forward or the backward pass: the same products, their places changed."""
    word = "backward" if backward else "forward"

    @rule(
        f"products_{word}_s",
        formula="sum of product_s over the projections of attention, recurrent mixers, the feed-forward block, shared experts and"
        " router, mean over the layers"
        + (": gradients of inputs and of weights" if backward else ""),
        reference=KERNELS,
    )
    def products(
        micro_tokens: Array,
        hidden_size: Array,
        heads: Array,
        kv_heads: Array,
        head_dim: Array,
        attending_share: Array,
        windowed_share: Array,
        windowed_heads: Array,
        windowed_kv_heads: Array,
        windowed_head_dim: Array,
        recurrent_layers: Array,
        recurrent_params: Array,
        other_matmul_params: Array,
        qk_rope_head_dim: Array,
        v_head_dim: Array,
        q_lora_rank: Array,
        kv_lora_rank: Array,
        layers: Array,
        ffn_layers: Array,
        moe_layers: Array,
        ffn_hidden_size: Array,
        experts: Array,
        shared_experts: Array,
        expert_ffn_hidden_size: Array,
        gated_ffn: Array,
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
        sums_in_product: Array,
        gradient_bytes: Array,
        norm_casts: Array,
        stream_casts: Array,
    ) -> Array:
        """Matrix products of a layer and micro-batch that every token goes through, on average [s]."""
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
        mixtures = moe_layers / layers
        shapes = shapes_of(
            hidden_size,
            (
                Mixer(attending_share, heads, kv_heads, head_dim),
                Mixer(windowed_share, windowed_heads, windowed_kv_heads, windowed_head_dim),
            ),
            qk_rope_head_dim,
            v_head_dim,
            q_lora_rank,
            kv_lora_rank,
            (
                ((ffn_layers - moe_layers) / layers, ffn_hidden_size),
                (mixtures * (shared_experts > 0), shared_experts * expert_ffn_hidden_size),
            ),
            (recurrent_layers * recurrent_params + other_matmul_params) / layers,
            mixtures,
            experts,
            gated_ffn,
            tp,
            norm_casts,
            stream_casts,
        )
        written = np.where(sums_in_product > 0, 2 * gradient_bytes, 2.0)
        return passes_s(shapes, micro_tokens, backward, kernel, trains_base, written)


_layer_products(backward=False)
_layer_products(backward=True)


@rule(
    "gradient_writes_s",
    formula="2 * gradient_bytes * trained_share * layer_device_params / memory_bytes_s; 0 where sums_in_product",
    reference="Narayanan et al. 2021 (gradient accumulation); Megatron-LM 83b1e42f30, gradient accumulation fusion",
)
def gradient_writes_s(
    layer_dense_params: Array,
    layer_expert_params: Array,
    tp: Array,
    ep: Array,
    expert_tp: Array,
    gradient_bytes: Array,
    memory_bytes_s: Array,
    trained_share: Array,
    sums_in_product: Array,
) -> Array:
    """Reading and writing the sum of gradients of a layer, once a micro-batch.

    Where the products of gradients do it themselves, it hides under their arithmetic [s].
    """
    here = layer_dense_params / tp + layer_expert_params / (ep * expert_tp)
    apart = np.where(sums_in_product > 0, 0.0, here)
    return 2 * gradient_bytes * apart * trained_share / memory_bytes_s


@rule(
    "head_forward_s",
    formula="product_s of the output head in 16 bits + loss_bytes / 3 * logits / memory_bytes_s",
    reference="Narayanan et al. 2021, arXiv:2104.04473",
)
def head_forward_s(
    micro_tokens: Array,
    hidden_size: Array,
    vocab_size: Array,
    tp: Array,
    bf16_peak_flops: Array,
    memory_bytes_s: Array,
    processors: Array,
    half_product_efficiency: Array,
    product_quality: Array,
    sustained_share: Array,
    half_product_wave_fill: Array,
    half_product_depth_half: Array,
    half_product_memory_share: Array,
    half_product_launch_s: Array,
    loss_bytes: Array,
) -> Array:
    """Output head and loss of a micro-batch, a third of what they take in all.

    Parameters
    ----------
    micro_tokens, hidden_size, vocab_size, tp : array_like
        Sizes [1].
    bf16_peak_flops, memory_bytes_s, processors, half_product_efficiency, half_product_wave_fill, half_product_depth_half, half_product_memory_share, half_product_launch_s : array_like
        Constants of :func:`llmcost.engine.kernels.products.product_s` in 16 bits, in which the head stays.
    product_quality, sustained_share : array_like
        What the software's kernels and the power limit leave of that rate [1].
    loss_bytes : array_like
        Bytes that a logit costs in traffic, forward and backward [B].

    Returns
    -------
    ndarray
        Time [s].
    """
    product = product_s(
        micro_tokens,
        vocab_size / tp,
        hidden_size,
        bf16_peak_flops,
        memory_bytes_s,
        processors,
        half_product_efficiency * product_quality * sustained_share,
        half_product_wave_fill,
        half_product_depth_half,
        half_product_memory_share,
        SHARPNESS,
        half_product_launch_s,
    )
    return product + loss_bytes / 3 * micro_tokens * vocab_size / tp / memory_bytes_s
