"""Which layer is of which kind: the ways in which configurations write it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from llmcost.scenario.importers.huggingface.fields import NAMES, Fields

#: Kinds of what mixes a sequence, and of feed-forward blocks. BOTH is attention beside a recurrence.
FULL, WINDOW, RECURRENT, CROSS, BOTH, NO = "full", "window", "recurrent", "cross", "both", "none"
DENSE, SPARSE = "dense", "sparse"

#: Digits of a layer's place.
_MOST_DIGITS = 9
_MIXER_WORDS = {
    **dict.fromkeys(("full_attention", "attention", "global", "full", "global_attention", "attn",
                     "deepseek_sparse_attention", "indexed_attention",
                     "compressed_sparse_attention", "heavily_compressed_attention"), FULL),
    **dict.fromkeys(("sliding_attention", "chunked_attention", "local", "sliding_window", "sliding",
                     "local_attention", "swa", "sliding_window_attention"), WINDOW),
    **dict.fromkeys(("linear_attention", "mamba", "conv", "recurrent", "mamba2", "lightning",
                     "linear", "kda", "gated_deltanet"), RECURRENT),
    **dict.fromkeys(("hybrid", "parallel_hybrid"), BOTH),
    **dict.fromkeys(("mlp", "moe", "-", "e"), NO),
}  # fmt: skip
#: One letter a block, as Nemotron-H writes its layers: Mamba, attention, dense and sparse feed-forward.
_LETTERS = {"M": "mamba", "*": "attention", "-": "mlp", "E": "moe"}
#: A block of its own: what mixes, what feeds forward.
_BLOCKS = {
    **dict.fromkeys(("mamba", "linear_attention"), (RECURRENT, NO)),
    **dict.fromkeys(("attention", "full_attention"), (FULL, NO)),
    "mlp": (NO, DENSE),
    "moe": (NO, SPARSE),
}


def blocks(fields: Fields) -> list[tuple[str, str]] | None:
    """Layers that are one block each, a mixer or a feed-forward (Nemotron-H); None elsewhere."""
    letters = fields.text("hybrid_override_pattern")
    words = [_LETTERS.get(letter, letter) for letter in letters if letter != "|"]
    if not words:
        words = fields.texts("layers_block_type") or []
        words = words if {"mlp", "moe"} & set(words) else []
    unknown = next((word for word in words if word not in _BLOCKS), None)
    if unknown is not None:
        name = "hybrid_override_pattern" if letters else "layers_block_type"
        fields.problem(name, f"{unknown[:40]!r} is no kind of block; known: {', '.join(_BLOCKS)}")
        return None
    return [_BLOCKS[word] for word in words] or None


def mixers(fields: Fields, family: Mapping[str, Any], layers: int) -> list[str]:
    """Kind of what mixes the sequence in each layer."""
    for name in ("layer_types", "layers_block_type"):
        words = fields.texts(name) if name in fields.data else None
        if words:
            own = family.get("words", {})
            return _by_words(fields, name, [own.get(word, word) for word in words], layers)
    codes = _codes(fields, layers)
    if codes is not None:
        return codes
    pattern: Callable[[Fields, Mapping[str, Any], int], list[str]] | None
    pattern = _PATTERNS.get(family.get("pattern", ""))
    found = pattern(fields, family, layers) if pattern else [FULL] * layers
    return (
        found if len(found) == layers else _wrong_length(fields, "num_hidden_layers", found, layers)
    )


def _wrong_length(fields: Fields, name: str, found: list[str], layers: int) -> list[str]:
    fields.problem(name, f"has {len(found)} entries for {layers} layers")
    return [FULL] * layers


def _by_words(fields: Fields, name: str, words: list[str], layers: int) -> list[str]:
    unknown = next((word for word in words if word.lower() not in _MIXER_WORDS), None)
    if unknown is not None:
        fields.problem(name, f"{unknown[:40]!r} is no kind of layer that is known")
        return [FULL] * layers
    more = fields.whole(NAMES["mtp_layers"], 0, 0) or 0
    if len(words) not in (
        layers,
        layers + more,
    ):  # some files list the layers of multi-token prediction too
        return _wrong_length(fields, name, words, layers)
    words = words[:layers]
    return [_MIXER_WORDS[word.lower()] for word in words]


def _codes(fields: Fields, layers: int) -> list[str] | None:
    """Lists of 0 and 1, or of places, that say which layers differ."""
    for name, zero, one in (
        ("hybrid_layer_pattern", FULL, WINDOW),
        ("attn_type_list", RECURRENT, FULL),
    ):
        codes = fields.wholes(name)
        if codes is not None:
            if len(codes) != layers:
                return _wrong_length(fields, name, [str(code) for code in codes], layers)
            return [one if code else zero for code in codes]
    for name, there, elsewhere in (
        ("hybrid_layer_ids", BOTH, RECURRENT),
        ("full_attn_idxs", FULL, RECURRENT),
        ("attn_layer_indices", FULL, RECURRENT),
        ("cross_attention_layers", CROSS, FULL),
    ):
        listed = fields.wholes(name)
        if listed is not None:
            places = set(listed)
            return [there if index in places else elsewhere for index in range(layers)]
    return None


def _windows(fields: Fields, family: Mapping[str, Any], layers: int) -> list[str]:
    """Every layer has a window, where the file gives one."""
    used = fields.flag("use_sliding_window", True)
    size = fields.value(NAMES["window"])
    return [WINDOW if used and size else FULL] * layers


def _later_windows(fields: Fields, family: Mapping[str, Any], layers: int) -> list[str]:
    """Layers from max_window_layers on have a window, if use_sliding_window (Qwen)."""
    used = fields.flag("use_sliding_window") and fields.value(NAMES["window"])
    first = fields.whole("max_window_layers", layers, 0) or 0
    return [WINDOW if used and index >= first else FULL for index in range(layers)]


def _every(fields: Fields, family: Mapping[str, Any], layers: int) -> list[str]:
    """One layer in `period` is full, the others have a window or a state."""
    given = fields.value(family.get("period_key", "sliding_window_pattern"))
    if isinstance(given, str):  # "LLLG", local and global
        given = len(given)
    known = isinstance(given, int) and not isinstance(given, bool) and given > 0
    period = given if known else family.get("period", 2)
    others = RECURRENT if family.get("recurrent") else WINDOW
    if others == WINDOW and not fields.value(family.get("window_key", NAMES["window"])):
        return [FULL] * layers
    place = family.get("full_at", period - 1)
    return [FULL if index % period == place % period else others for index in range(layers)]


def _alternate(fields: Fields, family: Mapping[str, Any], layers: int) -> list[str]:
    """Attention in one layer of `attn_layer_period`, from `attn_layer_offset` on (Jamba)."""
    period = fields.whole("attn_layer_period", 8) or 8
    offset = fields.whole("attn_layer_offset", 4, 0)
    return [FULL if index % period == offset else RECURRENT for index in range(layers)]


def _two_then_alternate(fields: Fields, family: Mapping[str, Any], layers: int) -> list[str]:
    """Two states, both kinds, then as :func:`_alternate` counts from there (Zamba)."""
    rest = _alternate(fields, family, max(layers - 3, 0))
    words = [RECURRENT, RECURRENT, BOTH, *(BOTH if kind == FULL else kind for kind in rest)]
    return words[:layers]


def _no_rope(fields: Fields, family: Mapping[str, Any], layers: int) -> list[str]:
    """Layers without rotary positions see everything, others their chunk (Llama 4)."""
    rotary = fields.wholes("no_rope_layers")
    step = fields.whole("no_rope_layer_interval", 4) or 4
    if not rotary or len(rotary) != layers:
        rotary = [int((index + 1) % step != 0) for index in range(layers)]
    chunk = fields.value(family["window_key"])
    return [WINDOW if use and chunk else FULL for use in rotary]


def _repeat(fields: Fields, family: Mapping[str, Any], layers: int) -> list[str]:
    """A list that repeats over the layers (RecurrentGemma)."""
    words = fields.texts("block_types") or ["recurrent", "recurrent", "attention"]
    kinds = _by_words(fields, "block_types", words, len(words))
    kinds = [WINDOW if kind == FULL else kind for kind in kinds]
    return [kinds[index % len(kinds)] for index in range(layers)]


def _local_global(fields: Fields, family: Mapping[str, Any], layers: int) -> list[str]:
    """Lists of kinds and how often they repeat (GPT-Neo)."""
    words = fields.texts("attention_layers") if "attention_layers" in fields.data else None
    if words is None:
        words = []
        types = fields.value("attention_types")
        for item in (
            types if isinstance(types, list) else [[["global", "local"], (layers + 1) // 2]]
        ):
            if isinstance(item, list) and len(item) == 2 and isinstance(item[0], list):
                times = item[1] if isinstance(item[1], int) else 1
                words += [str(word) for word in item[0]] * min(max(times, 0), layers)
        words = words[:layers]
    return _by_words(fields, "attention_types", words, layers)


def _recurrent(fields: Fields, family: Mapping[str, Any], layers: int) -> list[str]:
    return [RECURRENT] * layers


def _both(fields: Fields, family: Mapping[str, Any], layers: int) -> list[str]:
    return [BOTH] * layers


def _linear_attention_list(fields: Fields, family: Mapping[str, Any], layers: int) -> list[str]:
    """Places of full attention, counted from 1, in linear_attn_config (Kimi Linear); else every fourth after the first."""
    part = fields.part("linear_attn_config")
    if part is None:
        return [FULL if index and index % 4 == 0 else RECURRENT for index in range(layers)]
    places = part.wholes("full_attn_layers") if part else None
    if part:
        part.read.add("kda_layers")
    found = set(places or ())
    return [FULL if index + 1 in found else RECURRENT for index in range(layers)]


_PATTERNS: dict[str, Callable[[Fields, Mapping[str, Any], int], list[str]]] = {
    "windows": _windows,
    "later_windows": _later_windows,
    "every": _every,
    "attn_layer_period": _alternate,
    "two_then_alternate": _two_then_alternate,
    "no_rope": _no_rope,
    "repeat": _repeat,
    "local_global": _local_global,
    "recurrent": _recurrent,
    "both": _both,
    "linear_attn_config": _linear_attention_list,
}


def feed_forwards(fields: Fields, family: Mapping[str, Any], layers: int) -> list[str]:
    """Kind of the feed-forward block of each layer of a model with experts."""
    for name in ("mlp_layer_types",):
        words = fields.texts(name) if name in fields.data else None
        if words and len(words) == layers:
            return [SPARSE if word in ("sparse", "moe", "hash_moe") else DENSE for word in words]
    listed = fields.wholes("moe_layer_freq")
    if listed is not None and len(listed) == layers:
        return [SPARSE if item else DENSE for item in listed]
    places = fields.wholes("moe_layers")
    if places is None and fields.text("moe_layers_enum"):
        places = [
            int(item)
            for item in fields.text("moe_layers_enum").split(",")
            if item.strip().isdecimal() and len(item) < _MOST_DIGITS
        ]
    if places is not None:
        sparse = set(places)
        return [SPARSE if index in sparse else DENSE for index in range(layers)]
    return [SPARSE if sparse else DENSE for sparse in _by_rule(fields, family, layers)]


def _by_rule(fields: Fields, family: Mapping[str, Any], layers: int) -> list[bool]:
    first = fields.whole(("first_k_dense_replace", "num_dense_layers", "moe_layer_start_index",
                          "first_num_dense_layers"), family.get("first_dense", 0), 0) or 0  # fmt: skip
    last = fields.value("moe_layer_end_index")
    last = last if isinstance(last, int) and 0 <= last < layers else layers - 1
    step = fields.whole(("decoder_sparse_step", "moe_layer_freq", "interleave_moe_layer_step",
                         "moe_layer_interval", "moe_layer_frequency", "expert_layer_period",
                         "moe_every_n_layers", "encoder_sparse_step"), 1)  # fmt: skip
    step = step or 1
    offset = fields.whole("expert_layer_offset", None, 0)
    if offset is None:
        offset = step - 1
    dense = set(fields.wholes("mlp_only_layers") or ())
    return [
        first <= index <= last and index % step == offset % step and index not in dense
        for index in range(layers)
    ]
