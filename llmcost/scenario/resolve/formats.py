"""Formats of numbers: bytes of weights, gradients, states and saved inputs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from llmcost.scenario.resolve.inputs import Inputs

#: Bytes of a number by precision, with the scales of a block in 4 bits.
WIDTHS = {"fp32": 4.0, "tf32": 4.0, "bf16": 2.0, "fp16": 2.0, "fp8": 1.0, "fp4": 0.5625}


def wide(inputs: Inputs) -> Any:
    """Whether the precision has more than 16 bits."""
    precision = inputs.word("training.precision", "bf16")
    return inputs.look(lambda form: float(WIDTHS[form] > 2), precision)


def fill(inputs: Inputs) -> None:
    """Bytes of weights, gradients, states and saved inputs, by precision and optimizer."""
    known = inputs.known
    precision = inputs.word("training.precision", "bf16")
    weights = inputs.word("training.param_precision")
    optimizer = inputs.word("training.optimizer", "adamw")
    inputs.enter_word("training.optimizer", optimizer, "default: as in the published runs")

    def width(form: str) -> float:
        return WIDTHS[form]

    is_wide = np.asarray(wide(inputs)) > 0
    copies_weights = np.asarray(known["fp8_saved_input_bytes"]) < 2
    turned = np.asarray(known["turned_copies"]) > 0
    if weights is None:
        eighth = np.asarray(inputs.look(lambda form: float(form == "fp8"), precision)) > 0
        of_weights = np.where(eighth & copies_weights & ~turned, 1.0, 2.0)
    else:
        of_weights = inputs.look(width, weights)
    known["param_bytes"] = np.where(is_wide, 4.0, of_weights)
    states = inputs.look(lambda word: inputs.entry("optimizers", word)["state_bytes"], optimizer)
    traffic = inputs.look(lambda word: inputs.entry("optimizers", word)["traffic_bytes"], optimizer)
    known["master_bytes"] = inputs.look(
        lambda word: inputs.entry("optimizers", word)["weight_bytes"], optimizer
    )
    # Weights of 32 bits are their own master copy, and so are those of an optimizer in 16 bits: there is no other
    # copy among the states that a shard could compute with.
    trains = np.asarray(known["trains_base"]) > 0  # adapters are counted as weights of 16 bits
    copies = ~is_wide & (np.asarray(known["master_bytes"]) > 2)
    beside = np.where(np.asarray(known["master_bytes"]) > 2, known["master_bytes"], 0.0)
    known["moment_bytes"] = np.asarray(states) - beside
    known["optimizer_bytes"] = np.asarray(states) - np.where(is_wide & trains, beside, 0.0)
    known["master_is_weight"] = np.where(copies, known["master_is_weight"], 0.0)
    known["optimizer_traffic_bytes"] = traffic
    known["grad_bytes"] = np.where(is_wide, 4.0, known["gradient_bytes"])
    narrow = inputs.look(lambda form: float(WIDTHS[form] < 2), precision)
    saved = np.where(np.asarray(narrow) > 0, known["fp8_saved_input_bytes"], 2.0)
    forms = inputs.look(_copies, weights, precision)
    one = np.maximum(np.asarray(forms) - inputs.look(width, precision), 0.0)
    known["weight_copy_bytes"] = np.where(turned, forms, one) * copies_weights
    known["activation_width"] = np.where(is_wide, 4.0, 2.0)
    known["saved_input_bytes"] = np.where(is_wide, 4.0, saved)
    known["product_input_bytes"] = inputs.look(width, precision)
    is_narrow = np.asarray(narrow) > 0
    known["narrow_quality"] = np.where(is_narrow, known["fp8_quality"], 1.0)
    for name in ("dispatch_bytes", "saved_gate_bytes", "saved_attention_bytes"):
        own = np.where(is_narrow, known[f"fp8_{name}"], known["activation_width"])
        known[name] = np.minimum(own, known["activation_width"])
    known["shared_output_bytes"] = np.where(is_narrow, known["fp8_shared_output_bytes"], 0.0)
    known.setdefault("recompute_share", math.nan)
    known.setdefault("schedule", 0.0)
    known.setdefault("context_exchange", 0.0)
    known.setdefault("dp_shard", math.nan)
    known.setdefault("reshard", math.nan)
    known.setdefault("loss_chunks", 1.0)
    for name in (
        "param_bytes",
        "weight_copy_bytes",
        "master_bytes",
        "optimizer_bytes",
        "moment_bytes",
        "optimizer_traffic_bytes",
        "grad_bytes",
        "saved_input_bytes",
        "activation_width",
        "product_input_bytes",
        "narrow_quality",
        "dispatch_bytes",
        "saved_gate_bytes",
        "saved_attention_bytes",
        "shared_output_bytes",
    ):
        inputs.constants[name] = "by precision, optimizer and software"


def _copies(weights: str | None, precision: str) -> float:
    """Bytes of a weight's copies for products of 8 or 4 bits, as Transformer Engine keeps them.

    Such a product reads a weight along its rows forward and along its columns backward. Weights in
    8 bits are one of the two forms; beside weights in 16 bits both are kept. Where the scenario does
    not say, weights are in 8 bits: with their second form they take the two bytes of param_bytes.
    Where hardware reads a weight either way (`turned_copies` is off) there is no second form.
    """
    if WIDTHS[precision] > 1 or weights is None:
        return 0.0
    return WIDTHS[precision] * (1.0 if weights == "fp8" else 2.0)
