"""Matrix products of a layer: arithmetic, operands through memory, launches.

A product of m × k by k × n takes ``2 m n k / rate`` of arithmetic or, where m is small, the time
to read its weights; reading and writing its operands adds to that (and in 8 or 4 bits the
quantising of its input), and so does its launch. The four constants of that form are fitted to
measured products by device and precision (benchmarks/kernels.py) and carried as shares of the
device's own peak and bandwidth, so that a device without measurements takes its family's.
The backward pass does the same work twice: the gradients of inputs and of weights.
"""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array, rule

_ROOFLINE = "Williams et al. 2009 (roofline); products measured by NVIDIA aiconfigurator"
_GALE = "Gale et al. 2022, arXiv:2211.15841"


@rule("memory_bytes_s", formula="memory_tb_s * 1e12", reference="definition")
def memory_bytes_s(memory_tb_s: Array) -> Array:
    """Memory bandwidth [B/s]."""
    return memory_tb_s * 1e12


@rule(
    "product_rate",
    formula="peak_flops * product_share * sustained_share * product_efficiency",
    reference=_ROOFLINE,
)
def product_rate(
    peak_flops: Array, product_share: Array, sustained_share: Array, product_efficiency: Array
) -> Array:
    """FLOP/s of a large product inside a step.

    Parameters
    ----------
    peak_flops : array_like
        Dense peak at the precision of training [FLOP/s].
    product_share : array_like
        Share of it that a large product reaches in a burst [1].
    sustained_share : array_like
        Share of that which the power limit sustains over a step [1].
    product_efficiency : array_like
        Share of that which the software's products reach [1].

    Returns
    -------
    ndarray
        Rate [FLOP/s].

    References
    ----------
    .. [1] Williams et al. (2009), Communications of the ACM 52(4).
    """
    return peak_flops * product_share * sustained_share * product_efficiency


@rule(
    "half_product_rate",
    formula="bf16_peak_flops * half_product_share * half_sustained_share * product_efficiency",
    reference=_ROOFLINE,
)
def half_product_rate(
    bf16_peak_flops: Array,
    half_product_share: Array,
    half_sustained_share: Array,
    product_efficiency: Array,
) -> Array:
    """FLOP/s of a large product in 16 bits, whatever the precision of training [FLOP/s]."""
    return bf16_peak_flops * half_product_share * half_sustained_share * product_efficiency


def products_s(
    flops: Array,
    weights: Array,
    inputs: Array,
    outputs: Array,
    launches: Array | float,
    rate: Array,
    weight_bytes: Array | float,
    input_bytes: Array,
    output_bytes: Array,
    launch_s: Array,
    memory_bytes_s: Array,
) -> Array:
    """Time of products, forward.

    Parameters
    ----------
    flops : array_like
        Arithmetic, 2 m n k of each [FLOP].
    weights, inputs, outputs : array_like
        Numbers of the operands [1].
    launches : array_like
        Kernels [1].
    rate : array_like
        Rate of large products [FLOP/s].
    weight_bytes, input_bytes, output_bytes : array_like
        Bytes that a number of each operand costs in traffic [B].
    launch_s : array_like
        Time to start and end a kernel [s].
    memory_bytes_s : array_like
        Memory bandwidth [B/s].

    Returns
    -------
    ndarray
        Time [s].

    References
    ----------
    .. [1] Williams et al. (2009), Communications of the ACM 52(4).
    """
    busy = np.hypot(flops / rate, weight_bytes * weights / memory_bytes_s)
    operands = (input_bytes * inputs + output_bytes * outputs) / memory_bytes_s
    return np.asarray(busy + operands + launches * launch_s)


@rule(
    "attention_products_s",
    formula="products_s of the projections of queries, keys, values and the output of attention",
    reference=_ROOFLINE,
)
def attention_products_s(
    micro_tokens: Array,
    attention_params: Array,
    tp: Array,
    hidden_size: Array,
    heads: Array,
    kv_heads: Array,
    head_dim: Array,
    q_lora_rank: Array,
    kv_lora_rank: Array,
    product_rate: Array,
    weight_bytes: Array,
    input_bytes: Array,
    output_bytes: Array,
    product_launch_s: Array,
    memory_bytes_s: Array,
) -> Array:
    """Projections around the attention of a layer and micro-batch, forward [s].

    Latent attention projects twice: down to its ranks, which every device does whole, and up.
    """
    latent = q_lora_rank + kv_lora_rank
    wide = heads * head_dim / tp
    inputs = hidden_size + wide + latent
    outputs = (heads + 2 * kv_heads) * head_dim / tp + hidden_size + latent
    return products_s(
        2 * micro_tokens * attention_params / tp,
        attention_params / tp,
        micro_tokens * inputs,
        micro_tokens * outputs,
        2 + 3 * (kv_lora_rank > 0),
        product_rate,
        weight_bytes,
        input_bytes,
        output_bytes,
        product_launch_s,
        memory_bytes_s,
    )


