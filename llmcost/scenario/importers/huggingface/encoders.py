"""What single families of encoders and towers do that no field or flag of the table can say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llmcost.scenario.importers.huggingface.fields import Fields
from llmcost.scenario.importers.huggingface.kinds import Function, Kinds, add, embedding_width
from llmcost.scenario.importers.huggingface.parts import architecture, is_bare, labels

Found = dict[str, Any]


def _encoder_head(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """What stands on an encoder of the BERT kind: a pooler, or the head that fills masks."""
    hidden, width = found["hidden_size"], embedding_width(found)
    kind = architecture(fields)
    bare = is_bare(kind)
    if bare or kind.endswith(("Classification", "QuestionAnswering", "MultipleChoice")):
        found["output_head"] = False
        # one vector for the text, from its first token
        if kind.endswith(("SequenceClassification", "MultipleChoice")) or (
            bare and family.get("pooler", True)
        ):
            add(found, small=hidden, matmul=hidden * hidden)
        if not bare:
            add(found, small=labels(fields), matmul=hidden * labels(fields))
    elif kind == "ElectraForPreTraining":  # a word is real or not
        found["output_head"] = False
        add(found, small=hidden + 1, matmul=hidden * hidden + hidden)
    else:
        bias = 1 if family["norm"] == "layer" else 0
        add(
            found,
            small=width * (2 + bias) + (0 if family.get("plain_head") else found["vocab_size"]),
            matmul=hidden * width,
        )
        if family.get("pooler") == "always":
            add(found, small=hidden, matmul=hidden * hidden)
        if kind.endswith("PreTraining"):
            add(found, small=hidden + 2, matmul=hidden * hidden + 2 * hidden)
    if family.get("embedding_projection") and width != hidden:
        add(found, small=hidden, matmul=width * hidden)


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
    add(found, small=-(found["layers"] - groups * inner) * each)
    found["layer_uses"] = uses / inner
    # what is used once, but stands among the blocks that are divided
    once = found["other_matmul_params"]
    found["other_params"] += once - once / found["layer_uses"]


def _relative(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """DeBERTa: no absolute positions where position_biased_input is false, relative ones instead."""
    hidden = found["hidden_size"]
    if not fields.flag("position_biased_input", True):
        add(found, small=-(fields.whole("max_position_embeddings", 512) or 512) * hidden)
    if fields.flag("relative_attention"):
        span = fields.value("position_buckets")
        span = (
            span
            if isinstance(span, int) and span > 0
            else fields.whole("max_position_embeddings", 512) or 512
        )
        add(found, small=2 * span * hidden)
        if fields.text("norm_rel_ebd"):
            add(found, small=2 * hidden)


def _relative_buckets(
    fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds
) -> None:
    """T5's relative positions: one weight a head and bucket, in the first layer of each stack."""
    buckets = fields.whole("relative_attention_num_buckets", 32) or 32
    times = found["layers"] if "umt5" in family["name"] else 1
    add(found, small=times * buckets * found["heads"])
    activation = fields.text("feed_forward_proj")  # names the gate where no flag does
    if activation and not fields.has("is_gated_act"):
        found["gated_ffn"] = activation.startswith("gated")


def _keys_without_bias(
    fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds
) -> None:
    """Whisper's keys have no bias."""
    add(found, small=-found["layers"] * found["heads"] * found["head_dim"])


