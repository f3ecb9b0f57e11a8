"""A layer and micro-batch on a device: its passes and its host."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array, rule
from llmcost.engine.papers import KORTHIKANTI, ROOFLINE


@rule(
    "passes",
    formula="3, and for full recompute 1 more, or 2/3 where sharded replicas recompute (zero2, zero3)",
    reference=f"{KORTHIKANTI}; PyTorch checkpoint, which stops before the last product of a layer",
)
def passes(recompute_level: Array, sharding: Array) -> Array:
    """Forwards that a layer is worth: 1 forward, 2 backward, 1 recomputed.

    PyTorch's non-reentrant checkpoint, which FSDP uses, stops recomputing at the last tensor
    that the backward pass needs, so a layer's last product is not done again.
    """
    again = np.where(sharding > 1, 2 / 3, 1.0)
    return np.where(recompute_level > 1, 3 + again, 3.0)


@rule(
    "layer_s",
    formula="busy = passes * (layer_matmul_s + layer_elementwise_s) + attention_s; max(busy, launch_s), or"
    " busy + synchronous_launch_s with synchronous launches",
    reference=ROOFLINE,
)
def layer_s(
    passes: Array,
    layer_matmul_s: Array,
    layer_elementwise_s: Array,
    attention_s: Array,
    launch_s: Array,
    synchronous_launch_s: Array,
    synchronous_launch: Array,
) -> Array:
    """Arithmetic and memory traffic of a layer and micro-batch, all passes.

    A host cannot issue the kernels of a layer and micro-batch faster than `launch_s`; it
    issues them while the device works, unless it must wait for each (CUDA_LAUNCH_BLOCKING),
    which takes `synchronous_launch_s` more [s].
    """
    busy = passes * (layer_matmul_s + layer_elementwise_s) + attention_s
    return np.where(synchronous_launch > 0, busy + synchronous_launch_s, np.maximum(busy, launch_s))
