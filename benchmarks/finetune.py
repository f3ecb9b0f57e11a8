"""Published figures of fine-tuning as cases of ``llmcost validate``: ``python -m benchmarks.finetune ROWS.csv``.

ROWS.csv has a row a figure: source, model, method, lora_rank, lora_targets, gpu, gpus, sharding, offload, seq_len,
micro_batch, grad_accum, activation_recompute, optimizer, peak_memory_gb_per_gpu, tokens_per_s_per_gpu, notes. A row counts
where it states model, method, devices, length and batch, and is a measurement. It becomes one of
``llmcost/catalog/data/finetune.csv``, whose errors `validate` shows by source and method.
"""

from __future__ import annotations

import csv
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from llmcost.analysis.finetune_cases import COLUMNS
from llmcost.catalog import Catalog, load_catalog

_CASES = Path(__file__).parent.parent / "llmcost" / "catalog" / "data" / "finetune.csv"

#: A row whose notes say so is no measurement, or one of another method.
_NO_MEASUREMENT = ("ESTIMATE", "RULE", "bound", "statement", "OOM", "largest context", "not LoRA")
#: What a row leaves open or no key says: lengths of samples that are not packed, an optimizer's step inside the
#: backward pass, products with adapters.
_UNSAID = ("not packed", "fused into backward", "targets not stated")
#: A layout in the name of an MLPerf submission's configuration.
_LAYOUT = re.compile(r"tp(\d+)pp(\d+)cp(\d+)")
#: Pieces of torchtune's chunked loss, which its later techniques keep (CEWithChunkedOutputLoss, num_output_chunks).
_CHUNKS = 8
#: Tokens of a piece of the logits in LitGPT's training of adapters (lm_head_chunk_size in litgpt/finetune/lora.py).
_CHUNK_TOKENS = 128
#: Dropout of adapters: LitGPT's configurations, the default of fsdp_qlora's train.py; others state none.
_DROPOUTS = {"litgpt": 0.05, "Answer.AI": 0.1}
#: Sources that hold adapters and their moments in 16 bits, as the rest: bf16-true, train.py's precision bf16.
_ALL_IN_16_BITS = ("litgpt", "Answer.AI")
#: Sources that trained with Hugging Face's transformers of their time.
_TRANSFORMERS = ("Answer.AI", "LLaMA-Factory", "PEFT docs")
#: Names of models in the sources, without case, blanks and the size that stands apart, by preset.
_MODELS = {
    "llama3.18b": "llama-3.1-8b", "llama3.170b": "llama-3.1-70b", "llama3.1405b": "llama-3.1-405b",
    "llama3.23b": "llama-3.2-3b", "llama27b": "llama-2-7b", "llama213b": "llama-2-13b", "llama270b": "llama-2-70b",
    "phi1.5": "phi-1.5", "falcon7b": "falcon-7b", "gemma2b": "gemma-2b", "gemma7b": "gemma-7b", "gemma29b": "gemma-2-9b",
    "llama38b": "llama-3.1-8b", "llama3.21b": "llama-3.2-1b", "mistral7b": "mistral-7b", "mistral7bv0.2": "mistral-7b",
    "phi2": "phi-2", "phi3mini4kinstruct": "phi-3-mini", "yi34b": "yi-34b",
}  # fmt: skip
_DEVICES = {
    "RTX 4090": "rtx-4090", "RTX 3090": "rtx-3090", "A100 40GB": "a100-sxm-40gb", "A100-SXM4-40GB": "a100-sxm-40gb",
    "A100": "a100-sxm-80gb", "L40S": "l40s", "A6000 Ada": "rtx-6000-ada", "H100": "h100-sxm",
    "NVIDIA H100-SXM5": "h100-sxm", "NVIDIA H200-SXM5": "h200-sxm", "NVIDIA Blackwell GPU (GB200)": "gb200-nvl72",
    "NVIDIA Blackwell GPU (B200": "b200-sxm", "NVIDIA Blackwell Ultra GPU (GB300)": "gb300-nvl72",
}  # fmt: skip
#: Products with adapters as the sources name them; a longer list is that of all.
_PRODUCTS = ("query", "value", "q_proj", "v_proj", "gate_proj", "up_proj", "down_proj")
#: Adapters of other kinds than LoRA's, by the names of their files.
_OTHER_ADAPTERS = ("bdlora", "lorafa", "mica")
#: Stands for a device that the catalog lacks: of its memory nothing but the reserve depends on it.
_ANY_DEVICE = "a100-sxm-80gb"
#: What the sources measured, where it is not what the framework allocated.
_MEASURES = {
    "Answer.AI": "reserved", "PEFT method comparison": "reserved", "PEFT docs": "device", "LLaMA-Factory": "device",
}  # fmt: skip
_GIB = 2**30 / 1e9


def preset(row: dict[str, str]) -> str | None:
    """The catalog's name of a row's model; None where it has none."""
    name = row["model"]
    if "gemma2-2b" in row["url_or_file"]:
        return "gemma-2-2b"
    plain = name.lower().replace(" ", "").replace("-", "")
    size = row["params"].lower()
    return _MODELS.get(plain) or _MODELS.get(plain + size)


