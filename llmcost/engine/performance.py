"""Step time of a training run, from the architecture, the hardware and the parallel layout.

Work is counted for one device and one micro-batch of one layer, forward; a *pass* is one such
forward. The backward pass does twice the matrix products, full recompute adds a forward. The
parts of a step add up to ``step_time_s``.
"""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import PREDICTED, Array, rule

_KORTHIKANTI = "Korthikanti et al. 2022, arXiv:2205.05198"
_NARAYANAN = "Narayanan et al. 2021, arXiv:2104.04473"
_ISAEV = "Isaev et al. 2023, Calculon"
_DAO = "Dao et al. 2022, arXiv:2205.14135; Dao 2023, arXiv:2307.08691"
_ROOFLINE = "Williams et al. 2009 (roofline); Narayanan et al. 2021"
#: Bytes of a number in the forward and backward pass.
_WIDTH = 2.0


@rule("model_parallel", formula="tp * pp * cp", reference=_NARAYANAN)
def model_parallel(tp: Array, pp: Array, cp: Array) -> Array:
    """Devices that hold one replica of the model [1]."""
    return tp * pp * cp


@rule("dp", formula="devices / (tp * pp * cp)", reference=_NARAYANAN)
def dp(devices: Array, model_parallel: Array) -> Array:
    """Data-parallel replicas [1]."""
    return devices / model_parallel


@rule("devices", formula="dp * tp * pp * cp", reference=_NARAYANAN)
def devices(dp: Array, model_parallel: Array) -> Array:
    """Devices of a layout [1]."""
    return dp * model_parallel


@rule("micro_batches", formula="global_batch_seqs / (dp * micro_batch)", reference=_NARAYANAN)
def micro_batches(global_batch_seqs: Array, dp: Array, micro_batch: Array) -> Array:
    """Micro-batches that a pipeline works through in a step [1]."""
    return np.maximum(global_batch_seqs / (dp * micro_batch), 1.0)


@rule("micro_tokens", formula="micro_batch * seq_len / cp", reference=_NARAYANAN)
def micro_tokens(micro_batch: Array, seq_len: Array, cp: Array) -> Array:
    """Tokens of a micro-batch on one device [tokens]."""
    return micro_batch * seq_len / cp


@rule("stage_layers", formula="ceil(layers / (pp * vpp)) * vpp", reference=_NARAYANAN)
def stage_layers(layers: Array, pp: Array, vpp: Array) -> Array:
    """Layers of the fullest pipeline stage: whole layers in each of its virtual stages [1]."""
    return np.ceil(layers / (pp * vpp) - 1e-9) * vpp


@rule(
    "passes",
    formula="3, and for full recompute 1 more, or 2/3 where sharded replicas recompute (zero2, zero3)",
    reference=f"{_KORTHIKANTI}; PyTorch checkpoint, which stops before the last product of a layer",
)
def passes(recompute_level: Array, sharding: Array) -> Array:
    """Forwards that a layer is worth: 1 forward, 2 backward, 1 recomputed.

    PyTorch's non-reentrant checkpoint, which FSDP uses, stops recomputing at the last tensor
    that the backward pass needs, so a layer's last product is not done again.
    """
    again = np.where(sharding > 1, 2 / 3, 1.0)
    return np.where(recompute_level > 1, 3 + again, 3.0)


@rule(
    "active_layer_params",
    formula="(block_params - inactive_params) / layers",
    reference="sum over the blocks",
)
def active_layer_params(block_params: Array, inactive_params: Array, layers: Array) -> Array:
    """Weights of a layer that multiply each token, on average over the layers [1]."""
    return (block_params - inactive_params) / layers


@rule(
    "expert_tp",
    formula="tp, less where the replicas are too few for the experts: min(tp, dp * cp * tp / ep)",
    reference="Liu et al. 2025, arXiv:2504.14960 (parallel folding)",
)
def expert_tp(tp: Array, dp: Array, cp: Array, ep: Array) -> Array:
    """Devices that share an expert's weights [1].

    Where `ep` exceeds the replicas, its group takes in those of tensor parallelism too.
    """
    return np.maximum(np.minimum(tp, dp * cp * tp / ep), 1.0)


