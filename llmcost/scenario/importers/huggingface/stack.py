"""One stack of layers: from the fields of a configuration to the quantities of the engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llmcost.engine import mixers as weights
from llmcost.scenario.importers.huggingface import patterns
from llmcost.scenario.importers.huggingface.decoders import DECODERS
from llmcost.scenario.importers.huggingface.encoders import ENCODERS
from llmcost.scenario.importers.huggingface.fields import NAMES, Fields
from llmcost.scenario.importers.huggingface.hybrids import HYBRIDS
from llmcost.scenario.importers.huggingface.kinds import Kinds, embedding_width, flag
from llmcost.scenario.importers.huggingface.recurrent import recurrent
from llmcost.scenario.importers.huggingface.speech import SPEECH

Family = Mapping[str, Any]
Architecture = dict[str, Any]

#: What a family's own code fixes, whatever its files say of it.
_FIXED = (
    "use_qk_norm", "qk_norm", "qk_layernorm", "rms_norm", "num_decoder_layers", "use_double_wide_mlp",
    "attention_heads", "spatial_merge_size", "out_hidden_size", "patch_size", "vocab_size", "qkv_bias",
    "attention_bias", "use_expert_bias", "moe_capacity", "dim_model_base", "normalize_qk_projections",
    "num_gqa_groups", "qkv_multipliers", "block_dim", "conv_dim", "block_use_swiglu", "use_swiglu_ffn",
    "layernorm_full_attention_alpha", "decoder_bias", "conv_stride", "median_filter_width",
    "alibi_bias_max", "add_out_norm", "max_inference_chunksize", "merge_kernel_size", "mm_hidden_size",
    "text_hidden_size", "n_window", "temporal_merge_size", "attention_window", "layer_norm_elementwise_affine",
    "moe_renormalize", "num_expert_group", "use_gemma_norm", "use_routing_bias", "layer_group_size",
    "use_mtp", "add_swa_attention_sink_bias", "reshape_hidden_states", "apply_layernorm", "frame_size",
    "crop_size", "n_window_infer",
    "pooling_kernel_size", "vocab_size_per_layer_input", "global_head_dim", "attn_layer_period", "attn_layer_offset", "attn_res_block_size", "use_grouped_topk",
)  # fmt: skip
#: What single families do, by the word of their table.
_SPECIAL = {**DECODERS, **ENCODERS, **HYBRIDS, **SPEECH}
#: Kinds of positions that have no weights.
_WITHOUT_WEIGHTS = ("rotary", "rope", "alibi")
#: Sizes without which there is no stack, with what a message calls them.
_NEEDED = ("layers", "hidden_size", "heads", "vocab_size")


def stack(fields: Fields, family: Family) -> Architecture:
    """The architecture of one stack.

    Parameters
    ----------
    fields : Fields
        The configuration; what is wrong with it is left there.
    family : mapping
        What its family implies.

    Returns
    -------
    dict
        Quantities by engine name; empty where the sizes that every stack has are missing.
    """
    blocks = patterns.blocks(fields)
    found: Architecture = {}
    for key in _NEEDED:
        value = None
        if (
            key != "vocab_size" or "vocab_size" not in family
        ):  # a tower's file may name its text's vocabulary
            value = fields.mean(key, None, 0 if key == "vocab_size" else 1)
        if key == "layers" and blocks:
            value = len(blocks)
        if value is None and key == "heads" and family.get("attention_free"):
            value = 1
        if value is None and key == "vocab_size" and "vocab_size" in family:
            value = family["vocab_size"]
        if value is None:
            _missing(fields, key)
        else:
            found[key] = value
    if len(found) < len(_NEEDED):
        for key in ("kv_heads", "head_dim", "ffn_hidden_size"):
            fields.mean(key, None, 0)  # all that is wrong with a file is said at once
        return {}
    layers = int(found["layers"])
    if "name" in family:
        fields.read.update((*NAMES["window"], *_FIXED))
    kinds = Kinds.of(fields, family, layers, blocks)
    _attention(fields, family, found, kinds)
    _feed_forward(fields, family, found, kinds)
    if kinds.recurrent:
        recurrent(fields, family, found)
    _embeddings(fields, family, found, kinds)
    _small(fields, family, found, kinds)
    if fields.value("add_cross_attention") is True and "encoder" not in family:
        fields.note("add_cross_attention: layers over what an encoder gives are not counted")
    for name in family.get("special", ()):
        _SPECIAL[name](fields, family, found, kinds)
    return {key: value for key, value in found.items() if value is not None}


def _missing(fields: Fields, key: str) -> None:
    if not any(fields.where in problem and f" {fields.prefix}{name}:" in problem
               for problem in fields.problems for name in NAMES[key]):  # fmt: skip
        fields.problem(
            NAMES[key][0],
            f"is missing (or one of {', '.join(NAMES[key][1:])}): nothing else says how many {key}"
            if key != "hidden_size"
            else f"is missing (or one of {', '.join(NAMES[key][1:])}): nothing else says how wide it is",
        )


def _attention(fields: Fields, family: Family, found: Architecture, kinds: Kinds) -> None:
    """Heads and their widths, latent ranks, windows."""
    hidden, heads = found["hidden_size"], found["heads"]
    found["attention_layers"] = kinds.full + kinds.windowed
    found["cross_layers"] = kinds.cross
    found["recurrent_layers"] = kinds.recurrent
    kv_heads = fields.mean("kv_heads", None)
    if kv_heads is None or (family.get("kv_flag") and not flag(fields, family, "kv_flag")):
        kv_heads = heads
    if fields.value("multi_query") is False and family.get("kv_by_multi_query"):
        kv_heads = heads
    if fields.text("attention_head_type") == "multiquery":  # SantaCoder
        kv_heads = 1
    if fields.flag("multi_query") and not fields.flag("new_decoder_architecture"):
        kv_heads = 1
    if fields.flag("use_cla"):  # keys and values of one layer serve those after it (Hunyuan-Large)
        kv_heads = kv_heads / (fields.whole("cla_share_factor", 2) or 2)
    found["kv_heads"] = kv_heads
    head_dim = fields.optional(NAMES["head_dim"])
    if family.get("head_dim_unused"):
        head_dim = None
    width = fields.whole("qkv_hidden_size")
    if width and head_dim is None:
        head_dim = max(int(width // heads), 1)
    latent = fields.whole("kv_lora_rank", 0, 0) or 0
    if latent:
        head_dim = fields.whole("qk_nope_head_dim", 128)
        found["kv_lora_rank"] = latent
        found["q_lora_rank"] = fields.optional("q_lora_rank") or 0
        found["qk_rope_head_dim"] = fields.whole("qk_rope_head_dim", 64, 0)
        found["v_head_dim"] = fields.whole("v_head_dim", head_dim)
        fields.read.update(("qk_head_dim", *NAMES["head_dim"]))
    elif family.get("value_heads"):
        found["v_head_dim"] = fields.whole("v_head_dim", head_dim)
    if head_dim is None:
        if hidden % heads and kinds.attends:
            name = fields.named(NAMES["heads"])
            fields.problem(name, f"{heads:g} heads do not divide {hidden:g}; it needs head_dim")
        head_dim = max(hidden * family.get("head_share", 1) // heads, 1)
    found["head_dim"] = head_dim
    if kinds.windowed:
        found["windowed_layers"] = kinds.windowed
        found["window"] = fields.whole(family.get("window_key", NAMES["window"]), 0, 0)
        if not found["window"]:
            fields.note(
                "windowed layers without a window: their scores are counted over the whole sequence"
            )
    index_heads = fields.whole("index_n_heads", 0, 0)
    if index_heads and family.get("indexer", True):
        _indexer(fields, found, kinds, index_heads)


def _indexer(fields: Fields, found: Architecture, kinds: Kinds, heads: int) -> None:
    """Sparse attention: an indexer scores all tokens, attention sees the best (DeepSeek-V3.2)."""
    width = heads * (fields.whole("index_head_dim", 128) or 128)
    found["indexer_width"] = width
    found["windowed_layers"] = found["attention_layers"]
    found["window"] = fields.whole("index_topk", 2048)
    key_dim = width // heads
    each = (found.get("q_lora_rank") or found["hidden_size"]) * width
    each += found["hidden_size"] * (key_dim + heads)
    kinds.matmul += found["attention_layers"] * each
    kinds.small += found["attention_layers"] * 2 * key_dim


def _feed_forward(fields: Fields, family: Family, found: Architecture, kinds: Kinds) -> None:
    """Widths of feed-forward blocks, experts and their sharers."""
    found["gated_ffn"] = _gated(fields, family)
    width = None if family.get("ffn_ratio_first") else fields.mean("ffn_hidden_size", None)
    inner = fields.mean("expert_ffn_hidden_size", None)
    if "ffn_key" in family:  # the dense layers' width has a name of its own (Llama 4)
        inner, width = width, fields.whole(family["ffn_key"], None)
        width = width if width is not None else inner
    if width is None:
        ratio = fields.value(("expansion_ratio", "mlp_ratio", "intermediate_multiple_size"))
        ratio = ratio if isinstance(ratio, int | float) and not isinstance(ratio, bool) else None
        if ratio is not None and not 0 < ratio < 1000:
            fields.problem("mlp_ratio", f"{str(ratio)[:40]!r} is not a ratio above 0")
            ratio = None
        width = found["hidden_size"] * (ratio if ratio is not None else family.get("ffn_ratio", 4))
        told = ratio is not None or "ffn_ratio" in family
        if not told and kinds.dense:
            fields.problem(
                NAMES["ffn_hidden_size"][0],
                "is missing: nothing else says how wide the feed-forward is",
            )
    found["ffn_hidden_size"] = width * family.get("ffn_share", 1)
    found["ffn_layers"] = kinds.dense + kinds.sparse
    if not kinds.experts:
        return
    found["experts"] = kinds.experts
    found["experts_per_token"] = _top(fields, family)
    groups, chosen = fields.whole("n_group", 1) or 1, fields.whole("topk_group", 1) or 1
    if chosen < groups:  # as many groups as there are limit nothing
        found["expert_groups"], found["groups_per_token"] = groups, chosen
    found["dense_layers"] = kinds.dense
    inner = width if inner is None else inner
    found["expert_ffn_hidden_size"] = inner
    shared = fields.mean("shared_experts", family.get("shared_experts"), 0) or 0
    listed = fields.value(NAMES["shared_width"])
    each = fields.mean("shared_width", None, 0) if listed is not None else None
    if each is not None:
        count = shared if shared and not family.get("shared_width_is_total") else 1
        shared = count * each / inner if each else 0
    found["shared_experts"] = shared
    latent = fields.whole(("moe_latent_size", "routed_expert_hidden_size"), 0, 0)
    if latent:
        kinds.small += kinds.sparse * latent * fields.flag("latent_moe_use_norm")
        found["expert_hidden_size"] = latent
        kinds.matmul += kinds.sparse * 2 * found["hidden_size"] * latent
    if shared and family.get("shared_gate"):
        kinds.matmul += kinds.sparse * found["hidden_size"]
    if flag(fields, family, "router_bias"):
        kinds.small += kinds.sparse * kinds.experts
    if flag(fields, family, "expert_bias"):
        each_bias = weights.ffn_bias_params(inner, found["hidden_size"], found["gated_ffn"])
        kinds.small += kinds.sparse * kinds.experts * each_bias


def _gated(fields: Fields, family: Family) -> bool:
    """Whether a feed-forward has a third matrix: by the family, or by an activation that is a product."""
    words = {fields.text(name).lower() for name in ("activation_function", "feed_forward_type")} - {
        ""
    }
    if any(word.endswith("glu") for word in words):
        return True
    return flag(fields, family, "gated") and not (words and family.get("gated_if_named"))


def _top(fields: Fields, family: Family) -> float:
    top = fields.mean("experts_per_token", family.get("experts_per_token"))
    if top is None:
        fields.problem(
            NAMES["experts_per_token"][0],
            "is missing: nothing else says how many experts a token visits",
        )
    return top or 1


def _embeddings(fields: Fields, family: Family, found: Architecture, kinds: Kinds) -> None:
    tied = fields.value(("tie_word_embeddings", "share_input_output_layers", "tied_embeddings"))
    found["tied_embeddings"] = tied if isinstance(tied, bool) else bool(family["tied"])
    for key, always in (("always_tied", True), ("never_tied", False)):
        if family.get(key):
            found["tied_embeddings"] = always
            if tied is not None and tied != always and family.get("tie_said"):
                words = "one matrix" if always else "two matrices"
                fields.note(
                    f"tie_word_embeddings: the weights of this family are published with {words}"
                )
    size = fields.whole(family["embedding_key"]) if "embedding_key" in family else None
    if size and size != found["hidden_size"]:
        found["embedding_size"] = size
    if not found["vocab_size"] or family.get("headless"):
        found["output_head"] = False
    found["mtp_layers"] = fields.whole(NAMES["mtp_layers"], 0, 0)
    if not found["tied_embeddings"]:
        kinds.small += family.get("untied_copies", 0) * found["vocab_size"] * embedding_width(found)


def _small(fields: Fields, family: Family, found: Architecture, kinds: Kinds) -> None:
    """Norms, biases, positions and small products of a stack."""
    hidden, heads, kv_heads = found["hidden_size"], found["heads"], found["kv_heads"]
    head_dim, layers = found["head_dim"], found["layers"]
    norm_bias = 1 if family["norm"] == "layer" else 0
    norm = weights.norm_size(hidden, norm_bias) if family["norm"] != "none" else 0
    attends = kinds.full + kinds.windowed + kinds.cross + (layers if "encoder" in family else 0)
    small = norm * (kinds.norms(fields, family) + bool(family["final_norm"]))
    small += norm * flag(fields, family, "embedding_norm")
    qkv, out = flag(fields, family, "qkv_bias"), flag(fields, family, "out_bias")
    if found.get("kv_lora_rank"):
        small += attends * ((found["q_lora_rank"] or 0) + found["kv_lora_rank"])
        if qkv:
            small += attends * (
                (found["q_lora_rank"] or 0) + found["kv_lora_rank"] + found["qk_rope_head_dim"]
            )
        small += attends * out * hidden
    else:
        small += attends * weights.attention_bias_params(
            heads, kv_heads, head_dim, hidden, qkv, out
        )
    kind = family["qk_norm"]
    if kind and (not family.get("qk_norm_key") or flag(fields, family, "qk_norm_key")):
        width = 2 * head_dim if kind == "head" else (heads + kv_heads) * head_dim
        small += attends * weights.norm_size(width, 0)
    if flag(fields, family, "ffn_bias"):
        each = weights.ffn_bias_params(found["ffn_hidden_size"], hidden, found["gated_ffn"])
        small += kinds.dense * each
    if flag(fields, family, "head_bias"):
        small += found["vocab_size"]
    gate = family.get("attention_gate")
    if "attention_gate_key" in family and fields.flag(family["attention_gate_key"]):
        gate = "full"
    if gate:
        kinds.matmul += attends * hidden * heads * (head_dim if gate == "full" else 1)
    if family.get("sinks"):
        small += (attends if family["sinks"] == "all" else kinds.windowed) * heads
    turned = fields.text("position_embedding_type") in _WITHOUT_WEIGHTS
    if family.get("positions") and not turned:
        count = fields.whole(family["positions"], 0, 0) or 0
        small += (count + family.get("position_offset", 0)) * embedding_width(found)
    if "types" in family:
        small += (fields.whole("type_vocab_size", family["types"], 0) or 0) * embedding_width(found)
    kinds.small += small
    found["other_params"] = kinds.small
    found["other_matmul_params"] = kinds.matmul
