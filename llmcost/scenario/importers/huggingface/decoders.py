"""What single families of decoders do that no field or flag of the table can say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llmcost.scenario.importers.huggingface.fields import Fields
from llmcost.scenario.importers.huggingface.kinds import Function, Kinds, add, ratio

Found = dict[str, Any]


def _rounded(width: float, multiple: int) -> int:
    """A width rounded to a multiple, as OpenELM and Nemotron's search round theirs."""
    nearest = max(multiple, int(width + multiple / 2) // multiple * multiple)
    return nearest + multiple if nearest < 0.9 * width else nearest


def _openelm(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """Widths by layer from lists of multipliers."""
    values = fields.value("ffn_multipliers")
    values = values if isinstance(values, list) and values else [values]
    divisor = fields.whole("ffn_dim_divisor", 256) or 256
    widths = [
        _rounded(ratio(fields, "ffn_multipliers", item) * found["hidden_size"], divisor)
        for item in values
    ]
    found["ffn_hidden_size"] = sum(widths) / len(widths)
    found["gated_ffn"] = fields.flag("ffn_with_glu", True)


def _searched_blocks(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """Blocks that a search left out, narrowed or made linear (Nemotron-NAS, DeciLM)."""
    blocks = fields.value("block_configs")
    if not isinstance(blocks, list):
        return
    if len(blocks) != found["layers"] or not all(isinstance(block, dict) for block in blocks):
        fields.problem("block_configs", f"does not have {found['layers']} tables, one a layer")
        return
    hidden, heads = found["hidden_size"], found["heads"]
    groups: list[float] = []
    widths: list[int] = []
    linear = 0
    for block in blocks:
        attention = block.get("attention") if isinstance(block.get("attention"), dict) else {}
        forward = block.get("ffn") if isinstance(block.get("ffn"), dict) else {}
        if attention.get("replace_with_linear") is True:
            linear += 1
        elif attention.get("no_op") is not True:
            size = attention.get("n_heads_in_group")
            groups.append(heads / ratio(fields, "block_configs.attention.n_heads_in_group", size))
        if forward.get("replace_with_linear") is True:
            linear += 1
        elif forward.get("no_op") is not True:
            mult = ratio(fields, "block_configs.ffn.ffn_mult", forward.get("ffn_mult"))
            width = int(2 * mult * hidden / 3)
            widths.append(width if width % 256 == 0 else width + 256 - width % 256)
    found["attention_layers"] = len(groups)
    found["kv_heads"] = sum(groups) / len(groups) if groups else heads
    found["ffn_layers"] = len(widths)
    found["ffn_hidden_size"] = sum(widths) / len(widths) if widths else hidden
    skipped = 2 * len(blocks) - len(groups) - len(widths) - linear
    add(found, small=-skipped * hidden, matmul=linear * hidden * hidden)


def _word_projection(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """An embedding of another width with projections in and out (OPT 350M), and no last norm then."""
    size = fields.whole("word_embed_proj_dim", int(found["hidden_size"])) or 0
    if size and size != found["hidden_size"]:
        found["embedding_size"] = size
        add(found, matmul=2 * size * found["hidden_size"])
    if not fields.flag("do_layer_norm_before", True) or fields.flag("_remove_final_layer_norm"):
        add(found, small=-2 * found["hidden_size"])


def _gemma4(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """Full layers of other widths, layers that share keys and values, embeddings of each layer."""
    hidden, heads, layers = found["hidden_size"], found["heads"], found["layers"]
    local_dim, local_kv = found["head_dim"], found["kv_heads"]
    wide = fields.whole("global_head_dim", 512) or local_dim
    same = fields.flag("attention_k_eq_v")
    wide_kv = fields.whole("num_global_key_value_heads") if same else None
    found.update(
        head_dim=wide, windowed_heads=heads, windowed_kv_heads=local_kv, windowed_head_dim=local_dim
    )
    # one matrix serves as key and value: half the weights of a pair
    found["kv_heads"] = (wide_kv or local_kv) * (0.5 if same else 1)
    shared, full, windowed = _shared_keys(fields, found, kinds)
    if fields.flag("use_double_wide_mlp"):
        found["ffn_hidden_size"] *= 1 + len(shared) / layers
    norms = kinds.windowed * 2 * local_dim + kinds.full * 2 * wide
    norms -= full * wide + windowed * local_dim
    add(found, small=norms)
    if fields.flag("enable_moe_block") and kinds.experts:
        own = found["ffn_hidden_size"]
        found["shared_experts"] = own / found["expert_ffn_hidden_size"]
        add(found, small=layers * (4 * hidden + found["experts"]))
    _per_layer_embedding(fields, found)


def _shared_keys(fields: Fields, found: Found, kinds: Kinds) -> tuple[list[str], int, int]:
    """The last layers take keys and values of earlier ones and have no such weights (Gemma 3n and 4)."""
    sharing = fields.whole("num_kv_shared_layers", 0, 0) or 0
    shared = kinds.mixers[int(found["layers"]) - sharing :] if sharing else []
    full, windowed = shared.count("full"), shared.count("window")
    if kinds.full:
        found["kv_heads"] *= 1 - full / kinds.full
    if kinds.windowed:
        found["windowed_kv_heads"] *= 1 - windowed / kinds.windowed
    return shared, full, windowed


def _per_layer_embedding(fields: Fields, found: Found) -> None:
    """An embedding for each layer, projected into it (Gemma 3n and 4)."""
    layers, hidden = found["layers"], found["hidden_size"]
    width = fields.whole("hidden_size_per_layer_input", 0, 0) or 0
    if width:
        vocab = fields.whole("vocab_size_per_layer_input", found["vocab_size"]) or 0
        add(found, small=vocab * layers * width + width + layers * hidden,
             matmul=hidden * layers * width + layers * 2 * hidden * width)  # fmt: skip


def _gemma3n(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """Alternating updates, low-rank residuals, embeddings of each layer."""
    layers, hidden = found["layers"], found["hidden_size"]
    inputs = fields.whole("altup_num_inputs", 4) or 4
    rank = fields.whole("laurel_rank", 64) or 64
    found["windowed_kv_heads"] = found["kv_heads"]
    shared, _, _ = _shared_keys(fields, found, kinds)
    add(found, small=-len(shared) * found["head_dim"])
    altup = hidden * inputs + inputs**3 + inputs**2
    add(found, small=layers * (2 * hidden + hidden), matmul=layers * (altup + 2 * hidden * rank))
    add(found, matmul=2 * (inputs - 1) * hidden * hidden)
    _per_layer_embedding(fields, found)


def _other_windowed_heads(
    fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds
) -> None:
    """Heads of windowed layers by keys of their own (MiMo, Step)."""
    heads = fields.whole("swa_num_attention_heads")
    kv = fields.whole("swa_num_key_value_heads")
    wide = fields.whole("swa_head_dim")
    values = fields.whole("swa_v_head_dim")
    setting = fields.part("attention_other_setting")
    if setting:
        heads = setting.whole("num_attention_heads", heads)
        kv = setting.whole(("num_attention_groups", "num_key_value_heads"), kv)
        wide = setting.whole("head_dim", wide)
    if family.get("windowed_kv_factor") and kv is None:
        kv = int(found["kv_heads"] * family["windowed_kv_factor"])
    for key, value in (
        ("windowed_heads", heads),
        ("windowed_kv_heads", kv),
        ("windowed_head_dim", wide),
    ):
        if value is not None:
            found[key] = value
    if values is not None and values != found.get("v_head_dim", values):
        fields.problem(
            "swa_v_head_dim",
            f"{values} differs from v_head_dim {found.get('v_head_dim')}, which is not read",
        )


def _residual_dense(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """A dense feed-forward beside the experts of each layer (Arctic)."""
    if not kinds.experts or not fields.flag("parallel_attn_mlp_res", True):
        return
    found["shared_experts"] = found["hidden_size"] / found["expert_ffn_hidden_size"]
    add(found, small=kinds.sparse * found["hidden_size"])


def _time_mix(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """RWKV's channel mix: a plain feed-forward with a receptance, and a norm before the first block."""
    hidden, layers = found["hidden_size"], found["layers"]
    add(found, small=layers * 2 * hidden + 2 * hidden, matmul=layers * hidden * hidden)


def _windowed_only(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """RecurrentGemma's attention has a bias on its output alone, its feed-forward on all."""
    hidden, width = found["hidden_size"], found["ffn_hidden_size"]
    add(found, small=kinds.windowed * hidden + found["layers"] * (2 * width + hidden))


def _cross_gates(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """Llama 3.2 Vision: gates of layers that attend to the image, norms of their heads, eight more tokens."""
    add(found, small=kinds.cross * (2 + 2 * found["head_dim"]) + 8 * found["hidden_size"])


def _falcon_norms(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """One norm where attention and feed-forward stand side by side, two in the new architecture."""
    new = fields.flag("new_decoder_architecture")
    count = fields.whole("num_ln_in_parallel_attn", 2 if new else 1)
    if fields.flag("parallel_attn", True) and count == 1:
        add(found, small=-2 * found["hidden_size"] * found["layers"])


def _no_positions_with_alibi(
    fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds
) -> None:
    """MPT and Baichuan: positions by ALiBi have no weights."""
    part = fields.part("attn_config")
    if part and part.flag("qk_ln"):
        add(found, small=found["layers"] * 2 * found["hidden_size"])
    if fields.value("expansion_ratio") not in (None, 4):
        fields.note(
            "expansion_ratio: counted as the code published with the weights does; that of transformers takes 4"
        )


def _block_sparse(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """Phi-3-small: every other layer attends to blocks only."""
    size = fields.whole("blocksparse_block_size", 64) or 64
    local = fields.whole("blocksparse_num_local_blocks", 16) or 16
    period = fields.whole("dense_attention_every_n_layers", 2) or 2
    fields.whole("blocksparse_vert_stride", 8)
    found["windowed_layers"] = found["layers"] - found["layers"] // period
    found["window"] = size * local


def _latent_norms(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """Norms before every projection of attention and feed-forward (BitNet)."""
    add(found, small=found["layers"] * (found["hidden_size"] + found["ffn_hidden_size"]))


def _attention_experts(
    fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds
) -> None:
    """JetMoE: query and output projections are experts too, chosen as often as those of the feed-forward."""
    if not kinds.experts:
        return
    hidden, inner = found["hidden_size"], found["kv_heads"] * found["head_dim"]
    # the pair counts with the feed-forward's expert: the same number of them, the same number active
    found["expert_ffn_hidden_size"] += 2 * inner / 3
    attends = kinds.full + kinds.windowed
    add(found, matmul=attends * hidden * (found["experts"] - 2 * found["heads"] * found["head_dim"]),
         small=2 * attends * hidden)  # fmt: skip


def _adjusted_width(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """LFM2 narrows its feed-forward to two thirds, rounded up."""
    if not fields.flag("block_auto_adjust_ff_dim", True):
        return
    width = int(2 * found["ffn_hidden_size"] / 3)
    scale = fields.value("block_ffn_dim_multiplier")
    if scale is not None:
        width = int(ratio(fields, "block_ffn_dim_multiplier", scale) * width)
    multiple = fields.whole("block_multiple_of", 256) or 256
    found["ffn_hidden_size"] = -(-width // multiple) * multiple


def _shared_only(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """Granite 4 without experts: the shared feed-forward is all there is."""
    if not kinds.experts:
        found["ffn_hidden_size"] = (
            fields.whole("shared_intermediate_size", None) or found["ffn_hidden_size"]
        )


def _head_norms(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """Norms of query and key heads: one each without bias (StableLM), or one for all with (Persimmon)."""
    if fields.flag("qk_layernorm"):
        heads = found["heads"] + found["kv_heads"]
        each = 4 if family["name"] == "persimmon" else heads
        add(found, small=found["layers"] * each * found["head_dim"])


def _square_output(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """Helium's output projection is as wide as the model, whatever its heads."""
    hidden = found["hidden_size"]
    add(found, matmul=found["layers"] * hidden * (hidden - found["heads"] * found["head_dim"]))


def _relative_projection(
    fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds
) -> None:
    """XLNet projects relative positions, with biases and segments of its own, and has a mask's embedding."""
    hidden, inner = found["hidden_size"], found["heads"] * found["head_dim"]
    add(found, matmul=found["layers"] * hidden * inner, small=found["layers"] * 5 * inner + hidden)


def _two_blocks(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """LongCat-Flash: two attentions and two dense feed-forwards a layer beside its experts, some of which are empty."""
    hidden, count = found["hidden_size"], found["layers"]
    latent = (found.get("q_lora_rank") or 0) + found.get("kv_lora_rank", 0)
    for key in ("layers", "attention_layers", "ffn_layers"):
        found[key] = 2 * count
    found["dense_layers"] = count
    # the second dense one counts as an expert that all tokens visit
    found["shared_experts"] = found["ffn_hidden_size"] / found["expert_ffn_hidden_size"]
    empty = fields.whole("zero_expert_num", 0, 0) or 0
    add(
        found,
        small=count * (2 * hidden + latent + found["experts"] + empty),
        matmul=count * hidden * empty,
    )
    if empty:
        fields.note(
            f"zero_expert_num: {empty} of the experts compute nothing; active parameters count none of them"
        )


def _over_an_encoder(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """TrOCR: each layer attends to what an encoder gives, which may be of another width."""
    hidden, layers = found["hidden_size"], found["layers"]
    wide = fields.whole("cross_attention_hidden_size", int(hidden)) or hidden
    found["cross_layers"] += layers
    add(found, small=layers * 4 * hidden, matmul=layers * 2 * hidden * (wide - hidden))
    if not fields.flag("use_learned_position_embeddings", True):
        add(found, small=-((fields.whole("max_position_embeddings", 512) or 512) + 2) * hidden)


def _either_norm(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """Molmo 2: norms of heads as Qwen 3's or as OLMo's, and a few more rows of the embedding."""
    wide, heads = found["head_dim"], found["heads"] + found["kv_heads"]
    if fields.text("qk_norm_type") == "olmo":
        add(found, small=found["layers"] * (heads * wide - 2 * wide))
    add(found, small=(fields.whole("additional_vocab_size", 128, 0) or 0) * found["hidden_size"])


#: By the word of the table of families.
DECODERS: dict[str, Function] = {
    "openelm": _openelm,
    "searched_blocks": _searched_blocks,
    "word_projection": _word_projection,
    "gemma4": _gemma4,
    "gemma3n": _gemma3n,
    "other_windowed_heads": _other_windowed_heads,
    "residual_dense": _residual_dense,
    "time_mix": _time_mix,
    "recurrent_gemma": _windowed_only,
    "cross_gates": _cross_gates,
    "falcon_norms": _falcon_norms,
    "alibi": _no_positions_with_alibi,
    "block_sparse": _block_sparse,
    "bitnet": _latent_norms,
    "attention_experts": _attention_experts,
    "adjusted_width": _adjusted_width,
    "shared_only": _shared_only,
    "head_norms": _head_norms,
    "square_output": _square_output,
    "relative_projection": _relative_projection,
    "two_blocks": _two_blocks,
    "over_an_encoder": _over_an_encoder,
    "either_norm": _either_norm,
}
