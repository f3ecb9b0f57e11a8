"""Figures in running text: the words around them, and what makes them.

``python -m docs.update`` puts them in, and a test fails where one is stale. A figure is made from the code, the catalog,
or what the page itself shows.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

#: A page in, the groups of the pattern out.
Maker = Callable[[str], list[str]]


def _rows(name: str) -> list[dict[str, str]]:
    from llmcost.files import packaged, read_text

    text = read_text(packaged("catalog", "data", *name.split("/")), name)
    return list(csv.DictReader(text.splitlines()))


def _tens(number: int) -> str:
    return f"{round(number, -1):,}"


def _entries(kind: str) -> str:
    from llmcost.catalog import load_catalog

    return str(len(load_catalog().kind(kind)))


def default(key: str, scale: float = 1.0) -> Maker:
    """What makes the figure of a default of the catalog."""

    def make(_: str) -> list[str]:
        from llmcost.catalog import load_catalog

        return [format(load_catalog().kind("defaults")[key]["value"] * scale, "g")]

    return make


def prices(_: str) -> list[str]:
    """How many prices of renting and of buying the catalog has."""
    return [_tens(len(_rows("prices/rental.csv"))), str(len(_rows("prices/purchase.csv")))]


def families(_: str) -> list[str]:
    """How many model types are understood, and models stand in the catalog."""
    from llmcost.scenario.importers.huggingface.families import names

    return [_tens(len(names())), _entries("models"), _entries("mixtures")]


def scenarios(_: str) -> list[str]:
    """How many scenarios come with the program."""
    return [str(len(list((Path(__file__).parent.parent / "scenarios").glob("*.toml"))))]


def served(_: str) -> list[str]:
    """How many published figures of service are compared."""
    from llmcost.analysis.serving import serving_cases
    from llmcost.catalog import load_catalog

    return [str(sum(1 for _ in serving_cases(load_catalog())))]


def uncertain(_: str) -> list[str]:
    """The range of GPT-4's cost over its median."""
    from llmcost import estimate

    ends = estimate("gpt-4-uncertain", samples=10_000).intervals["cost_amortized_usd"]
    return [f"{ends[end] / 40e6:.1f}" for end in ("p5", "p95")]


@cache
def _tuned(preset: str, method: str) -> str:
    from llmcost import estimate

    scenario: dict[str, Any] = {
        "name": preset,
        "start_date": "2026-06-01",
        "model": {"preset": preset, "seq_len": 1024},
        "data": {"tokens": 1e6},
        "cluster": {"accelerator": "h100-sxm", "devices": 1},
        "training": {
            "method": method,
            "activation_recompute": "full",
            "software": "pytorch-compile",
        },
        "parallelism": {"micro_batch": 1, "global_batch_seqs": 16},
    }
    return f"{estimate(scenario).results['memory_gb_per_device']:.1f}"


def tuned(_: str) -> list[str]:
    """Memory of fine-tuning with adapters."""
    return [
        _tuned("llama-3.1-8b", "lora"),
        _tuned("llama-3.1-8b", "qlora"),
        _tuned("llama-65b", "qlora"),
    ]


@cache
def _tuning_errors() -> dict[tuple[str, str], list[float]]:
    from llmcost.analysis.finetune_cases import finetune_cases
    from llmcost.catalog import load_catalog

    errors: dict[tuple[str, str], list[float]] = {}
    for case in finetune_cases(load_catalog()):
        errors.setdefault((case.group, case.source), []).append(case.error or 0.0)
    return errors


def worst_tuning(_: str) -> list[str]:
    """How far off the worst published fine-tuning is: Answer.AI's memory in the median, the fastest step."""
    low = -median(_tuning_errors()["fine-tuning, memory", "Answer.AI fsdp_qlora, qlora"])
    fast = -min(
        min(errors)
        for (group, _), errors in _tuning_errors().items()
        if group == "fine-tuning, speed"
    )
    return [f"{100 * low:.0f}", f"{100 * fast:.0f}"]


def memory_range(_: str) -> list[str]:
    """What measured memory over predicted lies in."""
    from llmcost.catalog import load_catalog

    return [f"{end:g}" for end in load_catalog().kind("performance")["general"]["error_memory"]]


def _number(text: str, pattern: str) -> float:
    """A number that a page shows, with its suffix."""
    found = re.search(pattern, text, re.M)
    if not found:
        raise SystemExit(f"no {pattern} on the page")
    scale = {"k": 1e3, "M": 1e6, "kt": 1e3}
    return float(found[1].replace(",", "")) * scale.get(found[2] or "", 1.0)


