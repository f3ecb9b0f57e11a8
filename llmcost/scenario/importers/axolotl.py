"""axolotl: its YAML.

Names and defaults are those of src/axolotl/utils/schemas (github.com/axolotl-ai-cloud/axolotl at 067b021c, 2026).
"""

from __future__ import annotations

import re
from collections.abc import Collection

from llmcost.scenario.importers.deepspeed import read_adapters, read_sharding
from llmcost.scenario.importers.keys import Keys
from llmcost.scenario.importers.run import Run

NAME = "axolotl"
PREFIXES = ()
_CONTEXT = ("context_parallel_size", "sequence_parallel_degree")


def recognises(names: Collection[str]) -> bool:
    """Whether keys are axolotl's."""
    own = (
        "sequence_len",
        "micro_batch_size",
        "num_epochs",
        "datasets",
        "pretraining_dataset",
        "adapter",
    )
    return "base_model" in names and any(name in names for name in own)


def read(keys: Keys, run: Run) -> None:
    """Read a configuration, with axolotl's defaults for what it leaves out."""
    run.put("training.software", "pytorch", NAME)
    name = keys.word("base_model")
    if name:
        run.model(name, "base_model")
    run.put("model.seq_len", keys.whole("sequence_len") or 512, keys.label("sequence_len"))
    run.put(
        "parallelism.tp",
        keys.whole("tensor_parallel_size") or 1,
        keys.label("tensor_parallel_size"),
    )
    if run.get("parallelism.tp", 1) > 1:
        run.put("parallelism.sequence_parallel", False, "axolotl's does not split the sequence")
    run.put("parallelism.pp", 1, "axolotl has no pipeline")
    run.put("parallelism.cp", keys.whole(*_CONTEXT) or 1, keys.label(*_CONTEXT))
    run.put(
        "parallelism.ep",
        keys.whole("expert_parallel_size") or 1,
        keys.label("expert_parallel_size"),
    )
    shard, copies = keys.whole("dp_shard_size"), keys.whole("dp_replicate_size")
    if shard or copies:
        run.put(
            "parallelism.dp",
            (shard or 1) * (copies or 1),
            keys.label("dp_shard_size", "dp_replicate_size"),
        )
    _sharding(keys, run)
    micro = keys.whole("micro_batch_size")
    rounds = keys.whole("gradient_accumulation_steps")
    total = keys.whole("batch_size")
    if micro and total and rounds is None:  # the old name of micro-batch · accumulation
        rounds = max(total // micro, 1)
    run.put("parallelism.micro_batch", micro or 1, keys.label("micro_batch_size"))
    run.fact("accumulation", rounds or 1)
    _precision(keys, run)
    if keys.take("gradient_checkpointing") not in (None, False):
        run.put("training.activation_recompute", "full", "gradient_checkpointing")
    else:
        run.put("training.activation_recompute", "none", keys.label("gradient_checkpointing"))
    if keys.take("activation_offloading") not in (None, False):
        run.put("training.offload", "activations", "activation_offloading")
    run.optimizer(keys.word("optimizer") or "adamw_torch", keys.label("optimizer"))
    read_adapters(keys, run)
    steps = keys.number("max_steps")
    if steps is not None and steps > 0:
        run.fact("steps", steps)
        keys.take("num_epochs")
    else:
        run.fact("epochs", keys.number("num_epochs") or 1)
    for name in ("unfrozen_parameters", "lisa_n_layers", "relora", "qat"):
        if keys.mentions(name) or name in keys.sections():
            run.note(f"{name}: not all weights are trained in full, no key says it")
            keys.ignore([name, f"{name}*"])
    if keys.flag("sample_packing") is False:
        run.note(
            "sample_packing = false: samples are shorter than sequence_len; tokens are an upper bound"
        )
    keys.ignore(run.ignored("axolotl"))
    keys.ignore(run.ignored("huggingface"))


def _sharding(keys: Keys, run: Run) -> None:
    """What the replicas share: a DeepSpeed file's stage by its name where it is not at hand."""
    file = keys.word("deepspeed")
    stage = re.search(r"zero[-_]?([0-3])", file or "")
    if file and stage:
        word = "none" if stage[1] == "0" else f"zero{stage[1]}"
        run.default("parallelism.sharding", word, f"deepspeed = {file}, by its name")
        if "offload" in (file or ""):
            weights = word == "zero3" and re.search(r"offload_?(all|params?)", file or "")
            kind = "parameters" if weights else "optimizer"
            run.default("training.offload", kind, f"deepspeed = {file}, by its name")
    read_sharding(keys, run)
    run.default("parallelism.sharding", "none", "neither deepspeed nor fsdp")


def _precision(keys: Keys, run: Run) -> None:
    """The first format that is on; ``auto`` is bf16 where the device has it, as all since 2020 have."""
    formats = {"fp8": "fp8", "bf16": "bf16", "bfloat16": "bf16", "fp16": "fp16", "float16": "fp16"}
    for name, word in formats.items():
        value = keys.take(name)
        if value is True or str(value).lower() in ("true", "full"):
            run.put("training.precision", word, name)
        elif value is None and keys.mentions(name) and word == "bf16":
            run.default("training.precision", word, f"{name} = auto")
    run.default(
        "training.precision", "tf32" if keys.flag("tf32") else "fp32", "neither bf16 nor fp16"
    )
