"""The parallel layout: what it leaves to convention, and what it needs to be predicted."""

from __future__ import annotations

from typing import Any

import numpy as np

import llmcost.scenario.resolve.accuracy as accuracy
import llmcost.scenario.resolve.experts as experts
import llmcost.scenario.resolve.finetune as finetune
import llmcost.scenario.resolve.offload as offload
import llmcost.scenario.resolve.software as software
from llmcost.scenario.resolve.inputs import Inputs
from llmcost.scenario.schema import KEYS, by_quantity
from llmcost.scenario.values import Distribution

#: Quantities of a layout that a user may change to mend it.
_LAYOUT = {"tp", "pp", "cp", "vpp", "ep", "expert_tp", "dp", "micro_batch", "global_batch_seqs"}
#: Tokens of a batch where none is given.
_BATCH_TOKENS = 4e6
#: Measured energy of an operation over what the rated power makes of it, of A100, H100, H200, B200,
#: GB200 and B300 in 16 and 8 bits: 0.72 to 1.54 (tests/engine/performance/test_power.py).
_ESTIMATED = Distribution(0.7, 1.55, "lognormal", 1.0, 0.0)


def fill(inputs: Inputs) -> None:
    """Complete the parallel layout, and take the constants that predict its step time."""
    known = inputs.known
    known.setdefault("causal_flops", 0.0)
    given = [key for key in KEYS if key.startswith("parallelism.") and inputs.has(key)]
    if not given and not inputs.searches:
        return
    if not inputs.searches:
        _default_layout(inputs)
    _default_batch(inputs)
    check_layout(inputs)
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
    experts.fill(inputs)
    finetune.gathered(inputs.known)
    offload.fill(inputs)
    accuracy.fill(inputs)
    _power(inputs)
    if not inputs.searches:
        accuracy.widen_across_domains(inputs)
    if "by_architecture" not in inputs.given:
        # A step is counted as it is timed: attention included.
        layers = np.asarray(inputs.known["layers"])
        known_one = np.where(np.isnan(layers), 0.0, 1.0)  # in a cell without one, params count
        inputs.known["by_architecture"] = known_one[()]
        inputs.enter_word(
            "training.flops_method", "architecture", "default: counted as the layout is timed"
        )


def _power(inputs: Inputs) -> None:
    """Let a device draw what it does, unless the scenario says what it draws."""
    own = inputs.has("energy.power_utilisation") or inputs.has("energy.device_power_w")
    model = inputs.scenario.get("energy.power_model")
    if model is None:
        model = "constant" if own else "activity"
        why = "the scenario's own power" if own else "by the layout's activity"
        inputs.enter_word("energy.power_model", model, f"default: {why}")
    if model != "activity" or "power_utilisation" not in inputs.known:
        return
    inputs.default("energy.host_utilisation")
    # The usual draw is left to layouts that predict no step.
    inputs.known["rated_utilisation"] = inputs.known.pop("power_utilisation")
    interval = inputs.intervals.get("energy.power_utilisation")
    if interval is not None:
        inputs.intervals["energy.power_utilisation"] = ("rated_utilisation", interval[1])
    inputs.known["drawn_factor"] = 1.0
    inputs.constants["drawn_factor"] = "1, but for uncertainty"
    if np.all(np.isnan(inputs.known["half_flop_pj"])):
        inputs.intervals["energy.power_model"] = ("drawn_factor", _ESTIMATED)
        if inputs.sources["energy.power_model"].startswith("default"):
            inputs.sources["energy.power_model"] += (
                ", the energy of an operation estimated from the rated power"
            )


def default_batch_seqs(seq_len: Any, devices: Any) -> Any:
    """Sequences of a batch of about 4 million tokens, or one for 8 devices, that the devices divide.

    Parameters
    ----------
    seq_len, devices : array_like
        Tokens of a sequence, devices of the cluster [1].

    Returns
    -------
    ndarray
        Sequences [1].
    """
    count = np.maximum(np.asarray(devices, dtype=np.float64), 1.0).astype(np.int64)
    wanted = np.maximum(_BATCH_TOKENS / np.asarray(seq_len, dtype=np.float64), count / 8)
    odd = count // (count & -count)
    return odd * 2.0 ** np.round(np.log2(np.maximum(wanted / odd, 1.0)))


def _default_batch(inputs: Inputs) -> None:
    """Take a batch of about 4 million tokens that the replicas of the layout, or all devices, divide."""
    known = inputs.known
    if "global_batch_seqs" in known or "seq_len" not in known:
        return
    if inputs.searches:
        size = default_batch_seqs(known["seq_len"], known.get("devices", 1.0))
    elif {"devices", "dp"} & known.keys():
        model = np.asarray(known["tp"]) * known["pp"] * known["cp"]
        replicas = known["dp"] if "dp" in known else np.asarray(known["devices"]) / model
        wanted = np.maximum(_BATCH_TOKENS / np.asarray(known["seq_len"]) / replicas, 1.0)
        size = replicas * 2.0 ** np.round(np.log2(wanted))
    else:
        return
    inputs.enter(
        "parallelism.global_batch_seqs",
        size if np.ndim(size) else float(size),
        "default: about 4 million tokens (Llama 2: 4M), or a sequence for 8 devices (Llama 3.1: 16M), a number that the replicas divide",
    )


def _default_layout(inputs: Inputs) -> None:
    """Fill what a layout leaves to convention; micro-batch and interleaving are searched."""
    for name in ("tp", "pp", "cp", "ep"):
        inputs.enter_missing(f"parallelism.{name}", 1.0, "default: 1")
    if np.ndim(inputs.known["pp"]) == 0 and float(inputs.known["pp"]) == 1:
        inputs.enter_missing("parallelism.vpp", 1.0, "default: 1")
    inputs.enter_missing("parallelism.sharding", 0.0, "default: none", shown="none")
    parallel = (np.asarray(inputs.known["tp"]) > 1).astype(float)
    shown = bool(np.all(parallel)) if parallel.ndim == 0 else None
    inputs.enter_missing(
        "parallelism.sequence_parallel",
        parallel,
        "default: with tensor parallelism",
        shown=shown,
    )


def check_layout(inputs: Inputs) -> None:
    """Refuse a layout that cannot exist, with the values that would do.

    Where parts of the layout are axes of a sweep, a cell at fault has no answer instead.
    """
    from llmcost.engine.performance.faults import FAULTS, faults, remedies

    known = inputs.known
    if any(np.ndim(known.get(name, 0.0)) for item in FAULTS for name in item.needs):
        return
    values = {
        name: float(np.asarray(known[name]))
        for item in FAULTS
        for name in item.needs
        if name in known
    }
    given = _LAYOUT & values.keys()
    if not inputs.searches:  # what is found later can always be 1
        values = {"vpp": 1.0, "micro_batch": 1.0, **values}
    for fault, mask in faults(values):
        if not mask.any():
            continue
        named = [name for name in fault.needs if name in values]
        now = ", ".join(f"{_key(name)} {values[name]:g}" for name in named)
        cures = []
        for name in fault.keys:
            if name not in given and name != "devices":
                continue
            found = remedies(values, name)
            if found:
                cures.append(f"{_key(name)} {' or '.join(str(n) for n in found)}")
        first = next((name for name in fault.keys if name in given), fault.keys[0])
        would = f"; {', or '.join(cures)} would do" if cures else ""
        inputs.problem(_key(first), f"{fault.reason} ({now}){would}")


def _key(quantity: str) -> str:
    """The scenario key of a quantity."""
    return by_quantity()[quantity].name
