"""Encoders, and towers that see images or hear sound: stacks of their own, by the same rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llmcost.engine.chain import run
from llmcost.engine.evaluate import evaluate  # noqa: F401  (enters the rules)
from llmcost.scenario.architecture import complete
from llmcost.scenario.importers.huggingface import families
from llmcost.scenario.importers.huggingface.fields import NAMES, Fields
from llmcost.scenario.importers.huggingface.parts import unknown
from llmcost.scenario.importers.huggingface.projectors import own_projection, projector
from llmcost.scenario.importers.huggingface.speech import frames_input
from llmcost.scenario.importers.huggingface.stack import stack

Family = Mapping[str, Any]
Found = dict[str, Any]
#: Parts of a configuration that are towers.
_TOWERS = (
    "vision_config",
    "audio_config",
    "vit_config",
    "vision_encoder_config",
    "audio_encoder_config",
    "codec_config",
    "vq_config",
)
#: Patches of an image where a tower takes any size: 512 pixels a side at 16 a patch [tokens].
_PATCHES = 1024


def encoder(fields: Fields, family: Family, found: Found, sources: dict[str, str]) -> Found:
    """The encoder of an encoder-decoder, whose fields stand beside the decoder's."""
    name = family.get("encoder")
    if name is None:
        return {}
    inner = families.family(name) or families.plain()
    own = fields.plain or fields
    if "keys" in inner:
        own = renamed_fields(own, inner)
    part = stack(own, {**inner, "vocab_size": 0})
    if not part:
        return {}
    length = fields.whole(family.get("encoder_length_key", NAMES["length"]), 512) or 512
    sources["encoder_seq_len"] = (
        f"default: {length:,} tokens of the encoder a sequence, the most it takes"
    )
    extra = _sound_input(fields, family, part) if family.get("input") == "sound" else 0.0
    if "keys" not in inner:  # a configuration of its own, with an embedding of its own
        extra += part["hidden_size"] * (own.whole("vocab_size", 0) or 0)
    return {**_counted(part, float(length), extra), "cross_layers": found["layers"]}


def renamed_fields(fields: Fields, family: Family) -> Fields:
    """The fields with those of one stack of several under their plain names."""
    data = {name: value for name, value in fields.data.items() if not isinstance(value, dict)}
    silent = dict(fields.unsaid)
    for plain, name in family["keys"].items():
        value = fields.value(name.split("|"))
        for other in NAMES[plain]:
            data.pop(other, None)
            silent.pop(other, None)
        if value is not None:
            data[NAMES[plain][0]] = value
    found = Fields(data, fields.where, silent, fields, fields.prefix)
    found.plain, found.read = fields, fields.read
    found.read.update(name for name in data if name.startswith(("encoder_", "decoder_")))
    return found


def _counted(part: Found, length: float, extra: float) -> Found:
    """Parameters of a stack, and the width of its attention, by the engine's own rules."""
    known = {**part, "seq_len": length, "causal_flops": 0.0}
    for key in ("tied_embeddings", "gated_ffn"):
        known[key] = float(known.get(key, 0))
    known["output_head"] = 0.0
    complete(known)
    known.setdefault("windowed_layers", 0.0)
    values, _ = run(known, ("architecture_params", "score_flops_per_token"))
    return {
        "encoder_params": float(values["architecture_params"]) + extra,
        "encoder_attention_width": float(values["score_flops_per_token"]) / (12 * length),
        "encoder_seq_len": length,
    }


def towers(whole: Fields, family: Family, found: Found, sources: dict[str, str]) -> Found:
    """All towers of a configuration together."""
    total: Found = {}
    tokens = width = 0.0
    for name in dict.fromkeys((*_TOWERS, *family.get("towers", ()))):
        part = _tower(whole, family, name, found)
        if part is None:
            continue
        length = part["encoder_seq_len"]
        times = family.get("tower_times", 1)  # one of images, one of video
        total["encoder_params"] = total.get("encoder_params", 0.0) + times * part["encoder_params"]
        width += part["encoder_attention_width"] * length * length
        tokens = max(tokens, length)
    if not total:
        return {}
    projected = projector(whole, family, found)
    total["encoder_params"] += projected
    total["encoder_attention_width"] = width / (tokens * tokens)
    total["encoder_seq_len"] = tokens
    sources["encoder_seq_len"] = f"default: one image or sound of {tokens:,.0f} patches a sequence"
    return total


def _tower(whole: Fields, family: Family, name: str, found: Found) -> Found | None:
    implied = family.get("towers", {}).get(name)
    given = whole.data.get(name)
    if given is None and (name in whole.data or implied is None):
        return None
    whole.read.add(name)
    given = given if isinstance(given, dict) else {}
    kind = str(implied if families.family(str(given.get("model_type", ""))) is None or family.get("own_towers")
               else given.get("model_type", implied))  # fmt: skip
    known = families.family(kind)
    if family.get("any_tower") and families.family(str(given.get("model_type", ""))) is None:
        known = None  # nothing implies which tower it is
        unknown(Fields(given, whole.where, {}, whole, f"{name}."))
    fields = Fields(given, whole.where, families.silent(kind), whole, f"{name}.")
    if known is not None and "keys" in known:
        fields = renamed_fields(fields, known)
    if known is None:
        whole.note(
            f"{name}: of kind {str(given.get('model_type'))[:40]!r}, which is not known: read as a plain encoder"
        )
        known = families.family("vit") or families.plain()
    if "params" in known:  # no stack of equal layers, so as published
        fields.note(
            f"{name}: {known['params']:,} parameters as published for {kind}, whatever its fields say"
        )
        return {
            "encoder_params": float(known["params"]),
            "encoder_attention_width": 0.0,
            "encoder_seq_len": 1.0,
        }
    part = stack(fields, {**known, "vocab_size": known.get("vocab_size", 0)})
    if not part:
        return None
    extra = tower_input(fields, known, part)
    unread = fields.unread()
    if unread:
        whole.note(f"not understood and not counted: {', '.join(sorted(unread))}")
    counted = _counted(part, patches(fields, known), extra)
    counted["encoder_params"] += own_projection(fields, known, part, found)
    return counted


