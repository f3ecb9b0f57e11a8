"""Models by the names that others know them by: hub names, torchtitan's flavors, NeMo's classes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmcost.catalog import Catalog
from llmcost.errors import InputError

#: What a name says beside the model's: who tuned it, in which form, which release.
_TAILS = re.compile(
    r"[-_.]?(dequantized|unsloth|bnb|4bit|8bit|bf16|fp8|fp16|gguf|hf|instruct|base|chat|it|sft|dpo|full|lora|"
    r"qlora|beta|pt|text|v\d\.\d|\d{4})$"
)
_HEADS = ("meta-", "nvidia-", "google-", "mistral-community-")
#: Releases and tuned models, by the start of their names, with the architecture of one that the catalog carries.
_SAME = (
    ("llama-3-", "llama-3.1-"),
    ("llama-3.3-", "llama-3.1-"),
    ("deepseek-v3.1", "deepseek-v3"),
    ("deepseek-r1-distill-llama-", "llama-3.1-"),
    ("zephyr-7b-gemma", "gemma-7b"),
    ("zephyr-7b", "mistral-7b"),
    ("vicuna-", "llama-2-"),
)


def preset_of(name: str, catalog: Catalog, kind: str = "models") -> str | None:
    """The catalog's model of a name like ``meta-llama/Llama-3.1-8B-Instruct``; None where none is."""
    for candidate in _candidates(name):
        try:
            return catalog.find(kind, candidate, "")
        except InputError:
            continue
    return None


def _candidates(name: str) -> Iterator[str]:
    """A name and what is left of it when what is not the model's is taken off, longest first."""
    short = name.rstrip("/").rpartition("/")[2].lower()[:100]
    yield short
    for head in _HEADS:
        short = short.removeprefix(head)
    while short:
        yield short
        for old, new in _SAME:
            if short.startswith(old):
                yield new + short.removeprefix(old)
                break
        less = _TAILS.sub("", short)
        if less == short:
            return
        short = less
