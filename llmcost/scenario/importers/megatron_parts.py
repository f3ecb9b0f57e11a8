"""Models that Megatron's words build of parts, through the reader of Hugging Face configurations."""

from __future__ import annotations

from typing import Any

from llmcost.errors import InputError
from llmcost.scenario.architecture import ARCHITECTURE
from llmcost.scenario.importers.huggingface.read import read_model
from llmcost.scenario.importers.keys import Keys
from llmcost.scenario.importers.run import Run

#: Letters of a pattern of layers that the reader of configurations knows; "|" only splits stages.
_LETTERS = frozenset("M*-E|")
#: Megatron-LM's defaults of a Mamba-2 block.
_HEAD_DIM, _GROUPS, _STATE, _KERNEL, _EXPAND = 64, 8, 128, 4, 2


def read_hybrid(keys: Keys, run: Run) -> bool:
    """A hybrid of states, attention and feed-forward blocks, one letter a block.

    Parameters
    ----------
    keys : Keys
        The keys.
    run : Run
        Has what :func:`read_model` of Megatron's words put there; takes the rest.

    Returns
    -------
    bool
        False where the pattern has letters that are not known, or a size is missing.
    """
    name = "hybrid_layer_pattern"
    pattern = keys.take(name, "hybrid_override_pattern")
    label = keys.label(name, "hybrid_override_pattern")
    if not isinstance(pattern, str) or run.get("model.gated_ffn"):
        return False
    main = pattern.strip("'\" ").partition("/")[0]  # what follows predicts further tokens
    width = keys.whole("mamba_head_dim") or _HEAD_DIM
    hidden = run.get("model.hidden_size")
    needed = ("hidden_size", "heads", "kv_heads", "head_dim", "ffn_hidden_size")
    if (
        not main
        or not set(main) <= _LETTERS
        or any(run.get(f"model.{key}") is None for key in needed)
    ):
        return False
    config: dict[str, Any] = {
        "model_type": "nemotron_h",
        "hybrid_override_pattern": main,
        "hidden_size": hidden,
        "num_attention_heads": run.get("model.heads"),
        "num_key_value_heads": run.get("model.kv_heads"),
        "head_dim": run.get("model.head_dim"),
        "intermediate_size": run.get("model.ffn_hidden_size"),
        "vocab_size": run.get("model.vocab_size", 1),  # asked for below where nothing says it
        "tie_word_embeddings": run.get("model.tied_embeddings", True),
        "mamba_num_heads": keys.whole("mamba_num_heads") or int(_EXPAND * hidden) // width,
        "mamba_head_dim": width,
        "n_groups": keys.whole("mamba_num_groups") or _GROUPS,
        "ssm_state_size": keys.whole("mamba_state_dim") or _STATE,
        "conv_kernel": _KERNEL,
        "max_position_embeddings": run.get("model.seq_len"),
    }
    if "E" in main:
        inner = run.get("model.expert_ffn_hidden_size")
        config |= {
            "n_routed_experts": run.get("model.experts"),
            "num_experts_per_tok": run.get("model.experts_per_token"),
            "moe_intermediate_size": inner,
            "moe_shared_expert_intermediate_size": inner
            and inner * run.get("model.shared_experts", 0),
            "moe_latent_size": run.get("model.expert_hidden_size"),
        }
    else:
        config["n_routed_experts"] = 0
    try:
        found = read_model(config, label).architecture
    except InputError:
        return False
    told = [key for key in ARCHITECTURE if key != "vocab_size"]
    for key in told:
        value = found.get(key)
        if value is None or (
            not value and key not in ("gated_ffn", "tied_embeddings", "dense_layers")
        ):
            continue
        run.values.pop(f"model.{key}", None)
        run.put(f"model.{key}", value, f"{label} and its parts")
    keys.ignore([name, "hybrid_override_pattern", "is_hybrid_model", "hybrid_*", "mamba_*"])
    return True
