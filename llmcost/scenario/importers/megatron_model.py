"""The architecture in Megatron's words, which NeMo and Megatron-Bridge keep."""

from __future__ import annotations

import ast
import re
from typing import Any

from llmcost.errors import InputError
from llmcost.scenario.importers.flat import DEFAULT
from llmcost.scenario.importers.keys import Keys
from llmcost.scenario.importers.megatron_parts import read_hybrid
from llmcost.scenario.importers.names import preset_of
from llmcost.scenario.importers.run import Run

#: Kinds of layer, tower or model that the keys of a scenario cannot describe, by what asks for them.
_OTHER_KINDS = {
    "hybrid_layer_pattern": "a hybrid of state-space and attention layers",
    "hybrid_override_pattern": "a hybrid of state-space and attention layers",
    "is_hybrid_model": "a hybrid of state-space and attention layers",
    "mamba_num_heads": "a hybrid of state-space and attention layers",
    "hybrid_attention_ratio": "a hybrid of state-space and attention layers",
    "experimental_attention_variant": "an attention of another kind",
    "linear_attention_freq": "an attention of another kind",
    "heterogeneous_layers_config_path": "layers of different sizes",
    "heterogeneous_layers_config_encoded_json": "layers of different sizes",
    "decoder_seq_length": "an encoder and a decoder",
    "retro_project_dir": "retrieval beside the model",
    "img_h": "a model of images",
    "vision_model_type": "a model of images",
    "vision_config": "a model of images",
    "mm_cfg": "a model of images beside the text",
    "retro": "retrieval beside the model",
    "retro_encoder_num_layers": "retrieval beside the model",
    "encoder": "an encoder and a decoder",
    "decoder": "an encoder and a decoder",
}
#: Keys of their parts, of which nothing is left to say then.
_PARTS = ("mamba_*", "linear_*", "dsa_*", "img_*", "patch_dim", "retro_*", "vision_*", "hybrid_*")
#: Keys that name a tokenizer, the one that says most first.
_TOKENIZERS = (
    "tokenizer_model", "tokenizer.model", "tokenizer.tokenizer_model", "tokenizer_name_or_path",
    "tokenizer_type", "tokenizer.type", "tokenizer.tokenizer_type",
)  # fmt: skip
_ACTIVATIONS = ("swiglu", "geglu", "reglu", "quick_geglu", "silu_gated")
#: Of multi-head latent attention, where a file does not say.
_LATENT = {"kv_lora_rank": 32, "qk_head_dim": 128, "qk_pos_emb_head_dim": 64, "v_head_dim": 128}


def read_model(keys: Keys, run: Run, megatron: bool) -> None:
    """Read the architecture.

    Parameters
    ----------
    keys : Keys
        The keys.
    run : Run
        Takes what they say.
    megatron : bool
        Whether what is left out has Megatron-LM's default; else that of NeMo, where it differs.
    """
    _sizes(keys, run, megatron)
    hybrid = keys.mentions("hybrid_layer_pattern", "hybrid_override_pattern")
    if hybrid and read_hybrid(keys, run):
        return
    sections = keys.sections()
    for name, kind in _OTHER_KINDS.items():
        if (keys.item(name) is not None and keys.take(name) is not False) or (
            name in sections and not keys.mentions(name)
        ):
            run.unfit(kind)
            keys.ignore([name, f"{name}.*", *_PARTS])


def _sizes(keys: Keys, run: Run, megatron: bool) -> None:
    layers = keys.whole("num_layers", "encoder_num_layers", "decoder_num_layers")
    hidden = keys.whole("hidden_size")
    heads = keys.whole("num_attention_heads")
    run.put("model.layers", layers, keys.label("num_layers", "encoder_num_layers"))
    run.put("model.hidden_size", hidden, keys.label("hidden_size"))
    run.put("model.heads", heads, keys.label("num_attention_heads"))
    length = ("seq_length", "encoder_seq_length", "sequence_length")
    keys.give("model.seq_len", *length)
    for item in (found for name in length for found in keys.items(name)):
        if isinstance(item.value, int) and item.value != run.get("model.seq_len", item.value):
            run.note(
                f"{item.label} = {item.value}: {keys.label(*length)} = {run.get('model.seq_len')} is taken"
            )
    gated = _gated(keys, run, hidden is not None)
    if hidden is not None:
        _widths(keys, run, hidden, gated)
    if hidden is not None and heads is not None:
        _attention(keys, run, hidden, heads, megatron)
    _experts(keys, run, hidden is not None)
    hybrid = keys.mentions("hybrid_layer_pattern", "hybrid_override_pattern")
    sized = hidden is not None and (layers is not None or hybrid)
    _vocabulary(keys, run, sized, megatron)
    run.put(
        "model.mtp_layers",
        keys.whole("mtp_num_layers", low=0) or None,
        keys.label("mtp_num_layers"),
    )
    keys.give("model.expert_hidden_size", "moe_latent_size")
    if layers is not None:
        _window(keys, run, layers)


