"""Stacks that hear or speak: conformers, and decoders of several streams of codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llmcost.engine import mixers as weights
from llmcost.scenario.importers.huggingface.fields import Fields
from llmcost.scenario.importers.huggingface.kinds import Function, Kinds, add, flag
from llmcost.scenario.importers.huggingface.parts import architecture

Family = Mapping[str, Any]
Found = dict[str, Any]


def _conformer(fields: Fields, family: Family, found: Found, kinds: Kinds) -> None:
    """Layers of two feed-forwards around attention and a convolution over time."""
    hidden, layers, ffn = found["hidden_size"], found["layers"], found["ffn_hidden_size"]
    found["ffn_layers"] *= 2
    if flag(fields, family, "ffn_bias"):
        add(found, small=layers * weights.ffn_bias_params(ffn, hidden, found["gated_ffn"]))
    kind = family["conformer"]
    kernel = fields.whole(("conv_kernel_size", "conv_depthwise_kernel_size", "kernel_size"), 9) or 9
    if kind == "gated":  # Phi-4: a gate of its own, and a bias by distance that all layers share
        out = fields.whole("ext_pw_out_channel", 1024) or hidden
        thin = fields.whole("depthwise_separable_out_channel", 1024) or hidden
        wide = hidden * (fields.whole("depthwise_multiplier", 1) or 1)
        product = 2 * out * hidden + wide * kernel + wide * thin + thin * out
        add(found, matmul=layers * product, small=layers * (5 * out + wide + thin))
        far = fields.whole("bias_max_distance", 1000) or 1000
        add(found, small=far * (1 if fields.flag("bias_symmetric") else 2) * found["heads"])
        return
    product = 3 * hidden * hidden + hidden * kernel
    small = 2 * hidden
    if kind == "relative":  # keys of relative positions, with a bias for each of two scores
        product += hidden * hidden
        small += 2 * hidden + 4 * hidden * fields.flag("convolution_bias", True)
    else:  # a key by distance
        left = fields.whole("left_max_position_embeddings", 64, 0) or 0
        right = fields.whole("right_max_position_embeddings", 8, 0) or 0
        small += (left + right + 1) * found["head_dim"]
    add(found, matmul=layers * product, small=layers * small)


def _characters(fields: Fields, family: Family, found: Found, kinds: Kinds) -> None:
    """A head over the characters that are heard, of a model that was trained to write."""
    if architecture(fields).endswith("ForCTC"):
        classes = fields.whole("vocab_size", 32, 0) or 0
        add(found, matmul=found["hidden_size"] * classes, small=classes)


def frames_input(fields: Fields, family: Family, hidden: float) -> float:
    """Weights before the first layer of a conformer: convolutions over a spectrum, or a projection of it."""
    if family["conformer"] == "distances":
        width = fields.whole("feature_projection_input_dim", 160) or 160
        return float(
            2 * width + width * hidden + hidden + hidden
        )  # and the vector of what is masked
    channels = fields.whole(("subsampling_conv_channels", "nemo_conv_channels"), 256) or 256
    factor = fields.whole(("subsampling_factor", "time_reduction"), 8) or 8
    side = fields.whole("subsampling_conv_kernel_size", 3) or 3
    stages = factor.bit_length() - 1
    rows = fields.whole(("num_mel_bins", "input_size"), 80) or 80
    stride = fields.whole("subsampling_conv_stride", 2) or 2
    for _ in range(stages):
        rows = -(-rows // stride)
    each = channels * side * side + channels
    fields.read.update(("nemo_final_size", "conv_glu_type"))
    return float(
        each + (stages - 1) * (each + channels * channels + channels)
        + channels * rows * hidden + hidden
    )  # fmt: skip


def _codebooks(fields: Fields, family: Family, found: Found, kinds: Kinds) -> None:
    """MusicGen: several streams of codes, each with an embedding and a head, over what a text's encoder gives."""
    books, vocab = fields.whole("num_codebooks", 4) or 4, found["vocab_size"]
    hidden = found["hidden_size"]
    found["cross_layers"] += found["layers"]
    add(found, small=(books * (vocab + 1) - vocab) * hidden, matmul=(books - 1) * vocab * hidden)


def _words_and_codes(fields: Fields, family: Family, found: Found, kinds: Kinds) -> None:
    """Kyutai's recogniser: one embedding of words and of the codes of all streams."""
    books = fields.whole("num_codebooks", 32) or 32
    codes = fields.whole("codebook_vocab_size", 2049) or 2049
    add(found, small=(books * codes + 1) * found["hidden_size"])


def _wave_convolutions(fields: Fields, family: Family, found: Found, kinds: Kinds) -> None:
    """Moonshine: three convolutions over the wave, with a norm after the first."""
    hidden = found["hidden_size"]
    add(found, matmul=127 * hidden + 14 * hidden * hidden + 6 * hidden * hidden,
        small=2 * hidden + hidden + 2 * hidden)  # fmt: skip


#: By the word of the table of families.
SPEECH: dict[str, Function] = {
    "conformer": _conformer,
    "characters": _characters,
    "codebooks": _codebooks,
    "words_and_codes": _words_and_codes,
    "wave_convolutions": _wave_convolutions,
}
