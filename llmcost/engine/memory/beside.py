"""What a device's memory holds beside the tensors: the allocator's reserve, the context with its libraries."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array, rule

_ALLOCATOR = "PyTorch, CUDA semantics (memory management); CUDACachingAllocator.cpp"
_NCCL = "NVIDIA/nccl issues 964, 1685; LUMI-AI-Guide issue 111"
#: Share of a layer's work in the backward pass that its forward pass holds: tensors without their gradients.
_FORWARD_SHARE = 0.5
#: Devices with which an exchange keeps channels of its own; beyond them they share.
_EXCHANGE_PEERS = 7.0


@rule(
    "idle_bytes",
    formula="where caching_allocator: half of working_bytes (a layer's forward pass), at most logit_bytes, where the fullest"
    " stage has the loss; the embedding's gradient, at most working_bytes, on the first of several;"
    " (gathered_bytes + reduced_bytes) layer_device_params with zero3; step_bytes * peak_own_params, 1e9 bucket_gb where gradients"
    " are reduced; else 0",
    reference=f"{_ALLOCATOR}; verl pull request 3020 (streams of FSDP2); DeepSpeed, zero/stage_1_and_2.py",
)
def idle_bytes(
    caching_allocator: Array,
    working_bytes: Array,
    logit_bytes: Array,
    activation_width: Array,
    peak_table_params: Array,
    fullest_stage: Array,
    pp: Array,
    dp: Array,
    cp: Array,
    sharding: Array,
    trains_base: Array,
    gathered_bytes: Array,
    reduced_bytes: Array,
    layer_device_params: Array,
    step_bytes: Array,
    bucket_gb: Array,
    peak_own_params: Array,
) -> Array:
    """Memory that the allocator keeps for another moment of the step.

    Blocks of one moment do not serve another whose tensors are larger: the smaller of two buffers that are never
    there at once lies beside the larger, which the ledger counts.

    Parameters
    ----------
    caching_allocator : array_like
        1 where freed blocks are kept, and serve requests that they are large enough for [1].
    working_bytes, logit_bytes : array_like
        Buffers of the layer at work and of the loss, of which the ledger has the larger [B].
    activation_width, peak_table_params : array_like
        Bytes of a weight's gradient [B] as the backward pass makes it, and weights of the embedding, the largest [1].
    fullest_stage, pp, dp, cp : array_like
        0 for the first stage, 2 for the last, how many there are, and replicas that sum gradients [1].
    sharding, trains_base, gathered_bytes, reduced_bytes, layer_device_params : array_like
        With zero3 what is gathered and what is reduced is made on streams of their own, whose blocks no other
        stream takes: a layer's, gathered and to be reduced [1], [B].
    step_bytes, bucket_gb, peak_own_params : array_like
        Bytes that the optimizer's step takes a parameter of the device's own, and buckets through which gradients
        are reduced, in blocks larger than those that activations left [B], [GB], [1].

    Returns
    -------
    ndarray
        Memory [B]. It goes back to the device when nothing else is left.
    """
    layer = np.minimum(_FORWARD_SHARE * working_bytes, logit_bytes)
    embedding = np.minimum(activation_width * trains_base * peak_table_params, working_bytes)
    found = np.where((pp <= 1) | (fullest_stage > 1), layer, embedding * (fullest_stage < 1))
    layerwise = caching_allocator * (gathered_bytes + reduced_bytes * trains_base)
    streams = layerwise * layer_device_params * (sharding > 2)
    step = caching_allocator * step_bytes * peak_own_params
    bucket = caching_allocator * 1e9 * bucket_gb * (dp * cp > 1)
    return caching_allocator * found + streams + step + bucket


@rule(
    "fragment_gb",
    formula="fragment_share * (memory_activations_gb + memory_buffers_gb)",
    reference=f"{_ALLOCATOR}; Guo et al. 2024, arXiv:2401.08156",
)
def fragment_gb(
    fragment_share: Array, memory_activations_gb: Array, memory_buffers_gb: Array
) -> Array:
    """Gaps between blocks in use [GB]: of what comes and goes, states stay."""
    return fragment_share * (memory_activations_gb + memory_buffers_gb)


@rule(
    "memory_context_gb",
    formula="context_gb + loaded_kernels_gb + communicator_gb * communicators (one for each of tp, cp, pp and the replicas, one for"
    " all devices where several are) + exchange_peer_gb * min(ep * expert_tp - 1, 7) with experts on several devices",
    reference=f"{_NCCL}; BigScience, chronicles-prequel (CUDA kernels)",
)
def memory_context_gb(
    context_gb: Array,
    loaded_kernels_gb: Array,
    communicator_gb: Array,
    exchange_peer_gb: Array,
    tp: Array,
    pp: Array,
    cp: Array,
    dp: Array,
    ep: Array,
    expert_tp: Array,
) -> Array:
    """CUDA's context, loaded kernels and NCCL's buffers.

    Parameters
    ----------
    context_gb, loaded_kernels_gb : array_like
        Context of a process on a device, and kernels of the libraries that it loads [GB].
    communicator_gb, exchange_peer_gb : array_like
        Buffers of a communicator's channels, and of an exchange with one other device [GB].
    tp, pp, cp, dp, ep, expert_tp : array_like
        The layout: each group of several devices has a communicator [1].

    Returns
    -------
    ndarray
        Memory [GB].

    References
    ----------
    .. [1] NVIDIA/nccl, issue 864: each communicator has buffers of its own, by channels and not by devices.
    """
    kinds = 0.0 + (tp > 1) + (pp > 1) + (cp > 1) + (dp > 1)
    communicators = kinds + (kinds > 1)
    peers = np.minimum(ep * expert_tp - 1, _EXCHANGE_PEERS) * (ep > 1)
    buffers = communicator_gb * communicators + exchange_peer_gb * peers
    return np.asarray(context_gb + loaded_kernels_gb + buffers)


@rule(
    "least_fragment_gb",
    formula="expandable_share * (memory_activations_gb + memory_buffers_gb), at most fragment_gb",
    reference=f"{_ALLOCATOR}: expandable segments, since 2.1",
)
def least_fragment_gb(
    expandable_share: Array,
    fragment_gb: Array,
    memory_activations_gb: Array,
    memory_buffers_gb: Array,
) -> Array:
    """Gaps that are left where memory is short, and a run therefore sets expandable segments [GB]."""
    return np.minimum(fragment_gb, expandable_share * (memory_activations_gb + memory_buffers_gb))


@rule(
    "memory_reserve_gb",
    formula="fragment_gb + idle_bytes / 1e9, beyond least_fragment_gb at most what usable_memory_gb leaves",
    reference=_ALLOCATOR,
)
def memory_reserve_gb(
    fragment_gb: Array,
    least_fragment_gb: Array,
    idle_bytes: Array,
    usable_memory_gb: Array,
    memory_gb_per_device: Array,
    memory_context_gb: Array,
) -> Array:
    """What the allocator holds beyond the tensors [GB]: before it runs out it returns the blocks that are idle."""
    left = usable_memory_gb - memory_gb_per_device - memory_context_gb - least_fragment_gb
    more = fragment_gb - least_fragment_gb + idle_bytes / 1e9
    return least_fragment_gb + np.minimum(more, np.maximum(left, 0.0))


@rule(
    "memory_in_use_gb_per_device",
    formula="memory_gb_per_device + memory_reserve_gb + memory_context_gb",
    reference="sum over parts: what nvidia-smi shows",
)
def memory_in_use_gb_per_device(
    memory_gb_per_device: Array, memory_reserve_gb: Array, memory_context_gb: Array
) -> Array:
    """Memory of the fullest device that is taken: tensors, the allocator's reserve, context and libraries [GB]."""
    return memory_gb_per_device + memory_reserve_gb + memory_context_gb