def patches(fields: Fields, family: Family) -> float:
    """Tokens of an image or a sound."""
    if "tokens_key" in family:
        return float(fields.whole(family["tokens_key"], 1500) or 1500)
    image = fields.value("image_size")
    patch = fields.value(("patch_size", "spatial_patch_size"))
    image = image[0] if isinstance(image, list) and image else image
    patch = patch[0] if isinstance(patch, list) and patch else patch
    if all(
        isinstance(size, int) and not isinstance(size, bool) and size > 0 for size in (image, patch)
    ):
        return float(max((image // patch) ** 2, 1) + family.get("class_tokens", 0))
    return float(_PATCHES)


def tower_input(fields: Fields, family: Family, part: Found) -> float:
    """Weights before the first layer of a tower and after its last."""
    hidden = part["hidden_size"]
    if family.get("input") == "sound":
        return _sound_input(fields, family, part)
    if family.get("input") == "spectrum":
        return _spectrum_input(fields, part)
    if family.get("input") == "wave":
        return _wave_input(fields, part)
    if family.get("input") == "frames":
        return frames_input(fields, family, hidden)
    if family.get("input") != "image":
        return 0.0
    channels = fields.whole(("num_channels", "in_chans", "in_channels"), 3) or 3
    patch = fields.value(("patch_size", "spatial_patch_size"))
    sides = patch if isinstance(patch, list) and len(patch) == 2 else [patch, patch]
    if not all(
        isinstance(side, int) and not isinstance(side, bool) and 0 < side < 10_000 for side in sides
    ):
        fields.problem("patch_size", f"{str(patch)[:40]!r} is not a whole number ≥ 1")
        return 0.0
    compression = fields.part("img_token_compression_config") or fields
    frames = (
        fields.whole("temporal_patch_size", None)
        or compression.whole("temporal_patch_size", 1)
        or 1
    )
    total: float = channels * sides[0] * sides[1] * frames * hidden
    total += hidden * bool(family.get("patch_bias")) + hidden * family.get("class_tokens", 0)
    kind = family.get("image_positions")
    if kind == "patches":
        total += patches(fields, family) * hidden
    elif "grid" in family:  # a table by rows and columns
        rows, columns = family["grid"][::2], family["grid"][1::2]
        total += (fields.whole(rows, 64) or 64) * (fields.whole(columns, 64) or 64) * hidden
    elif kind:
        count = fields.whole(kind, 0, 0) or 0
        total += count * family.get("position_axes", 1) * hidden
    norm = hidden * (2 if family["norm"] == "layer" else 1)
    total += norm * family.get("extra_norms", 0)
    if family.get("layer_scale"):
        total += family["layer_scale"] * part["layers"] * hidden
    if family.get("attention_pool") and fields.flag("vision_use_head", True):
        ffn = part["ffn_hidden_size"]
        total += (
            hidden + 4 * hidden * hidden + 4 * hidden + 2 * hidden + 2 * hidden * ffn + ffn + hidden
        )
    if family.get("pooler") and (fields.texts("architectures") or ["Model"])[0].endswith("Model"):
        total += hidden * hidden + hidden
    return total


def _sound_input(fields: Fields, family: Family, part: Found) -> float:
    """Two convolutions over mel bins and fixed positions (Whisper)."""
    hidden = part["hidden_size"]
    bins = fields.whole("num_mel_bins", 80) or 80
    positions = fields.whole("max_source_positions", 1500) or 1500
    if not family.get("learned_positions", True):
        positions = 0
    return float(3 * bins * hidden + hidden + 3 * hidden * hidden + hidden + positions * hidden)


def _spectrum_input(fields: Fields, part: Found) -> float:
    """Three convolutions over a spectrum, each of which halves it, and a projection (Qwen 3 Omni)."""
    width = fields.whole("downsample_hidden_size", 480) or 480
    rows = fields.whole("num_mel_bins", 128) or 128
    for _ in range(3):
        rows = (rows + 1) // 2
    first, more = 9 * width + width, 9 * width * width + width
    return float(first + 2 * more + width * rows * part["hidden_size"])


def _wave_input(fields: Fields, part: Found) -> float:
    """Convolutions over the wave, a projection, positions by a grouped convolution (wav2vec 2.0)."""
    hidden = part["hidden_size"]
    widths = fields.wholes("conv_dim", 1) or [512] * 7
    kernels = fields.wholes("conv_kernel", 1) or [10, 3, 3, 3, 3, 2, 2]
    bias = fields.flag("conv_bias")
    normed = fields.text("feat_extract_norm") == "layer"
    total, before = 0.0, 1
    for index, (width, kernel) in enumerate(zip(widths, kernels, strict=False)):
        total += before * width * kernel + width * bias + 2 * width * (normed or index == 0)
        before = width
    total += 2 * before + before * hidden + hidden
    kernel = fields.whole("num_conv_pos_embeddings", 128) or 128
    groups = fields.whole("num_conv_pos_embedding_groups", 16) or 16
    return float(total + hidden * hidden // groups * kernel + kernel + hidden + hidden)