def _window(keys: Keys, run: Run, layers: int) -> None:
    """Layers that attend to a window: all, or those of a pattern (n: every n-th attends to all)."""
    size, pattern = keys.take("window_size"), keys.take("window_attn_skip_freq")
    parts = re.findall(r"-?\d{1,9}", str(size)) if size is not None else []
    if not parts or int(parts[0]) < 0:
        return
    windowed: int | None = layers
    if pattern is not None:
        full = dense_layers(pattern, layers)  # 0 is a layer that attends to all
        windowed = None if full is None else layers - full
        if isinstance(pattern, int) or str(pattern).isdecimal():
            windowed = layers - layers // max(int(pattern), 1)
    label = keys.label("window_size")
    if windowed is None:
        run.note(
            f"{keys.label('window_attn_skip_freq')} = {str(pattern)[:60]}: which layers have a window cannot be told"
        )
        return
    run.put("model.window", int(parts[0]) + 1, label)
    run.put("model.windowed_layers", windowed, label)


def _gated(keys: Keys, run: Run, sized: bool) -> bool | None:
    if keys.flag("swiglu") or keys.flag("quick_geglu", "gated_linear_unit"):
        label = keys.label("swiglu", "quick_geglu", "gated_linear_unit")
        run.put("model.gated_ffn", True, label)
        return True
    activation = keys.word("activation") or ""
    if activation:
        gated = activation.lower().removeprefix("fast-") in _ACTIVATIONS
        run.put("model.gated_ffn", gated, f"{keys.label('activation')} = {activation}")
        return gated
    keys.flag("squared_relu")
    keys.word("activation_func")
    if sized:
        run.default("model.gated_ffn", False, keys.label("squared_relu", "activation_func"))
    return False


def _widths(keys: Keys, run: Run, hidden: int, gated: bool | None) -> None:
    width = keys.whole("ffn_hidden_size")
    if width is not None:
        run.put("model.ffn_hidden_size", width, keys.label("ffn_hidden_size"))
    elif keys.item("ffn_hidden_size") is not None:
        return
    elif gated:  # 2/3 of the plain width, to a multiple of 64
        run.put(
            "model.ffn_hidden_size", int(4 * hidden * 2 / 3 / 64) * 64, "8/3 hidden_size, to 64s"
        )
    else:
        run.put("model.ffn_hidden_size", 4 * hidden, "4 hidden_size, the default")