@rule(
    "ffn_width",
    formula="mean over the layers of ffn_hidden_size, or of (experts_per_token + shared_experts)"
    " * expert_ffn_hidden_size",
    reference="sum over the blocks",
)
def ffn_width(
    layers: Array,
    moe_layers: Array,
    ffn_hidden_size: Array,
    experts_per_token: Array,
    shared_experts: Array,
    expert_ffn_hidden_size: Array,
) -> Array:
    """Width inside the feed-forward block that a token sees, on average [1]."""
    mixture = (experts_per_token + shared_experts) * expert_ffn_hidden_size
    return ((layers - moe_layers) * ffn_hidden_size + moe_layers * mixture) / layers


@rule(
    "ffn_copies",
    formula="mean over the layers of 1, or of experts_per_token + shared_experts",
    reference="Gale et al. 2022, arXiv:2211.15841",
)
def ffn_copies(
    layers: Array, moe_layers: Array, experts_per_token: Array, shared_experts: Array
) -> Array:
    """Feed-forward blocks that a token enters and leaves in a layer, on average [1]."""
    return ((layers - moe_layers) + moe_layers * (experts_per_token + shared_experts)) / layers


@rule(
    "matmul_rate",
    formula="matmul_share * the measured matmul ceiling (general_ceiling_share * peak_flops without one)",
    reference="matmul ceilings measured by S. Bekman, ml-engineering",
)
def matmul_rate(
    peak_flops: Array,
    matmul_share: Array,
    general_ceiling_share: Array,
    matmul_ceiling_flops: Array,
) -> Array:
    """FLOP/s of a large matrix product inside a training step [FLOP/s]."""
    ceiling = np.where(
        np.isnan(matmul_ceiling_flops), general_ceiling_share * peak_flops, matmul_ceiling_flops
    )
    return matmul_share * ceiling


@rule(
    "layer_matmul_s",
    formula="2 * micro_tokens * active_layer_params / tp / matmul_rate"
    " + operand_exposure * operand bytes (those of ffn_copies feed-forwards) / memory bandwidth",
    reference=_ROOFLINE,
)
def layer_matmul_s(
    micro_tokens: Array,
    active_layer_params: Array,
    tp: Array,
    matmul_rate: Array,
    operand_exposure: Array,
    memory_tb_s: Array,
    hidden_size: Array,
    heads: Array,
    kv_heads: Array,
    head_dim: Array,
    ffn_width: Array,
    ffn_copies: Array,
    gated_ffn: Array,
) -> Array:
    """Matrix products of a layer, forward.

    Parameters
    ----------
    micro_tokens : array_like
        Tokens of a micro-batch on the device [tokens].
    active_layer_params, tp : array_like
        Weights of the layer that a token uses, and devices that share them [1].
    matmul_rate : array_like
        Rate of large products [FLOP/s].
    operand_exposure : array_like
        Share of reading and writing operands that arithmetic does not hide [1].
    memory_tb_s : array_like
        Memory bandwidth [TB/s].
    hidden_size, heads, kv_heads, head_dim, ffn_width, ffn_copies, gated_ffn : array_like
        Shapes of the products [1].

    Returns
    -------
    ndarray
        Time [s].

    References
    ----------
    .. [1] Williams et al. (2009), Communications of the ACM 52(4).
    """
    flops = 2 * micro_tokens * active_layer_params / tp
    inner = (2 * heads + 2 * kv_heads) * head_dim + (2 + gated_ffn) * ffn_width
    operands = active_layer_params / tp + micro_tokens * (
        (2 + 2 * ffn_copies) * hidden_size + inner / tp
    )
    return flops / matmul_rate + operand_exposure * _WIDTH * operands / (memory_tb_s * 1e12)


@rule(
    "layer_attention_flops",
    formula="2 * micro_tokens * seq_len * heads * (head_dim + qk_rope_head_dim + v_head_dim) / tp",
    reference=_NARAYANAN,
)
def layer_attention_flops(
    micro_tokens: Array,
    seq_len: Array,
    heads: Array,
    head_dim: Array,
    qk_rope_head_dim: Array,
    v_head_dim: Array,
    tp: Array,
) -> Array:
    """FLOPs of the attention scores of a layer, forward, full score matrix [FLOP]."""
    value = np.where(v_head_dim > 0, v_head_dim, head_dim)
    return 2 * micro_tokens * seq_len * heads * (head_dim + qk_rope_head_dim + value) / tp


