"""A step as the sum of its parts, and the utilisation that it reaches."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import PREDICTED, Array, rule
from llmcost.engine.papers import KORTHIKANTI, NARAYANAN, ROOFLINE

_ISAEV = "Isaev et al. 2023, Calculon"


@rule(
    "compute_s",
    formula="micro_batches * (busiest_layers * layer_s + head_s where it is on that stage)",
    reference=ROOFLINE,
)
def compute_s(
    micro_batches: Array,
    busiest_layers: Array,
    layer_s: Array,
    head_s: Array,
    head_is_busiest: Array,
) -> Array:
    """Arithmetic and memory traffic of a step on the busiest stage [s]."""
    return micro_batches * (busiest_layers * layer_s + head_s * head_is_busiest)


@rule(
    "model_collectives_s",
    formula="micro_batches * busiest_layers * layer_collectives_s",
    reference=NARAYANAN,
)
def model_collectives_s(
    micro_batches: Array, busiest_layers: Array, layer_collectives_s: Array
) -> Array:
    """Exposed communication of tensor, expert and context parallelism in a step [s]."""
    return micro_batches * busiest_layers * layer_collectives_s


@rule(
    "straggler_s",
    formula="straggler_share * log2(replicas on other nodes: min(dp, devices / devices_per_node)) *"
    " (compute_s + model_collectives_s + pipeline_bubble_s)",
    reference="calibrated, benchmarks/calibrate.py",
)
def straggler_s(
    straggler_share: Array,
    devices: Array,
    devices_per_node: Array,
    dp: Array,
    compute_s: Array,
    model_collectives_s: Array,
    pipeline_bubble_s: Array,
) -> Array:
    """Waiting for the slowest of the replicas, where they meet to sum gradients [s]."""
    replicas = np.minimum(dp, devices / devices_per_node)
    doublings = np.log2(np.maximum(replicas, 1.0))
    return straggler_share * doublings * (compute_s + model_collectives_s + pipeline_bubble_s)


@rule(
    "step_time_s",
    formula="compute_s + model_collectives_s + pipeline_bubble_s + pipeline_transfer_s + data_parallel_s"
    " + optimizer_s + straggler_s",
    reference=_ISAEV,
)
def step_time_s(
    compute_s: Array,
    model_collectives_s: Array,
    pipeline_bubble_s: Array,
    pipeline_transfer_s: Array,
    data_parallel_s: Array,
    optimizer_s: Array,
    straggler_s: Array,
) -> Array:
    """Time of a training step: the sum of its parts [s]."""
    return (
        compute_s
        + model_collectives_s
        + pipeline_bubble_s
        + pipeline_transfer_s
        + data_parallel_s
        + optimizer_s
        + straggler_s
    )


@rule(
    "step_flops",
    formula="(6 * matmul_params + attention_flops_per_token) * global_batch_seqs * seq_len",
    reference=f"{NARAYANAN}; Chowdhery et al. 2022",
)
def step_flops(
    matmul_params: Array,
    attention_flops_per_token: Array,
    global_batch_seqs: Array,
    seq_len: Array,
) -> Array:
    """Model FLOPs of a step, counted from the architecture [FLOP]."""
    return (6 * matmul_params + attention_flops_per_token) * global_batch_seqs * seq_len


@rule(
    "predicted_mfu",
    formula="step_flops / (devices * peak_flops * step_time_s)",
    reference="Chowdhery et al. 2022, arXiv:2204.02311",
)
def predicted_mfu(
    step_flops: Array, devices: Array, peak_flops: Array, step_time_s: Array
) -> Array:
    """MFU that the layout reaches [1]."""
    return step_flops / (devices * peak_flops * step_time_s)


@rule(
    "mfu",
    formula="predicted_mfu * prediction_factor, default_mfu where nothing can be predicted",
    reference="calibrated performance model (docs/method.md)",
    stage=PREDICTED,
)
def mfu_predicted(predicted_mfu: Array, prediction_factor: Array, default_mfu: Array) -> Array:
    """MFU where none is given or implied and the layout is known.

    `prediction_factor` is 1; under uncertainty it carries the error of the model. Where the
    hardware lacks a figure that the prediction needs, the default is taken [1].
    """
    found = np.minimum(predicted_mfu * prediction_factor, 1.0)
    return np.where(np.isnan(found), default_mfu, found)


@rule(
    "predicted_hfu",
    formula="predicted_mfu * (1 + recomputed forward: 1/3 of the layers for full, of the scores for selective)",
    reference=KORTHIKANTI,
)
def predicted_hfu(
    predicted_mfu: Array,
    recompute_level: Array,
    attention_flops_per_token: Array,
    matmul_params: Array,
    vocab_size: Array,
    hidden_size: Array,
) -> Array:
    """HFU that the layout reaches: recomputed FLOPs counted as well [1]."""
    whole = 6 * matmul_params + attention_flops_per_token
    again = np.where(recompute_level > 0, attention_flops_per_token / 3, 0.0)
    layers = (6 * (matmul_params - vocab_size * hidden_size)) / 3
    again = again + np.where(recompute_level > 1, layers, 0.0)
    return predicted_mfu * (1 + again / whole)
