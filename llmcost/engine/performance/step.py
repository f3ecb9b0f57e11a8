"""The step: the sum of its parts, and what it says of MFU and HFU."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import PREDICTED, Array, rule
from llmcost.engine.papers import KORTHIKANTI

_ISAEV = "Isaev et al. 2023, Calculon"
_CLOCK = "definition: a step is a number of tokens and a time"


@rule(
    "layer_recompute_share",
    formula="recompute_share where given; 1 for full recompute, else 0",
    reference=KORTHIKANTI,
)
def layer_recompute_share(recompute_level: Array, recompute_share: Array) -> Array:
    """Share of a layer's forward that is done again in the backward pass [1]."""
    return np.where(
        np.isnan(recompute_share), np.where(recompute_level > 1, 1.0, 0.0), recompute_share
    )


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
    "profile_step_s",
    formula="compute_s + model_collectives_s + pipeline_bubble_s + pipeline_transfer_s + data_parallel_s"
    " + optimizer_s + offload_s + straggler_s",
    reference=_ISAEV,
)
def profile_step_s(
    compute_s: Array,
    model_collectives_s: Array,
    pipeline_bubble_s: Array,
    pipeline_transfer_s: Array,
    data_parallel_s: Array,
    optimizer_s: Array,
    offload_s: Array,
    straggler_s: Array,
) -> Array:
    """Time of a training step with the software that the profile describes: the sum of its parts [s]."""
    return (
        compute_s
        + model_collectives_s
        + pipeline_bubble_s
        + pipeline_transfer_s
        + data_parallel_s
        + optimizer_s
        + offload_s
        + straggler_s
    )


@rule(
    "software_s",
    formula="profile_step_s * (1 / software_speed - 1)",
    reference="published step times, benchmarks/calibrate.py",
)
def software_s(profile_step_s: Array, software_speed: Array) -> Array:
    """Allowance for software that nobody named: what it takes longer than its profile [s]."""
    return profile_step_s * (1 / software_speed - 1)


@rule("predicted_step_s", formula="profile_step_s + software_s", reference=_CLOCK)
def predicted_step_s(profile_step_s: Array, software_s: Array) -> Array:
    """Time of a training step that the layout predicts [s]."""
    return profile_step_s + software_s


@rule("step_tokens", formula="global_batch_seqs * seq_len", reference=_CLOCK)
def step_tokens(global_batch_seqs: Array, seq_len: Array) -> Array:
    """Tokens of a step [tokens]."""
    return global_batch_seqs * seq_len


@rule("steps", formula="tokens / step_tokens", reference=_CLOCK)
def steps(tokens: Array, step_tokens: Array) -> Array:
    """Steps of the run [1]."""
    return tokens / step_tokens


@rule("step_flops", formula="flops_per_token * step_tokens", reference=_CLOCK)
def step_flops(flops_per_token: Array, step_tokens: Array) -> Array:
    """Model FLOPs of a step [FLOP]."""
    return flops_per_token * step_tokens


@rule(
    "predicted_mfu",
    formula="step_flops / (devices * peak_flops * predicted_step_s)",
    reference="Chowdhery et al. 2022, arXiv:2204.02311",
)
def predicted_mfu(
    step_flops: Array, devices: Array, peak_flops: Array, predicted_step_s: Array
) -> Array:
    """MFU that the layout reaches [1]."""
    return step_flops / (devices * peak_flops * predicted_step_s)


@rule(
    "mfu",
    formula="predicted_mfu * prediction_factor, default_mfu where nothing can be predicted",
    reference="performance model (docs/method/step-time.md)",
    stage=PREDICTED,
)
def mfu_predicted(predicted_mfu: Array, prediction_factor: Array, default_mfu: Array) -> Array:
    """MFU where none is given or implied and the layout is known.

    `prediction_factor` is 1; under uncertainty it carries the error of the model. Where the
    hardware lacks a figure that the prediction needs, the default is taken [1].
    """
    found = predicted_mfu * prediction_factor
    return np.where(np.isnan(found), default_mfu, found)


@rule("step_time_s", formula="step_flops / (devices * peak_flops * mfu)", reference=_CLOCK)
def step_time_s(step_flops: Array, devices: Array, peak_flops: Array, mfu: Array) -> Array:
    """Time of a step of the run: the predicted one, or what a given MFU or duration says [s]."""
    return step_flops / (devices * peak_flops * mfu)


@rule(
    "predicted_hfu",
    formula="predicted_mfu * (1 + recomputed_share)",
    reference=KORTHIKANTI,
)
def predicted_hfu(predicted_mfu: Array, recomputed_share: Array) -> Array:
    """HFU that the layout reaches: recomputed FLOPs counted as well [1]."""
    return predicted_mfu * (1 + recomputed_share)
