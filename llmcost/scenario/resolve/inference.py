"""The model in service: what ``[inference]`` says, and what it leaves to convention."""

from __future__ import annotations

from typing import Any

import numpy as np

from llmcost.scenario.resolve.inputs import Inputs
from llmcost.scenario.values import Distribution

_ARCHITECTURE = ("layers", "hidden_size", "heads", "vocab_size")


def fill(inputs: Inputs) -> None:
    """Complete ``[inference]`` of a scenario that has it."""
    given = (*inputs.scenario.values, *inputs.arrays)
    if not any(key.startswith("inference.") for key in given):
        return
    known = inputs.known
    if not inputs.has("inference.output_tokens_per_day"):
        key = "inference.output_tokens_per_day"
        inputs.problem(key, "is missing: a service is described by the tokens that it writes")
        return
    if not inputs.has("inference.accelerator") and not inputs.has("cluster.accelerator"):
        key = "inference.accelerator"
        inputs.problem(key, "is missing, and there is no cluster.accelerator to take for it")
        return
    lacking = [f"model.{name}" for name in _ARCHITECTURE if name not in known]
    if lacking:
        inputs.warnings.append(
            f"the service is not known: {', '.join(lacking)} is missing; a model.preset or model.config has them"
        )
        return
    import llmcost.engine.service  # noqa: F401
    from llmcost.scenario.resolve.serving import fill as devices

    _traffic(inputs)
    devices(inputs)
    _layout(inputs)
    _model(inputs)
    _accuracy(inputs)


def _traffic(inputs: Inputs) -> None:
    for key in ("days", "context_tokens", "utilisation"):
        inputs.default(f"inference.{key}")
    if "prompt_tokens_per_day" not in inputs.known:
        inputs.enter("inference.prompt_tokens_per_day", 0.0, "default: no prompts")
        inputs.warnings.append(
            "the service reads no prompts: give inference.prompt_tokens_per_day where it does"
        )


def _layout(inputs: Inputs) -> None:
    """What a layout leaves open; the rest follows from the size of the model."""
    known = inputs.known
    devices, tp, ep = (
        known.get(name) for name in ("devices_per_replica", "service_tp", "service_ep")
    )
    if devices is None and (tp is not None or ep is not None):
        devices = np.maximum(1.0 if tp is None else tp, 1.0 if ep is None else ep)
        inputs.enter_missing("inference.devices_per_replica", devices, "derived")
    if tp is None and ep is not None:
        tp = 1.0
        inputs.enter("inference.tp", tp, "default: 1, attention by data parallelism")
    for name, size in (("tp", tp), ("ep", ep)):
        if devices is not None and size is not None and np.any(np.asarray(devices) % size > 0):
            inputs.problem(
                f"inference.{name}",
                f"{_plain(size)} does not divide inference.devices_per_replica, {_plain(devices)}",
            )
    if ep is not None and np.any((np.asarray(known["experts"]) == 0) & (np.asarray(ep) > 1)):
        inputs.problem("inference.ep", f"{_plain(ep)}: the model has no experts to spread")
    heads = np.asarray(known["heads"])
    if tp is not None and np.any(heads % np.asarray(tp) > 0):
        inputs.problem(
            "inference.tp", f"{_plain(tp)} does not divide the model's {_plain(heads)} heads"
        )


def _model(inputs: Inputs) -> None:
    """What a model without windows or states leaves out."""
    known = inputs.known
    for name in ("windowed_layers", "window", "recurrent_layers", "recurrent_state_size"):
        known.setdefault(name, 0.0)
    known.setdefault("attention_layers", known["layers"] - np.asarray(known["recurrent_layers"]))
    known.setdefault("ffn_layers", known["layers"])
    known.setdefault("windowed_kv_heads", known["kv_heads"])
    known.setdefault("windowed_head_dim", known["head_dim"])


def _accuracy(inputs: Inputs) -> None:
    """How far speed and power may be off; speed further where the batch is found."""
    error = inputs.entry("service", "accuracy")
    speed = "speed" if inputs.has("inference.batch") else "speed_of_found_batch"
    for key, factor, name in (
        ("inference.tokens_per_s_per_device", "service_speed_factor", speed),
        ("inference.device_power_w", "service_power_factor", "power"),
    ):
        ends = (error[f"{name}_low"], error[f"{name}_high"])
        inputs.known[factor] = 1.0
        inputs.constants[factor] = "1, but for uncertainty"
        if not inputs.has(key):
            inputs.intervals[key] = (factor, Distribution(*ends, "lognormal", None, 0.0))


def _plain(value: Any) -> str:
    return f"{float(np.max(value)):g}"
