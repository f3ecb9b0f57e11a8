"""Adapters: what is trained, at which rank, beside which products, and how the rest is kept."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from llmcost.engine.chain import execute, plan
from llmcost.errors import nearest
from llmcost.scenario.resolve.inputs import Inputs

#: Bytes of a weight in NF4 with its constants quantised twice: 4 + 8 / 64 + 32 / (64 * 256) bits.
NF4_BYTES = (4 + 8 / 64 + 32 / (64 * 256)) / 8
#: The same with constants of 32 bits, one for 64 weights.
NF4_PLAIN_BYTES = (4 + 32 / 64) / 8
#: Rank where nothing says; that of most published recipes of 7B to 70B models.
_RANK = 16.0
_OF_ADAPTERS = (
    "training.lora_rank",
    "training.lora_targets",
    "training.double_quantisation",
    "training.lora_dropout",
)
_PARTS = ("query", "key", "value", "output", "gate", "up", "down")
_ATTENTION = ("query", "key", "value", "output")
#: What the names of products in trainers' files stand for.
_NAMES = {
    "all-linear": _PARTS, "all": _PARTS, "linear": _PARTS, "attention": _ATTENTION, "attn": _ATTENTION,
    "mlp": ("gate", "up", "down"), "q_proj": ("query",), "wq": ("query",), "query": ("query",),
    "k_proj": ("key",), "wk": ("key",), "key": ("key",), "v_proj": ("value",), "wv": ("value",),
    "value": ("value",), "o_proj": ("output",), "wo": ("output",), "out_proj": ("output",), "dense": ("output",),
    "linear_proj": ("output",), "output_proj": ("output",), "qkv": ("query", "key", "value"), "qkv_proj": ("query", "key", "value"),
    "c_attn": ("query", "key", "value"), "wqkv": ("query", "key", "value"),
    "linear_qkv": ("query", "key", "value"), "query_key_value": ("query", "key", "value"),
    "gate_proj": ("gate",), "w1": ("gate",), "up_proj": ("up",), "w3": ("up",), "fc1": ("gate", "up"),
    "linear_fc1": ("gate", "up"), "gate_up_proj": ("gate", "up"), "c_fc": ("up",), "dense_h_to_4h": ("up",),
    "down_proj": ("down",), "w2": ("down",), "fc2": ("down",), "linear_fc2": ("down",), "dense_4h_to_h": ("down",),
}  # fmt: skip


def fill(inputs: Inputs) -> None:
    """Take the method of training: what is frozen, in how many bytes, and where adapters stand."""
    known = inputs.known
    method = inputs.word("training.method", "full")
    inputs.enter_word("training.method", method, "default: all weights")
    frozen = inputs.look(lambda word: float(word != "full"), method)
    known["trains_base"] = 1.0 - np.asarray(frozen)
    adapts = bool(np.any(np.asarray(frozen) > 0))
    if not adapts:
        for key in _OF_ADAPTERS:
            if inputs.has(key):
                inputs.problem(key, 'says nothing without training.method = "lora" or "qlora"')
    weights = inputs.word("training.param_precision")
    twice = inputs.word("training.double_quantisation", True)

    def each(word: str, form: str | None, double: Any) -> float:
        if word == "qlora":
            return NF4_BYTES if double else NF4_PLAIN_BYTES
        return 1.0 if form == "fp8" else 2.0

    known["frozen_bytes"] = inputs.look(each, method, weights, twice)
    if adapts:
        inputs.enter_missing("training.lora_rank", _RANK, "default: that of most recipes")
    known.setdefault("lora_dropout", 0.0)
    known["lora_rank"] = np.where(np.asarray(frozen) > 0, known.get("lora_rank", 0.0), 0.0)
    for name in ("trains_base", "frozen_bytes", "lora_rank", *(f"adapted_{p}" for p in _PARTS)):
        inputs.constants[name] = "training.method"
    if not adapts:
        known["adapter_params"] = 0.0
        inputs.constants["adapter_params"] = "training.method"
    targets = inputs.word("training.lora_targets", "all-linear")
    if adapts:
        inputs.enter_word(
            "training.lora_targets",
            targets,
            "default: every product, Dettmers et al. 2023, arXiv:2305.14314",
        )
    for part in _PARTS:
        known[f"adapted_{part}"] = inputs.look(
            lambda word, part=part: float(part in _parts(inputs, word)), targets
        )
    if adapts:
        values: dict[str, Any] = dict(known)
        execute(plan(frozenset(known), frozenset({"adapter_params"})), values)
        if "adapter_params" in values:
            known["adapter_params"] = values["adapter_params"]
    if adapts and "training.flops_per_param_token" not in inputs.sources:
        passes = np.where(np.asarray(frozen) > 0, 4.0, 6.0)
        inputs.enter(
            "training.flops_per_param_token",
            float(passes) if passes.ndim == 0 else passes,
            "default: frozen weights have no gradients of their own (Hu et al. 2021, arXiv:2106.09685)",
        )


def _parts(inputs: Inputs, word: str) -> set[str]:
    """The products that a list of names stands for; an unknown name is a problem."""
    found: set[str] = set()
    for name in filter(None, re.split(r"[,\s|]+", word.strip().strip("[]()"))):
        short = name.strip("'\"").rpartition(".")[2].lower()
        if short not in _NAMES:
            text = f'"{name[:40]}": is no product of a layer{nearest(short, _NAMES) or "; name them like q_proj,v_proj, or all-linear, attention"}'
            if not any(text in problem for problem in inputs.problems):
                inputs.problem("training.lora_targets", text)
            continue
        found |= set(_NAMES[short])
    return found


def gathered(known: dict[str, Any]) -> None:
    """Frozen weights travel as they are kept."""
    frozen = np.asarray(known["trains_base"]) < 1
    if np.any(frozen) and "gathered_bytes" in known:
        known["gathered_bytes"] = np.where(frozen, known["frozen_bytes"], known["gathered_bytes"])
