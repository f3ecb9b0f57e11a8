"""Activations that the forward pass keeps for the backward pass."""

from __future__ import annotations

import numpy as np

from llmcost.engine.architecture import value_width
from llmcost.engine.chain import Array, rule
from llmcost.engine.papers import KORTHIKANTI

#: Bytes of a row's sum of exponentials, kept by fused attention for a head and token.
SUM_BYTES = 4.0


@rule(
    "full_token_bytes",
    formula="(4 + 2 saved_input_bytes + 2 dropout) hidden_size (/ tp with sequence parallelism; saved inputs are whole"
    " where saves_gathered) + per tp: queries, keys,"
    " values and output of attention, saved_attention_bytes each, that output again where saved inputs are 8-bit copies"
    " (shared_output_bytes of one copy for both) or attention's own is and an adapter reads it, 4 heads of a fused softmax's sums, (1 + gated) saved_gate_bytes + saved_input_bytes a number of the"
    " feed-forward width, copies of a token for its experts in, and out unless weighs_inside, 5 heads seq_len of unfused scores; times saved_factor where gated. Of"
    " frozen products only inputs that adapters read, all of 4-bit ones with packed_inputs; dropped_token_bytes; joined_token_bytes; normed_token_bytes",
    reference=f"{KORTHIKANTI}; Gale et al. 2022, arXiv:2211.15841; Dao 2023, arXiv:2307.08691",
)
def full_token_bytes(
    hidden_size: Array,
    heads: Array,
    kv_heads: Array,
    head_dim: Array,
    qk_rope_head_dim: Array,
    v_head_dim: Array,
    kv_lora_rank: Array,
    feed_forward_width: Array,
    gated_ffn: Array,
    layers: Array,
    moe_layers: Array,
    attending_share: Array,
    windowed_share: Array,
    recurrent_layers: Array,
    recurrent_params: Array,
    experts_per_token: Array,
    seq_len: Array,
    tp: Array,
    sequence_parallel: Array,
    recompute_level: Array,
    fused_attention: Array,
    saved_input_bytes: Array,
    saves_gathered: Array,
    dropout: Array,
    saved_factor: Array,
    activation_width: Array,
    trains_base: Array,
    adapted_query: Array,
    adapted_key: Array,
    adapted_value: Array,
    adapted_output: Array,
    adapted_gate: Array,
    adapted_up: Array,
    adapted_down: Array,
    frozen_bytes: Array,
    packed_inputs: Array,
    repeats_heads: Array,
    dropped_token_bytes: Array,
    joined_token_bytes: Array,
    normed_token_bytes: Array,
    saved_attention_bytes: Array,
    saved_gate_bytes: Array,
    shared_output_bytes: Array,
    weighs_inside: Array,
) -> Array:
    """What a layer keeps of a token where nothing is recomputed.

    Parameters
    ----------
    hidden_size, heads, kv_heads, head_dim, qk_rope_head_dim, v_head_dim, kv_lora_rank : array_like
        Sizes of attention [1].
    attending_share, windowed_share, recurrent_layers, recurrent_params : array_like
        Blocks of attention a layer; layers with a state, and weights of their mixers [1].
    feed_forward_width, gated_ffn, layers, moe_layers, experts_per_token : array_like
        Width of the feed-forward blocks that a token enters, whether they are gated; layers, those
        with experts, and experts that a token enters [1].
    seq_len, tp, sequence_parallel : array_like
        Length of a sequence, devices of tensor parallelism, whether it splits the sequence too [1].
    recompute_level, fused_attention : array_like
        0 none, 1 selective, 2 full; and whether scores are never stored [1].
    saved_input_bytes : array_like
        Bytes of a number of a product's saved input: 2, or 1 where it is saved in 8 bits [B].
    saves_gathered : array_like
        1 where a product keeps the input that sequence parallelism gathered, not its own part [1].
    dropout : array_like
        1 where masks of dropout are kept [1].
    saved_factor : array_like
        What the software keeps over what the backward pass needs [1].
    activation_width : array_like
        Bytes of a number outside products [B].
    trains_base, adapted_query, adapted_key, adapted_value, adapted_output : array_like
        0 where the weights are frozen, and which products then have adapters [1].
    adapted_gate, adapted_up, adapted_down : array_like
        The same of the feed-forward block [1].
    frozen_bytes, packed_inputs : array_like
        Bytes of a frozen weight [B], and 1 where products of 4-bit weights keep their inputs [1].
    repeats_heads : array_like
        1 where keys and values of a group are copied for each of its heads [1].
    dropped_token_bytes, joined_token_bytes, normed_token_bytes : array_like
        Inputs of adapters with dropout, which are copies of their own, what a joined product keeps, and normalised inputs [B].
    saved_attention_bytes, saved_gate_bytes, shared_output_bytes : array_like
        Bytes of a number that attention and the activation function read, and of attention's output where attention
        and the product after it share one copy, 0 where each keeps its own [B].
    weighs_inside : array_like
        1 where the router's weights multiply inside the experts, so that nothing needs their output [1].

    Returns
    -------
    ndarray
        Memory [B]. For a GPT layer with dropout the paper's h (10 + 24/t + 5 a s/(h t)).

    References
    ----------
    .. [1] Korthikanti et al. (2022), arXiv:2205.05198, equations 1 to 4.
    """
    split = np.where(sequence_parallel > 0, tp, 1.0)
    outer = (2 * activation_width + 2 * dropout) * hidden_size / split
    whole = np.where(saves_gathered > 0, 1.0, split)  # autograd keeps the gathered input itself
    # A frozen weight has no gradient that would need its input; an adapter beside it keeps its own.
    entering = np.maximum(np.maximum(adapted_query, adapted_key), adapted_value)
    widening = np.maximum(adapted_gate, adapted_up)
    trains = trains_base > 0
    own = np.where(dropped_token_bytes > 0, 0.0, 1.0)
    packed = np.where((frozen_bytes < 1) & (packed_inputs > 0), 1.0, 0.0)
    first, second, third = (
        np.where(trains, saved_input_bytes, activation_width * np.maximum(adapted * own, packed))
        for adapted in (entering, widening, adapted_down)
    )
    outer = outer + (first + second) * hidden_size / whole
    latent = kv_lora_rank > 0
    groups = np.where(repeats_heads > 0, heads, kv_heads)
    key = np.where(latent, heads * (head_dim + qk_rope_head_dim), groups * head_dim)
    value_dim = value_width(head_dim, v_head_dim)
    value = np.where(latent, heads, groups) * value_dim
    query = heads * (head_dim + qk_rope_head_dim)
    # A product whose inputs are saved in 8 bits keeps its own copy of what attention keeps in 16.
    narrow = trains & (saved_input_bytes < activation_width)
    copied = np.where(narrow, saved_input_bytes, 0.0)
    reads = ~trains & (saved_attention_bytes < activation_width)
    copied = np.where(reads, activation_width * adapted_output * own, copied)
    output = np.where(shared_output_bytes > 0, shared_output_bytes, saved_attention_bytes + copied)
    attention = saved_attention_bytes * (query + key + value) + output * heads * value_dim
    attention = attention + np.where(fused_attention > 0, SUM_BYTES * heads, 0.0)
    attention = attention * (attending_share + windowed_share)
    states = activation_width * recurrent_layers / layers * recurrent_params / hidden_size
    mixtures = moe_layers / layers
    inner = ((1 + gated_ffn) * saved_gate_bytes + third) * feed_forward_width
    back = np.where(weighs_inside > 0, 0.0, activation_width)
    copies = mixtures * experts_per_token * (second + back) * hidden_size
    stored = np.where((fused_attention > 0) | (recompute_level > 0), 0.0, 5 * heads * seq_len)
    stored = stored * (attending_share + windowed_share)
    kept = (attention + states + inner + copies + stored) / tp
    # What is kept beyond need is the gate's activation and norms in 32 bits, which come with it.
    beyond = 1 + (saved_factor - 1) * gated_ffn
    beside = dropped_token_bytes + joined_token_bytes + normed_token_bytes
    return np.asarray(beyond * (outer + kept) + beside)


