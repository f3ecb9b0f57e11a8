"""What joins a tower to the language model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llmcost.scenario.importers.huggingface import families
from llmcost.scenario.importers.huggingface.fields import NAMES, Fields

Family = Mapping[str, Any]
Found = dict[str, Any]


def own_projection(fields: Fields, family: Family, part: Found, found: Found) -> float:
    """A merger of patches that belongs to the tower itself (Qwen-VL)."""
    kind = family.get("merger")
    if not kind:
        return 0.0
    hidden = part["hidden_size"]
    side = fields.whole("spatial_merge_size", 2) or 2
    out = fields.whole("out_hidden_size", None)
    if out is None:
        out = (
            fields.whole("hidden_size", int(found["hidden_size"]))
            if family.get("merges_to_hidden")
            else None
        )
    out = out or found["hidden_size"]
    wide = hidden * side * side
    if (
        kind == "to_text"
    ):  # Qwen 2.5 Omni's sound: a projection, and marks of where sound begins and ends
        out = fields.whole("output_dim", 3584) or 3584
        return float(hidden * out + out + 2 * out)
    if kind == "two_to_text":  # Qwen 3 Omni's sound
        out = fields.whole("output_dim", 3584) or 3584
        return float(hidden * hidden + hidden + hidden * out + out)
    if kind == "gated":  # GLM-4V: a convolution, a projection and a gated feed-forward
        inner = (fields.plain or fields).whole("intermediate_size", 13696) or 13696
        if "merger_factor" in family:  # GLM-OCR
            inner = out * (fields.whole(family["merger_factor"], 3) or 3)
        return float(side * side * hidden * out + out + out * out + 2 * out + 3 * out * inner)
    norm = hidden * (1 if kind == "rms" else 2)
    total = norm + wide * wide + wide + wide * out + out
    extra = fields.wholes("deepstack_visual_indexes") or []
    return float(total + len(extra) * (2 * wide + wide * wide + wide + wide * out + out))


def projector(whole: Fields, family: Family, found: Found) -> float:
    """What joins a tower to the language model."""
    kind = family.get("projector")
    if not kind:
        return 0.0
    vision = whole.data.get("vision_config")
    implied = family.get("towers", {}).get("vision_config", "")
    inner = Fields(vision if isinstance(vision, dict) else {}, whole.where,
                   families.silent(str((vision or {}).get("model_type", implied)) if isinstance(vision, dict) else implied),
                   whole, "vision_config.")  # fmt: skip
    wide = inner.whole(NAMES["hidden_size"], 1024) or 1024
    hidden = found["hidden_size"]
    if kind == "clip":
        size = whole.whole("projection_dim", 512) or 512
        return float((wide + hidden) * size + 1)
    if kind == "siglip":
        return 2.0
    if kind == "four_wide":  # Step 3
        return float(4 * wide * hidden)
    if (
        kind == "four_patches"
    ):  # Phi-3-vision: four patches to one, and separators of lines and images
        whole.read.update(("img_processor", "embd_layer"))
        return float(4 * wide * hidden + hidden * hidden + 2 * hidden + 8 * wide)
    if kind in ("queries", "queries_with_text"):
        return _queries(whole, wide, hidden, kind == "queries_with_text")
    bias = whole.flag("multimodal_projector_bias", True)
    sound = whole.part(
        "audio_config", families.silent(family.get("towers", {}).get("audio_config", ""))
    )
    if kind == "frames":  # Voxtral: four frames of sound to one
        wide = (sound.whole(NAMES["ffn_hidden_size"], 5120) if sound else None) or 5120
        return float(wide * hidden + hidden * hidden)
    if kind == "sound":  # Audio Flamingo 3
        whole.read.update(("projector_bias", "head_dim"))
        wide = (sound.whole(NAMES["hidden_size"], 1280) if sound else None) or 1280
        return float(wide * hidden + hidden * hidden + 2 * hidden)
    if kind == "patches":  # Kimi: four patches to one
        whole.read.add("projection_hidden_size")
        wide = (
            inner.whole(("mm_hidden_size", "vt_hidden_size", *NAMES["hidden_size"]), 1152) or 1152
        )
        merged = 4 * wide
        return float(2 * wide + merged * merged + merged + merged * hidden + hidden)
    if kind == "normed_patches":  # PaddleOCR-VL: as Kimi's
        merged = wide * (inner.whole("spatial_merge_size", 2) or 2) ** 2
        return float(2 * wide + merged * merged + merged + merged * hidden + hidden)
    if (
        kind == "image_and_sound"
    ):  # Phi-4: sound has one pair of matrices alone and one beside images
        hears = (sound.whole(NAMES["hidden_size"], 1024) if sound else None) or 1024
        pair = hidden + hidden * hidden + hidden
        return float(2 * wide + wide * hidden + pair + 2 * (hears * hidden + pair))
    if (
        kind == "pooled"
    ):  # Molmo 2: attention over patches of some layers, then a gated feed-forward
        return _pooled(whole, wide, hidden)
    if kind == "where_widths_differ":
        seen = whole.part("encoder") or inner
        wide = seen.whole(NAMES["hidden_size"], 768) or 768
        own = (whole.part("decoder") or inner).value("cross_attention_hidden_size")
        return float(wide * hidden + hidden) if wide != hidden and own is None else 0.0
    if kind == "aligned":  # Janus: one pair for what is seen, one for what is drawn
        return _aligned(whole, inner, wide)
    if kind == "two_steps":  # MiniMax-M3: a projection, then four patches to one
        out = whole.whole("projector_hidden_size", 6144) or hidden
        whole.read.add("merged_hidden_size")
        one = wide * out + out * hidden + out + hidden
        return float(one + 4 * hidden * out + out * hidden + out + hidden)
    if kind == "space_and_time":  # ERNIE 4.5 VL: patches, then two frames, to one
        merged = wide * (inner.whole("spatial_merge_size", 2) or 2) ** 2
        space = 2 * merged * merged + 4 * merged
        time = 3 * merged * merged + 4 * merged
        return float(space + time + merged * hidden + 2 * hidden)
    if kind == "mlp":  # LLaVA
        return float(wide * hidden + hidden * hidden + 2 * hidden * bias)
    if kind == "linear":  # PaliGemma, Gemma 4 (without a bias)
        return float(wide * hidden + (hidden if family.get("projector_bias") else 0))
    if kind == "normed":  # Gemma 3
        return float(wide * hidden + wide)
    if kind == "merged":  # Mistral 3
        side = whole.whole("spatial_merge_size", 2) or 2
        bias = whole.flag("multimodal_projector_bias")
        return float(
            wide + side * side * wide * wide + wide * hidden + hidden * hidden + 2 * hidden * bias
        )
    if kind == "shuffled":  # InternVL
        side = round(1 / _factor(whole, "downsample_ratio", 0.5))
        merged = wide * side * side
        return float(2 * merged + merged * hidden + hidden + hidden * hidden + hidden)
    if kind == "resampled":  # Idefics 2: a gated projection and a perceiver
        inner_size = found["ffn_hidden_size"]
        part = whole.part("perceiver_config") or Fields({}, whole.where, {}, whole)
        latents = part.whole("resampler_n_latents", 64) or 64
        depth = part.whole("resampler_depth", 3) or 3
        width = part.whole("resampler_head_dim", 96) or 96
        heads = part.whole("resampler_n_heads", 16) or 16
        kv_heads = part.whole("num_key_value_heads", 4) or 4
        layer = 12 * hidden * hidden + 2 * hidden * width * (heads + kv_heads) + 3 * hidden
        gated = 2 * wide * inner_size + inner_size * hidden
        return float(gated + latents * hidden + depth * layer + hidden)
    if kind == "scaled":  # Idefics 3, SmolVLM
        side = whole.whole("scale_factor", 2) or 2
        return float(wide * side * side * hidden)
    if kind == "states":  # Llama 3.2 Vision
        out = inner.whole("vision_output_dim", 7680) or 7680
        return float(out * hidden + hidden)
    if kind == "llama4":
        return float((inner.whole("vision_output_dim", 4096) or 4096) * hidden)
    return 0.0


def _pooled(whole: Fields, wide: int, hidden: float) -> float:
    """Molmo 2's adapter: patches of several layers side by side, pooled, to the text's width."""
    part = whole.part("adapter_config", families.silent("molmo2_adapter")) or Fields(
        {}, whole.where, families.silent("molmo2_adapter"), whole
    )
    inner = (part.whole("num_attention_heads", 16) or 16) * (part.whole("head_dim", 72) or 72)
    layers = part.value("vision_feature_layer")
    seen = wide * (len(layers) if isinstance(layers, list) else 2)
    out = part.whole("text_hidden_size", int(hidden)) or hidden
    ffn = part.whole("intermediate_size", 18944) or 18944
    size = part.whole("hidden_size", wide) or wide
    part.read.update(part.data)
    return float(3 * seen * inner + inner * size + 3 * inner + size + 2 * size * ffn + ffn * out)


def _aligned(whole: Fields, inner: Fields, wide: int) -> float:
    """Janus: matrices after the tower, and a code's embedding, its matrices and head where images are drawn."""
    drawn = whole.part("vq_config", families.silent("janus_vqgan")) or Fields(
        {}, whole.where, families.silent("janus_vqgan"), whole
    )
    total = 0.0
    for part, first in ((inner, wide), (drawn, drawn.whole("embed_dim", 8) or 8)):
        size = part.whole("projection_dim", 2048) or 2048
        depth = (
            part.whole(("depth", "num_hidden_layers") if part is inner else "num_hidden_layers", 2)
            or 2
        )
        total += first * size + size + (depth - 1) * (size * size + size)
    codes, width = (
        drawn.whole("num_embeddings", 16384) or 16384,
        drawn.whole("image_token_embed_dim", 2048) or 2048,
    )
    size = drawn.whole("projection_dim", 2048) or 2048
    total += codes * (drawn.whole("embed_dim", 8) or 8)
    return total + width * size + size + codes * width + codes


