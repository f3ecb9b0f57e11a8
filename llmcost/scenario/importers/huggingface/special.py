"""What single families do that no field or flag of the table can say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from llmcost.scenario.importers.huggingface.fields import Fields
from llmcost.scenario.importers.huggingface.kinds import Kinds, embedding_width

Found = dict[str, Any]
_Function = Callable[[Fields, Mapping[str, Any], Found, Kinds], None]


def apply(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """Let a family's own functions correct what was read."""
    for name in family.get("special", ()):
        _FUNCTIONS[name](fields, family, found, kinds)


def _add(found: Found, small: float = 0.0, matmul: float = 0.0) -> None:
    found["other_params"] += small
    found["other_matmul_params"] += matmul


def _ratio(fields: Fields, name: str, value: Any) -> float:
    good = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1000
    if not good:
        fields.problem(name, f"{str(value)[:40]!r} is not a ratio above 0")
        return 1.0
    return float(value)


def _rounded(width: float, multiple: int) -> int:
    """A width rounded to a multiple, as OpenELM and Nemotron's search round theirs."""
    nearest = max(multiple, int(width + multiple / 2) // multiple * multiple)
    return nearest + multiple if nearest < 0.9 * width else nearest


def _openelm(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """Widths by layer from lists of multipliers."""
    values = fields.value("ffn_multipliers")
    values = values if isinstance(values, list) else [values]
    divisor = fields.whole("ffn_dim_divisor", 256) or 256
    widths = [
        _rounded(_ratio(fields, "ffn_multipliers", item) * found["hidden_size"], divisor)
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
            groups.append(heads / _ratio(fields, "block_configs.attention.n_heads_in_group", size))
        if forward.get("replace_with_linear") is True:
            linear += 1
        elif forward.get("no_op") is not True:
            mult = _ratio(fields, "block_configs.ffn.ffn_mult", forward.get("ffn_mult"))
            width = int(2 * mult * hidden / 3)
            widths.append(width if width % 256 == 0 else width + 256 - width % 256)
    found["attention_layers"] = len(groups)
    found["kv_heads"] = sum(groups) / len(groups) if groups else heads
    found["ffn_layers"] = len(widths)
    found["ffn_hidden_size"] = sum(widths) / len(widths) if widths else hidden
    skipped = 2 * len(blocks) - len(groups) - len(widths) - linear
    _add(found, small=-skipped * hidden, matmul=linear * hidden * hidden)


def _word_projection(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """An embedding of another width with projections in and out (OPT 350M), and no last norm then."""
    size = fields.whole("word_embed_proj_dim", int(found["hidden_size"])) or 0
    if size and size != found["hidden_size"]:
        found["embedding_size"] = size
        _add(found, matmul=2 * size * found["hidden_size"])
    if not fields.flag("do_layer_norm_before", True) or fields.flag("_remove_final_layer_norm"):
        _add(found, small=-2 * found["hidden_size"])


def _encoder_head(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """What stands on an encoder of the BERT kind: a pooler, or the head that fills masks."""
    hidden, width = found["hidden_size"], embedding_width(found)
    kind = (fields.texts("architectures") or [""])[0]
    found["tied_embeddings"] = True
    if kind.endswith("Model") or "Classification" in kind or "QuestionAnswering" in kind:
        found["output_head"] = False
        if family.get("pooler", True) and (
            kind.endswith("Model") or family.get("pooler") == "always"
        ):
            _add(found, small=hidden, matmul=hidden * hidden)
    elif kind == "ElectraForPreTraining":  # a word is real or not
        found["output_head"] = False
        _add(found, small=hidden + 1, matmul=hidden * hidden + hidden)
    else:
        bias = 1 if family["norm"] == "layer" else 0
        _add(
            found,
            small=width * (2 + bias) + (0 if family.get("plain_head") else found["vocab_size"]),
            matmul=hidden * width,
        )
        if kind.endswith("PreTraining"):
            _add(found, small=hidden + 2, matmul=hidden * hidden + 2 * hidden)
    if family.get("embedding_projection") and width != hidden:
        _add(found, small=hidden, matmul=width * hidden)


def _shared_layers(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """Layers that share their weights (ALBERT); norms and biases are shared with them."""
    groups = fields.whole("num_hidden_groups", 1) or 1
    inner = fields.whole("inner_group_num", 1) or 1
    if found["layers"] % groups:
        fields.problem(
            "num_hidden_groups", f"{groups} groups do not divide {found['layers']} layers"
        )
        return
    uses = found["layers"] / groups
    hidden = found["hidden_size"]
    each = 4 * hidden + 4 * hidden + found["ffn_hidden_size"] + hidden  # two norms, biases
    _add(found, small=-(found["layers"] - groups * inner) * each)
    found["layer_uses"] = uses / inner
    # what is used once, but stands among the blocks that are divided
    once = found["other_matmul_params"]
    found["other_params"] += once - once / found["layer_uses"]


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
    _add(found, small=norms)
    if fields.flag("enable_moe_block") and kinds.experts:
        own = found["ffn_hidden_size"]
        found["shared_experts"] = own / found["expert_ffn_hidden_size"]
        _add(found, small=layers * (4 * hidden + found["experts"]))
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
        _add(found, small=vocab * layers * width + width + layers * hidden,
             matmul=hidden * layers * width + layers * 2 * hidden * width)  # fmt: skip


def _gemma3n(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """Alternating updates, low-rank residuals, embeddings of each layer."""
    layers, hidden = found["layers"], found["hidden_size"]
    inputs = fields.whole("altup_num_inputs", 4) or 4
    rank = fields.whole("laurel_rank", 64) or 64
    found["windowed_kv_heads"] = found["kv_heads"]
    shared, _, _ = _shared_keys(fields, found, kinds)
    _add(found, small=-len(shared) * found["head_dim"])
    altup = hidden * inputs + inputs**3 + inputs**2
    _add(found, small=layers * (2 * hidden + hidden), matmul=layers * (altup + 2 * hidden * rank))
    _add(found, matmul=2 * (inputs - 1) * hidden * hidden)
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
    _add(found, small=kinds.sparse * found["hidden_size"])


def _time_mix(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """RWKV's channel mix: a plain feed-forward with a receptance, and a norm before the first block."""
    hidden, layers = found["hidden_size"], found["layers"]
    _add(found, small=layers * 2 * hidden + 2 * hidden, matmul=layers * hidden * hidden)


def _windowed_only(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """RecurrentGemma's attention has a bias on its output alone, its feed-forward on all."""
    hidden, width = found["hidden_size"], found["ffn_hidden_size"]
    _add(found, small=kinds.windowed * hidden + found["layers"] * (2 * width + hidden))


def _cross_gates(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """Llama 3.2 Vision: gates of layers that attend to the image, norms of their heads, eight more tokens."""
    _add(found, small=kinds.cross * (2 + 2 * found["head_dim"]) + 8 * found["hidden_size"])


def _falcon_norms(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """One norm where attention and feed-forward stand side by side, two in the new architecture."""
    new = fields.flag("new_decoder_architecture")
    count = fields.whole("num_ln_in_parallel_attn", 2 if new else 1)
    if fields.flag("parallel_attn", True) and count == 1:
        _add(found, small=-2 * found["hidden_size"] * found["layers"])


def _no_positions_with_alibi(
    fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds
) -> None:
    """MPT and Baichuan: positions by ALiBi have no weights."""
    part = fields.part("attn_config")
    if part and part.flag("qk_ln"):
        _add(found, small=found["layers"] * 2 * found["hidden_size"])


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
    _add(found, small=found["layers"] * (found["hidden_size"] + found["ffn_hidden_size"]))


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
    _add(found, matmul=attends * hidden * (found["experts"] - 2 * found["heads"] * found["head_dim"]),
         small=2 * attends * hidden)  # fmt: skip


def _adjusted_width(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """LFM2 narrows its feed-forward to two thirds, rounded up."""
    if not fields.flag("block_auto_adjust_ff_dim", True):
        return
    width = int(2 * found["ffn_hidden_size"] / 3)
    scale = fields.value("block_ffn_dim_multiplier")
    if scale is not None:
        width = int(_ratio(fields, "block_ffn_dim_multiplier", scale) * width)
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
        _add(found, small=found["layers"] * each * found["head_dim"])


def _relative_buckets(
    fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds
) -> None:
    """T5's relative positions: one weight a head and bucket, in the first layer of each stack."""
    buckets = fields.whole("relative_attention_num_buckets", 32) or 32
    times = found["layers"] if "umt5" in family["name"] else 1
    _add(found, small=times * buckets * found["heads"])
    found["gated_ffn"] = found["gated_ffn"] or fields.text("feed_forward_proj").startswith("gated")


def _keys_without_bias(
    fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds
) -> None:
    """Whisper's keys have no bias."""
    _add(found, small=-found["layers"] * found["heads"] * found["head_dim"])


def _classes(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """A classifier over the classes of the file, or the pooler of a bare model."""
    kind = (fields.texts("architectures") or [""])[0]
    if "Classification" in kind:
        labels = fields.value("id2label")
        count = (
            len(labels)
            if isinstance(labels, dict) and labels
            else fields.whole("num_labels", 2) or 2
        )
        _add(found, small=count, matmul=count * found["hidden_size"])


def _mask_token(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """DINOv2's token for masked patches, and its registers."""
    registers = fields.whole("num_register_tokens", 0, 0) or 0
    _add(found, small=found["hidden_size"] * (1 + registers))


def _tiles(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """Llama 3.2 Vision: gated layers after the others, positions of tiles by aspect ratio."""
    hidden, ffn = found["hidden_size"], found["ffn_hidden_size"]
    more = fields.whole("num_global_layers", 8, 0) or 0
    ratios = fields.value("supported_aspect_ratios")
    count = len(ratios) if isinstance(ratios, list) else fields.whole("max_aspect_ratio_id", 8) or 8
    tiles = fields.whole("max_num_tiles", 4) or 4
    image, patch = fields.whole("image_size", 448) or 448, fields.whole("patch_size", 14) or 14
    places = (image // patch) ** 2 + 1
    found["layers"] += more
    found["ffn_layers"] += more
    found["attention_layers"] += more
    positions = (count + 1) * tiles * (places + 2) * hidden + 3
    _add(found, small=more * (4 * hidden + ffn + hidden + 2) + positions)


def _pixel_shuffle(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """Llama 4: an adapter of two matrices after the tower."""
    wide = fields.whole("projector_input_dim", 4096) or 4096
    out = fields.whole("projector_output_dim", 4096) or 4096
    _add(found, matmul=found["ffn_hidden_size"] * wide + out * out)


def _two_downsamplers(
    fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds
) -> None:
    """Step 3: two convolutions of 3 by 3 that double the width."""
    hidden = found["hidden_size"]
    _add(found, matmul=9 * (2 + 8) * hidden * hidden, small=6 * hidden)


def _text_head(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """SigLIP projects its text."""
    size = fields.whole("projection_size", int(found["hidden_size"])) or found["hidden_size"]
    _add(found, matmul=found["hidden_size"] * size, small=size)


def _relative(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """DeBERTa: no absolute positions where position_biased_input is false, relative ones instead."""
    hidden = found["hidden_size"]
    if not fields.flag("position_biased_input", True):
        _add(found, small=-(fields.whole("max_position_embeddings", 512) or 512) * hidden)
    if fields.flag("relative_attention"):
        span = fields.value("position_buckets")
        span = (
            span
            if isinstance(span, int) and span > 0
            else fields.whole("max_position_embeddings", 512) or 512
        )
        _add(found, small=2 * span * hidden)
        if fields.text("norm_rel_ebd"):
            _add(found, small=2 * hidden)


_FUNCTIONS: dict[str, _Function] = {
    "openelm": _openelm,
    "searched_blocks": _searched_blocks,
    "word_projection": _word_projection,
    "encoder_head": _encoder_head,
    "shared_layers": _shared_layers,
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
    "relative_buckets": _relative_buckets,
    "keys_without_bias": _keys_without_bias,
    "classes": _classes,
    "mask_token": _mask_token,
    "tiles": _tiles,
    "pixel_shuffle": _pixel_shuffle,
    "two_downsamplers": _two_downsamplers,
    "text_head": _text_head,
    "relative": _relative,
}
