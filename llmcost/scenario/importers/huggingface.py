"""A model from a Hugging Face config.json: the architecture behind the field names of each family."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llmcost.errors import InputError
from llmcost.files import read_text

#: Field names by what they hold, the first that is present counts.
_FIELDS = {
    "layers": ("num_hidden_layers", "n_layer", "n_layers", "num_layers"),
    "hidden_size": ("hidden_size", "n_embd", "d_model", "n_embed"),
    "heads": ("num_attention_heads", "n_head", "n_heads"),
    "kv_heads": ("num_key_value_heads", "num_kv_heads", "n_head_kv"),
    "head_dim": ("head_dim",),
    "ffn_hidden_size": ("intermediate_size", "n_inner", "ffn_hidden_size", "ffn_dim"),
    "vocab_size": ("vocab_size",),
    "seq_len": (
        "max_position_embeddings",
        "n_positions",
        "max_seq_len",
        "seq_length",
        "model_max_length",
    ),
    "experts": ("n_routed_experts", "num_local_experts", "num_experts"),
    "experts_per_token": ("num_experts_per_tok", "experts_per_token"),
    "shared_experts": ("n_shared_experts",),
    "expert_ffn_hidden_size": ("moe_intermediate_size",),
    "dense_layers": ("first_k_dense_replace",),
    "q_lora_rank": ("q_lora_rank",),
    "kv_lora_rank": ("kv_lora_rank",),
    "qk_rope_head_dim": ("qk_rope_head_dim",),
    "v_head_dim": ("v_head_dim",),
}
#: Families whose feed-forward block has two matrices.
_UNGATED = (
    "gpt2",
    "gpt_neox",
    "gptj",
    "falcon",
    "refinedweb",
    "refinedwebmodel",
    "bloom",
    "opt",
    "mpt",
    "phi",
    "starcoder2",
    "gpt_bigcode",
    "nemotron",
)
#: Families that tie embedding and output head unless the file says otherwise.
_TIED = (
    "gpt2",
    "falcon",
    "refinedweb",
    "refinedwebmodel",
    "bloom",
    "opt",
    "mpt",
    "gemma",
    "gemma2",
    "gemma3_text",
    "gpt_bigcode",
)
#: Families that do not count the input embedding among the active parameters, as their reports do.
_ACTIVE_WITHOUT_EMBEDDING = ("deepseek_v2", "deepseek_v3")
#: A value above this is no model that anybody trains.
_LARGEST = 1e9


def read_config(path: Path, where: str) -> dict[str, Any]:
    """Read the architecture of a config.json.

    Parameters
    ----------
    path : Path
        The file.
    where : str
        How an error message names the key that gave it.

    Returns
    -------
    dict
        Architecture by model key, as a catalog entry holds it.

    Raises
    ------
    InputError
        If the file is missing or is no such configuration.
    """
    try:
        data = json.loads(read_text(path, "config"))
    except InputError as error:
        raise InputError([f"{where}: {problem}" for problem in error.problems]) from None
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise InputError(f"{where}: {path}: invalid JSON: {reason}") from None
    if not isinstance(data, dict):
        raise InputError(
            f"{where}: {path}: is not a Hugging Face config: the top must be an object"
        )
    return architecture(data, f"{where}: {path}")


def architecture(data: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The architecture of a configuration that was read.

    Raises
    ------
    InputError
        With every problem.
    """
    inner = data.get("text_config")
    if isinstance(inner, dict) and "num_hidden_layers" not in data:
        data = {**data, **inner}
    problems: list[str] = []
    found: dict[str, Any] = {}
    for name, fields in _FIELDS.items():
        field = next((item for item in fields if data.get(item) is not None), None)
        if field is None:
            continue
        value = data[field]
        number = isinstance(value, int | float) and not isinstance(value, bool)
        least = (
            0
            if name
            in (
                "experts",
                "experts_per_token",
                "shared_experts",
                "dense_layers",
                "q_lora_rank",
                "kv_lora_rank",
                "qk_rope_head_dim",
            )
            else 1
        )
        if not number or value != value or not least <= value <= _LARGEST or value != int(value):
            problems.append(
                f"{where}: {field}: {str(value)[:40]!r} is not a whole number ≥ {least}"
            )
            continue
        found[name] = int(value)
    for name in ("layers", "hidden_size", "heads", "vocab_size"):
        if name not in found and not problems:
            problems.append(
                f"{where}: none of {', '.join(_FIELDS[name])}: not a Hugging Face config of a transformer"
            )
    if problems:
        raise InputError(problems)
    if (
        "head_dim" not in found
        and "qk_nope_head_dim" not in data
        and found["hidden_size"] % found["heads"]
    ):
        raise InputError(
            f"{where}: {found['heads']} heads do not divide hidden_size {found['hidden_size']}; it needs head_dim"
        )
    family = str(data.get("model_type", "")).lower()
    _complete(found, data, family)
    return found


def _complete(found: dict[str, Any], data: Mapping[str, Any], family: str) -> None:
    """Fill what the family implies without saying it."""
    hidden, heads = found["hidden_size"], found["heads"]
    if "kv_heads" not in found or (
        family in ("falcon", "refinedwebmodel", "refinedweb")
        and not data.get("new_decoder_architecture", "n_head_kv" in data)
    ):
        found["kv_heads"] = 1 if data.get("multi_query") else heads
    if "qk_nope_head_dim" in data and isinstance(data["qk_nope_head_dim"], int):
        found["head_dim"] = data["qk_nope_head_dim"]
    if found.get("kv_lora_rank", 0) == 0:
        for name in ("q_lora_rank", "kv_lora_rank", "qk_rope_head_dim", "v_head_dim"):
            found.pop(name, None)
    found.setdefault("head_dim", hidden // heads)
    expansion = data.get("expansion_ratio", 4)
    expansion = expansion if isinstance(expansion, int) and 0 < expansion < 1000 else 4
    found.setdefault("ffn_hidden_size", expansion * hidden)
    found["gated_ffn"] = family not in _UNGATED
    tied = data.get("tie_word_embeddings")
    found["tied_embeddings"] = tied if isinstance(tied, bool) else family in _TIED
    if found.get("experts", 0) > 0:
        found.setdefault("experts_per_token", 2)
        found.setdefault("shared_experts", 0)
        found.setdefault("expert_ffn_hidden_size", found["ffn_hidden_size"])
        found.setdefault("dense_layers", 0)
        if family in ("qwen2_moe",) and isinstance(
            data.get("shared_expert_intermediate_size"), int
        ):
            found["shared_experts"] = (
                data["shared_expert_intermediate_size"] // found["expert_ffn_hidden_size"]
            )
        if family in ("llama4", "llama4_text"):
            found["shared_experts"] = 1
            found["expert_ffn_hidden_size"] = found["ffn_hidden_size"]
            mlp = data.get("intermediate_size_mlp")
            found["ffn_hidden_size"] = mlp if isinstance(mlp, int) else found["ffn_hidden_size"]
            step = data.get("interleave_moe_layer_step", 1)
            if isinstance(step, int) and step > 0:
                found["dense_layers"] = found["layers"] - found["layers"] // step
        found["dense_layers"] = min(found["dense_layers"], found["layers"])
        found["active_without_embedding"] = family in _ACTIVE_WITHOUT_EMBEDDING
    else:
        found.pop("experts", None)
