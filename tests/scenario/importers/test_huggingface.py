"""Configurations of every family: their counts, their FLOPs, and what cannot be read."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmcost.analysis.estimate import Estimate, estimate
from llmcost.engine.evaluate import evaluate
from llmcost.errors import InputError
from llmcost.scenario import parse_scenario
from llmcost.scenario.architecture import complete
from llmcost.scenario.importers.huggingface import families
from llmcost.scenario.importers.huggingface.decoders import DECODERS
from llmcost.scenario.importers.huggingface.encoders import ENCODERS
from llmcost.scenario.importers.huggingface.hybrids import HYBRIDS
from llmcost.scenario.importers.huggingface.read import read_model
from llmcost.scenario.importers.huggingface.speech import SPEECH

#: Fields that a count needs of published config.json files, and the parameters that each stands for:
#: those that transformers 5.24.0 builds from it (on its meta device), or those published with the weights.
CONFIGS: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parent / "configs.json").read_text()
)
#: Small configurations of our own making, and what transformers 5.24.0 builds from them: classes that are a
#: part of a model, further families, and flags and sizes one at a time.
REDUCED: dict[str, list[dict[str, Any]]] = json.loads(
    (Path(__file__).parent / "reduced.json").read_text()
)
#: Published counts are rounded to two or three digits; code counts every bias.
_PUBLISHED, _EXACT = 0.01, 0.003


def _counts(config: Any) -> dict[str, float]:
    known = {key: float(value) for key, value in read_model(config, "c").architecture.items()}
    complete(known)
    known["causal_flops"] = 0.0
    values, _ = evaluate(known)
    return {key: float(value) for key, value in values.items()}


def _estimate(tmp_path: Path, config: Any, **sections: dict[str, Any]) -> Estimate:
    (tmp_path / "config.json").write_text(json.dumps(config))
    model = {"config": "config.json", **sections.pop("model", {})}
    return estimate(parse_scenario({"name": "x", "model": model, **sections}, directory=tmp_path))


@pytest.mark.parametrize("name", list(CONFIGS))
def test_a_configuration_counts_as_its_own_code_counts(name: str) -> None:
    row = CONFIGS[name]
    exact = row["by"].startswith("transformers")
    counted = _counts(row["config"])["architecture_params"]
    assert counted == pytest.approx(row["params"], rel=_EXACT if exact else _PUBLISHED)


def _named(row: dict[str, Any]) -> str:
    return str(row["config"]["architectures"][0])


@pytest.mark.parametrize("row", REDUCED["parts"] + REDUCED["families"], ids=_named)
def test_a_class_counts_as_its_own_code_counts(row: dict[str, Any]) -> None:
    counted = _counts(row["config"])["architecture_params"]
    assert counted == pytest.approx(row["params"], rel=_EXACT)


@pytest.mark.parametrize("row", REDUCED["flags"], ids=_named)
def test_a_flag_that_changes_weights_changes_ours(row: dict[str, Any]) -> None:
    first = next(other for other in REDUCED["flags"] if _named(other) == _named(row))
    counted, before = (_counts(item["config"])["architecture_params"] for item in (row, first))
    assert counted - before == row["params"] - first["params"]
    assert counted == pytest.approx(row["params"], rel=_EXACT)


def test_the_same_class_of_other_parts_differs() -> None:
    by_type: dict[str, set[int]] = {}
    for row in REDUCED["parts"]:
        by_type.setdefault(row["config"]["model_type"], set()).add(row["params"])
    assert len(by_type["bert"]) >= 5
    assert len(by_type["bart"]) == len(by_type["t5"]) == len(by_type["clip"]) == 2


def test_every_name_in_the_table_of_families_exists() -> None:
    for name in families.names():
        entry = families.family(name)
        assert entry is not None
        named = [entry.get("text"), entry.get("encoder"), *entry.get("towers", {}).values()]
        assert all(families.family(word) is not None for word in named if word), name
        assert all(
            word in {**DECODERS, **ENCODERS, **HYBRIDS, **SPEECH}
            for word in entry.get("special", ())
        ), name


def test_nine_in_ten_are_exact() -> None:
    rows = [row for row in CONFIGS.values() if row["by"].startswith("transformers")]
    same = [row for row in rows if _counts(row["config"])["architecture_params"] == row["params"]]
    assert len(same) >= 0.9 * len(rows)


# -- FLOPs follow the kinds ----------------------------------------------------


def _flops(tmp_path: Path, config: Any, seq_len: int | None = None, **model: Any) -> float:
    model = {**({"seq_len": seq_len} if seq_len else {}), **model}
    result = _estimate(
        tmp_path, config, model=model,
        data={"tokens": 1e12}, training={"flops_method": "architecture"},
    )  # fmt: skip
    flops = result.result("flops")
    assert flops is not None
    return flops


def test_windowed_layers_count_their_window(tmp_path: Path) -> None:
    config = CONFIGS["mistral-7b-v0.1"]["config"] | {
        "sliding_window": 4096,
        "sliding_window_size": None,
    }
    assert _flops(tmp_path, config, 32768) == pytest.approx(4.9e22, rel=0.01)
    full = config | {"sliding_window": None}
    assert _flops(tmp_path, full, 32768) == pytest.approx(9.4e22, rel=0.01)
    assert _flops(tmp_path, config, 4096) == _flops(tmp_path, full, 4096)


def test_multi_token_prediction_is_computed_but_not_counted(tmp_path: Path) -> None:
    config = CONFIGS["deepseek-v3"]["config"]
    without = config | {"num_nextn_predict_layers": 0}
    ratio = _flops(tmp_path, config, 4096) / _flops(tmp_path, without, 4096)
    assert ratio == pytest.approx(1.038, abs=0.001)
    assert _counts(config)["params"] == _counts(without)["params"]


def test_states_do_not_grow_with_the_sequence(tmp_path: Path) -> None:
    config = CONFIGS["mamba2-codestral-7b"]["config"]
    assert _flops(tmp_path, config, 1_000_000) == _flops(tmp_path, config, 1000)
    values = _counts(config)
    inner, state = 2 * 4096, 128
    # Megatron-LM counts a scan forward as 7 FLOPs for each channel and state, training as three times that.
    assert values["recurrent_flops_per_token"] == 3 * 64 * 7 * inner * state


def test_a_hybrid_attends_in_some_layers_only(tmp_path: Path) -> None:
    values = _counts(CONFIGS["nemotron-h-56b"]["config"])
    assert (values["attention_layers"], values["recurrent_layers"], values["ffn_layers"]) == (
        10,
        54,
        54,
    )
    seq = values["seq_len"]
    assert values["score_flops_per_token"] == 12 * 10 * 64 * 128 * seq


def test_layers_of_two_widths_attend_with_their_own(tmp_path: Path) -> None:
    values = _counts(CONFIGS["gemma-4-26b-a4b"]["config"])
    seq = values["seq_len"]
    full, windowed = 5 * 16 * 512 * seq, 25 * 16 * 256 * min(seq, 1024)
    assert values["score_flops_per_token"] == 12 * (full + windowed)


def test_an_encoder_runs_over_its_own_sequence(tmp_path: Path) -> None:
    config = CONFIGS["whisper-large-v3-turbo"]["config"]
    values = _counts(config)
    assert values["encoder_seq_len"] == 1500
    assert values["seq_len"] == 448
    heads = 20 * 64
    own = 32 * heads * 1500 * 1500 / 448
    cross = 4 * heads * 1500
    assert values["encoder_score_flops_per_token"] == pytest.approx(12 * (own + cross))
    twice = _flops(tmp_path, config, encoder_seq_len=3000) - _flops(tmp_path, config)
    assert twice / 1e12 == pytest.approx(
        6 * values["encoder_params"] * 1500 / 448 + 12 * (3 * own + cross), rel=1e-9
    )


def test_sparse_attention_sees_what_its_indexer_chose() -> None:
    values = _counts(CONFIGS["deepseek-v3.2"]["config"])
    dense = _counts(CONFIGS["deepseek-v3"]["config"])
    assert values["indexer_flops_per_token"] == 6 * 61 * 64 * 128 * 4096
    # one layer of multi-token prediction sees everything
    assert values["score_flops_per_token"] < dense["score_flops_per_token"]
    assert values["windowed_attended_tokens"] == 2048


def test_shared_layers_count_once_and_compute_each_time() -> None:
    values = _counts(CONFIGS["albert-base-v1"]["config"])
    assert values["layer_uses"] == 12
    assert values["matmul_params"] > 7 * values["params"]


# -- what a user is told -------------------------------------------------------

_LLAMA = {
    "model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
    "num_attention_heads": 4, "vocab_size": 1000, "max_position_embeddings": 131072,
}  # fmt: skip


def test_what_is_served_is_not_what_is_trained(tmp_path: Path) -> None:
    result = _estimate(tmp_path, _LLAMA)
    inputs = {key: (value, source) for key, value, source in _inputs(result)}
    value, source = inputs["model.seq_len"]
    assert value == 4096
    assert source.startswith("default: max_position_embeddings 131,072")
    short = _estimate(tmp_path, _LLAMA | {"max_position_embeddings": 1024})
    assert {key: value for key, value, _ in _inputs(short)}["model.seq_len"] == 1024


def _inputs(result: Estimate) -> list[tuple[str, Any, str]]:
    from llmcost.render.data import estimate_object

    found = estimate_object(result)["inputs"]
    return [(key, item["value"], item["source"]) for key, item in found.items()]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "llamma"}, 'model_type "llamma" is not known.*did you mean "llama"'),
        ({"model_type": None}, "has no model_type"),
        ({"model_type": "newbert", "type_vocab_size": 2}, "read as an encoder like BERT's"),
        ({"model_type": "newbert", "architectures": ["NewForMaskedLM"]}, "read as an encoder like BERT's"),
        ({"model_type": "newbart", "encoder_layers": 2, "decoder_layers": 2, "d_model": 64,
          "encoder_attention_heads": 4, "decoder_attention_heads": 4, "encoder_ffn_dim": 128,
          "decoder_ffn_dim": 128}, "read as an encoder with a decoder like BART's"),
        ({"architectures": ["LlamaModel"]}, "no output head"),
        ({"architectures": ["LlamaForObjectDetection"]}, "parts of its own, which are not counted"),
        ({"mystery_experts": 8}, "not understood and not counted: mystery_experts"),
        ({"n_hash_layers": [1, 2]}, "not understood and not counted: n_hash_layers"),
        ({"model_type": "molmo"}, "vision tower and its connector are not counted"),
        ({"model_type": "phi4mm"}, "as published for phi4mm"),
        ({"head_dim": 0}, "head_dim: 0 is read as if"),
        ({"add_cross_attention": True}, "add_cross_attention: layers over"),
        ({"model_type": "rwkv5", "tie_word_embeddings": True}, "published with two matrices"),
        ({"model_type": "mpt", "expansion_ratio": 8}, "expansion_ratio: counted as the code"),
        ({"model_type": "phi3", "img_processor": {"name": "x"}}, "not counted: img_processor"),
        ({"vision_config": {"model_type": "newest_vit", "hidden_size": 64, "num_hidden_layers": 2,
                            "num_attention_heads": 4, "intermediate_size": 128, "patch_size": 14}},
         "vision_config"),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_said(change: dict[str, Any], message: str) -> None:
    notes = read_model(_LLAMA | change, "c").warnings
    assert any(re.search(message, note) for note in notes), notes


def test_a_field_that_only_serves_or_rounds_is_no_matter() -> None:
    quiet = {"rope_theta": 1e6, "rms_norm_eps": 1e-5, "torch_dtype": "bfloat16", "use_cache": True,
             "bos_token_id": 1, "initializer_range": 0.02, "attention_dropout": 0.0}  # fmt: skip
    assert read_model(_LLAMA | quiet, "c").warnings == []


def test_a_sparse_part_takes_its_familys_defaults_and_says_so() -> None:
    model = read_model({"model_type": "llava", "text_config": {"model_type": "llama"}}, "c")
    assert model.architecture["layers"] == 32
    assert any("num_hidden_layers 32" in note for note in model.warnings)


def test_a_publishers_own_count_stands_beside(tmp_path: Path) -> None:
    result = _estimate(tmp_path, CONFIGS["gpt-oss-20b"]["config"])
    assert result.result("active_params") == pytest.approx(4.19e9, rel=0.01)
    assert result.result("published_active_params") == 3.61e9
    same = _estimate(tmp_path, CONFIGS["mixtral-8x7b"]["config"])
    assert same.result("published_active_params") is None


def test_layers_of_a_hybrid_scale_with_its_depth(tmp_path: Path) -> None:
    config = CONFIGS["qwen3-next-80b-a3b"]["config"]
    whole = _estimate(tmp_path, config)
    half = _estimate(tmp_path, config, model={"layers": 24})
    assert float(half.values["recurrent_layers"]) == float(whole.values["recurrent_layers"]) / 2
    assert float(half.values["mixer_params"]) == float(whole.values["mixer_params"]) / 2


# -- what is refused -----------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"num_hidden_layers": int("9" * 400)}, "num_hidden_layers"),
        ({"hidden_size": -64}, "hidden_size"),
        ({"num_attention_heads": True}, "num_attention_heads"),
        ({"vocab_size": "many"}, "vocab_size"),
        ({"intermediate_size": 1.5}, "intermediate_size"),
        ({"num_hidden_layers": 0}, "num_hidden_layers"),
        ({"num_hidden_layers": 100_000}, "num_hidden_layers"),
        ({"num_attention_heads": 5}, "num_attention_heads"),
        ({"layer_types": ["full_attention", "spiral"]}, "layer_types"),
        ({"layer_types": ["full_attention"] * 3}, "layer_types"),
        ({"num_experts": 8}, "num_experts_per_tok"),
        ({"layer_types": ["full_attention", "linear_attention"]}, "layer_types"),
        ({"intermediate_size": None}, "intermediate_size"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(
    change: dict[str, Any], key: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as error:
        _estimate(tmp_path, _LLAMA | change)
    problems = error.value.problems
    assert any(f"{key}:" in problem for problem in problems), problems
    assert all(len(problem) < 400 for problem in problems)


@pytest.mark.parametrize(
    "config",
    [
        {"model_type": "convnext", "depths": [3, 3, 9, 3], "hidden_sizes": [96, 192, 384, 768]},
        {
            "model_type": "swin",
            "depths": [2, 2, 6, 2],
            "embed_dim": 96,
            "num_heads": [3, 6, 12, 24],
        },
        {"model_type": "mobilenet_v2", "depth_multiplier": 1.0, "image_size": 224},
    ],
)
def test_stages_of_several_widths_are_refused_as_such(config: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"stages of different widths.*model\.params") as error:
        read_model(config, "c")
    assert len(error.value.problems) == 1


@pytest.mark.parametrize("text", ["[" * 100_000, "{}", "[]", "3", "null", '{"model_type": 3}', ""])
def test_no_config_at_all(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(text)
    scenario = parse_scenario({"name": "x", "model": {"config": "config.json"}}, directory=tmp_path)
    with pytest.raises(InputError):
        estimate(scenario)


def _problems(config: Any) -> list[str]:
    try:
        _counts(config)
    except InputError as error:
        return error.problems
    return []


_GARBAGE = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5), st.integers(min_value=10**9), st.floats(),
    st.text(max_size=8), st.lists(st.integers(-2, 9), max_size=4), st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    st.sampled_from(["full_attention", "mamba", "M*-", [[["global"], 3]], [True], {"attention": None}]),
)  # fmt: skip


@given(data=st.data())
@settings(max_examples=400, deadline=None)
def test_a_garbled_config_is_an_answer_or_an_error(data: st.DataObject) -> None:
    rows = [*CONFIGS.values(), *(row for rows in REDUCED.values() for row in rows)]
    config = json.loads(json.dumps(data.draw(st.sampled_from(rows))["config"]))
    part = config
    inner = [value for value in config.values() if isinstance(value, dict) and value]
    if inner and data.draw(st.booleans()):
        part = data.draw(st.sampled_from(inner))
    for key in data.draw(st.lists(st.sampled_from(list(part)), min_size=1, max_size=3)):
        part[key] = data.draw(_GARBAGE)
    problems = _problems(config)
    assert all(isinstance(problem, str) and problem for problem in problems)
    if problems:
        return
    values = _counts(config)
    assert math.isfinite(values["architecture_params"])
    assert values["layers"] >= 1
    assert values["hidden_size"] >= 1
    for key in ("heads", "kv_heads", "vocab_size", "ffn_layers", "attention_layers", "experts"):
        assert 0 <= values.get(key, 0) <= 1e9, key