@rule(
    "drops_products",
    formula="1 where selective recomputation is the software's own, which keeps every other product: selective_products",
    reference="torchtitan, selective activation checkpointing by operation",
)
def drops_products(recompute_level: Array, selective_products: Array) -> Array:
    """Whether selective recomputation keeps every other product and attention, and drops the rest [bool]."""
    return np.where((recompute_level == 1) & (selective_products > 0), 1.0, 0.0)


@rule(
    "kept_token_bytes",
    formula="full_token_bytes - remade_token_bytes; where drops_products the layer's input, half of the products' outputs and attention's",
    reference=f"{KORTHIKANTI}; torchtitan, selective activation checkpointing by operation",
)
def kept_token_bytes(
    full_token_bytes: Array,
    remade_token_bytes: Array,
    drops_products: Array,
    hidden_size: Array,
    heads: Array,
    kv_heads: Array,
    head_dim: Array,
    feed_forward_width: Array,
    gated_ffn: Array,
    tp: Array,
    sequence_parallel: Array,
    activation_width: Array,
) -> Array:
    """What a layer keeps of a token between its forward and its backward pass.

    Parameters
    ----------
    full_token_bytes : array_like
        The same where nothing is recomputed [B].
    remade_token_bytes : array_like
        What the software makes again of it in any case [B].
    drops_products : array_like
        1 where every other product's output is dropped [1].
    hidden_size, heads, kv_heads, head_dim, feed_forward_width, gated_ffn : array_like
        Sizes of attention and of the feed-forward blocks that a token enters [1].
    tp, sequence_parallel, activation_width : array_like
        Devices that share a layer, whether they share the sequence [1], bytes of a number [B].

    Returns
    -------
    ndarray
        Memory [B].
    """
    attended = heads * head_dim
    outputs = (
        attended + 2 * kv_heads * head_dim + (1 + gated_ffn) * feed_forward_width + 2 * hidden_size
    )
    start = hidden_size / np.where(sequence_parallel > 0, tp, 1.0)
    kept = activation_width * (start + (outputs / 2 + attended) / tp)
    kept = np.minimum(kept + SUM_BYTES * heads / tp, full_token_bytes)
    return np.where(drops_products > 0, kept, full_token_bytes - remade_token_bytes)


