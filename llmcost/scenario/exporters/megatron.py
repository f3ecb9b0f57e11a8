"""A layout as Megatron-LM's arguments, by the names of its arguments.py of August 2026."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from llmcost.catalog import Catalog
from llmcost.errors import NoAnswerError
from llmcost.scenario.exporters.layout import Layout

_STRATEGIES = {"zero2": "optim_grads", "zero3": "optim_grads_params"}


def megatron(layout: Layout, catalog: Catalog) -> str:
    """Megatron-LM's arguments, as the command that starts the run."""
    one = layout.degrees
    nodes = -(-layout.devices // layout.devices_per_node)
    each = layout.devices // nodes if layout.devices % nodes == 0 else layout.devices_per_node
    if nodes * each != layout.devices:
        raise NoAnswerError(
            f"{layout.name}: {layout.devices} devices are no whole nodes of {layout.devices_per_node}"
        )
    layout.only_usual("Megatron-LM")
    options = [*_megatron_model(layout)]
    for name, key in (
        ("tensor-model-parallel-size", "tp"),
        ("pipeline-model-parallel-size", "pp"),
        ("context-parallel-size", "cp"),
        ("expert-model-parallel-size", "ep"),
        ("micro-batch-size", "micro_batch"),
        ("global-batch-size", "global_batch_seqs"),
    ):
        options.append(f"--{name} {one[key]}")
    options += _megatron_stages(layout)
    if one["tp"] > 1 and layout.sequence_parallel:
        options.append("--sequence-parallel")
    if one["cp"] > 1 and layout.words["context_exchange"] == "all-to-all":
        options.append("--cp-comm-type a2a")
    sharding = layout.words["sharding"]
    if sharding != "none":
        options.append("--use-distributed-optimizer")
    if sharding in _STRATEGIES:
        options += [
            "--use-megatron-fsdp",
            f"--data-parallel-sharding-strategy {_STRATEGIES[sharding]}",
        ]
    precision = layout.words["precision"]
    formats = {
        "fp32": [],
        "bf16": ["--bf16"],
        "fp16": ["--fp16"],
        "fp8": ["--bf16", "--fp8-format hybrid"],
        "fp4": ["--bf16", "--fp4-format e2m1"],
    }
    if precision not in formats:
        raise layout.cannot("Megatron-LM", "training.precision", precision)
    options += formats[precision]
    if layout.words["recompute"] == "selective":
        options.append("--recompute-granularity selective")
    elif layout.words["recompute"] == "full":
        options += [
            "--recompute-granularity full",
            "--recompute-method uniform --recompute-num-layers 1",
        ]
    elif layout.words["recompute"] == "share":
        count = layout.recompute_share * layout.sizes.get("layers", 0) / (one["pp"] * one["vpp"])
        if count < 1 or count != int(count):
            raise layout.cannot("Megatron-LM", "training.recompute_share", layout.recompute_share)
        options.append(
            f"--recompute-granularity full --recompute-method block --recompute-num-layers {count:.0f}"
        )
    if layout.words["optimizer"] not in ("adamw", "sgd", "muon"):
        raise layout.cannot("Megatron-LM", "training.optimizer", layout.words["optimizer"])
    if layout.words["offload"] in ("activations", "parameters", "paged"):
        raise layout.cannot("Megatron-LM", "training.offload", layout.words["offload"])
    if layout.words["offload"] == "optimizer":
        if layout.words["sharding"] == "none":
            raise layout.cannot(
                "Megatron-LM",
                "training.offload",
                "optimizer",
                "not without a distributed optimizer",
            )
        options.append("--optimizer-cpu-offload --use-precision-aware-optimizer")
    options.append(f"--optimizer {layout.words['optimizer'].replace('adamw', 'adam')}")
    if layout.tokens:
        options.append(f"--train-samples {-(-layout.tokens // layout.seq_len)}")
    kinds, rest = _megatron_kinds(layout)
    options += kinds
    lines = [
        f"torchrun --nnodes {nodes} --nproc-per-node {each} pretrain_gpt.py",
        *(f"    {option}" for option in options),
    ]
    notes = "".join(
        f"# not among the arguments: model.{key} = {value}\n" for key, value in rest.items()
    )
    return (
        f"#!/bin/bash\n# {layout.title}: model and layout by llmcost; data, tokenizer, learning rate and "
        "checkpoints are yours to add\n" + notes + " \\\n".join(lines) + "\n"
    )


def _megatron_model(layout: Layout) -> list[str]:
    """The architecture as Megatron's arguments, as far as it is known."""
    size = layout.sizes
    options = [f"--seq-length {layout.seq_len}", f"--max-position-embeddings {layout.seq_len}"]
    for name, key in (
        ("num-layers", "layers"),
        ("hidden-size", "hidden_size"),
        ("num-attention-heads", "heads"),
        ("ffn-hidden-size", "ffn_hidden_size"),
        ("vocab-size", "vocab_size"),
    ):
        if key in size:
            options.append(f"--{name} {size[key]}")
    if size.get("gated_ffn"):
        options.append("--swiglu")
    if not size.get("tied_embeddings", True):
        options.append("--untie-embeddings-and-output-weights")
    if size.get("kv_lora_rank"):
        options.append("--multi-latent-attention")
        if size.get("q_lora_rank"):
            options.append(f"--q-lora-rank {size['q_lora_rank']}")
        options += [
            f"--kv-lora-rank {size['kv_lora_rank']}",
            f"--qk-head-dim {size['head_dim']}",
            f"--qk-pos-emb-head-dim {size['qk_rope_head_dim']}",
            f"--v-head-dim {size['v_head_dim']}",
        ]
    else:
        if size.get("kv_heads") not in (None, size.get("heads")):
            options.append(f"--group-query-attention --num-query-groups {size['kv_heads']}")
        if "head_dim" in size:
            options.append(f"--kv-channels {size['head_dim']}")
    if size.get("experts"):
        width = size["expert_ffn_hidden_size"]
        options += [
            f"--num-experts {size['experts']}",
            f"--moe-router-topk {size['experts_per_token']}",
            f"--moe-ffn-hidden-size {width}",
        ]
        if "expert_tp" in layout.degrees:
            options.append(f"--expert-tensor-parallel-size {layout.degrees['expert_tp']}")
        if size.get("shared_experts"):
            options.append(
                f"--moe-shared-expert-intermediate-size {size['shared_experts'] * width}"
            )
        dense = size.get("dense_layers", 0)
        if dense:
            options.append(f"--moe-layer-freq '([0]*{dense}+[1]*{size['layers'] - dense})'")
    return options


def _megatron_kinds(layout: Layout) -> tuple[list[str], dict[str, Any]]:
    """Windows and predicted tokens as arguments, and what else of the model has none."""
    rest, layers = dict(layout.others), layout.sizes.get("layers", 0)
    options = []
    if "mtp_layers" in rest:
        options.append(f"--mtp-num-layers {rest.pop('mtp_layers')}")
    if {"expert_groups", "groups_per_token"} <= set(rest):
        options.append(f"--moe-router-num-groups {rest.pop('expert_groups')}")
        options.append(f"--moe-router-group-topk {rest.pop('groups_per_token')}")
    windowed = rest.get("windowed_layers", layers)
    every = {layers: "", layers - layers // 2: " --window-attn-skip-freq 2"}
    if "window" in rest and windowed in every and not any(k.startswith("windowed_h") for k in rest):
        options.append(f"--window-size {rest.pop('window') - 1},0{every[windowed]}")
        rest.pop("windowed_layers", None)
    return options, rest


def _megatron_stages(layout: Layout) -> list[str]:
    """Virtual stages: a number where all are equal, a list of their layers where they are not."""
    pp, vpp, layers = layout.degrees["pp"], layout.degrees["vpp"], layout.sizes.get("layers")
    if pp == 1:
        return []
    if layers is None or layers % (pp * vpp) == 0:
        return [f"--num-virtual-stages-per-pipeline-rank {vpp}"] if vpp > 1 else []
    each, more = divmod(layers, pp * vpp)
    counts = [each + 1] * more + [each] * (pp * vpp - more)
    stages = [f"t*{count}" if count > 1 else "t" * count for count in counts]
    stages[0], stages[-1] = "E" + stages[0], stages[-1] + "L"
    runs = [(stage, len(list(group))) for stage, group in groupby(stages)]
    parts = [
        f"({stage}|)*{count}" if count > 1 and stage else f"{stage}|" * count
        for stage, count in runs
    ]
    return [f"--pipeline-model-parallel-layout '{''.join(parts)[:-1]}'"]