def beside_published(page: str) -> list[str]:
    """How far DeepSeek-V3's hours from the model are from the published 2.664 M."""
    error = _number(page, r"^pretraining +pretrain +\S+ +([\d.]+) (M) h") / 2.664e6 - 1
    return [f"{abs(error):.0%}".replace("%", " %"), "above" if error > 0 else "below"]


def answering(page: str) -> list[str]:
    """The share of answers in hours and in FLOPs."""
    shares = []
    for column in (r"\S+ +([\d,]+)() h", r"([\d.e]+)()"):
        with_answers, without = (
            _number(page, rf"^{row} +{kind} +{column}")
            for row, kind in (("and answers", "rl"), ("and a reference", "dpo"))
        )
        shares.append(f"{1 - without / with_answers:.0%}".replace("%", " %"))
    return shares


def cards(page: str) -> list[str]:
    """What A100s cost beside the others, rented and owned."""
    parts = dict(re.findall(r"^  (Cloud rental|Amortized)\n((?:    .*\n){4})", page, re.M))
    rented, owned = (
        {name: _number(part, rf"{name} +\$([\d.]+)(k)") for name in ("30 days", "a100-sxm-80gb", "b200-sxm")}
        for part in (parts["Cloud rental"], parts["Amortized"])
    )  # fmt: skip
    return [
        f"{rented['a100-sxm-80gb'] / rented['30 days'] - 1:.0%}".replace("%", " %"),
        f"{abs(owned['a100-sxm-80gb'] / owned['b200-sxm'] - 1):.0%}".replace("%", " %"),
    ]


def embodied(page: str) -> list[str]:
    """The hardware's share of the carbon in the United States and in Sweden."""
    shares = []
    for grid in ("USA", "SWE"):
        row = rf"^{grid} +[\d.]+ k?t +"
        part = _number(page, row + r"([\d.]+) (k?t)")
        whole = _number(page, row + r"[\d.]+ k?t +([\d.]+) (k?t)")
        shares.append(f"{part / whole:.0%}".replace("%", " %"))
    return shares


#: The words around figures, each figure a group, and what makes them. A space stands for any white space.
FIGURES: list[tuple[str, Maker]] = [
    (r"has some ([\d,]+) prices of renting, by vendor, term and date, and (\d+) of buying", prices),
    (r"at the run's date \(([\d.]+) in H2 2025\)", default("cost.colocation_usd_per_kw_month")),
    (r"\| ([\d.]+) TB \(Llama 3's cluster\)", default("cost.storage_tb_per_device")),
    (r"cluster\), ([\d.]+) USD \(Lustre at cost", default("cost.storage_usd_per_tb_month")),
    (r"`support_share_per_year` \| (\d+) %", default("cost.support_share_per_year", 100)),
    (r"`capital_rate_per_year` \| (\d+) %", default("cost.capital_rate_per_year", 100)),
    (r"`setup_weeks` \| (\d+) weeks", default("cost.setup_weeks")),
    (r"of some ([\d,]+) model types[^#]*?(\d+) models in the catalog, and publishers' active parameters of (\d+) further", families),
    (r"(\d+) bundled scenarios", scenarios),
    (r"[Cc]hecked on ([\d,]+) published figures", served),
    (r"busy for (\d+) % of the time", default("inference.utilisation", 100)),
    (r"after `data.repeat_decay` repeats \(([\d.]+)\)", default("data.repeat_decay")),
    (r"gives ([\d.]+) to ([\d.]+) times \$40M at 5 and 95 %", uncertain),
    (r"needs ([\d.]+) GB in bf16 and ([\d.]+) GB in NF4 at 1,024 tokens, a 65B model ([\d.]+) GB", tuned),
    (r"Answer.AI's QLoRA, (\d+) % too low in the median[^%]*cards of 48 GB, (\d+) % too", worst_tuning),
    (r"what was measured is ([\d.]+) to ([\d.]+) times what is predicted", memory_range),
    (r"hours were published: the model is (\d+ %) (above|below)", beside_published),
    (r"Answering takes (\d+ %) of the hours and (\d+ %) of the FLOPs", answering),
    (r"A100s cost (\d+ %) more to rent than H100s; owned, B200s and A100s are (\d+ %) apart", cards),
    (r"weighs the same everywhere: (\d+ %) in the United States, (\d+ %) in Sweden", embodied),
]  # fmt: skip


def pattern(words: str) -> re.Pattern[str]:
    """What finds the words around figures, however their lines are broken."""
    return re.compile(words.replace(" ", r"\s+"))


def with_figures(text: str) -> str:
    """A page with the figures in its running text made anew."""
    for words, make in FIGURES:
        found = pattern(words).search(text)
        if not found:
            continue
        made = make(text)
        for group in range(len(made), 0, -1):
            text = text[: found.start(group)] + made[group - 1] + text[found.end(group) :]
    return text
