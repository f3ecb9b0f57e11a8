"""How experts are run and exchanged, where a scenario does not say."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np

from llmcost.scenario.resolve.inputs import Inputs
from llmcost.scenario.resolve.software import day_of, family_of

#: The first release of Megatron-Bridge, 26.06, whose Blackwell recipes fuse the work around the
#: products of experts into them (CuTe DSL) and replay whole steps as CUDA graphs, in 8 and 4 bits.
_FUSED_EXPERTS = date(2026, 7, 1)


def fill(inputs: Inputs) -> None:
    """How experts are run, where the scenario does not say."""
    known, start = inputs.known, inputs.word("start_date")
    if np.any(np.asarray(known.get("experts", 0.0)) > 0):
        precision = inputs.word("training.precision", "bf16")
        families = inputs.catalog.kind("performance")

        def fused(word: str | None, form: str, day: Any) -> float:
            family = families.get(family_of(inputs.catalog, word), {})
            exists = bool({**families["general"], **family}["fused_expert_kernels"])
            recent = day is not None and day_of(day) >= _FUSED_EXPERTS
            return float(recent and exists and form in ("fp8", "fp4"))

        found = inputs.look(fused, inputs.word("cluster.accelerator"), precision, start)
        inputs.enter_missing(
            "training.fused_experts",
            found,
            "default: from July 2026 on, with 8 or 4 bits on Blackwell",
            shown=None if np.ndim(found) else bool(found),
        )
        # DualPipe is the schedule that pairs passes of two micro-batches to hide their exchange.
        paired = np.asarray(known.get("schedule", 0.0)) > 1
        with_fused = np.where(
            np.asarray(known["fused_experts"]) > 0, known["fused_exchange_overlap"], 0.0
        )
        own = np.maximum(known["exchange_overlap"], with_fused)
        software = f"default: that of {inputs.shown.get('training.software', 'the software')}"
        inputs.enter_missing(
            "training.expert_overlap",
            np.where(paired, 1.0, own),
            "default: DualPipe hides it" if np.all(paired) else software,
        )
    known.setdefault("expert_overlap", 0.0)
    known.setdefault("fused_experts", 0.0)
    _dispatcher(inputs)


def _dispatcher(inputs: Inputs) -> None:
    """The measured kernels of the exchange: NCCL's all-to-all, HybridEP's or DeepEP's.

    What a call of HybridEP adds to its kernel is a host's, which a graph of the whole step has not.
    """
    known, constants = inputs.known, inputs.constants
    copies = np.asarray(known["exchange_copies"]) > 0
    hybrid = (np.asarray(known["hybrid_exchange"]) > 0) & ~copies
    host = 1 - np.asarray(known["fused_experts"])
    all_to_all = known["copies_domain_share"]
    origin = constants["copies_domain_share"]
    for way in ("dispatch", "combine"):
        own = {name: known.pop(f"hybrid_{way}_{name}") for name in ("domain_share", "base_s")}
        places = {name: constants.pop(f"hybrid_{way}_{name}") for name in own}
        measured = hybrid & ~np.isnan(own["domain_share"])
        for name, factor in (("domain_share", 1.0), ("base_s", host)):
            key = f"{way}_{name}"
            known[key] = np.where(measured, own[name] * factor, known[key])
            if np.all(measured):
                graph = name == "base_s" and not np.any(host)
                constants[key] = "a graph of the whole step has no calls" if graph else places[name]
        known[f"{way}_domain_share"] = np.where(copies, all_to_all, known[f"{way}_domain_share"])
        if np.all(copies):
            constants[f"{way}_domain_share"] = origin
