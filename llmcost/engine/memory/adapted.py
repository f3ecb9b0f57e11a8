"""Activations that adapters and frozen products keep beside those of the model itself."""

from __future__ import annotations

import numpy as np

from llmcost.engine.architecture import value_width
from llmcost.engine.chain import Array, rule


@rule(
    "dropped_token_bytes",
    formula="where adapters have dropout: (activation_width + 1 byte of mask) * the input of each adapted product, hidden_size"
    " (once for query, key and value where joined_adapters, once for gate and up where joined_gates) or per tp attention's"
    " output and feed_forward_width; else 0",
    reference="Hu et al. 2021, arXiv:2106.09685; PEFT, lora/layer.py: a dropout for each product; NeMo 25.04, collections/llm/peft: linear_qkv, linear_fc1",
)
def dropped_token_bytes(
    lora_dropout: Array,
    trains_base: Array,
    activation_width: Array,
    hidden_size: Array,
    heads: Array,
    head_dim: Array,
    v_head_dim: Array,
    feed_forward_width: Array,
    gated_ffn: Array,
    tp: Array,
    adapted_query: Array,
    adapted_key: Array,
    adapted_value: Array,
    adapted_output: Array,
    adapted_gate: Array,
    adapted_up: Array,
    adapted_down: Array,
    joined_adapters: Array,
    joined_gates: Array,
) -> Array:
    """Inputs of a layer's adapters after dropout, and its masks, of a token [B]."""
    value_dim = value_width(head_dim, v_head_dim)
    joined = np.maximum(np.maximum(adapted_query, adapted_key), adapted_value)
    attending = np.where(joined_adapters > 0, joined, adapted_query + adapted_key + adapted_value)
    gate, wider = adapted_gate * gated_ffn, np.maximum(adapted_gate * gated_ffn, adapted_up)
    entering = attending + np.where(joined_gates > 0, wider, gate + adapted_up)
    inner = adapted_output * heads * value_dim + adapted_down * feed_forward_width
    found = (activation_width + 1) * (entering * hidden_size + inner / tp)
    return np.where((trains_base <= 0) & (lora_dropout > 0), found, 0.0)


@rule(
    "joined_token_bytes",
    formula="where keeps_joined, of frozen weights: activation_width * (query and key of a joined product, of which value is a"
    " part, where no head is repeated; what is added to them, where not all three have adapters), per tp; else 0",
    reference="litgpt, lora.py: LoRAQKVLinear.zero_pad; model.py: CausalSelfAttention",
)
def joined_token_bytes(
    keeps_joined: Array,
    repeats_heads: Array,
    trains_base: Array,
    activation_width: Array,
    heads: Array,
    kv_heads: Array,
    head_dim: Array,
    v_head_dim: Array,
    tp: Array,
    adapted_query: Array,
    adapted_key: Array,
    adapted_value: Array,
) -> Array:
    """What one product of query, key and value with an adapter keeps of a token beyond three products [B].

    Attention keeps value, a part of the product's output, and with it the whole; rotated queries and keys are new.
    """
    query, key = heads * head_dim, kv_heads * head_dim
    value = kv_heads * value_width(head_dim, v_head_dim)
    copied = (repeats_heads > 0) & (kv_heads < heads)
    held = np.where(copied, 0.0, query + key)
    every = (adapted_query > 0) & (adapted_key > 0) & (adapted_value > 0)
    added = adapted_query * query + adapted_key * key + adapted_value * value
    found = activation_width * (held + np.where(every, 0.0, added)) / tp
    return np.where((keeps_joined > 0) & (trains_base <= 0), found, 0.0)


@rule(
    "normed_token_bytes",
    formula="where keeps_normed, of frozen weights: the normalised input of each product behind a norm that has an adapter"
    " (hidden_size, / tp with sequence parallelism), saved_input_bytes where that is a copy in 8 bits, activation_width"
    " where dropout gives the adapter a copy of its own; else 0",
    reference="Transformer Engine 2.2, pytorch/module/layernorm_linear.py: return_layernorm_output",
)
def normed_token_bytes(
    keeps_normed: Array,
    trains_base: Array,
    lora_dropout: Array,
    saved_input_bytes: Array,
    activation_width: Array,
    hidden_size: Array,
    tp: Array,
    sequence_parallel: Array,
    adapted_query: Array,
    adapted_key: Array,
    adapted_value: Array,
    adapted_gate: Array,
    adapted_up: Array,
) -> Array:
    """Normalised inputs that frozen products keep of a token because adapters read them too [B].

    Nothing reads them again: the product behind the norm has no gradient of its own, but hands them on.
    """
    attending = np.maximum(np.maximum(adapted_query, adapted_key), adapted_value)
    behind = (attending + np.maximum(adapted_gate, adapted_up)) * hidden_size
    copies = saved_input_bytes < activation_width
    same = np.where(lora_dropout > 0, activation_width, 0.0)
    found = np.where(copies, saved_input_bytes, same) * behind
    found = found / np.where(sequence_parallel > 0, tp, 1.0)
    return np.where((keeps_normed > 0) & (trains_base <= 0), found, 0.0)


@rule(
    "stale_token_bytes",
    formula="where keeps_graph and packed_inputs, of frozen 4-bit weights: activation_width * (2 hidden_size + per tp attention's"
    " output and feed_forward_width); else 0",
    reference="PyTorch, autograd: what a function keeps beside its saved tensors lives as long as its graph; litgpt, finetune/lora.py",
)
def stale_token_bytes(
    keeps_graph: Array,
    packed_inputs: Array,
    trains_base: Array,
    frozen_bytes: Array,
    activation_width: Array,
    hidden_size: Array,
    heads: Array,
    head_dim: Array,
    v_head_dim: Array,
    feed_forward_width: Array,
    tp: Array,
) -> Array:
    """Inputs of a layer's 4-bit products of a token of the last micro-batch, which the next forward pass still finds.

    Parameters
    ----------
    keeps_graph, packed_inputs : array_like
        1 where a training loop holds the last loss until the next one, and where products of 4-bit weights
        keep their inputs outside the tensors that autograd frees [1].
    trains_base, frozen_bytes, activation_width : array_like
        0 where the weights are frozen [1], bytes of one, and of a number outside products [B].
    hidden_size, heads, head_dim, v_head_dim, feed_forward_width, tp : array_like
        Widths of the products' inputs, and devices that share them [1].

    Returns
    -------
    ndarray
        Memory [B].
    """
    inner = (heads * value_width(head_dim, v_head_dim) + feed_forward_width) / tp
    found = activation_width * (2 * hidden_size + inner)
    holds = (keeps_graph > 0) & (packed_inputs > 0) & (trains_base <= 0) & (frozen_bytes < 1)
    return np.where(holds, found, 0.0)
