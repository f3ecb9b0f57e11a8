"""What a replica holds, and the sequences that there is room for."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array, rule

_KWON = "Kwon et al. 2023, arXiv:2309.06180"
#: Bytes of a number of the embedding and the output head, which stay in 16 bits.
WIDE_BYTES = 2.0
#: Share of the memory that weights may take where a replica's devices are not given.
MOST_WEIGHTS = 0.65


@rule(
    "service_model_gb",
    formula="((service_dense_params + moe_layers * experts * expert_params) * service_weight_bytes"
    " + vocab_size * hidden_size * (2 - tied_embeddings) * 2) / 1e9",
    reference="Pope et al. 2022, arXiv:2211.05102",
)
def service_model_gb(
    service_dense_params: Array,
    moe_layers: Array,
    experts: Array,
    expert_params: Array,
    service_weight_bytes: Array,
    vocab_size: Array,
    hidden_size: Array,
    tied_embeddings: Array,
) -> Array:
    """One copy of the model; embedding and head stay in 16 bits [GB]."""
    weights = service_dense_params + moe_layers * experts * expert_params
    ends = vocab_size * hidden_size * (2 - tied_embeddings) * WIDE_BYTES
    return (weights * service_weight_bytes + ends) / 1e9


@rule(
    "devices_per_replica",
    formula="the smallest power of two on which service_model_gb takes at most 65 % of the memory",
    reference="layouts of MLPerf Inference v5.1 and of TensorRT-LLM's performance overview",
)
def devices_per_replica(service_model_gb: Array, service_memory_gb: Array) -> Array:
    """Devices of a replica where none are given: the fewest that leave room for a cache [1]."""
    need = np.maximum(service_model_gb / (MOST_WEIGHTS * service_memory_gb), 1.0)
    return np.exp2(np.ceil(np.log2(need)))


@rule(
    "service_tp",
    formula="min(devices_per_replica, service_node)",
    reference="Shoeybi et al. 2019, arXiv:1909.08053: tensor parallelism inside a node",
)
def service_tp(devices_per_replica: Array, service_node: Array) -> Array:
    """Tensor-parallel devices where none are given: all of a replica's that share a node [1]."""
    return np.minimum(devices_per_replica, service_node)


@rule(
    "service_ep",
    formula="devices_per_replica, 1 where tensor parallelism takes all of them or without experts",
    reference="Rajbhandari et al. 2022, arXiv:2201.05596",
)
def service_ep(devices_per_replica: Array, service_tp: Array, moe_layers: Array) -> Array:
    """Devices that experts are spread over where nothing else is said [1]."""
    spread = (moe_layers > 0) & (devices_per_replica > service_tp)
    return np.where(spread, devices_per_replica, 1.0)


@rule(
    "service_groups",
    formula="devices_per_replica / service_tp",
    reference="attention by data parallelism; Huang et al. 2018, arXiv:1811.06965 (stages)",
)
def service_groups(devices_per_replica: Array, service_tp: Array) -> Array:
    """Groups of tp devices of a replica, each with its own sequences at a time [1].

    In a mixture of experts each holds attention and dense blocks in full and shares the experts.
    A dense model is cut into as many stages: a group then works on its share of the sequences and
    of the layers, which takes as long as all layers of as many sequences in all groups.
    """
    return devices_per_replica / service_tp


@rule(
    "service_expert_shards",
    formula="min(max(service_ep, service_tp), devices_per_replica)",
    reference="Rajbhandari et al. 2022, arXiv:2201.05596",
)
def service_expert_shards(
    service_ep: Array, service_tp: Array, devices_per_replica: Array
) -> Array:
    """Devices that one copy of the experts is spread over, whole or cut by tensor parallelism [1]."""
    return np.minimum(np.maximum(service_ep, service_tp), devices_per_replica)


@rule(
    "service_dense_shards",
    formula="service_tp with experts, devices_per_replica without",
    reference="attention by data parallelism; Huang et al. 2018, arXiv:1811.06965 (stages)",
)
def service_dense_shards(service_tp: Array, devices_per_replica: Array, moe_layers: Array) -> Array:
    """Devices that one copy of attention and dense blocks is spread over [1]."""
    return np.where(moe_layers > 0, service_tp, devices_per_replica)