@rule(
    "layer_activation_bytes",
    formula="micro_tokens * (kept_token_bytes and stale_token_bytes of the share that is not recomputed, 2 hidden_size of the rest)",
    reference=KORTHIKANTI,
)
def layer_activation_bytes(
    micro_tokens: Array,
    kept_token_bytes: Array,
    stale_token_bytes: Array,
    hidden_size: Array,
    tp: Array,
    sequence_parallel: Array,
    layer_recompute_share: Array,
    activation_width: Array,
) -> Array:
    """Activations of a layer that a micro-batch keeps for the backward pass [B]."""
    start = activation_width * hidden_size / np.where(sequence_parallel > 0, tp, 1.0)
    share = layer_recompute_share
    return micro_tokens * ((1 - share) * (kept_token_bytes + stale_token_bytes) + share * start)


@rule(
    "logit_bytes",
    formula="micro_tokens * (logit_memory_bytes * vocab_size / tp + 2 saved hidden states (/ tp with sequence parallelism, one"
    " whole where saves_gathered)); sharded_logit_bytes more where tp > 1; of the bytes above whole_logit_bytes 1 / loss_chunks",
    reference=f"{KORTHIKANTI}, section 4.3; torchtune, CEWithChunkedOutputLoss; PyTorch, tensor/parallel/loss.py",
)
def logit_bytes(
    micro_tokens: Array,
    vocab_size: Array,
    hidden_size: Array,
    tp: Array,
    sequence_parallel: Array,
    logit_memory_bytes: Array,
    whole_logit_bytes: Array,
    sharded_logit_bytes: Array,
    saves_gathered: Array,
    activation_width: Array,
    loss_chunks: Array,
) -> Array:
    """Logits of a micro-batch, their loss and its gradient, on the last stage [B].

    In chunks, logits and their gradient stay whole (`whole_logit_bytes`, in runs of 16 bits); what is made of them is of
    one chunk at a time.
    """
    split = np.where(sequence_parallel > 0, tp, 1.0)
    gathered = np.where(saves_gathered > 0, 1.0, split)
    saved = activation_width * hidden_size * (1 / split + 1 / gathered)
    most = logit_memory_bytes + np.where(tp > 1, sharded_logit_bytes, 0.0)
    whole = np.minimum(whole_logit_bytes * activation_width / 2, most)
    chunked = whole + (most - whole) / loss_chunks
    each = np.where(loss_chunks > 1, chunked, most)
    return micro_tokens * (each * vocab_size / tp + saved)
