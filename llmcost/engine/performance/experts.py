"""Products of the routed experts of a layer, grouped or one by one, forward and backward."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array, rule
from llmcost.engine.kernels.experts import expert_products_s
from llmcost.engine.performance.products import KERNELS, SHARPNESS


@rule(
    "expert_launches",
    formula="expert_streams; 0, one launch of all, where fused_experts",
    reference="NVIDIA Transformer Engine, common/gemm/cublaslt_gemm.cu: multi_stream_cublas_gemm",
)
def expert_launches(expert_streams: Array, fused_experts: Array) -> Array:
    """Streams on which products of single experts run, 0 where one launch has those of all [1]."""
    return np.where(fused_experts > 0, 0.0, expert_streams)


def _expert_products(backward: bool) -> None:
    """Enter the rule of the forward or the backward pass."""
    word = "backward" if backward else "forward"

    @rule(
        f"experts_{word}_s",
        formula="mean over the layers of expert_products_s of the device's experts, at the load of the busiest device"
        + (": gradients of inputs and of weights" if backward else ""),
        reference=f"{KERNELS}; Gale et al. 2022, arXiv:2211.15841",
    )
    def experts_pass_s(
        micro_tokens: Array,
        layers: Array,
        moe_layers: Array,
        experts: Array,
        experts_per_token: Array,
        expert_ffn_hidden_size: Array,
        gated_ffn: Array,
        expert_hidden_size: Array,
        tp: Array,
        ep: Array,
        expert_tp: Array,
        expert_imbalance: Array,
        fused_experts: Array,
        expert_launches: Array,
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
        expert_efficiency_ratio: Array,
        expert_quality: Array,
        expert_memory_share: Array,
        expert_launch_s: Array,
        expert_row_pad: Array,
        expert_move_bytes: Array,
        half_expert_move_bytes: Array,
        trains_base: Array,
        sums_in_product: Array,
        gradient_bytes: Array,
    ) -> Array:
        """Products of the routed experts of a layer and micro-batch.

        Parameters
        ----------
        micro_tokens, layers, moe_layers, experts, experts_per_token, expert_ffn_hidden_size, gated_ffn, expert_hidden_size : array_like
            Sizes [1].
        tp, ep, expert_tp : array_like
            Devices that share the tokens, the experts, and an expert [1].
        expert_imbalance : array_like
            Rows of the busiest device over the mean [1].
        fused_experts, expert_launches : array_like
            1 where the products sort their tokens themselves; streams of single products, 0 where
            one launch has all [1].
        peak_flops, memory_bytes_s, processors, product_share, product_wave_fill, product_depth_half, product_memory_share, product_launch_s, product_input_bytes, product_cast_bytes : array_like
            Constants of :func:`llmcost.engine.kernels.products.product_s`; single products have the
            bandwidth and launch of dense ones.
        expert_efficiency_ratio, expert_memory_share, expert_launch_s, expert_row_pad, expert_move_bytes, half_expert_move_bytes : array_like
            Constants of :func:`llmcost.engine.kernels.experts.expert_products_s`.
        expert_quality : array_like
            Share of those kernels' rate that the software's products of experts reach [1].
        trains_base, sums_in_product, gradient_bytes : array_like
            Whether weights have gradients and their products add them to the sum [1], of so many bytes [B].

        Returns
        -------
        ndarray
            Time, on average over the layers [s].

        References
        ----------
        .. [1] Gale et al. (2022), arXiv:2211.15841.
        """
        mixtures = moe_layers / layers
        if not np.any(mixtures > 0):
            return np.zeros(())
        group_tokens = micro_tokens * ep * expert_tp / tp
        single = expert_launches > 0
        found = expert_products_s(
            group_tokens,
            expert_hidden_size,
            expert_ffn_hidden_size / expert_tp,
            experts_per_token,
            np.maximum(experts, 1.0),
            ep,
            np.where(ep > 1, expert_imbalance, 1.0),
            peak_flops,
            memory_bytes_s,
            processors,
            product_share * np.where(single, 1.0, expert_efficiency_ratio) * expert_quality,
            product_wave_fill,
            product_depth_half,
            np.where(single, product_memory_share, expert_memory_share),
            SHARPNESS,
            np.where(single, product_launch_s, expert_launch_s),
            product_input_bytes,
            product_cast_bytes,
            expert_row_pad,
            np.where(single, half_expert_move_bytes, expert_move_bytes) * (1 - fused_experts),
            gated_ffn,
            expert_launches,
            backward,
            trains_base,
            np.where(sums_in_product > 0, 2 * gradient_bytes, 2.0),
        )
        return np.where(mixtures > 0, mixtures * found, 0.0)


_expert_products(backward=False)
_expert_products(backward=True)