@rule(
    "service_weights_gb",
    formula="((service_dense_params * service_weight_bytes + vocab_size * hidden_size"
    " * (2 - tied_embeddings) * 2) / service_dense_shards + moe_layers * experts * expert_params"
    " * service_weight_bytes / service_expert_shards) / 1e9",
    reference="Pope et al. 2022, arXiv:2211.05102",
)
def service_weights_gb(
    service_dense_params: Array,
    service_weight_bytes: Array,
    vocab_size: Array,
    hidden_size: Array,
    tied_embeddings: Array,
    service_dense_shards: Array,
    moe_layers: Array,
    experts: Array,
    expert_params: Array,
    service_expert_shards: Array,
) -> Array:
    """Weights on one device of a replica; embedding and head stay in 16 bits [GB].

    Parameters
    ----------
    service_dense_params : array_like
        Weights of the blocks without the router's experts [1].
    service_weight_bytes : array_like
        Bytes of a weight, the scales of its block included [B].
    vocab_size, hidden_size, tied_embeddings : array_like
        Size of embedding and head, and 1 where they are one [1].
    service_dense_shards, service_expert_shards : array_like
        Devices that share the former, and those that share the experts [1].
    moe_layers, experts, expert_params : array_like
        Layers with experts, experts of each, weights of one [1].

    Returns
    -------
    ndarray
        Memory [GB].
    """
    ends = vocab_size * hidden_size * (2 - tied_embeddings) * WIDE_BYTES
    dense = (service_dense_params * service_weight_bytes + ends) / service_dense_shards
    spread = moe_layers * experts * expert_params * service_weight_bytes / service_expert_shards
    return (dense + spread) / 1e9


@rule(
    "service_kv_shards",
    formula="min(service_tp, kv_heads), 1 with latent attention",
    reference="Ainslie et al. 2023, arXiv:2305.13245; DeepSeek-AI 2024, arXiv:2405.04434",
)
def service_kv_shards(service_tp: Array, kv_heads: Array, kv_lora_rank: Array) -> Array:
    """Devices of a group that share a sequence's keys and values; the others hold copies [1]."""
    return np.where(kv_lora_rank > 0, 1.0, np.minimum(service_tp, kv_heads))


@rule(
    "service_most_sequences",
    formula="devices_per_replica * (service_memory_gb * service_memory_share - service_weights_gb)"
    " * 1e9 / (service_kv_bytes_per_sequence * service_tp / service_kv_shards)",
    reference=_KWON,
)
def service_most_sequences(
    devices_per_replica: Array,
    service_memory_gb: Array,
    service_memory_share: Array,
    service_weights_gb: Array,
    service_kv_bytes_per_sequence: Array,
    service_tp: Array,
    service_kv_shards: Array,
) -> Array:
    """Sequences that a replica has room for, NaN where the weights alone leave none.

    Parameters
    ----------
    devices_per_replica, service_tp, service_kv_shards : array_like
        Devices of a replica, of a group, and those that share a sequence's cache [1].
    service_memory_gb, service_memory_share : array_like
        Memory of a device [GB] and the share of it that weights and cache may take [1].
    service_weights_gb : array_like
        Weights on a device [GB].
    service_kv_bytes_per_sequence : array_like
        Cache of a sequence at its mean context [B]; pages leave no gaps.

    Returns
    -------
    ndarray
        Sequences [1].

    References
    ----------
    .. [1] Kwon et al. (2023), arXiv:2309.06180 (paged attention).
    """
    free = service_memory_gb * service_memory_share - service_weights_gb
    held = service_kv_bytes_per_sequence * service_tp / service_kv_shards
    room = devices_per_replica * free * 1e9 / held
    return np.where(room >= 1, room, np.nan)


@rule(
    "service_wanted_batch",
    formula="service_default_sequences * service_groups",
    reference="serving profiles of the catalog",
)
def service_wanted_batch(service_default_sequences: Array, service_groups: Array) -> Array:
    """Sequences that software takes where nothing else is said [1]."""
    return service_default_sequences * service_groups


@rule(
    "service_batch",
    formula="min(service_wanted_batch, service_most_sequences)",
    reference=_KWON,
)
def service_batch(service_wanted_batch: Array, service_most_sequences: Array) -> Array:
    """Sequences in flight a replica: what is asked for, or all that there is room for [1]."""
    return np.minimum(service_wanted_batch, service_most_sequences)
