"""Names that others give models, tokenizers and layers; keys that are left out without a word."""

from __future__ import annotations

import pytest
import tomli

from llmcost.catalog import load_catalog
from llmcost.catalog.load import builtin
from llmcost.files import packaged
from llmcost.scenario.importers.megatron import _layout_stages
from llmcost.scenario.importers.megatron_model import dense_layers, vocabulary
from llmcost.scenario.importers.names import preset_of
from llmcost.scenario.importers.nemo import model_name
from llmcost.scenario.importers.run import Run
from llmcost.scenario.schema import KEYS

CATALOG = load_catalog()


@pytest.mark.parametrize(
    ("name", "preset"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", "llama-3.1-8b"), ("NousResearch/Meta-Llama-3-8B", "llama-3.1-8b"),
        ("mistralai/Mistral-7B-v0.1", "mistral-7b"), ("mistral-community/Mixtral-8x22B-v0.1", "mixtral-8x22b"),
        ("Qwen/Qwen2.5-7B-Instruct", "qwen2.5-7b"), ("/data/models/Llama-2-70b-hf/", "llama-2-70b"),
        ("deepseek-ai/DeepSeek-V3-Base", "deepseek-v3"), ("google/gemma-2-9b-it", "gemma-2-9b"),
        ("Qwen/Qwen3-30B-A3B-Instruct-2507", "qwen3-30b-a3b"), ("alignment-handbook/zephyr-7b-sft-full", "mistral-7b"), ("lmsys/vicuna-13b-v1.5", "llama-2-13b"),
        ("some/other-13b", None), ("", None),
        ("hf-" * 100, None),
    ],
)  # fmt: skip
def test_hub_names(name: str, preset: str | None) -> None:
    assert preset_of(name, CATALOG) == preset


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("megatron.bridge.models.llama.llama_provider.Llama3ModelProvider8B", "llama-3-8b"),
        ("nemo.collections.llm.gpt.model.llama.Llama31Config405B", "llama-3.1-405b"),
        ("MixtralConfig8x7B", "mixtral-8x7b"), ("GPTConfig175B", "gpt-3-175b"), ("deepseek_v3_pretrain_config", "deepseek-v3"),
        ("llama3_70b_pretrain_config", "llama-3-70b"), ("qwen3_30b_a3b_pretrain_config", "qwen3-30b-a3b"),
        ("qwen25_7b_finetune", "qwen2.5-7b"), ("my_run", None), ("nemo.lightning.pytorch.trainer.Trainer", None),
    ],
)  # fmt: skip
def test_classes_and_recipes(name: str, found: str | None) -> None:
    assert model_name(name) == found


@pytest.mark.parametrize(
    ("pattern", "layers", "dense"),
    [
        (1, 8, 0), (2, 8, 4), (2, 7, 3), ("([0]*3+[1]*11)", 14, 3), ("[0]*3+[1]*58", 61, 3), ([0, 1, 1], 3, 1),
        ("[0,1]*4", 8, 4), ("2", 8, 4), ("[1]*9", 8, None), ("[1]*999999999", 8, None), ("__import__('os')", 8, None),
        ("[" * 500, 8, None), ("[1]+1", 2, None), ("", 2, None),
    ],
)  # fmt: skip
def test_layers_without_experts(pattern: object, layers: int, dense: int | None) -> None:
    assert dense_layers(pattern, layers) == dense


@pytest.mark.parametrize(
    ("layout", "stages"),
    [("Et*2|(tt|)*5t|tmL", 8), ("E|(t|)*3,m|m||L", 8), ("Ettt|(tt|)*29,m|L", 32), ("EttL", 1)],
)
def test_stages_of_a_layout(layout: str, stages: int) -> None:
    assert _layout_stages(layout) == stages


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("GPT2BPETokenizer", 50257), ("${DATA_PATH}/utils/nemotron_2_256k.model", 256000), ("deepseek-ai/DeepSeek-V3", 129280),
        ("meta-llama/Meta-Llama-3-70B", 128256), ("Qwen/Qwen1.5-72B", 152064), ("my/own", None),
    ],
)  # fmt: skip
def test_vocabularies(name: str, size: int | None) -> None:
    assert vocabulary(name, Run(CATALOG)) == size


def test_flavors_are_models_of_the_catalog_or_give_all_sizes() -> None:
    needed = {
        "layers",
        "hidden_size",
        "heads",
        "kv_heads",
        "head_dim",
        "ffn_hidden_size",
        "vocab_size",
    }
    for name, entry in builtin("flavors").items():
        if "preset" in entry:
            assert entry["preset"] in builtin("models"), name
        else:
            assert needed <= set(entry), name
            fields = set(entry) - {"source", "url", "date", "confidence"}
            assert {f"model.{field}" for field in fields} <= set(KEYS), name


def test_no_key_that_sets_a_layout_is_left_out_without_a_word() -> None:
    """What bears on cost is either read or named; a wide pattern must not hide it."""
    lists = tomli.loads(
        packaged("scenario", "importers", "ignored.toml").read_text(encoding="utf-8")
    )
    run = Run(CATALOG)
    from llmcost.scenario.importers.documents import Document
    from llmcost.scenario.importers.keys import Keys

    bearing = {
        "megatron": [
            "tensor_model_parallel_size", "micro_batch_size", "global_batch_size", "num_experts", "moe_router_topk",
            "moe_ffn_hidden_size", "recompute_granularity", "use_distributed_optimizer", "seq_length", "sequence_paralel",
            "overlap_moe_expert_parallel_comm", "cpu_offloading", "window_size", "mtp_num_layers", "moe_latent_size",
            "hybrid_override_pattern", "use_megatron_fsdp", "train_samples", "rampup_batch_size", "optimizer", "fp8_format",
            "moe_expert_capacity_factor", "num_layers", "kv_channels", "vocab_size", "train_iters",
        ],
        "torchtitan": [
            "training.local_batch_size", "parallelism.tensor_parallel_degree", "activation_checkpoint.mode",
            "training.seq_len", "model.flavor", "parallelism.pipeline_parallel_layers_per_stage", "training.enable_cpu_offload",
        ],
        "huggingface": ["per_device_train_batch_size", "gradient_accumulation_steps", "bf16", "train_batch_size", "lora_r"],
        "axolotl": ["micro_batch_size", "sequence_len", "adapter", "tensor_parallel_size", "dp_shard_size", "context_parapllel_size"],
        "llm-foundry": ["global_train_batch_size", "device_train_microbatch_size", "model.d_model"],
    }  # fmt: skip
    for trainer, names in bearing.items():
        keys = Keys([Document("f", dict.fromkeys(names, 1))], run)
        keys.ignore(lists[trainer])
        run.unread = []
        keys.finish()
        assert len(run.unread) == len(names), (trainer, run.unread)