@rule(
    "attention_s",
    formula="per layer and micro-batch: fused, half the score FLOPs (causal) 1 + 2.5 times, at"
    " attention_share * peak; unfused, all of them 3 times, and the scores through memory",
    reference=f"{_DAO}; {_KORTHIKANTI}",
)
def attention_s(
    layer_attention_flops: Array,
    fused_attention: Array,
    recompute_level: Array,
    bf16_peak_flops: Array,
    attention_share: Array,
    score_share: Array,
    score_bytes: Array,
    micro_tokens: Array,
    seq_len: Array,
    heads: Array,
    tp: Array,
    memory_tb_s: Array,
    head_dim: Array,
    misaligned_factor: Array,
) -> Array:
    """Attention scores of a layer and micro-batch, forward, backward and recomputed.

    Parameters
    ----------
    layer_attention_flops : array_like
        FLOPs of one forward, full score matrix [FLOP].
    fused_attention : array_like
        1 where the scores never leave the chip (FlashAttention) [1].
    recompute_level : array_like
        0 none, 1 selective (the scores), 2 full [1].
    bf16_peak_flops : array_like
        Dense peak in 16 bits; the scores are not computed in fewer [FLOP/s].
    attention_share, score_share : array_like
        Share of that peak that fused and batched unfused score products reach [1].
    score_bytes : array_like
        Bytes that an unfused score costs in memory traffic, per pass [B].
    micro_tokens, seq_len, heads, tp : array_like
        Size of the score matrix [1].
    memory_tb_s : array_like
        Memory bandwidth [TB/s].
    head_dim, misaligned_factor : array_like
        Width of a head, and the slowdown of its products where 8 does not divide it, as tensor cores want [1].

    Returns
    -------
    ndarray
        Time [s].

    References
    ----------
    .. [1] Dao (2023), arXiv:2307.08691. The backward pass does 5 products where the forward does 2.
    .. [2] Korthikanti et al. (2022), arXiv:2205.05198.
    """
    again = np.where(recompute_level > 0, 1.0, 0.0)
    fused = layer_attention_flops / 2 * (3.5 + np.where(recompute_level > 1, 1.0, 0.0))
    fused = fused / (attention_share * bf16_peak_flops)
    slow = np.where(head_dim % 8 > 0, misaligned_factor, 1.0)
    products = layer_attention_flops * (3 + again) / (score_share * bf16_peak_flops) * slow
    scores = heads * seq_len * micro_tokens / tp
    traffic = score_bytes * scores * (3 + again) / (memory_tb_s * 1e12)
    return np.where(fused_attention > 0, fused, products + traffic)


@rule(
    "layer_elementwise_s",
    formula="elementwise_factor * bytes of norms, residuals, activations, and of the copies of a token that"
    " are sorted by expert, activated and added up again unless fused_experts / memory bandwidth",
    reference=f"{_KORTHIKANTI}; Gale et al. 2022, arXiv:2211.15841",
)
def layer_elementwise_s(
    micro_tokens: Array,
    hidden_size: Array,
    heads: Array,
    kv_heads: Array,
    head_dim: Array,
    ffn_width: Array,
    gated_ffn: Array,
    experts_per_token: Array,
    expert_ffn_hidden_size: Array,
    moe_layers: Array,
    layers: Array,
    tp: Array,
    sequence_parallel: Array,
    fused_experts: Array,
    elementwise_factor: Array,
    memory_tb_s: Array,
) -> Array:
    """Norms, residuals, dropout, rotary positions and activations of a layer, forward.

    Parameters
    ----------
    micro_tokens, hidden_size, heads, kv_heads, head_dim, ffn_width, gated_ffn : array_like
        Sizes [1].
    experts_per_token, expert_ffn_hidden_size, moe_layers, layers : array_like
        Copies that a mixture of experts makes of a token, sorted by expert, and adds up again,
        and the width of what it activates [1].
    tp, sequence_parallel : array_like
        Devices of tensor parallelism, and whether it also splits norms and residuals [1].
    fused_experts : array_like
        1 where the products of the experts do that themselves [1].
    elementwise_factor : array_like
        Bytes moved over those of perfectly fused kernels [1].
    memory_tb_s : array_like
        Memory bandwidth [TB/s].

    Returns
    -------
    ndarray
        Time [s].

    References
    ----------
    .. [1] Korthikanti et al. (2022), arXiv:2205.05198, section 4.
    """
    mixtures = moe_layers / layers
    sorting = 2 * (1 + experts_per_token) * mixtures * (1 - fused_experts)
    outer = (8 + sorting) * hidden_size / np.where(sequence_parallel > 0, tp, 1.0)
    width = ffn_width - experts_per_token * expert_ffn_hidden_size * mixtures * fused_experts
    inner = (2 * (heads + kv_heads) * head_dim + (2 + gated_ffn) * width) / tp
    return elementwise_factor * _WIDTH * micro_tokens * (outer + inner) / (memory_tb_s * 1e12)