@rule(
    "ffn_products_s",
    formula="mean over the layers of products_s of a dense feed-forward block, or of shared experts and router",
    reference=_ROOFLINE,
)
def ffn_products_s(
    micro_tokens: Array,
    layers: Array,
    moe_layers: Array,
    ffn_hidden_size: Array,
    experts: Array,
    shared_experts: Array,
    expert_ffn_hidden_size: Array,
    gated_ffn: Array,
    hidden_size: Array,
    tp: Array,
    product_rate: Array,
    weight_bytes: Array,
    input_bytes: Array,
    output_bytes: Array,
    product_launch_s: Array,
    memory_bytes_s: Array,
) -> Array:
    """Feed-forward products that every token goes through, forward, on average over the layers [s]."""
    dense = layers - moe_layers
    width = (dense * ffn_hidden_size + moe_layers * shared_experts * expert_ffn_hidden_size) / layers
    router = moe_layers * experts / layers
    blocks = (dense + moe_layers * (shared_experts > 0)) / layers
    weights = hidden_size * ((2 + gated_ffn) * width / tp + router)
    return products_s(
        2 * micro_tokens * (hidden_size * ((2 + gated_ffn) * width + router)) / tp,
        weights,
        micro_tokens * (hidden_size * blocks + width / tp),
        micro_tokens * ((1 + gated_ffn) * width / tp + hidden_size * blocks),
        2 * blocks + moe_layers / layers,
        product_rate,
        weight_bytes,
        input_bytes,
        output_bytes,
        product_launch_s,
        memory_bytes_s,
    )


@rule(
    "expert_products_s",
    formula="mean over the layers of products_s of the routed experts: expert_imbalance * micro_tokens *"
    " experts_per_token / tp rows, and the weights of the device's experts / (ep * expert_tp)",
    reference=f"{_ROOFLINE}; {_GALE}",
)
def expert_products_s(
    micro_tokens: Array,
    layers: Array,
    moe_layers: Array,
    experts_per_token: Array,
    expert_params: Array,
    expert_ffn_hidden_size: Array,
    gated_ffn: Array,
    hidden_size: Array,
    layer_expert_params: Array,
    tp: Array,
    ep: Array,
    expert_tp: Array,
    expert_imbalance: Array,
    product_rate: Array,
    expert_product_share: Array,
    weight_bytes: Array,
    input_bytes: Array,
    output_bytes: Array,
    product_launch_s: Array,
    memory_bytes_s: Array,
) -> Array:
    """Grouped products of the routed experts of a layer and micro-batch, forward.

    Parameters
    ----------
    micro_tokens, layers, moe_layers, experts_per_token, expert_params, expert_ffn_hidden_size, gated_ffn, hidden_size : array_like
        Sizes [1].
    layer_expert_params : array_like
        Parameters of the routed experts of a layer, on average [1].
    tp, ep, expert_tp : array_like
        Devices that share the tokens, the experts, and an expert [1].
    expert_imbalance : array_like
        Rows of the busiest device over the mean [1].
    product_rate, expert_product_share : array_like
        Rate of large products [FLOP/s], and the share of it that grouped products reach [1].
    weight_bytes, input_bytes, output_bytes, product_launch_s, memory_bytes_s : array_like
        As :func:`products_s`.

    Returns
    -------
    ndarray
        Time, on average over the layers [s].

    References
    ----------
    .. [1] Gale et al. (2022), arXiv:2211.15841.
    """
    share = moe_layers / layers
    busiest = np.where(ep > 1, expert_imbalance, 1.0)
    rows = busiest * micro_tokens * experts_per_token * share / tp
    split = expert_tp
    return products_s(
        2 * rows * expert_params,
        layer_expert_params / (ep * expert_tp),
        rows * split * (hidden_size + expert_ffn_hidden_size / split),
        rows * split * ((1 + gated_ffn) * expert_ffn_hidden_size / split + hidden_size),
        2 * share,
        product_rate * expert_product_share,
        weight_bytes,
        input_bytes,
        output_bytes,
        product_launch_s,
        memory_bytes_s,
    )


@rule(
    "layer_products_s",
    formula="attention_products_s + ffn_products_s + expert_products_s",
    reference="sum over the products",
)
def layer_products_s(
    attention_products_s: Array, ffn_products_s: Array, expert_products_s: Array
) -> Array:
    """Matrix products of a layer and micro-batch, forward [s]."""
    return attention_products_s + ffn_products_s + expert_products_s


@rule(
    "gradient_writes_s",
    formula="2 * gradient_bytes * (layer_dense_params / tp + layer_expert_params / (ep * expert_tp)) / memory_bytes_s",
    reference="Narayanan et al. 2021 (gradient accumulation); Megatron-LM, gradient accumulation fusion",
)
def gradient_writes_s(
    layer_dense_params: Array,
    layer_expert_params: Array,
    tp: Array,
    ep: Array,
    expert_tp: Array,
    gradient_bytes: Array,
    memory_bytes_s: Array,
) -> Array:
    """Reading and writing the sum of gradients of a layer, once a micro-batch [s]."""
    params = layer_dense_params / tp + layer_expert_params / (ep * expert_tp)
    return 2 * gradient_bytes * params / memory_bytes_s