def _queries(whole: Fields, wide: int, hidden: float, text: bool) -> float:
    """Learned queries that attend to the image in some layers (the Q-Former of BLIP-2).

    With `text` they see the instruction too, through an embedding and blocks of its own (InstructBLIP).
    """
    part = whole.part("qformer_config") or Fields({}, whole.where, {}, whole)
    width = part.whole("hidden_size", 768) or 768
    layers = part.whole("num_hidden_layers", 12) or 12
    ffn = part.whole("intermediate_size", 3072) or 3072
    part.read.add("encoder_hidden_size")  # the tower's own width is what it attends to
    every = part.whole("cross_attention_frequency", 2) or 2
    block = 4 * width * width + 2 * width * ffn + 9 * width + ffn
    cross = 2 * width * width + 2 * width * wide + 6 * width
    queries = (whole.whole("num_query_tokens", 32) or 32) * width
    total = layers * block + -(-layers // every) * cross + queries + 2 * width
    if text:
        rows = (part.whole("vocab_size", 30522) or 30522) + (
            part.whole("max_position_embeddings", 512) or 512
        )
        total += rows * width + layers * (2 * width * ffn + ffn + 3 * width)
    return float(total + width * hidden + hidden)


def _factor(fields: Fields, name: str, default: float) -> float:
    value = fields.value(name)
    if value is None:
        return default
    if isinstance(value, list) and value:
        value = value[0]
    good = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1
    if not good:
        fields.problem(name, f"{str(value)[:40]!r} is not a ratio above 0")
        return default
    return float(value)