@rule(
    "scale_up_bytes_s",
    formula="scale_up_share * scale_up_gb_s_each_way * 1e9",
    reference="calibrated, benchmarks/calibrate.py",
)
def scale_up_bytes_s(scale_up_gb_s_each_way: Array, scale_up_share: Array) -> Array:
    """Bandwidth that collectives reach inside the scale-up domain, a device each way [B/s]."""
    return scale_up_gb_s_each_way * 1e9 * scale_up_share


@rule(
    "scale_out_bytes_s",
    formula="scale_out_share * scale_out_gbit_s_per_device / 8 * 1e9, 0 where there is no such network",
    reference="calibrated, benchmarks/calibrate.py",
)
def scale_out_bytes_s(scale_out_gbit_s_per_device: Array, scale_out_share: Array) -> Array:
    """Bandwidth that collectives reach between nodes, a device [B/s]."""
    return np.asarray(np.nan_to_num(scale_out_gbit_s_per_device) / 8 * 1e9 * scale_out_share)


@rule(
    "tensor_collectives_s",
    formula="per layer and micro-batch: 4 all-reduces (6 with full recompute) of micro_tokens *"
    " hidden_size numbers over the scale-up network, and their latency",
    reference=f"{_NARAYANAN}; {_KORTHIKANTI}",
)
def tensor_collectives_s(
    micro_tokens: Array,
    hidden_size: Array,
    tp: Array,
    recompute_level: Array,
    scale_up_bytes_s: Array,
    scale_up_domain: Array,
    scale_out_bytes_s: Array,
    tensor_exposure: Array,
    collective_latency_s: Array,
    devices_per_node: Array,
) -> Array:
    """Tensor-parallel all-reduces of a layer and micro-batch.

    Parameters
    ----------
    micro_tokens, hidden_size, tp, recompute_level : array_like
        Sizes, devices of the group, 2 where the forward is done again [1].
    scale_up_bytes_s, scale_out_bytes_s : array_like
        What collectives reach inside and outside the scale-up domain [B/s].
    scale_up_domain : array_like
        Devices that the fast network joins [1].
    tensor_exposure : array_like
        Share of the communication that computation does not hide [1].
    collective_latency_s : array_like
        Time to start a collective [s].
    devices_per_node : array_like
        Devices of a server, each with a network port [1].

    Returns
    -------
    ndarray
        Time [s].

    References
    ----------
    .. [1] Narayanan et al. (2021), arXiv:2104.04473.
    """
    # A ring through several nodes uses the network of all its members in a node.
    outside = np.maximum(scale_out_bytes_s * np.minimum(tp, devices_per_node), 1.0)
    bandwidth = np.where(
        tp <= scale_up_domain, scale_up_bytes_s, np.minimum(scale_up_bytes_s, outside)
    )
    count = np.where(recompute_level > 1, 6.0, 4.0)
    each = 2 * (tp - 1) / tp * _WIDTH * micro_tokens * hidden_size / bandwidth
    found = count * (tensor_exposure * each + collective_latency_s)
    return np.where(tp > 1, found, 0.0)


