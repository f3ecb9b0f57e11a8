"""Configurations of a megabyte are read in two seconds, and mixtures of experts are told by their shape."""

from __future__ import annotations

import time
from typing import Any

import pytest

from llmcost.catalog import load_catalog
from llmcost.errors import InputError
from llmcost.scenario.architecture import published_as
from llmcost.scenario.importers.huggingface.read import read_model

_LLAMA = {
    "model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
    "num_attention_heads": 4, "vocab_size": 1000, "max_position_embeddings": 131072,
}  # fmt: skip


def _problems(config: Any) -> list[str]:
    try:
        read_model(config, "c")
    except InputError as error:
        return error.problems
    return []


def test_a_megabyte_is_read_in_two_seconds() -> None:
    many = [{"attention": {"n_heads_in_group": 8}, "ffn": {"ffn_mult": 2.5}}] * 10_000
    for change in (
        {"model_type": "deci", "num_hidden_layers": 10_000, "block_configs": many},
        {"layer_types": ["full_attention"] * 40_000},
        {f"layer_{index}": 7 for index in range(40_000)},
        {"num_hidden_layers": 10_000, "hybrid_override_pattern": "M*-E" * 2500},
    ):
        start = time.perf_counter()
        problems = _problems(_LLAMA | change)
        assert time.perf_counter() - start < 2
        assert all(len(problem) < 400 for problem in problems)


@pytest.mark.parametrize(
    "change",
    [
        {"num_hidden_layers": list(range(100_000))},
        {"num_hidden_layers": [10**18] * 100_000},
        {"num_hidden_layers": 10_000, "num_experts": 8, "num_experts_per_tok": 2,
         "moe_layers": list(range(100_000))},
        {"num_hidden_layers": 10_000, "cross_attention_layers": list(range(100_000))},
    ],
    ids=["bad entries", "large entries", "places of experts", "places of images"],
)  # fmt: skip
def test_long_lists_are_read_in_two_seconds(change: dict[str, Any]) -> None:
    start = time.process_time()
    problems = _problems(_LLAMA | change)
    assert time.process_time() - start < 2
    assert len(problems) < 10


def test_few_of_many_names_are_listed() -> None:
    notes = read_model(_LLAMA | {f"experts_{index}": 5 for index in range(1000)}, "c").warnings
    assert any("and 950 more" in note for note in notes)
    assert sum(map(len, notes)) < 2000


@pytest.mark.parametrize("kind", ["models", "mixtures"])
def test_a_mixture_is_told_by_its_shape(kind: str) -> None:
    catalog = load_catalog()
    for name, entry in catalog.kind(kind).items():
        if not entry.get("experts") or not entry.get("active_params"):
            continue
        found = published_as(entry, catalog)
        assert found is not None, name
        same = found["active_params"] == pytest.approx(entry["active_params"], rel=0.2)
        assert same, name  # a text model and its sibling that sees are of one shape


def test_a_fine_tune_with_more_tokens_is_still_told() -> None:
    entry = load_catalog().entry("models", "mixtral-8x7b")
    more = {**entry, "vocab_size": entry["vocab_size"] + 64}
    other = {**entry, "vocab_size": 2 * entry["vocab_size"]}
    assert published_as(more, load_catalog()) == entry
    assert published_as(other, load_catalog()) is None