def _classes(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """A classifier over the classes of the file, or the pooler of a bare model."""
    if "Classification" in architecture(fields):
        count = labels(fields)
        add(found, small=count, matmul=count * found["hidden_size"])


def _mask_token(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """DINOv2's token for masked patches, and its registers."""
    registers = fields.whole("num_register_tokens", 0, 0) or 0
    add(found, small=found["hidden_size"] * (1 + registers))


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
    add(found, small=more * (4 * hidden + ffn + hidden + 2) + positions)


def _pixel_shuffle(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """Llama 4: an adapter of two matrices after the tower."""
    wide = fields.whole("projector_input_dim", 4096) or 4096
    out = fields.whole("projector_output_dim", 4096) or 4096
    add(found, matmul=found["ffn_hidden_size"] * wide + out * out)


def _two_downsamplers(
    fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds
) -> None:
    """Step 3: two convolutions of 3 by 3 that double the width."""
    hidden = found["hidden_size"]
    add(found, matmul=9 * (2 + 8) * hidden * hidden, small=6 * hidden)


def _text_head(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """SigLIP projects its text."""
    size = fields.whole("projection_size", int(found["hidden_size"])) or found["hidden_size"]
    add(found, matmul=found["hidden_size"] * size, small=size)


def _places_on_a_page(
    fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds
) -> None:
    """LayoutLM: where a word stands on the page, how high and how wide."""
    places = fields.whole("max_2d_position_embeddings", 1024) or 1024
    add(found, small=4 * places * found["hidden_size"])


def _global_attention(
    fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds
) -> None:
    """Longformer: a second query, key and value for the tokens that see everything."""
    hidden = found["hidden_size"]
    add(found, matmul=3 * found["layers"] * hidden * hidden, small=3 * found["layers"] * hidden)


def _two_embeddings(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """RemBERT: a narrow embedding going in, a wide one coming out."""
    hidden, narrow, vocab = found["hidden_size"], embedding_width(found), found["vocab_size"]
    out = fields.whole("output_embedding_size", 1664) or 1664
    add(found, small=hidden, matmul=narrow * hidden)
    if is_bare(architecture(fields)):
        return
    found["output_head"] = False
    add(found, matmul=hidden * out + out * vocab, small=3 * out + vocab)


def _biases_apart(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """DINOv3: a bias each for query, key and value, of which the key has none."""
    each = found["heads"] * found["head_dim"]
    for name, usual in (("query_bias", True), ("key_bias", False), ("value_bias", True)):
        if not fields.flag(name, usual):
            add(found, small=-found["layers"] * each)


def _mask_decoder(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """ViT-MAE: a narrow decoder that fills the masked patches, in training alone."""
    hidden = found["hidden_size"]
    wide = fields.whole("decoder_hidden_size", 512) or 512
    ffn = fields.whole("decoder_intermediate_size", 2048) or 2048
    layers = fields.whole("decoder_num_hidden_layers", 8) or 8
    fields.read.add("decoder_num_attention_heads")
    patch, channels = fields.whole("patch_size", 16) or 16, fields.whole("num_channels", 3) or 3
    image = fields.whole("image_size", 224) or 224
    pixels, places = patch * patch * channels, (image // patch) ** 2 + 1
    if architecture(fields).endswith("PreTraining"):
        add(found, matmul=hidden * wide + layers * (4 * wide * wide + 2 * wide * ffn) + wide * pixels,
            small=(places + 4) * wide + layers * (9 * wide + ffn) + pixels)  # fmt: skip


def _plain_pool(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """AIMv2: one query that attends to all patches, where the file has a head."""
    hidden = found["hidden_size"]
    if fields.flag("use_head", True):
        add(
            found,
            matmul=3 * hidden * hidden,
            small=2 * hidden + 2 * hidden * fields.flag("qkv_bias"),
        )


def _page_and_image(fields: Fields, family: Mapping[str, Any], found: Found, kinds: Kinds) -> None:
    """LayoutLMv3: places on the page, patches of its image, biases by distance."""
    hidden = found["hidden_size"]
    places = fields.whole("max_2d_position_embeddings", 1024) or 1024
    sides = (fields.whole("coordinate_size", 128) or 128) + (fields.whole("shape_size", 128) or 128)
    add(found, small=2 * places * sides)
    fields.read.update(("input_size", "num_channels", "patch_size"))
    if not fields.flag("text_embed", True):
        fields.note("text_embed: false: the embeddings of text are counted none the less")
    if fields.flag("visual_embed", True):
        image, patch = fields.whole("input_size", 224) or 224, fields.whole("patch_size", 16) or 16
        channels = fields.whole("num_channels", 3) or 3
        add(found, matmul=channels * patch * patch * hidden,
            small=((image // patch) ** 2 + 1 + 6) * hidden)  # fmt: skip
    bins = (fields.whole("rel_pos_bins", 32) or 32) * fields.flag(
        "has_relative_attention_bias", True
    )
    flat = fields.whole("rel_2d_pos_bins", 64) or 64
    bins += 2 * flat * fields.flag("has_spatial_attention_bias", True)
    add(found, small=bins * found["heads"])


#: By the word of the table of families.
ENCODERS: dict[str, Function] = {
    "encoder_head": _encoder_head,
    "shared_layers": _shared_layers,
    "relative_buckets": _relative_buckets,
    "keys_without_bias": _keys_without_bias,
    "classes": _classes,
    "mask_token": _mask_token,
    "tiles": _tiles,
    "pixel_shuffle": _pixel_shuffle,
    "two_downsamplers": _two_downsamplers,
    "text_head": _text_head,
    "relative": _relative,
    "places_on_a_page": _places_on_a_page,
    "global_attention": _global_attention,
    "two_embeddings": _two_embeddings,
    "biases_apart": _biases_apart,
    "mask_decoder": _mask_decoder,
    "plain_pool": _plain_pool,
    "page_and_image": _page_and_image,
}