def device(row: dict[str, str]) -> str | None:
    """The catalog's name of a row's device."""
    return next((value for name, value in _DEVICES.items() if row["gpu"].startswith(name)), None)


def software(row: dict[str, str]) -> str:
    """The profile of the software that a row ran."""
    if any(row["source"].startswith(name) for name in _TRANSFORMERS):
        return "transformers-2023"
    if row["source"].startswith("litgpt"):
        # The resource tables date from 2023; config_hub and what is beside it from 2024.
        return "litgpt-2023" if "resource-tables" in row["source"] else "litgpt-2024"
    steps = row["notes"].partition("cumulative up to: ")[2]
    compiled = bool(steps) and "Packed" not in steps and "Baseline" not in steps
    return "pytorch-compile" if compiled or "torch.compile" in row["notes"] else "pytorch-eager"


def dropout(row: dict[str, str]) -> float:
    """Dropout of a row's adapters, by the files that its source names."""
    return next((value for name, value in _DROPOUTS.items() if row["source"].startswith(name)), 0.0)


def states_fit(row: dict[str, str], params: float) -> bool:
    """Whether what a row says of the optimizer has room in the memory that it measured.

    Some of LitGPT's rows name AdamW and measure less than its weights, moments and summed gradients in 16 bits.
    """
    each = 6.0 if row["grad_accum"] in ("", "1") else 8.0
    found, devices = measured_gb(row), float(row["gpus"])
    return bool(row["optimizer"]) and (found is None or each * params / devices / 1e9 <= found)


def scenario(row: dict[str, str], catalog: Catalog) -> dict[str, Any] | None:
    """A row as a scenario; None where it leaves open what memory depends on."""
    if row["source"].startswith("MLPerf"):
        return submission(row)
    said = any(word in row["notes"] for word in (*_NO_MEASUREMENT, *_UNSAID))
    model, method = preset(row), row["method"]
    said = said or any(f"-{word}." in row["url_or_file"] for word in _OTHER_ADAPTERS)
    stated = all(row[name] for name in ("seq_len", "micro_batch", "gpus"))
    if said or not model or not stated or method not in ("full", "lora", "qlora"):
        return None
    if row["offload"] not in ("", "none") or (method != "full" and not row["lora_rank"]):
        return None
    if method == "full" and not states_fit(row, catalog.entry("models", model)["params"]):
        return None
    devices, batch = float(row["gpus"]), float(row["micro_batch"])
    # LitGPT's FSDP strategy checkpoints each block (litgpt/finetune/full.py and lora.py).
    wraps = row["source"].startswith("litgpt") and row["sharding"] == "fsdp"
    chunks = 1
    if "Chunked" in row["notes"] or (
        row["source"].startswith("torchtune") and row["activation_recompute"] == "full"
    ):
        chunks = _CHUNKS
    elif row["source"].startswith("litgpt") and method != "full":
        chunks = max(round(float(row["seq_len"]) / _CHUNK_TOKENS), 1)
    narrow = (
        row["base_precision"] == "bf16"
        if method == "full"
        else row["source"].startswith(_ALL_IN_16_BITS)
    )
    training: dict[str, Any] = {
        "method": method, "software": software(row),
        "activation_recompute": row["activation_recompute"] or ("full" if wraps else "none"),
        "optimizer": "adamw-bf16" if narrow else "adamw",
        "loss_chunks": chunks,
    }  # fmt: skip
    if row["source"].startswith("litgpt") and model.startswith("gemma-2-"):
        training["fused_attention"] = False  # scores with a cap are not SDPA's (litgpt/model.py)
    if method == "qlora":
        training["double_quantisation"] = (
            row["base_precision"].endswith("dq") or "litgpt" not in row["source"]
        )
    if method != "full":
        targets = row["lora_targets"]
        training |= {"lora_rank": float(row["lora_rank"]), "lora_dropout": dropout(row)}
        named = all(word in _PRODUCTS for word in targets.split())
        training["lora_targets"] = targets.replace(" ", ",") if named else "all-linear"
    steps = float(row["grad_accum"] or 1)
    return {
        "name": f"{row['model']} {method}",
        "model": {"preset": model, "seq_len": float(row["seq_len"]), **_as_loaded(row, catalog.entry("models", model))},
        "data": {"tokens": 1e6},
        "training": training,
        "cluster": {"accelerator": device(row) or _ANY_DEVICE, "devices": devices},
        "parallelism": {
            "tp": 1, "pp": 1, "dp": devices, "micro_batch": batch, "global_batch_seqs": batch * devices * steps,
            "sharding": "zero3" if row["sharding"] in ("fsdp", "zero3") else "none",
        },
    }  # fmt: skip