@rule(
    "expert_exchange_s",
    formula="per layer with experts and micro-batch: 4 all-to-alls (6 with full recompute), each the slower of"
    " experts_per_token copies of a token inside the scale-up domain and one to each other domain"
    " with a chosen expert, and the latency unless fused_experts; times 1 - expert_overlap",
    reference="Lepikhin et al. 2020, arXiv:2006.16668; DeepSeek-AI 2024, arXiv:2412.19437, section 3.2.2",
)
def expert_exchange_s(
    micro_tokens: Array,
    hidden_size: Array,
    experts_per_token: Array,
    moe_layers: Array,
    layers: Array,
    ep: Array,
    tp: Array,
    expert_tp: Array,
    recompute_level: Array,
    scale_up_bytes_s: Array,
    scale_up_domain: Array,
    scale_out_bytes_s: Array,
    expert_exposure: Array,
    expert_overlap: Array,
    fused_experts: Array,
    collective_latency_s: Array,
) -> Array:
    """Expert-parallel all-to-alls of a layer and micro-batch, on average over the layers.

    Parameters
    ----------
    micro_tokens, hidden_size, experts_per_token : array_like
        Numbers that a device sends: tokens, their width, the experts chosen for each [1].
    moe_layers, layers : array_like
        Layers with experts, and all [1].
    ep, tp, expert_tp, recompute_level : array_like
        Devices that share the experts, the tokens, and an expert; 2 where the forward is done again [1].
    scale_up_bytes_s, scale_out_bytes_s : array_like
        What collectives reach inside and outside the scale-up domain [B/s].
    scale_up_domain : array_like
        Devices that the fast network joins [1].
    expert_exposure, expert_overlap : array_like
        Time of the exchange inside a domain over that of its bytes, and share of the exchange
        that the computation of another micro-batch hides [1].
    fused_experts : array_like
        1 where a graph of the whole step starts the exchange, not the host [1].
    collective_latency_s : array_like
        Time to start a collective [s].

    Returns
    -------
    ndarray
        Time [s].

    References
    ----------
    .. [1] DeepSeek-AI (2024), arXiv:2412.19437: a token crosses the network once for each node
       and is copied to the chosen experts there. DeepEP's dispatch reaches the network's line
       rate (43 to 58 of 50 GB/s, its README), so nothing is added there.
    """
    near = np.minimum(ep, np.maximum(scale_up_domain / expert_tp, 1.0))
    domains = ep / near
    inside = experts_per_token * (near - 1) / near / scale_up_bytes_s
    reached = (domains - 1) * (1 - (1 - 1 / domains) ** experts_per_token)
    outside = reached / np.maximum(scale_out_bytes_s, 1.0)
    sent = _WIDTH * micro_tokens * hidden_size / tp
    each = sent * np.maximum(expert_exposure * inside, outside)
    each = each + collective_latency_s * (1 - fused_experts)
    count = np.where(recompute_level > 1, 6.0, 4.0)
    shown = count * each * (1 - expert_overlap) * moe_layers / layers
    return np.where(ep > 1, shown, 0.0)


@rule(
    "context_ring_s",
    formula="per layer and micro-batch: keys and values once around the ring of cp devices, forward and"
    " backward, beyond what attention hides",
    reference="Liu et al. 2023, arXiv:2310.01889",
)
def context_ring_s(
    micro_tokens: Array,
    kv_heads: Array,
    head_dim: Array,
    cp: Array,
    tp: Array,
    attention_s: Array,
    scale_up_bytes_s: Array,
    scale_up_domain: Array,
    scale_out_bytes_s: Array,
) -> Array:
    """Context-parallel exchange of keys and values that attention does not hide [s]."""
    bandwidth = np.where(
        cp * tp <= scale_up_domain, scale_up_bytes_s, np.maximum(scale_out_bytes_s, 1.0)
    )
    volume = 3 * 2 * _WIDTH * micro_tokens * kv_heads * head_dim / tp * (cp - 1)
    return np.maximum(volume / bandwidth - attention_s, 0.0)


