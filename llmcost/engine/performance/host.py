"""The host, which issues a layer's kernels: where they are short, the device waits for it."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array, rule

_ASYNCHRONOUS = "PyTorch documentation: CUDA semantics, asynchronous execution; CUDA graphs"


@rule(
    "host_issue_s",
    formula="(kernels_per_layer + in layers with experts expert_kernels + kernels_per_expert * experts / ep) *"
    " kernel_launch_s, with synchronous launches launch_wait_s; 0 with fused_experts",
    reference=_ASYNCHRONOUS,
)
def host_issue_s(
    kernels_per_layer: Array,
    expert_kernels: Array,
    kernels_per_expert: Array,
    experts: Array,
    ep: Array,
    moe_layers: Array,
    layers: Array,
    fused_experts: Array,
    kernel_launch_s: Array,
    launch_wait_s: Array,
    synchronous_launch: Array,
) -> Array:
    """Time in which a host issues the kernels of a layer and micro-batch, in one pass [s].

    Fused experts come with a graph of the whole step, which no host issues.
    """
    routed = (expert_kernels + kernels_per_expert * experts / ep) * moe_layers / layers
    waits = np.maximum(launch_wait_s, kernel_launch_s)
    each = np.where(synchronous_launch > 0, waits, kernel_launch_s)
    return (kernels_per_layer + routed) * (1 - fused_experts) * each


def _pass_s(busy: Array, issue: Array, synchronous: Array) -> Array:
    """A pass of a layer: the longer of both, their sum where the host waits for each kernel [s]."""
    return np.where(synchronous > 0, busy + issue, np.maximum(busy, issue))


@rule(
    "forward_pass_s",
    formula="the longer of layer_forward_s and host_issue_s; their sum with synchronous launches",
    reference=_ASYNCHRONOUS,
)
def forward_pass_s(layer_forward_s: Array, host_issue_s: Array, synchronous_launch: Array) -> Array:
    """Forward of a layer and micro-batch [s].

    The host issues kernels while the device works, unless it must wait for each
    (CUDA_LAUNCH_BLOCKING).
    """
    return _pass_s(layer_forward_s, host_issue_s, synchronous_launch)


@rule(
    "backward_pass_s",
    formula="the longer of layer_again_s + layer_backward_s and (2 + layer_recompute_share) * host_issue_s; their sum with"
    " synchronous launches",
    reference=_ASYNCHRONOUS,
)
def backward_pass_s(
    layer_again_s: Array,
    layer_backward_s: Array,
    host_issue_s: Array,
    layer_recompute_share: Array,
    synchronous_launch: Array,
) -> Array:
    """Backward of a layer and micro-batch, with what is done again for it [s]."""
    issue = (2 + layer_recompute_share) * host_issue_s
    return _pass_s(layer_again_s + layer_backward_s, issue, synchronous_launch)


@rule("layer_s", formula="forward_pass_s + backward_pass_s", reference=_ASYNCHRONOUS)
def layer_s(forward_pass_s: Array, backward_pass_s: Array) -> Array:
    """A layer and micro-batch, all passes, its collectives apart [s]."""
    return forward_pass_s + backward_pass_s


@rule(
    "host_wait_s",
    formula="layer_s - layer_busy_s; 0 with synchronous launches",
    reference=_ASYNCHRONOUS,
)
def host_wait_s(layer_s: Array, layer_busy_s: Array, synchronous_launch: Array) -> Array:
    """Time of a layer and micro-batch in which the device has no kernel to compute [s]."""
    return np.where(synchronous_launch > 0, 0.0, np.maximum(layer_s - layer_busy_s, 0.0))
