"""Parameters counted from a Hugging Face config.json, against the published counts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from llmcost.analysis.estimate import estimate
from llmcost.catalog import load_catalog
from llmcost.scenario import parse_scenario


def _llama(
    hidden: int, ffn: int, layers: int, heads: int, kv: int, vocab: int, **more: Any
) -> dict[str, Any]:
    return {
        "model_type": "llama", "hidden_size": hidden, "intermediate_size": ffn, "num_hidden_layers": layers,
        "num_attention_heads": heads, "num_key_value_heads": kv, "vocab_size": vocab,
        "max_position_embeddings": 4096, "tie_word_embeddings": False, **more,
    }  # fmt: skip


CONFIGS = [
    ("Llama 2 7B", _llama(4096, 11008, 32, 32, 32, 32000), 6.738e9, None),
    ("Llama 2 70B", _llama(8192, 28672, 80, 64, 8, 32000), 68.977e9, None),
    ("Llama 3.1 8B", _llama(4096, 14336, 32, 32, 8, 128256), 8.030e9, None),
    ("Llama 3.1 70B", _llama(8192, 28672, 80, 64, 8, 128256), 70.554e9, None),
    ("Llama 3.1 405B", _llama(16384, 53248, 126, 128, 8, 128256), 405.85e9, None),
    ("Mistral 7B", _llama(4096, 14336, 32, 32, 8, 32000, model_type="mistral", sliding_window=4096), 7.242e9, None),
    ("Mixtral 8x7B", _llama(4096, 14336, 32, 32, 8, 32000, model_type="mixtral", num_local_experts=8, num_experts_per_tok=2), 46.70e9, 12.88e9),
    ("GPT-2 XL", {"model_type": "gpt2", "n_embd": 1600, "n_layer": 48, "n_head": 25, "n_positions": 1024, "n_ctx": 1024, "vocab_size": 50257}, 1.5576e9, None),
    ("GPT-NeoX-20B", {"model_type": "gpt_neox", "hidden_size": 6144, "intermediate_size": 24576, "num_hidden_layers": 44, "num_attention_heads": 64, "vocab_size": 50432, "max_position_embeddings": 2048, "tie_word_embeddings": False}, 20.55e9, None),
    ("Falcon 7B", {"model_type": "falcon", "hidden_size": 4544, "num_hidden_layers": 32, "num_attention_heads": 71, "multi_query": True, "new_decoder_architecture": False, "num_kv_heads": 71, "vocab_size": 65024}, 6.92e9, None),
    ("Falcon 40B", {"model_type": "falcon", "hidden_size": 8192, "num_hidden_layers": 60, "num_attention_heads": 128, "num_kv_heads": 8, "multi_query": True, "new_decoder_architecture": True, "vocab_size": 65024}, 41.3e9, None),
    ("Qwen2.5 7B", _llama(3584, 18944, 28, 28, 4, 152064, model_type="qwen2"), 7.616e9, None),
    ("Qwen3 8B", _llama(4096, 12288, 36, 32, 8, 151936, model_type="qwen3", head_dim=128), 8.19e9, None),
    ("Qwen3 30B-A3B", _llama(2048, 6144, 48, 32, 4, 151936, model_type="qwen3_moe", head_dim=128, num_experts=128, num_experts_per_tok=8, moe_intermediate_size=768), 30.53e9, 3.35e9),
    ("DeepSeek-V3", _llama(7168, 18432, 61, 128, 128, 129280, model_type="deepseek_v3", n_routed_experts=256, num_experts_per_tok=8, n_shared_experts=1, moe_intermediate_size=2048, first_k_dense_replace=3, q_lora_rank=1536, kv_lora_rank=512, qk_nope_head_dim=128, qk_rope_head_dim=64, v_head_dim=128), 671.0e9, 37.0e9),
    ("DeepSeek-V2", _llama(5120, 12288, 60, 128, 128, 102400, model_type="deepseek_v2", n_routed_experts=160, num_experts_per_tok=6, n_shared_experts=2, moe_intermediate_size=1536, first_k_dense_replace=1, q_lora_rank=1536, kv_lora_rank=512, qk_nope_head_dim=128, qk_rope_head_dim=64, v_head_dim=128), 235.7e9, 21.4e9),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "config", "params", "active"), CONFIGS, ids=[c[0] for c in CONFIGS]
)
def test_config(
    name: str, config: dict[str, Any], params: float, active: float | None, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    scenario = parse_scenario(
        {"name": name, "model": {"config": "config.json"}}, directory=tmp_path
    )
    result = estimate(scenario)
    assert result.result("params") == pytest.approx(params, rel=0.01)
    if active is not None:
        # All that a token uses, the input embedding included; DeepSeek leaves it out of its 37B and 21B.
        embedding = config["vocab_size"] * config["hidden_size"] if "DeepSeek" in name else 0
        tolerance = 0.03 if name == "DeepSeek-V2" else 0.0102
        assert result.result("active_params") - embedding == pytest.approx(active, rel=tolerance)
        published = result.result("published_active_params")
        assert published is None or published == pytest.approx(active, rel=0.02)
    else:
        assert result.result("active_params") == result.result("params")


#: Weights that no configuration shows: relative positions (Gopher, Chinchilla).
_UNCOUNTED = {"gopher-280b": 0.09, "chinchilla-70b": 0.09}


@pytest.mark.parametrize("name", list(load_catalog().kind("models")))
def test_catalog_architecture_agrees_with_the_published_count(name: str) -> None:
    result = estimate(parse_scenario({"name": name, "model": {"preset": name}}))
    published = load_catalog().kind("models")[name]
    counted = float(result.values["architecture_params"])
    assert counted == pytest.approx(published["params"], rel=_UNCOUNTED.get(name, 0.012))
    assert result.result("params") == published["params"]
    if "active_params" in published:
        # Publishers round, and some leave out embeddings and what sees or hears.
        active = counted - float(result.values["inactive_params"])
        embedding = published["vocab_size"] * published["hidden_size"]
        least = active - 2 * embedding - published.get("encoder_params", 0)
        rounded = max(0.03 * active, _unit(published["active_params"]) / 2)
        assert least - rounded <= published["active_params"] <= active + rounded


def _unit(value: float) -> float:
    """Size of the last digit that a count is given with."""
    unit = 1
    while value % (unit * 10) == 0:
        unit *= 10
    return unit
