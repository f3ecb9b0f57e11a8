"""torchtune's YAML: builders' names, what recipes keep where, and what the file leaves open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from llmcost.analysis.estimate import estimate
from llmcost.scenario import load_scenario
from llmcost.scenario.importers.run import Run
from llmcost.scenario.importers.trainers import read_run, scenario_of
from tests.layouts import CATALOG

_BASE = """
model:
  _component_: torchtune.models.{model}
tokenizer:
  _component_: torchtune.models.llama3.llama3_tokenizer
  max_seq_len: 2048
dataset:
  packed: True
batch_size: 2
dtype: bf16
"""


def read(folder: Path, model: str, more: str = "") -> Run:
    path = folder / "recipe.yaml"
    path.write_text(_BASE.format(model=model) + more)
    return read_run([str(path)])


@pytest.mark.parametrize(
    ("model", "preset", "method"),
    [
        ("llama3_1.llama3_1_8b", "llama-3.1-8b", None),
        ("llama3_3.qlora_llama3_3_70b", "llama-3.1-70b", "qlora"),
        ("llama3_2.lora_llama3_2_1b", "llama-3.2-1b", "lora"),
        ("llama2.llama2_7b", "llama-2-7b", None),
        ("gemma2.lora_gemma2_9b", "gemma-2-9b", "lora"),
        ("qwen2_5.qwen2_5_0_5b", "qwen2.5-0.5b", None),
        ("qwen3.lora_qwen3_0_6b_instruct", "qwen3-0.6b", "lora"),
        ("phi4.qlora_phi4_14b", "phi-4", "qlora"),
        ("mistral.mistral_7b", "mistral-7b", None),
        ("qwen2.qwen2_1_5b", None, None),
    ],
)
def test_builders(tmp_path: Path, model: str, preset: str | None, method: str | None) -> None:
    run = read(tmp_path, model)
    assert (run.get("model.preset"), run.get("training.method")) == (preset, method)
    assert run.trainers == ["torchtune"]
    assert not run.unread
    if preset is None:
        assert any("not in the catalog of models" in note for note in run.notes)


_SETTINGS: list[tuple[str, dict[str, Any]]] = [
    ("compile: True", {"training.software": "pytorch-compile"}),
    ("compile: False", {"training.software": "pytorch-eager"}),
    ("optimizer:\n  _component_: torch.optim.AdamW", {"training.optimizer": "adamw-bf16"}),
    (
        "optimizer:\n  _component_: bitsandbytes.optim.PagedAdamW8bit\noptimizer_in_bwd: True",
        {
            "training.optimizer": "adamw-8bit-bf16",
            "training.offload": "paged",
            "training.optimizer_in_backward": True,
        },
    ),
    (
        "fsdp_cpu_offload: True",
        {"training.offload": "parameters", "parallelism.sharding": "zero3"},
    ),
    (
        "fsdp_cpu_offload: True\nfsdp_reshard_after_forward: False",
        {
            "training.offload": "parameters",
            "parallelism.sharding": "zero3",
            "parallelism.reshard": False,
        },
    ),
    (
        "enable_activation_checkpointing: True\nenable_activation_offloading: True",
        {"training.activation_recompute": "full", "training.offload": "activations"},
    ),
    (
        "loss:\n  _component_: torchtune.modules.loss.LinearCrossEntropyLoss",
        {"training.loss_chunks": 8},
    ),
    (
        "loss:\n  _component_: torchtune.modules.loss.CEWithChunkedOutputLoss\n  num_output_chunks: 16",
        {"training.loss_chunks": 16},
    ),
    (
        "tensor_parallel_dim: 2\ndata_parallel_shard_dim: 4",
        {"parallelism.tp": 2, "parallelism.dp": 4, "cluster.devices": 8},
    ),
]


@pytest.mark.parametrize(("lines", "expected"), _SETTINGS)
def test_settings(tmp_path: Path, lines: str, expected: dict[str, Any]) -> None:
    run = read(tmp_path, "llama3_1.llama3_1_8b", lines)
    assert {key: run.get(key) for key in expected} == expected
    assert not run.unread


def test_adapters_are_listed(tmp_path: Path) -> None:
    lines = "\n  lora_attn_modules: ['q_proj', 'v_proj']\n  apply_lora_to_mlp: True\n  lora_rank: 16\n  lora_dropout: 0.05"
    path = tmp_path / "recipe.yaml"
    path.write_text(
        _BASE.format(model=f"llama3_1.lora_llama3_1_8b{lines}") + "gradient_accumulation_steps: 8"
    )
    run = read_run([str(path)])
    assert run.get("training.lora_targets") == "q_proj,v_proj,mlp"
    assert (run.get("training.lora_rank"), run.get("training.lora_dropout")) == (16, 0.05)


def test_what_is_read_is_estimated(tmp_path: Path) -> None:
    """Full fine-tuning of 8B on one card of 24 GB: torchtune's README measures 18.9 GiB."""
    lines = (
        "optimizer:\n  _component_: bitsandbytes.optim.PagedAdamW8bit\noptimizer_in_bwd: True\ncompile: True\n"
        "enable_activation_checkpointing: True\nloss:\n  _component_: torchtune.modules.loss.LinearCrossEntropyLoss"
    )
    run = read(tmp_path, "llama3_1.llama3_1_8b", lines)
    text = scenario_of([str(tmp_path / "recipe.yaml")], run)
    path = tmp_path / "run.toml"
    path.write_text(text)
    sets = [
        "cluster.accelerator=rtx-4090", "cluster.devices=1", "parallelism.dp=1", "parallelism.sharding=none",
        "parallelism.global_batch_seqs=2", "data.tokens=1e6",
    ]  # fmt: skip
    found = estimate(load_scenario(str(path), sets=sets), CATALOG)
    assert found.result("memory_gb_per_device") == pytest.approx(18.9 * 1.0737, rel=0.1)


def test_reinforcement_reads_the_policy_and_says_what_it_leaves(tmp_path: Path) -> None:
    path = tmp_path / "ppo.yaml"
    path.write_text(
        "policy_model:\n  _component_: torchtune.models.mistral.mistral_7b\n"
        "reward_and_value_model:\n  num_layers: 32\nbatch_size: 64\nnum_steps: 10000\nppo_epochs: 2\n"
        "ppo_batch_size: 32\ngradient_accumulation_steps: 4\nmax_generated_tokens: 58\ndtype: bf16\n"
        "tokenizer:\n  max_seq_len: 1024\nnew_key: 3\n"
    )
    run = read_run([str(path)])
    assert run.get("model.preset") == "mistral-7b"
    assert run.get("parallelism.micro_batch") == 8
    assert any("reinforcement" in note for note in run.notes)
    assert "data.tokens" not in run.values
    assert [line.split(": ")[1] for line in run.unread] == ["new_key = 3"]
