"""What the training software does, where the scenario does not say, and the constants that follow."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array, rule

_DAO = "Dao et al. 2022, arXiv:2205.14135; Dao 2023, arXiv:2307.08691"


# Where the scenario names the software, the constants of its profile are given twice, and this choice is none.
@rule(
    "fsdp",
    formula="1 for zero2 and zero3 without sequence parallelism, else 0",
    reference="PyTorch FSDP documentation",
)
def fsdp(sequence_parallel: Array, sharding: Array) -> Array:
    """Whether a layout looks like that of PyTorch's FSDP, which then trains where nothing else is said [1].

    Other layouts are those of the software that the accelerator's family trains with.
    """
    return np.where((sharding > 1) & (sequence_parallel == 0), 1.0, 0.0)


@rule(
    "fused_attention",
    formula="0 for selective recompute, and for full recompute of unsharded replicas without sequence"
    " parallelism (Megatron-LM of 2021); else 1, unless training.fused_attention says",
    reference=_DAO,
)
def fused_attention(
    recompute_level: Array, sharding: Array, sequence_parallel: Array, fused_era: Array
) -> Array:
    """Whether attention scores stay on the chip (FlashAttention), where nothing says [1].

    Selective recompute throws away stored scores, which fused attention never stores; layouts
    without sequence parallelism that recompute whole layers are those of the time before it.
    `fused_era` is 0 for accelerators that the fused kernels came too late for.
    """
    before = (recompute_level == 1) | (
        (recompute_level > 1) & (sequence_parallel == 0) & (sharding < 2)
    )
    return np.where(before & (fused_era < 2), 0.0, np.where(fused_era > 0, 1.0, 0.0))


@rule(
    "matmul_share",
    formula="that of the software's profile (fsdp_matmul_share or family_matmul_share, by fsdp) * precision_factor",
    reference="calibrated, benchmarks/calibrate.py",
)
def matmul_share(
    fsdp: Array, fsdp_matmul_share: Array, family_matmul_share: Array, precision_factor: Array
) -> Array:
    """Share of the matmul ceiling that products inside a step reach [1].

    `precision_factor` is what 8 and 4 bits keep of it: scaling factors, casts, thinner tiles.
    """
    return np.where(fsdp > 0, fsdp_matmul_share, family_matmul_share) * precision_factor


@rule(
    "attention_share",
    formula="that of the software's profile: fsdp_attention_share or family_attention_share, by fsdp",
    reference="calibrated, benchmarks/calibrate.py",
)
def attention_share(
    fsdp: Array, fsdp_attention_share: Array, family_attention_share: Array
) -> Array:
    """Share of the peak that fused attention reaches [1]."""
    return np.where(fsdp > 0, fsdp_attention_share, family_attention_share)


@rule(
    "elementwise_factor",
    formula="that of the software's profile: fsdp_elementwise_factor or family_elementwise_factor, by fsdp",
    reference="calibrated, benchmarks/calibrate.py",
)
def elementwise_factor(
    fsdp: Array, fsdp_elementwise_factor: Array, family_elementwise_factor: Array
) -> Array:
    """Bytes that element-wise kernels move over those of perfect fusion [1]."""
    return np.where(fsdp > 0, fsdp_elementwise_factor, family_elementwise_factor)


@rule(
    "tensor_exposure",
    formula="that of the software's profile: fsdp_tensor_exposure or family_tensor_exposure, by fsdp",
    reference="calibrated, benchmarks/calibrate.py",
)
def tensor_exposure(
    fsdp: Array, fsdp_tensor_exposure: Array, family_tensor_exposure: Array
) -> Array:
    """Share of tensor-parallel communication that computation does not hide [1]."""
    return np.where(fsdp > 0, fsdp_tensor_exposure, family_tensor_exposure)