@rule(
    "head_s",
    formula="output head and loss of a micro-batch: 6 * micro_tokens * hidden_size * vocab_size / tp FLOPs"
    " and the logits through memory",
    reference=_NARAYANAN,
)
def head_s(
    micro_tokens: Array,
    hidden_size: Array,
    vocab_size: Array,
    tp: Array,
    bf16_peak_flops: Array,
    general_ceiling_share: Array,
    matmul_share: Array,
    precision_factor: Array,
    logit_bytes: Array,
    memory_tb_s: Array,
) -> Array:
    """Output head and loss of a micro-batch, forward and backward.

    Parameters
    ----------
    micro_tokens, hidden_size, vocab_size, tp : array_like
        Sizes [1].
    bf16_peak_flops, general_ceiling_share, matmul_share, precision_factor : array_like
        Rate of the product; it stays in 16 bits [FLOP/s], [1], [1], [1].
    logit_bytes : array_like
        Bytes that a logit costs in memory traffic, forward and backward [B].
    memory_tb_s : array_like
        Memory bandwidth [TB/s].

    Returns
    -------
    ndarray
        Time [s].
    """
    logits = micro_tokens * vocab_size / tp
    rate = bf16_peak_flops * general_ceiling_share * matmul_share / precision_factor
    return 6 * hidden_size * logits / rate + logit_bytes * logits / (memory_tb_s * 1e12)


