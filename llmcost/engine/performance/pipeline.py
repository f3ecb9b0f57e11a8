"""Pipeline stages: which is the busiest, what the others make it wait for, what it sends on."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array, rule
from llmcost.engine.papers import NARAYANAN
from llmcost.engine.performance.layout import WIDTH


@rule(
    "head_is_busiest",
    formula="1 where last_stage_layers * (layer_s + layer_collectives_s) + head_s"
    " >= stage_layers * (layer_s + layer_collectives_s)",
    reference=NARAYANAN,
)
def head_is_busiest(
    last_stage_layers: Array,
    stage_layers: Array,
    layer_s: Array,
    layer_collectives_s: Array,
    head_s: Array,
) -> Array:
    """Whether the last stage, with the output head, sets the pace of the pipeline [1]."""
    more = (stage_layers - last_stage_layers) * (layer_s + layer_collectives_s)
    return np.where(head_s >= more, 1.0, 0.0)


@rule(
    "busiest_layers",
    formula="last_stage_layers where the head's stage sets the pace, else stage_layers",
    reference=NARAYANAN,
)
def busiest_layers(last_stage_layers: Array, stage_layers: Array, head_is_busiest: Array) -> Array:
    """Layers of the stage that sets the pace [1]."""
    return np.where(head_is_busiest > 0, last_stage_layers, stage_layers)


@rule(
    "pipeline_bubble_s",
    formula="((layers - busiest_layers) * (layer_s + layer_collectives_s) + head_s where it is on another"
    " stage) / vpp",
    reference=NARAYANAN,
)
def pipeline_bubble_s(
    vpp: Array,
    layers: Array,
    busiest_layers: Array,
    layer_s: Array,
    layer_collectives_s: Array,
    head_s: Array,
    head_is_busiest: Array,
) -> Array:
    """Time in which the busiest stage waits for the pipeline to fill and to drain.

    One micro-batch crosses the other stages; interleaving makes that `vpp` times shorter
    (1F1B). For equal stages it is (pp - 1) / (vpp * micro_batches) of their time [s].
    """
    others = (layers - busiest_layers) * (layer_s + layer_collectives_s)
    return (others + head_s * (1 - head_is_busiest)) / vpp


@rule(
    "pipeline_transfer_s",
    formula="2 * micro_batches * vpp * micro_tokens * hidden_size numbers / tp to the next stage, each way,"
    " and their latency",
    reference=NARAYANAN,
)
def pipeline_transfer_s(
    micro_batches: Array,
    vpp: Array,
    micro_tokens: Array,
    hidden_size: Array,
    pp: Array,
    tp: Array,
    scale_up_bytes_s: Array,
    scale_up_domain: Array,
    scale_out_bytes_s: Array,
    collective_latency_s: Array,
) -> Array:
    """Activations and their gradients between pipeline stages [s]."""
    bandwidth = np.where(
        pp * tp <= scale_up_domain, scale_up_bytes_s, np.maximum(scale_out_bytes_s, 1.0)
    )
    each = WIDTH * micro_tokens * hidden_size / tp / bandwidth + collective_latency_s
    return np.where(pp > 1, 2 * micro_batches * vpp * each, 0.0)
