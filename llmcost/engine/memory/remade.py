"""What software makes again in the backward pass whatever is asked for: what costs little and takes much room."""

from __future__ import annotations

import numpy as np

from llmcost.engine.architecture import value_width
from llmcost.engine.chain import Array, rule

_DEEPSEEK = "DeepSeek-AI 2024, arXiv:2412.19437, sections 3.2.3 and 3.3.3"


@rule(
    "remade_token_bytes",
    formula="remakes_cheap * (2 saved_input_bytes hidden_size of norms, (/ tp with sequence parallelism); per tp: queries,"
    " keys and values of latent attention less the latents that they come from, saved_input_bytes feed_forward_width of a"
    " gated activation); 0 where the weights are frozen",
    reference=_DEEPSEEK,
)
def remade_token_bytes(
    remakes_cheap: Array,
    hidden_size: Array,
    heads: Array,
    head_dim: Array,
    qk_rope_head_dim: Array,
    v_head_dim: Array,
    q_lora_rank: Array,
    kv_lora_rank: Array,
    feed_forward_width: Array,
    gated_ffn: Array,
    attending_share: Array,
    windowed_share: Array,
    tp: Array,
    sequence_parallel: Array,
    saved_input_bytes: Array,
    saves_gathered: Array,
    activation_width: Array,
    trains_base: Array,
) -> Array:
    """What of full_token_bytes a layer does not keep, as norms and narrow products make it again.

    Parameters
    ----------
    remakes_cheap : array_like
        1 where the software makes norms, the products out of latents and gated activations again [1].
    hidden_size, heads, head_dim, qk_rope_head_dim, v_head_dim, q_lora_rank, kv_lora_rank : array_like
        Sizes of attention [1].
    feed_forward_width, gated_ffn, attending_share, windowed_share : array_like
        Width of the feed-forward blocks that a token enters, blocks of attention a layer [1].
    tp, sequence_parallel, saves_gathered : array_like
        Devices that share a layer, whether they share the sequence, and which input they keep [1].
    saved_input_bytes, activation_width : array_like
        Bytes of a number of a product's saved input, and of one outside products [B].
    trains_base : array_like
        0 where the weights are frozen [1].

    Returns
    -------
    ndarray
        Memory [B].

    References
    ----------
    .. [1] DeepSeek-AI (2024), arXiv:2412.19437, section 3.2.3.
    """
    shared = (sequence_parallel > 0) & (saves_gathered <= 0)
    norms = 2 * saved_input_bytes * hidden_size / np.where(shared, tp, 1.0)
    wide = heads * (2 * (head_dim + qk_rope_head_dim) + value_width(head_dim, v_head_dim))
    query = heads * (head_dim + qk_rope_head_dim) * (q_lora_rank <= 0)
    latents = query + q_lora_rank + kv_lora_rank + qk_rope_head_dim
    attention = activation_width * np.maximum(wide - latents, 0.0) * (kv_lora_rank > 0)
    attention = attention * (attending_share + windowed_share)
    gates = saved_input_bytes * feed_forward_width * gated_ffn
    return np.where(trains_base > 0, remakes_cheap * (norms + (attention + gates) / tp), 0.0)