@rule(
    "layer_s",
    formula="busy = passes * (layer_matmul_s + layer_elementwise_s) + attention_s; max(busy, launch_s), or"
    " busy + synchronous_launch_s with synchronous launches",
    reference=_ROOFLINE,
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


@rule(
    "layer_collectives_s",
    formula="tensor_collectives_s + expert_exchange_s + context_ring_s",
    reference=_NARAYANAN,
)
def layer_collectives_s(
    tensor_collectives_s: Array, expert_exchange_s: Array, context_ring_s: Array
) -> Array:
    """Exposed communication of a layer and micro-batch: tensor, expert, context parallelism [s]."""
    return tensor_collectives_s + expert_exchange_s + context_ring_s


@rule(
    "last_stage_layers",
    formula="max(layers - (pp - 1) * stage_layers, 0)",
    reference=f"{_NARAYANAN}; Llama 3, arXiv:2407.21783, section 3.3.2",
)
def last_stage_layers(layers: Array, pp: Array, stage_layers: Array) -> Array:
    """Layers left for the last stage, which also holds the output head.

    Fewer than in the others where the stages cannot be equal: 126 layers on 16 stages make
    8 in each and 6 in the last, so that the head costs no time there [1].
    """
    return np.maximum(layers - (pp - 1) * stage_layers, 0.0)


@rule(
    "head_is_busiest",
    formula="1 where last_stage_layers * (layer_s + layer_collectives_s) + head_s"
    " >= stage_layers * (layer_s + layer_collectives_s)",
    reference=_NARAYANAN,
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
    reference=_NARAYANAN,
)
def busiest_layers(last_stage_layers: Array, stage_layers: Array, head_is_busiest: Array) -> Array:
    """Layers of the stage that sets the pace [1]."""
    return np.where(head_is_busiest > 0, last_stage_layers, stage_layers)


@rule(
    "compute_s",
    formula="micro_batches * (busiest_layers * layer_s + head_s where it is on that stage)",
    reference=_ROOFLINE,
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
    reference=_NARAYANAN,
)
def model_collectives_s(
    micro_batches: Array, busiest_layers: Array, layer_collectives_s: Array
) -> Array:
    """Exposed communication of tensor, expert and context parallelism in a step [s]."""
    return micro_batches * busiest_layers * layer_collectives_s


@rule(
    "pipeline_bubble_s",
    formula="((layers - busiest_layers) * (layer_s + layer_collectives_s) + head_s where it is on another"
    " stage) / vpp",
    reference=_NARAYANAN,
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
    reference=_NARAYANAN,
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
    each = _WIDTH * micro_tokens * hidden_size / tp / bandwidth + collective_latency_s
    return np.where(pp > 1, 2 * micro_batches * vpp * each, 0.0)


@rule(
    "device_dense_params",
    formula="(attention, dense feed-forward blocks, shared experts and routers) / (tp * pp) + embeddings / tp",
    reference=_KORTHIKANTI,
)
def device_dense_params(
    layers: Array,
    attention_params: Array,
    moe_layers: Array,
    ffn_params: Array,
    experts: Array,
    shared_experts: Array,
    expert_params: Array,
    vocab_size: Array,
    hidden_size: Array,
    tied_embeddings: Array,
    tp: Array,
    pp: Array,
) -> Array:
    """Parameters outside the routed experts on the device that holds most, the first stage with its embedding.

    Parameters
    ----------
    layers, attention_params, moe_layers, ffn_params, experts, shared_experts, expert_params : array_like
        Sizes of the blocks [1].
    vocab_size, hidden_size, tied_embeddings : array_like
        Size of the embedding, and whether the head is the same [1].
    tp, pp : array_like
        Devices that share them [1].

    Returns
    -------
    ndarray
        Parameters [1].

    References
    ----------
    .. [1] Korthikanti et al. (2022), arXiv:2205.05198.
    """
    dense = layers * attention_params + (layers - moe_layers) * ffn_params
    dense = dense + moe_layers * (shared_experts * expert_params + hidden_size * experts)
    tables = np.where((pp > 1) | (tied_embeddings > 0), 1.0, 2.0)
    return (dense / pp + tables * vocab_size * hidden_size) / tp


@rule(
    "device_expert_params",
    formula="moe_layers * experts * expert_params / (ep * expert_tp * pp)",
    reference="Lepikhin et al. 2020, arXiv:2006.16668",
)
def device_expert_params(
    moe_layers: Array,
    experts: Array,
    expert_params: Array,
    ep: Array,
    expert_tp: Array,
    pp: Array,
) -> Array:
    """Parameters of the routed experts on a device [1]."""
    return moe_layers * experts * expert_params / (ep * expert_tp * pp)


@rule(
    "sharers",
    formula="dp * cp; with zero3 on TPUs those of a slice: min(dp * cp, scale_up_domain / tp)",
    reference="MaxText documentation: fully sharded inside a slice, replicated between slices",
)
def sharers(
    dp: Array, cp: Array, tp: Array, scale_up_domain: Array, sharding: Array, family_software: Array
) -> Array:
    """Replicas that share states where they are sharded [1].

    `family_software` is 3 for TPUs, whose slices are joined by the data centre's network.
    """
    group = dp * cp
    slices = (family_software > 2) & (sharding > 2)
    return np.where(slices, np.minimum(group, np.maximum(scale_up_domain / tp, 1.0)), group)


@rule(
    "expert_sharers",
    formula="sharers * tp / (ep * expert_tp), at least 1",
    reference="Rajbhandari et al. 2022, arXiv:2201.05596",
)
def expert_sharers(sharers: Array, tp: Array, ep: Array, expert_tp: Array) -> Array:
    """Replicas of an expert that share its states: fewer than of the rest of the model [1]."""
    return np.maximum(sharers * tp / (ep * expert_tp), 1.0)


@rule(
    "own_params",
    formula="device_dense_params / sharers + device_expert_params / expert_sharers",
    reference="Rajbhandari et al. 2020, arXiv:1910.02054",
)
def own_params(
    device_dense_params: Array, device_expert_params: Array, sharers: Array, expert_sharers: Array
) -> Array:
    """Parameters that a device looks after where its replicas share them [1]."""
    return device_dense_params / sharers + device_expert_params / expert_sharers


@rule(
    "data_parallel_s",
    formula="gradients and parameters of the device over the network of their sharers or expert_sharers,"
    " once a step, or with zero3 twice gathered and once reduced each micro-batch;"
    " gradients of own_params between groups of sharers; less what overlap hides of the compute",
    reference="Rajbhandari et al. 2020, arXiv:1910.02054; Zhao et al. 2023, arXiv:2304.11277",
)
def data_parallel_s(
    device_dense_params: Array,
    device_expert_params: Array,
    own_params: Array,
    dp: Array,
    cp: Array,
    sharers: Array,
    expert_sharers: Array,
    ep: Array,
    expert_tp: Array,
    tp: Array,
    pp: Array,
    sharding: Array,
    micro_batches: Array,
    compute_s: Array,
    devices_per_node: Array,
    scale_up_bytes_s: Array,
    scale_up_domain: Array,
    scale_out_bytes_s: Array,
    data_overlap: Array,
    data_floor: Array,
    data_latency_s: Array,
    layers: Array,
) -> Array:
    """Exposed data-parallel communication of a step.

    Parameters
    ----------
    device_dense_params, device_expert_params, own_params : array_like
        Parameters of a device, and those that it looks after [1].
    dp, cp, sharers, expert_sharers, ep, expert_tp, tp, pp : array_like
        The layout; dp and cp replicas share gradients, those of an expert are fewer [1].
    sharding : array_like
        0 none, 1 to 3 as ZeRO [1].
    micro_batches, compute_s, layers : array_like
        Micro-batches of a step [1], time that can hide communication [s], layers [1].
    devices_per_node, scale_up_domain : array_like
        Devices of a server, and those that the fast network joins [1].
    scale_up_bytes_s, scale_out_bytes_s : array_like
        What collectives reach inside and outside that network [B/s].
    data_overlap, data_floor : array_like
        Share of the compute time under which communication can hide, and share of the
        communication that never does [1].
    data_latency_s : array_like
        Time of a step of a collective between nodes [s].

    Returns
    -------
    ndarray
        Time [s].

    References
    ----------
    .. [1] Rajbhandari et al. (2020), arXiv:1910.02054.
    """
    every = np.where(sharding > 2, micro_batches * 3.0, 2.0)

    def collectives(params: Array, group: Array, stride: Array) -> Array:
        """Time of the collectives of a group of every `stride`-th device of a stage [s]."""
        here = np.maximum(np.maximum(devices_per_node, scale_up_domain) / stride, 1.0)
        outside = np.maximum(scale_out_bytes_s * here, 1.0)
        fits = group * stride <= scale_up_domain
        bandwidth = np.where(fits, scale_up_bytes_s, np.minimum(scale_up_bytes_s, outside))
        volume = every * _WIDTH * params * (group - 1) / group
        hops = np.log2(np.maximum(group / here, 1.0)) * data_latency_s
        rounds = np.where(params > 0, every * layers / pp, 0.0)
        return np.asarray(volume / bandwidth + hops * rounds)

    groups = dp * cp / sharers
    between = 2 * (groups - 1) / groups * _WIDTH * own_params / np.maximum(scale_out_bytes_s, 1.0)
    busy = (
        between
        + collectives(device_dense_params, sharers, tp)
        + collectives(device_expert_params, expert_sharers, ep * expert_tp)
    )
    return np.where(
        dp * cp > 1, np.maximum(busy - data_overlap * compute_s, busy * data_floor), 0.0
    )


@rule(
    "optimizer_s",
    formula="optimizer_factor * 28 bytes a parameter (16 read, 12 written) through memory: own_params where"
    " states are sharded, else all of the device",
    reference="Rajbhandari et al. 2020, arXiv:1910.02054",
)
def optimizer_s(
    device_dense_params: Array,
    device_expert_params: Array,
    own_params: Array,
    sharding: Array,
    memory_tb_s: Array,
    optimizer_factor: Array,
) -> Array:
    """Optimizer step: parameters, gradients and Adam's two moments in 32 bits.

    `optimizer_factor` is the bytes moved, gradient norm and clipping included, over 28 [s].
    """
    updated = np.where(sharding > 0, own_params, device_dense_params + device_expert_params)
    return optimizer_factor * 28 * updated / (memory_tb_s * 1e12)


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
    "step_flops",
    formula="(6 * matmul_params + attention_flops_per_token) * global_batch_seqs * seq_len",
    reference=f"{_NARAYANAN}; Chowdhery et al. 2022",
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
    reference=_KORTHIKANTI,
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
    "tensor_exposure",
    formula="tuned_tensor_exposure with Transformer Engine or XLA, else plain_tensor_exposure",
    reference="calibrated, benchmarks/calibrate.py",
)
def tensor_exposure(
    plain_tensor_exposure: Array, tuned_tensor_exposure: Array, software: Array
) -> Array:
    """Share of tensor-parallel communication that computation does not hide [1]."""
    return np.where(software > 1, tuned_tensor_exposure, plain_tensor_exposure)


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
    "attention_share",
    formula="tuned_attention_share with Transformer Engine or XLA, else plain_attention_share",
    reference="calibrated, benchmarks/calibrate.py",
)
def attention_share(
    plain_attention_share: Array, tuned_attention_share: Array, software: Array
) -> Array:
    """Share of the peak that fused attention reaches [1]."""
    return np.where(software > 1, tuned_attention_share, plain_attention_share)