def submission(row: dict[str, str]) -> dict[str, Any] | None:
    """A submission to MLPerf's fine-tuning of Llama 2 70B, of those whose configuration's name says the layout.

    NVIDIA's NeMo of these submissions trains in fp8; micro-batches are of one sequence of 8,192 tokens, dropout of adapters
    is the benchmark's (training_results_v5.0, llama2_70b_lora, config_common.sh).
    """
    layout, batch = _LAYOUT.search(row["notes"]), re.search(r"global batch (\d+)", row["notes"])
    if layout is None or batch is None or device(row) is None:
        return None
    tp, pp, cp = (float(size) for size in layout.groups())
    devices = float(row["gpus"])
    return {
        "name": "Llama 2 70B, MLPerf",
        "model": {"preset": "llama-2-70b", "seq_len": float(row["seq_len"])},
        "training": {
            "method": "lora", "software": "nemo-mlperf", "precision": "fp8", "activation_recompute": "none", "optimizer": "adamw",
            "loss_chunks": 1, "lora_rank": float(row["lora_rank"]), "lora_targets": "attention", "lora_dropout": 0.1,
        },
        "cluster": {"accelerator": device(row), "devices": devices},
        "parallelism": {
            "tp": tp, "pp": pp, "cp": cp, "dp": devices / (tp * pp * cp), "micro_batch": 1.0,
            "global_batch_seqs": float(batch[1]), "sharding": "none",
        },
    }  # fmt: skip


def _as_loaded(row: dict[str, str], model: dict[str, Any]) -> dict[str, Any]:
    """How a row's software holds a model other than its publisher.

    LitGPT gives a head that shares the embedding's weights a copy of its own (scripts/convert_hf_checkpoint.py).
    """
    unties = row["source"].startswith("litgpt") and model["tied_embeddings"]
    return {"tied_embeddings": False} if unties else {}


def address(origin: str) -> str:
    """The address of "owner/name:path@commit (what in it)"; what is none stays as it is."""
    found = re.match(r"(\S+/\S+?):(\S+)@(\w+)", origin)
    return "https://github.com/{0}/blob/{2}/{1}".format(*found.groups()) if found else origin


def case(row: dict[str, str], found: dict[str, Any]) -> dict[str, Any]:
    """A row of the project's own file of cases, from one of ROWS.csv and its scenario."""
    training, layout, cluster = found["training"], found["parallelism"], found["cluster"]
    memory = measured_gb(row)
    # Answer.AI's machine of two RTX 3090 has "slow PCI lanes", nobody says how many: what crosses them is not predicted.
    slow = "RTX 3090" in row["gpu"] and row["sharding"] == "fsdp"
    return {
        "source": row["source"].split(" benchmarks")[0],
        "url": address(row["url_or_file"]),
        "model": found["model"]["preset"], "seq_len": f"{found['model']['seq_len']:g}",
        "tied_embeddings": 0 if found["model"].get("tied_embeddings") is False else "",
        "accelerator": cluster["accelerator"], "devices": f"{cluster['devices']:g}",
        **{name: training[name] for name in ("method", "optimizer", "software", "activation_recompute", "loss_chunks")},
        "fused_attention": 0 if training.get("fused_attention") is False else "",
        "lora_rank": f"{training['lora_rank']:g}" if "lora_rank" in training else "",
        "lora_targets": training.get("lora_targets", ""),
        "lora_dropout": training.get("lora_dropout", ""),
        "double_quantisation": int(training["double_quantisation"]) if "double_quantisation" in training else "",
        **{name: f"{layout[name]:g}" for name in ("tp", "pp", "micro_batch", "global_batch_seqs")},
        "cp": f"{layout.get('cp', 1.0):g}",
        "precision": training.get("precision", ""),
        "sharding": layout["sharding"],
        "measure": next((word for name, word in _MEASURES.items() if row["source"].startswith(name)), "allocated"),
        "memory_gb": f"{memory:.4g}" if memory else "",
        "tokens_per_s_per_device": row["tokens_per_s_per_gpu"] if device(row) and not slow else "",
    }  # fmt: skip


def measured_gb(row: dict[str, str]) -> float | None:
    """Peak memory of a row in training [GB].

    LitGPT of 2023 made the whole model on each device before FSDP split it (init_module(empty_init=False) in
    finetune/lora.py): the peaks of those rows are that, more than twice the shards, whatever the batch.
    """
    made_whole = row["source"] == "litgpt resource-tables" and row["sharding"] == "fsdp"
    if made_whole or "includes evaluation" in row["notes"]:
        return None
    try:
        value = float(row["peak_memory_gb_per_gpu"])
    except ValueError:
        return None
    return value * (_GIB if "unit=GiB" in row["notes"] else 1.0)


def main() -> None:
    """Write the cases of the rows that say enough, a figure that two rows repeat once."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m benchmarks.finetune ROWS.csv")
    catalog = load_catalog()
    with Path(sys.argv[1]).open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        table = scenario(row, catalog)
        made = {} if table is None else case(row, table)
        if made.get("memory_gb") or made.get("tokens_per_s_per_device"):
            found.setdefault(
                tuple(made[name] for name in COLUMNS if name not in ("id", "url")), made
            )
    counts: Counter[str] = Counter()
    with _CASES.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for made in found.values():
            name = f"{made['model']}_{made['method']}"
            counts[name] += 1
            writer.writerow({"id": f"{name}_{counts[name]}", **made})
    print(f"{len(found)} of {len(rows)} rows: {_CASES}")


if __name__ == "__main__":
    main()