def _attention(keys: Keys, run: Run, hidden: int, heads: int, megatron: bool) -> None:
    if keys.flag("multi_latent_attention") or (not megatron and "kv_lora_rank" in keys):
        run.put("model.kv_heads", heads, "multi-head latent attention")
        run.put(
            "model.q_lora_rank", keys.whole("q_lora_rank", low=0) or 0, keys.label("q_lora_rank")
        )
        for key, name in (
            ("kv_lora_rank", "kv_lora_rank"),
            ("head_dim", "qk_head_dim"),
            ("qk_rope_head_dim", "qk_pos_emb_head_dim"),
            ("v_head_dim", "v_head_dim"),
        ):
            run.put(f"model.{key}", keys.whole(name) or _LATENT[name], keys.label(name))
        keys.take("kv_channels", "num_query_groups", "group_query_attention")
        return
    for name in ("q_lora_rank", *_LATENT):
        keys.take(name)
    groups = keys.whole("num_query_groups", "num_key_value_heads")
    grouped = keys.flag("group_query_attention")
    if megatron and not grouped:
        groups = groups if "num_key_value_heads" in keys else None
    elif megatron and groups is None and keys.item("num_query_groups") is None:
        groups = 1
    if (
        groups is None
        and keys.item("num_query_groups", "num_key_value_heads") is not None
        and grouped
    ):
        return
    single = (keys.word("attention_type") or "") == "multiquery"
    run.put(
        "model.kv_heads",
        1 if single else groups or heads,
        keys.label("num_query_groups", "num_key_value_heads"),
    )
    width = keys.whole("kv_channels")
    run.put("model.head_dim", width, keys.label("kv_channels"))
    if width is None and hidden % heads == 0:
        run.put("model.head_dim", hidden // heads, "hidden_size / num_attention_heads")


def _experts(keys: Keys, run: Run, sized: bool) -> None:
    value = keys.take("num_experts", "num_moe_experts")
    if isinstance(value, list):  # Megatron-DeepSpeed: one number a layer or for all
        keys.run.note(f"{keys.label('num_experts')} = {value}: the first number is taken")
        experts: int | None = value[0] if value and isinstance(value[0], int) else None
    else:
        experts = keys.whole("num_experts", "num_moe_experts", low=0)
    width = keys.whole("moe_ffn_hidden_size")
    shared = keys.whole("moe_shared_expert_intermediate_size", low=0)
    top = keys.whole("moe_router_topk", "topk")
    groups, chosen = keys.whole("moe_router_num_groups"), keys.whole("moe_router_group_topk")
    pattern = keys.take("moe_layer_freq")
    keys.flag("moe_shared_expert_gate")
    layers = run.get("model.layers")
    if not experts or experts < 2:
        return
    run.put("model.experts", experts, keys.label("num_experts", "num_moe_experts"))
    if top or sized:  # else the recipe's, which is not at hand
        run.put("model.experts_per_token", top or 2, keys.label("moe_router_topk", "topk"))
    if groups and chosen and chosen < groups:
        run.put("model.expert_groups", groups, keys.label("moe_router_num_groups"))
        run.put("model.groups_per_token", chosen, keys.label("moe_router_group_topk"))
    width = width or run.get("model.ffn_hidden_size")
    run.put(
        "model.expert_ffn_hidden_size", width, keys.label("moe_ffn_hidden_size", "ffn_hidden_size")
    )
    if shared and width:
        label = keys.label("moe_shared_expert_intermediate_size")
        if shared % width == 0:
            run.put("model.shared_experts", shared // width, label)
        else:
            run.put("model.shared_experts", max(round(shared / width), 1), label)
            run.note(
                f"{label} = {shared} is no multiple of an expert's {width}: the nearest is taken"
            )
    if pattern is not None and layers:
        dense = dense_layers(pattern, int(layers))
        label = keys.label("moe_layer_freq")
        if dense is None:
            run.note(f"{label} = {str(pattern)[:60]}: which layers have experts cannot be told")
        else:
            run.put("model.dense_layers", dense, f"{label} = {str(pattern)[:40]}")
    else:
        run.put("model.dense_layers", 0, keys.label("moe_layer_freq"))


_PATTERN = re.compile(r"[\[\]()0-9,+* ]{1,2000}")


def dense_layers(pattern: Any, layers: int) -> int | None:
    """Layers without experts in a pattern: every n-th has them, or ``([0]*3+[1]*58)`` says which.

    Returns
    -------
    int or None
        None where the pattern cannot be told or is of another length.
    """
    if isinstance(pattern, str) and pattern.strip().isdecimal():
        pattern = int(pattern)
    if isinstance(pattern, int) and not isinstance(pattern, bool) and pattern > 0:
        return layers - len(range(0, layers, pattern))
    if isinstance(pattern, str):
        if not _PATTERN.fullmatch(pattern.strip("'\"")):
            return None
        try:
            pattern = _listed(ast.parse(pattern.strip("'\" "), mode="eval").body, layers)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
    if not isinstance(pattern, list) or len(pattern) != layers:
        return None
    return sum(1 for item in pattern if item == 0)


def _listed(node: ast.expr, most: int) -> Any:
    """Lists of small numbers, added and repeated; nothing else, and no longer than `most`."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return node.value
    if isinstance(node, ast.List):
        found: Any = [_listed(item, most) for item in node.elts]
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mult):
        left, right = _listed(node.left, most), _listed(node.right, most)
        if isinstance(node.op, ast.Add) and isinstance(left, list) and isinstance(right, list):
            found = left + right
        elif isinstance(node.op, ast.Mult) and isinstance(left, list) and isinstance(right, int):
            if len(left) * right > most:
                raise ValueError
            found = left * right
        else:
            raise ValueError
    else:
        raise ValueError
    if len(found) > most:
        raise ValueError
    return found


def _vocabulary(keys: Keys, run: Run, sized: bool, megatron: bool) -> None:
    """Size of the vocabulary, and whether embedding and output head share it."""
    names = ("padded_vocab_size", "vocab_size", "override_vocab_size", "pad_vocab_size_to")
    size, label = keys.whole(*names), keys.label(*names)
    if megatron and not keys.mentions(*_TOKENIZERS):
        size = size or vocabulary("GPT2BPETokenizer", run)
        label = f"GPT2BPETokenizer {DEFAULT}" if not keys.item(*names) else label
    for name in _TOKENIZERS:
        word = keys.take(name)
        if size is None and isinstance(word, str):
            size = vocabulary(word, run)
            label = f"{keys.label(name)} = {word.rpartition('/')[2]}"
    if sized:
        run.put("model.vocab_size", size, label)
    apart = keys.flag("untie_embeddings_and_output_weights")
    shared = keys.flag("share_embeddings_and_output_weights")
    tied = shared if shared is not None else not apart
    if sized:
        label = keys.label(
            "share_embeddings_and_output_weights", "untie_embeddings_and_output_weights"
        )
        run.put("model.tied_embeddings", tied, label)


def vocabulary(name: str, run: Run) -> int | None:
    """Tokens of a tokenizer, by its name or by that of the model that has it; None where unknown."""
    short = name.rstrip("/").rpartition("/")[2]
    try:
        found = run.catalog.find("tokenizers", short, "")
        return int(run.catalog.entry("tokenizers", found)["vocab_size"])
    except InputError:
        preset = preset_of(name, run.catalog)
        size = run.catalog.entry("models", preset).get("vocab_size") if preset else None
        return None if size is None else int(size)
