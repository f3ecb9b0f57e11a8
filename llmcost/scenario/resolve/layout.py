"""The parallel layout: what it leaves to convention, and what it needs to be predicted."""

from __future__ import annotations

import numpy as np

from llmcost.scenario.resolve import software
from llmcost.scenario.resolve.inputs import Inputs
from llmcost.scenario.schema import KEYS

#: Tokens of a batch where none is given.
_BATCH_TOKENS = 4e6


def fill(inputs: Inputs) -> None:
    """Complete the parallel layout, and take the constants that predict its step time."""
    known = inputs.known
    given = [key for key in KEYS if key.startswith("parallelism.") and inputs.has(key)]
    if not given and not inputs.searches:
        return
    _default_batch(inputs)
    lacking = [
        f"model.{name}"
        for name in ("layers", "hidden_size", "heads", "vocab_size", "seq_len")
        if name not in known
    ]
    lacking += [
        key
        for key, name in (
            ("cluster.accelerator", "peak_flops"),
            ("parallelism.global_batch_seqs", "global_batch_seqs"),
        )
        if name not in known
    ]
    if lacking:
        inputs.warnings.append(f"the layout predicts nothing: {', '.join(lacking)} is missing")
        return
    import llmcost.engine.memory
    import llmcost.engine.performance  # noqa: F401

    software.fill(inputs)
    if not inputs.searches:
        _default_layout(inputs)
        software.widen_across_domains(inputs)


def _default_batch(inputs: Inputs) -> None:
    """A batch of about 4 million tokens that the devices divide."""
    known = inputs.known
    if "global_batch_seqs" in known or "seq_len" not in known or not inputs.searches:
        return
    devices = int(np.max(known.get("devices", 1)))
    wanted = np.maximum(_BATCH_TOKENS / np.asarray(known["seq_len"]), devices / 8)
    odd = devices // (devices & -devices)
    size = float(np.max(odd * 2.0 ** np.round(np.log2(np.maximum(wanted / odd, 1.0)))))
    inputs.enter(
        "parallelism.global_batch_seqs",
        size,
        "default: about 4 million tokens (Llama 2: 4M), or a sequence for 8 devices (Llama 3.1: 16M), a number that the devices divide",
    )


def _default_layout(inputs: Inputs) -> None:
    """Fill what a layout leaves to convention; micro-batch and interleaving are searched."""
    for name in ("tp", "pp", "cp", "ep"):
        inputs.enter_missing(f"parallelism.{name}", 1.0, "default: 1")
    swept = any(isinstance(value, np.ndarray) for value in inputs.arrays.values())
    for name in ("vpp", "micro_batch"):
        if swept or (name == "vpp" and float(np.max(inputs.known["pp"])) == 1):
            inputs.enter_missing(f"parallelism.{name}", 1.0, "default: 1")
    inputs.enter_missing("parallelism.sharding", 0.0, "default: none", shown="none")
    parallel = (np.asarray(inputs.known["tp"]) > 1).astype(float)
    shown = bool(np.all(parallel)) if parallel.ndim == 0 else None
    inputs.enter_missing(
        "parallelism.sequence_parallel",
        parallel,
        "default: with tensor parallelism",
        shown=shown,
    )
