"""Weights and cache that a device reads, and how fast it reads and multiplies."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array, rule
from llmcost.engine.service.memory import WIDE_BYTES

_POPE = "Pope et al. 2022, arXiv:2211.05102"
_ROOFLINE = "Williams et al. 2009 (roofline); Pope et al. 2022, arXiv:2211.05102"


@rule(
    "service_group_batch",
    formula="service_batch / service_groups",
    reference="attention by data parallelism",
)
def service_group_batch(service_batch: Array, service_groups: Array) -> Array:
    """Sequences in flight a tensor-parallel group [1]."""
    return service_batch / service_groups


@rule(
    "service_dense_bytes",
    formula="service_dense_params * service_weight_bytes / service_tp",
    reference=_POPE,
)
def service_dense_bytes(
    service_dense_params: Array, service_weight_bytes: Array, service_tp: Array
) -> Array:
    """Weights of attention and dense blocks that a device reads in a pass [B]."""
    return service_dense_params * service_weight_bytes / service_tp


@rule(
    "service_head_bytes",
    formula="vocab_size * hidden_size * 2 / service_tp",
    reference=_POPE,
)
def service_head_bytes(vocab_size: Array, hidden_size: Array, service_tp: Array) -> Array:
    """Weights of the output head that a device reads in a step, in 16 bits [B]."""
    return vocab_size * hidden_size * WIDE_BYTES / service_tp


@rule(
    "service_expert_bytes",
    formula="moe_layers * expert_params * service_weight_bytes / service_expert_shards",
    reference=_POPE,
)
def service_expert_bytes(
    moe_layers: Array,
    expert_params: Array,
    service_weight_bytes: Array,
    service_expert_shards: Array,
) -> Array:
    """A device's share of the weights of one expert in each layer [B]."""
    return moe_layers * expert_params * service_weight_bytes / service_expert_shards


@rule(
    "service_experts_touched",
    formula="experts * (1 - (1 - experts_per_token / experts) ** (service_batch"
    " * service_expert_shards / devices_per_replica))",
    reference="a router that spreads tokens evenly",
)
def service_experts_touched(
    experts: Array,
    experts_per_token: Array,
    service_batch: Array,
    service_expert_shards: Array,
    devices_per_replica: Array,
) -> Array:
    """Experts of a layer that at least one sequence of a step visits, on average.

    Parameters
    ----------
    experts, experts_per_token : array_like
        Experts of a layer and those that a token visits [1].
    service_batch : array_like
        Sequences in flight a replica [1].
    service_expert_shards, devices_per_replica : array_like
        Devices of one copy of the experts, and of the replica: copies share the sequences [1].

    Returns
    -------
    ndarray
        Experts whose weights are read in a step [1], 0 without experts.
    """
    visited = np.minimum(experts_per_token / np.maximum(experts, 1.0), 1.0)
    tokens = service_batch * service_expert_shards / devices_per_replica
    return np.asarray(experts * (1 - np.power(1 - visited, tokens)))


@rule(
    "service_cache_bytes",
    formula="service_group_batch * service_kv_bytes_per_sequence / service_kv_shards",
    reference=_POPE,
)
def service_cache_bytes(
    service_group_batch: Array, service_kv_bytes_per_sequence: Array, service_kv_shards: Array
) -> Array:
    """Keys and values that a device reads in a step [B]."""
    return service_group_batch * service_kv_bytes_per_sequence / service_kv_shards


@rule(
    "service_step_bytes",
    formula="service_dense_bytes + service_head_bytes + service_experts_touched"
    " * service_expert_bytes + service_cache_bytes",
    reference=_POPE,
)
def service_step_bytes(
    service_dense_bytes: Array,
    service_head_bytes: Array,
    service_experts_touched: Array,
    service_expert_bytes: Array,
    service_cache_bytes: Array,
) -> Array:
    """All that a device reads in a step [B]."""
    experts = service_experts_touched * service_expert_bytes
    return service_dense_bytes + service_head_bytes + experts + service_cache_bytes


@rule(
    "service_weight_rate",
    formula="service_memory_tb_s * 1e12 * service_weight_share",
    reference=_ROOFLINE,
)
def service_weight_rate(service_memory_tb_s: Array, service_weight_share: Array) -> Array:
    """Rate at which products read weights [B/s]."""
    return service_memory_tb_s * 1e12 * service_weight_share


@rule(
    "service_product_rate",
    formula="service_peak_flops * service_product_efficiency * service_product_share",
    reference="ai-dynamo/aiconfigurator, measured products",
)
def service_product_rate(
    service_peak_flops: Array, service_product_efficiency: Array, service_product_share: Array
) -> Array:
    """Rate of products in the precision of the service [FLOP/s].

    Parameters
    ----------
    service_peak_flops : array_like
        Dense peak of the format that products run in [FLOP/s].
    service_product_efficiency : array_like
        Share of it that a large product reaches on its own [1].
    service_product_share : array_like
        Share of that which is left inside a pass: norms, casts and gaps between kernels [1].

    Returns
    -------
    ndarray
        Rate [FLOP/s].
    """
    return service_peak_flops * service_product_efficiency * service_product_share


@rule(
    "service_wide_rate",
    formula="service_half_peak_flops * service_half_efficiency * service_product_share",
    reference="ai-dynamo/aiconfigurator, measured products",
)
def service_wide_rate(
    service_half_peak_flops: Array, service_half_efficiency: Array, service_product_share: Array
) -> Array:
    """Rate of products in 16 bits, those of the output head [FLOP/s]."""
    return service_half_peak_flops * service_half_efficiency * service_product_share


@rule(
    "service_score_rate",
    formula="service_half_peak_flops * service_attention_efficiency",
    reference="ai-dynamo/aiconfigurator, measured attention",
)
def service_score_rate(
    service_half_peak_flops: Array, service_attention_efficiency: Array
) -> Array:
    """Rate of attention, in 16 bits [FLOP/s]."""
    return service_half_peak_flops * service_attention_efficiency


@rule(
    "service_dense_token_s",
    formula="2 * service_dense_params / service_tp / service_product_rate",
    reference=_ROOFLINE,
)
def service_dense_token_s(
    service_dense_params: Array, service_tp: Array, service_product_rate: Array
) -> Array:
    """Arithmetic of a token in attention's products and dense blocks [s]."""
    return 2 * service_dense_params / service_tp / service_product_rate


@rule(
    "service_expert_token_s",
    formula="2 * moe_layers * experts_per_token * expert_params / devices_per_replica"
    " / service_product_rate",
    reference=_ROOFLINE,
)
def service_expert_token_s(
    moe_layers: Array,
    experts_per_token: Array,
    expert_params: Array,
    devices_per_replica: Array,
    service_product_rate: Array,
) -> Array:
    """Arithmetic of a replica's token in its experts, spread over all devices [s]."""
    work = 2 * moe_layers * experts_per_token * expert_params
    return work / devices_per_replica / service_product_rate


@rule(
    "service_launch_s",
    formula="service_layer_s * service_blocks / 2 + service_expert_layer_s * moe_layers",
    reference="serving profiles of the catalog",
)
def service_launch_s(
    service_layer_s: Array, service_blocks: Array, service_expert_layer_s: Array, moe_layers: Array
) -> Array:
    """Time of a pass that no work explains: starts of kernels, small ones, routers [s]."""
    return service_layer_s * service_blocks / 2 + service_expert_layer_s * moe_layers
