"""A step: one token for each sequence in flight, by what must be read for it."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array, rule
from llmcost.engine.kernels.collectives import transfer_s
from llmcost.engine.kernels.products import smooth_max

_ROOFLINE = "Williams et al. 2009 (roofline); Pope et al. 2022, arXiv:2211.05102"
#: How well arithmetic and reading hide each other in a kernel that does both, see `smooth_max`.
HIDING = 2.0


@rule(
    "service_products_s",
    formula="hypot(service_group_batch * service_dense_token_s, service_dense_bytes / service_weight_rate)"
    " + the same of the output head + the same of the experts that the batch visits",
    reference=_ROOFLINE,
)
def service_products_s(
    service_batch: Array,
    service_group_batch: Array,
    service_weight_rate: Array,
    service_dense_token_s: Array,
    service_dense_bytes: Array,
    service_head_bytes: Array,
    service_wide_rate: Array,
    service_expert_token_s: Array,
    service_experts_touched: Array,
    service_expert_bytes: Array,
) -> Array:
    """Products of a step: weights are read once, however many sequences they serve.

    Parameters
    ----------
    service_batch, service_group_batch : array_like
        Sequences in flight a replica and a group [1].
    service_weight_rate, service_wide_rate : array_like
        Rate of reading weights [B/s], and of products in 16 bits [FLOP/s].
    service_dense_token_s, service_expert_token_s : array_like
        Arithmetic of a token in dense blocks and in experts [s].
    service_dense_bytes, service_head_bytes : array_like
        Weights of dense blocks and of the output head on a device [B].
    service_experts_touched, service_expert_bytes : array_like
        Experts visited, and a device's share of one in each layer [1], [B].

    Returns
    -------
    ndarray
        Time [s], rising in the batch.

    References
    ----------
    .. [1] Pope et al. (2022), arXiv:2211.05102.
    """
    dense = smooth_max(
        service_group_batch * service_dense_token_s,
        service_dense_bytes / service_weight_rate,
        HIDING,
    )
    # 2 operations for each weight of 2 bytes.
    head = smooth_max(
        service_group_batch * service_head_bytes / service_wide_rate,
        service_head_bytes / service_weight_rate,
        HIDING,
    )
    experts = smooth_max(
        service_batch * service_expert_token_s,
        service_experts_touched * service_expert_bytes / service_weight_rate,
        HIDING,
    )
    return dense + head + experts


@rule(
    "service_attention_s",
    formula="hypot(service_cache_bytes / (service_memory_tb_s * 1e12 * service_cache_share),"
    " service_group_batch * service_decode_score_flops / service_tp / service_score_rate)",
    reference=_ROOFLINE,
)
def service_attention_s(
    service_cache_bytes: Array,
    service_memory_tb_s: Array,
    service_cache_share: Array,
    service_group_batch: Array,
    service_decode_score_flops: Array,
    service_tp: Array,
    service_score_rate: Array,
) -> Array:
    """Attention of a step: each sequence reads its own keys and values.

    Parameters
    ----------
    service_cache_bytes : array_like
        Keys and values that a device reads [B].
    service_memory_tb_s, service_cache_share : array_like
        Memory bandwidth [TB/s] and the share of it that attention reaches [1].
    service_group_batch, service_decode_score_flops, service_tp : array_like
        Sequences of a group [1], arithmetic of one [FLOP], devices that share it [1].
    service_score_rate : array_like
        Rate of attention's arithmetic [FLOP/s].

    Returns
    -------
    ndarray
        Time [s].

    References
    ----------
    .. [1] Dao et al. (2023), Flash-Decoding for long-context inference.
    """
    reading = service_cache_bytes / (service_memory_tb_s * 1e12 * service_cache_share)
    work = service_group_batch * service_decode_score_flops / service_tp
    return smooth_max(reading, work / service_score_rate, HIDING)


def pass_s(
    tokens: Array | float, wait_s: Array, token_s: Array, pipeline: Array | float = 0.0
) -> Array:
    """Time of a pass's collectives: of a start, and of its tokens, see `transfer_s` [s]."""
    return transfer_s(tokens * token_s, 1.0, wait_s, pipeline)


@rule(
    "service_decode_links_s",
    formula="wait + T + 2 * service_reduce_pipeline * sqrt(wait * T), wait = service_reduce_wait_s,"
    " T = service_group_batch * service_reduce_token_s",
    reference="Sanders et al. 2009, Two-tree algorithms; measured by ai-dynamo/aiconfigurator",
)
def service_decode_links_s(
    service_group_batch: Array,
    service_reduce_wait_s: Array,
    service_reduce_token_s: Array,
    service_reduce_pipeline: Array,
) -> Array:
    """All-reduces of a step [s]."""
    return pass_s(
        service_group_batch, service_reduce_wait_s, service_reduce_token_s, service_reduce_pipeline
    )


@rule(
    "service_decode_exchange_s",
    formula="service_exchange_wait_s + service_group_batch / service_tp * service_exchange_token_s",
    reference="DeepSeek-AI, DeepEP",
)
def service_decode_exchange_s(
    service_exchange_wait_s: Array,
    service_group_batch: Array,
    service_tp: Array,
    service_exchange_token_s: Array,
) -> Array:
    """Tokens of a step on their way to experts and back [s]."""
    tokens = service_group_batch / service_tp
    return pass_s(tokens, service_exchange_wait_s, service_exchange_token_s)


@rule(
    "service_device_step_s",
    formula="compute + service_decode_exchange_s - service_overlap * min(of the two),"
    " compute = service_products_s + service_attention_s + service_decode_links_s + service_launch_s",
    reference="DeepSeek-AI 2025, open-source week: DeepSeek-V3/R1 inference system overview",
)
def service_device_step_s(
    service_products_s: Array,
    service_attention_s: Array,
    service_decode_links_s: Array,
    service_launch_s: Array,
    service_decode_exchange_s: Array,
    service_overlap: Array,
) -> Array:
    """Time that the devices take for a step; two half batches can hide each other's exchange [s]."""
    compute = service_products_s + service_attention_s + service_decode_links_s + service_launch_s
    hidden = service_overlap * np.minimum(compute, service_decode_exchange_s)
    return compute + service_decode_exchange_s - hidden


@rule(
    "service_host_s",
    formula="service_step_s + service_sequence_s * service_group_batch",
    reference="serving profiles of the catalog",
)
def service_host_s(
    service_step_s: Array, service_sequence_s: Array, service_group_batch: Array
) -> Array:
    """Time of a step in which devices wait for the host: schedule, sample, detokenize [s]."""
    return service_step_s + service_sequence_s * service_group_batch
