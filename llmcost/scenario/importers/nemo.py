"""NeMo 1 and 2 and Megatron-Bridge: their YAML, and overrides on a command line.

Names are those of NeMo-Framework-Launcher (github.com/NVIDIA/NeMo-Framework-Launcher at 26e42fa9, 2024) and of
Megatron-Bridge's ConfigContainer (github.com/NVIDIA-NeMo/Megatron-Bridge at 067f987d, August 2026).
"""

from __future__ import annotations

import re
from collections.abc import Collection

from llmcost.scenario.importers import megatron
from llmcost.scenario.importers.keys import Keys
from llmcost.scenario.importers.megatron_model import read_model
from llmcost.scenario.importers.run import Run

NAME = "NeMo"
_GROUPS = (
    "model.config.", "model.data.", "model.", "trainer.strategy.ddp.", "trainer.strategy.", "trainer.",
    "train.", "ddp.", "dataset.", "data.", "dist.", "mixed_precision.", "comm_overlap.", "validation.",
    "optim.config.", "optimizer.", "recipe.",
)  # fmt: skip
_OUTER = ("training.", "cfg.", "MODEL_ARGS.", "peft.", "fine_tuning.")
PREFIXES = (*_GROUPS, *(f"{outer}{group}" for outer in _OUTER for group in _GROUPS))
#: Where what a file leaves out is set.
_RECIPES = "the recipes of NeMo 2 and Megatron-Bridge"
#: Families by the words that classes and recipes name them with.
_FAMILIES = {
    "llama2": "llama-2", "llama3": "llama-3", "llama31": "llama-3.1", "llama32": "llama-3.2",
    "llama33": "llama-3.3", "mistral": "mistral", "mixtral": "mixtral", "gemma": "gemma", "gemma2": "gemma-2",
    "gemma3": "gemma-3", "qwen2": "qwen2", "qwen25": "qwen2.5", "qwen3": "qwen3", "deepseekv2": "deepseek-v2",
    "deepseekv3": "deepseek-v3", "nemotron4": "nemotron-4", "nemotron3": "nemotron-3", "gptoss": "gpt-oss",
    "gpt": "gpt-3", "falcon": "falcon", "phi3": "phi-3", "starcoder2": "starcoder2", "olmoe": "olmoe",
    "glm45": "glm-4.5", "moonlight": "moonlight", "kimik2": "kimi-k2", "minimaxm2": "minimax-m2",
}  # fmt: skip
_SIZE = re.compile(r"(?:^|[^a-z0-9])?(8x\d+b|\d+(?:[p.]\d+)?b(?:_?a\d+b)?|\d+m)(?![a-z0-9])")


def recognises(names: Collection[str]) -> bool:
    """Whether keys are NeMo's or Megatron-Bridge's."""
    groups = (
        "model.",
        "trainer.",
        "train.",
        "training.model.",
        "training.trainer.",
        "data.",
        "recipe",
    )
    known = (
        "micro_batch_size", "global_batch_size", "tensor_model_parallel_size", "num_nodes", "num_layers",
        "train_iters", "max_steps", "seq_length", "encoder_seq_length",
    )  # fmt: skip
    short = {name.partition(".")[2] if name.startswith(_OUTER) else name for name in names}
    found = {
        name.rpartition(".")[2]
        for name in short
        if name.startswith(groups) and name.rpartition(".")[2] in known
    }
    return len(found) >= 2 or ("recipe" in names and bool(found))


def read(keys: Keys, run: Run) -> None:
    """Read a configuration; Megatron-Bridge's recipes shard the optimizer where nothing else is said."""
    run.title = run.title or keys.title("run.name", "training.run.name", "recipe")
    keys.word("precision")
    read_model(keys, run, megatron=False)
    _named_model(keys, run)
    for name in ("training", "fine_tuning"):
        base = keys.take(name)
        if isinstance(base, str):
            run.note(
                f"{name} = {base}: this configuration is not at hand; give it with another --from"
            )
    optimizer = keys.word("optim.name", "optimizer", "name") or "adam"
    if not keys.mentions("use_distributed_optimizer", "optim.name", "use_megatron_fsdp"):
        run.default("parallelism.sharding", "zero1", _RECIPES)
    megatron.read_layout(keys, run)
    megatron.read_precision(keys, run)
    megatron.read_recompute(keys, run)
    run.default("training.precision", "bf16", _RECIPES)
    if "model.layers" in run.values or not keys.mentions("recipe"):
        none = "nothing in the file says otherwise"
        run.default("training.activation_recompute", "none", none)
    megatron.read_length(keys, run)
    megatron.read_devices(keys, run)
    for fact, name in (("nodes", "num_nodes"), ("devices_per_node", "devices")):
        value = keys.take(name)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            run.fact(fact, value)
        elif value is not None and not isinstance(value, int):
            run.note(f"{keys.label(name)} = {value}: how many devices cannot be told")
    rounds = keys.whole("accumulate_grad_batches")
    if rounds and rounds > 1:
        run.note(
            f"{keys.label('accumulate_grad_batches')} = {rounds}: NeMo's batch has it in already"
        )
    run.put("training.software", "transformer-engine", "NeMo")
    run.optimizer(
        "adam" if optimizer.startswith(("mcore", "distributed", "megatron")) else optimizer,
        keys.label("optim.name", "optimizer"),
    )
    scheme = (keys.word("peft.peft_scheme", "peft._target_") or "").lower()
    if "lora" in scheme:
        rank = keys.whole("peft.lora_tuning.adapter_dim", "peft.dim")
        run.adapters("lora", rank, keys.label("peft.peft_scheme", "peft._target_"))
    megatron.read_noted(keys, run)
    keys.ignore(run.ignored("nemo"))
    keys.ignore(run.ignored("megatron"))


def _named_model(keys: Keys, run: Run) -> None:
    """The model of a class like ``Llama31Config405B`` or a recipe like ``llama3_8b_pretrain_config``."""
    if "model.layers" in run.values:
        keys.take("_target_", "recipe")
        return
    for name in ("_target_", "recipe", "run.name", "hf_model_id", "hf_path"):
        for item in keys.items(name):
            if not isinstance(item.value, str):
                continue
            found = model_name(item.value)
            if found:
                run.model(found, f"{item.label} {item.value.rpartition('.')[2]}")
                return
            if "/" in item.value:
                run.model(item.value, item.label)
                return


def model_name(text: str) -> str | None:
    """A hub name of a class or a recipe: ``Llama3ModelProvider8B`` is ``llama-3-8b``."""
    short = text[-200:].rpartition(".")[2]
    short = re.sub(r"(Config|ModelProvider|Provider|Model)", "_", short).lower()
    short = re.sub(r"(_pretrain|_finetune|_sft|_peft|_config|_nemo).*$", "", short)
    size = _SIZE.search(short)
    family = re.sub(r"[^a-z0-9]", "", short[: size.start()] if size else short)
    known = _FAMILIES.get(family)
    if known is None:
        return None
    if size is None:
        return known if family in ("deepseekv2", "deepseekv3", "kimik2", "minimaxm2") else None
    return f"{known}-{size[1].replace('p', '.').replace('_', '-')}"
