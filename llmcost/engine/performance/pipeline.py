"""The pipeline: its busiest stage, its bubble, what goes from stage to stage."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array, rule
from llmcost.engine.kernels.collectives import send_s, span_bytes_s
from llmcost.engine.papers import DUALPIPE, NARAYANAN, ROOFLINE


@rule(
    "layer_forward_s",
    formula="products_forward_s + experts_forward_s + elementwise_forward_s + attention_forward_s"
    " + states_forward_s + adapters_forward_s + dequantise_s",
    reference=ROOFLINE,
)
def layer_forward_s(
    products_forward_s: Array,
    experts_forward_s: Array,
    elementwise_forward_s: Array,
    attention_forward_s: Array,
    states_forward_s: Array,
    adapters_forward_s: Array,
    dequantise_s: Array,
) -> Array:
    """Arithmetic and memory traffic of a layer and micro-batch, forward [s]."""
    mixing = attention_forward_s + states_forward_s + adapters_forward_s + dequantise_s
    return products_forward_s + experts_forward_s + elementwise_forward_s + mixing


@rule(
    "layer_backward_s",
    formula="products_backward_s + 2 * (elementwise_forward_s + states_forward_s + adapters_forward_s)"
    " + experts_backward_s + dequantise_s + attention_backward_s"
    " + gradient_writes_s",
    reference=ROOFLINE,
)
def layer_backward_s(
    products_backward_s: Array,
    experts_backward_s: Array,
    elementwise_forward_s: Array,
    attention_backward_s: Array,
    states_forward_s: Array,
    gradient_writes_s: Array,
    adapters_forward_s: Array,
    dequantise_s: Array,
) -> Array:
    """Arithmetic and memory traffic of a layer and micro-batch, backward [s]."""
    twice = 2 * (elementwise_forward_s + states_forward_s + adapters_forward_s)
    experts = experts_backward_s + dequantise_s
    return products_backward_s + twice + experts + attention_backward_s + gradient_writes_s


@rule(
    "layer_again_s",
    formula="layer_recompute_share * (layer_forward_s, without the last product of the layer where"
    " recompute_stops_early) + (1 - layer_recompute_share) * remade_s",
    reference="PyTorch documentation, torch.utils.checkpoint (early stop); XLA, dead code elimination",
)
def layer_again_s(
    layer_forward_s: Array,
    products_forward_s: Array,
    experts_forward_s: Array,
    hidden_size: Array,
    active_layer_params: Array,
    feed_forward_width: Array,
    recompute_stops_early: Array,
    layer_recompute_share: Array,
    remade_s: Array,
) -> Array:
    """What of a layer's forward is done again for its backward pass.

    Parameters
    ----------
    layer_forward_s, products_forward_s, experts_forward_s : array_like
        Forward of a layer, and its products [s].
    hidden_size, active_layer_params, feed_forward_width : array_like
        Sizes, which say what the last product is of all [1].
    recompute_stops_early : array_like
        1 where it stops at the last tensor that the backward pass needs: nothing needs the result
        of the last product [1].
    layer_recompute_share : array_like
        Share of the layers that are done again [1].
    remade_s : array_like
        What the software makes again in any other layer [s].

    Returns
    -------
    ndarray
        Time [s].
    """
    last = recompute_stops_early * hidden_size * feed_forward_width / active_layer_params
    kept = last * (products_forward_s + experts_forward_s)
    whole = layer_recompute_share * (layer_forward_s - kept)
    return whole + (1 - layer_recompute_share) * remade_s


@rule(
    "layer_busy_s", formula="layer_forward_s + layer_again_s + layer_backward_s", reference=ROOFLINE
)
def layer_busy_s(layer_forward_s: Array, layer_again_s: Array, layer_backward_s: Array) -> Array:
    """What a device computes for a layer and micro-batch, forward, again and backward [s]."""
    return layer_forward_s + layer_again_s + layer_backward_s


@rule(
    "head_s",
    formula="(2 + trains_base) * head_forward_s * (output_head + mtp_layers) + mtp_layers * (layer_s + layer_collectives_s)",
    reference=f"{NARAYANAN}; DeepSeek-AI 2024, arXiv:2412.19437, section 2.2",
)
def head_s(
    head_forward_s: Array,
    output_head: Array,
    mtp_layers: Array,
    layer_s: Array,
    layer_collectives_s: Array,
    trains_base: Array,
) -> Array:
    """Output head, loss and layers of multi-token prediction of a micro-batch, forward and backward [s]."""
    further = mtp_layers * (layer_s + layer_collectives_s)
    return (2 + trains_base) * head_forward_s * (output_head + mtp_layers) + further


@rule(
    "encoder_s",
    formula="((4 + 2 trains_base) encoder_params * encoder_tokens_per_token / product_share / peak_flops + encoder_score_flops_per_token"
    " / bf16_peak_flops / half_product_efficiency) * micro_tokens / tp / pp",
    reference="an encoder's layers, spread over the stages as evenly as its model's",
)
def encoder_s(
    encoder_params: Array,
    encoder_tokens_per_token: Array,
    encoder_score_flops_per_token: Array,
    micro_tokens: Array,
    tp: Array,
    pp: Array,
    peak_flops: Array,
    product_share: Array,
    bf16_peak_flops: Array,
    half_product_efficiency: Array,
    trains_base: Array,
) -> Array:
    """Encoders and towers of a micro-batch on a stage, forward and backward [s]."""
    passes = 4 + 2 * trains_base
    products = passes * encoder_params * encoder_tokens_per_token / (peak_flops * product_share)
    scores = encoder_score_flops_per_token / (bf16_peak_flops * half_product_efficiency)
    found = (products + scores) * micro_tokens / (tp * pp)
    return np.where(encoder_params > 0, found, 0.0)


@rule(
    "head_device_layers",
    formula="last_stage_layers; with DualPipe (first_stage_layers + last_stage_layers) / 2",
    reference=DUALPIPE,
)
def head_device_layers(
    first_stage_layers: Array, last_stage_layers: Array, stages_per_device: Array
) -> Array:
    """Layers that the device of the output head runs of a micro-batch, on average.

    In DualPipe a device has a stage from each end of the pipeline, and each sees half of the
    micro-batches: the head's is also the embedding's [1].
    """
    both = (first_stage_layers + last_stage_layers) / 2
    return np.where(stages_per_device > 1, both, last_stage_layers)


@rule(
    "head_device_s",
    formula="head_s / stages_per_device",
    reference=DUALPIPE,
)
def head_device_s(head_s: Array, stages_per_device: Array) -> Array:
    """What the output head adds to its device for a micro-batch, on average [s]."""
    return head_s / stages_per_device


@rule(
    "head_is_busiest",
    formula="1 where head_device_layers * (layer_s + layer_collectives_s) + head_device_s"
    " >= stage_layers * (layer_s + layer_collectives_s)",
    reference=NARAYANAN,
)
def head_is_busiest(
    head_device_layers: Array,
    stage_layers: Array,
    layer_s: Array,
    layer_collectives_s: Array,
    head_device_s: Array,
) -> Array:
    """Whether the device with the output head sets the pace of the pipeline [1]."""
    more = (stage_layers - head_device_layers) * (layer_s + layer_collectives_s)
    return np.where(head_device_s >= more, 1.0, 0.0)


@rule(
    "busiest_layers",
    formula="head_device_layers where the head's device sets the pace, else stage_layers",
    reference=NARAYANAN,
)
def busiest_layers(head_device_layers: Array, stage_layers: Array, head_is_busiest: Array) -> Array:
    """Layers of a micro-batch on the device that sets the pace [1]."""
    return np.where(head_is_busiest > 0, head_device_layers, stage_layers)


@rule(
    "compute_s",
    formula="micro_batches * (busiest_layers * layer_s + encoder_s + head_device_s where it is on that stage)",
    reference=ROOFLINE,
)
def compute_s(
    micro_batches: Array,
    busiest_layers: Array,
    layer_s: Array,
    encoder_s: Array,
    head_device_s: Array,
    head_is_busiest: Array,
) -> Array:
    """Arithmetic and memory traffic of a step on the busiest stage [s]."""
    head = head_device_s * head_is_busiest
    return micro_batches * (busiest_layers * layer_s + encoder_s + head)


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
    "bubble_share",
    formula="1 / vpp (1F1B, interleaved); 1 / (3 vpp) with zero-bubble; 2 (pp / 2 - 1) / (3 (pp - 1)) with DualPipe",
    reference=f"{NARAYANAN}; Qi et al. 2023, arXiv:2401.10241; DeepSeek-AI 2024, arXiv:2412.19437, table 2",
)
def bubble_share(pp: Array, vpp: Array, schedule: Array) -> Array:
    """Bubble of a pipeline's schedule over that of 1F1B without interleaving.

    Parameters
    ----------
    pp, vpp : array_like
        Stages, and virtual stages of each [1].
    schedule : array_like
        0 1F1B, 1 zero-bubble (ZB-H1), 2 DualPipe [1].

    Returns
    -------
    ndarray
        Share [1]. With a forward, and gradients of inputs and of weights, of equal length, 1F1B
        waits (pp - 1)(F + B), B with the gradients of weights W, ZB-H1 (pp - 1)(F + B - 2 W), and
        DualPipe (pp / 2 - 1)(FB + B - 3 W), FB a forward and a backward pass beside one another.

    References
    ----------
    .. [1] Qi et al. (2023), arXiv:2401.10241.
    .. [2] DeepSeek-AI (2024), arXiv:2412.19437, table 2.
    """
    both_ends = 2 / 3 * np.maximum(pp / 2 - 1, 0.0) / np.maximum(pp - 1, 1.0)
    return np.where(schedule > 1, both_ends, np.where(schedule > 0, 1 / 3, 1.0) / vpp)


@rule(
    "pipeline_bubble_s",
    formula="bubble_share * ((layers - busiest_layers) * (layer_s + layer_collectives_s) + head_s, without head_device_s"
    " where it is on that stage)",
    reference=NARAYANAN,
)
def pipeline_bubble_s(
    bubble_share: Array,
    layers: Array,
    busiest_layers: Array,
    layer_s: Array,
    layer_collectives_s: Array,
    head_s: Array,
    head_device_s: Array,
    head_is_busiest: Array,
) -> Array:
    """Time in which the busiest stage waits for the pipeline to fill and to drain.

    One micro-batch crosses the other stages. For equal stages it is
    (pp - 1) / (vpp * micro_batches) of their time [s].
    """
    others = (layers - busiest_layers) * (layer_s + layer_collectives_s)
    return bubble_share * (others + head_s - head_device_s * head_is_busiest)


@rule(
    "pipeline_transfer_s",
    formula="2 * micro_batches * vpp * (micro_tokens * hidden_size numbers / tp to the next stage, and their"
    " latency), less pipeline_overlap",
    reference=NARAYANAN,
)
def pipeline_transfer_s(
    micro_batches: Array,
    vpp: Array,
    micro_tokens: Array,
    hidden_size: Array,
    pp: Array,
    tp: Array,
    cp: Array,
    dp: Array,
    scale_up_bytes_s: Array,
    scale_up_domain: Array,
    node_bytes_s: Array,
    node_devices: Array,
    scale_out_bytes_s: Array,
    send_share: Array,
    send_latency_s: Array,
    pipeline_overlap: Array,
    activation_width: Array,
) -> Array:
    """Activations and their gradients between pipeline stages [s]."""
    # Stages are the outermost of a layout's dimensions.
    bandwidth = span_bytes_s(
        tp * cp * dp * pp,
        scale_up_bytes_s,
        scale_up_domain,
        node_bytes_s,
        node_devices,
        scale_out_bytes_s,
    )
    each = send_s(
        activation_width * micro_tokens * hidden_size / tp, bandwidth, send_share, send_latency_s
    )
    shown = 2 * micro_batches * vpp * each * (1 - pipeline_overlap)
    return np.where(pp > 1, shown, 0.0)
