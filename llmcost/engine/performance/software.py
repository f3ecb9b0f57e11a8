"""What the training software does, where the scenario does not say, and the constants that follow."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array, rule

_DAO = "Dao et al. 2022, arXiv:2205.14135; Dao 2023, arXiv:2307.08691"


@rule(
    "software",
    formula="0 (PyTorch) for zero2 and zero3 without sequence parallelism; else what the hardware's family"
    " trains with: 1 Megatron-LM until Ampere, 2 Transformer Engine from Hopper on, 3 XLA on TPUs",
    reference="PyTorch FSDP, Megatron-LM, NVIDIA Transformer Engine, MaxText documentation",
)
def software(sequence_parallel: Array, sharding: Array, family_software: Array) -> Array:
    """Software that trains, where nothing says: 0 PyTorch, 1 Megatron-LM, 2 Transformer Engine, 3 XLA [1].

    Transformer Engine came with Hopper; it fuses element-wise work and hides tensor-parallel
    communication under the products, as XLA does.
    """
    plain = (sharding > 1) & (sequence_parallel == 0) & (family_software < 3)
    return np.where(plain, 0.0, family_software)


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
    formula="(tuned_matmul_share with Transformer Engine or XLA, else plain_matmul_share) * precision_factor",
    reference="calibrated, benchmarks/calibrate.py",
)
def matmul_share(
    plain_matmul_share: Array,
    tuned_matmul_share: Array,
    precision_factor: Array,
    software: Array,
) -> Array:
    """Share of the matmul ceiling that products inside a step reach [1].

    `precision_factor` is what 8 and 4 bits keep of it: scaling factors, casts, thinner tiles.
    """
    return np.where(software > 1, tuned_matmul_share, plain_matmul_share) * precision_factor


@rule(
    "attention_share",
    formula="tuned_attention_share with Transformer Engine or XLA, else plain_attention_share",
    reference="calibrated, benchmarks/calibrate.py",
)
def attention_share(
    plain_attention_share: Array, tuned_attention_share: Array, software: Array
) -> Array:
    """Share of the peak that fused attention reaches [1]."""
    return np.where(software > 1, tuned_attention_share, plain_attention_share)


@rule(
    "elementwise_factor",
    formula="tuned_elementwise_factor with Transformer Engine or XLA, else that of Megatron-LM or PyTorch",
    reference="calibrated, benchmarks/calibrate.py",
)
def elementwise_factor(
    pytorch_elementwise_factor: Array,
    megatron_elementwise_factor: Array,
    tuned_elementwise_factor: Array,
    software: Array,
) -> Array:
    """Bytes that element-wise kernels move over those of perfect fusion [1]."""
    plain = np.where(software > 0, megatron_elementwise_factor, pytorch_elementwise_factor)
    return np.where(software > 1, tuned_elementwise_factor, plain)


@rule(
    "tensor_exposure",
    formula="tuned_tensor_exposure with Transformer Engine or XLA, else plain_tensor_exposure",
    reference="calibrated, benchmarks/calibrate.py",
)
def tensor_exposure(
    plain_tensor_exposure: Array, tuned_tensor_exposure: Array, software: Array
) -> Array:
    """Share of tensor-parallel communication that computation does not hide [1]."""
    return np.where(software > 1, tuned_tensor_exposure, plain_tensor_exposure)
