"""Prompts: read in chunks that keep the products busy."""

from __future__ import annotations

from llmcost.engine.chain import Array, rule
from llmcost.engine.kernels.products import smooth_max
from llmcost.engine.service.decode import HIDING, pass_s

#: Prompt tokens of a group that go through the model at a time; servers take 2 to 16 thousand.
CHUNK_TOKENS = 4096.0


@rule(
    "service_chunk_bytes",
    formula="service_dense_bytes + experts * service_expert_bytes",
    reference="Agrawal et al. 2023, arXiv:2308.16369 (chunked prefill)",
)
def service_chunk_bytes(
    service_dense_bytes: Array, experts: Array, service_expert_bytes: Array
) -> Array:
    """Weights that a device reads for a chunk of prompts, all experts included [B]."""
    return service_dense_bytes + experts * service_expert_bytes


@rule(
    "service_chunk_s",
    formula="hypot(4096 * service_dense_token_s, reading) + the same of experts"
    " + all-reduces + exchange with experts + service_launch_s",
    reference="Agrawal et al. 2023, arXiv:2308.16369; Pope et al. 2022, arXiv:2211.05102",
)
def service_chunk_s(
    service_groups: Array,
    service_tp: Array,
    service_weight_rate: Array,
    service_dense_token_s: Array,
    service_dense_bytes: Array,
    service_expert_token_s: Array,
    experts: Array,
    service_expert_bytes: Array,
    service_reduce_wait_s: Array,
    service_reduce_token_s: Array,
    service_reduce_pipeline: Array,
    service_exchange_wait_s: Array,
    service_exchange_token_s: Array,
    service_launch_s: Array,
) -> Array:
    """Time of a chunk of prompts in every group of a replica, without attention.

    Parameters
    ----------
    service_groups, service_tp : array_like
        Groups of a replica, each with a chunk, and devices of a group [1].
    service_weight_rate : array_like
        Rate of reading weights [B/s].
    service_dense_token_s, service_expert_token_s : array_like
        Arithmetic of a token in dense blocks and in experts [s].
    service_dense_bytes, experts, service_expert_bytes : array_like
        Weights of dense blocks [B], experts [1] and a device's share of one in each layer [B].
    service_reduce_wait_s, service_reduce_token_s, service_reduce_pipeline : array_like
        All-reduces: latency, time of a token, weight of their product; see `transfer_s`.
    service_exchange_wait_s, service_exchange_token_s : array_like
        Exchange with experts: latency and time of a token [s].
    service_launch_s : array_like
        Starts of kernels [s].

    Returns
    -------
    ndarray
        Time [s].

    References
    ----------
    .. [1] Agrawal et al. (2023), arXiv:2308.16369.
    """
    dense = smooth_max(
        CHUNK_TOKENS * service_dense_token_s, service_dense_bytes / service_weight_rate, HIDING
    )
    spread = smooth_max(
        CHUNK_TOKENS * service_groups * service_expert_token_s,
        experts * service_expert_bytes / service_weight_rate,
        HIDING,
    )
    links = pass_s(
        CHUNK_TOKENS, service_reduce_wait_s, service_reduce_token_s, service_reduce_pipeline
    )
    exchange = pass_s(CHUNK_TOKENS / service_tp, service_exchange_wait_s, service_exchange_token_s)
    return dense + spread + links + exchange + service_launch_s


@rule(
    "service_prefill_token_s",
    formula="(service_chunk_s / 4096 + service_prefill_score_flops / service_tp / service_score_rate)"
    " / service_groups",
    reference="Agrawal et al. 2023, arXiv:2308.16369",
)
def service_prefill_token_s(
    service_chunk_s: Array,
    service_prefill_score_flops: Array,
    service_tp: Array,
    service_score_rate: Array,
    service_groups: Array,
) -> Array:
    """Time of a replica for a prompt token [s].

    Parameters
    ----------
    service_chunk_s : array_like
        Time of a chunk of 4,096 tokens in each group [s].
    service_prefill_score_flops, service_tp, service_score_rate : array_like
        Arithmetic of its attention [FLOP], devices that share it [1], their rate [FLOP/s].
    service_groups : array_like
        Groups that read prompts side by side [1].

    Returns
    -------
    ndarray
        Time [s].
    """
    scores = service_prefill_score_flops / service_tp / service_score_rate
    return (service_chunk_s / CHUNK_TOKENS + scores) / service_groups
