"""Data and training: defaults, goodput, the limits of time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from llmcost.scenario.resolve.device import NARROW
from llmcost.scenario.resolve.inputs import Inputs
from llmcost.scenario.resolve.money import fill_staff

#: A model that uses less of its parameters for a token is a mixture of experts.
_DENSE_SHARE = 0.95


def fill(inputs: Inputs) -> None:
    """Complete [data] and [training]."""
    known = inputs.known
    inputs.default("data.epochs")
    inputs.default("training.flops_per_param_token")
    if "tokens_per_param" not in known and "tokens_per_epoch" not in known:
        ratio = inputs.entry("defaults", "data.tokens_per_param")
        known["default_tokens_per_param"] = float(ratio["value"])
        inputs.interval("data.tokens_per_param", ratio, "", "default_tokens_per_param")
    known.setdefault("tokens_basis_active", 0.0)
    known.setdefault("by_architecture", 0.0)
    known.setdefault("recompute_level", 0.0)
    if np.any(np.asarray(known["by_architecture"]) > 0):
        wanted = ("layers", "hidden_size", "heads", "vocab_size", "seq_len")
        missing = [f"model.{name}" for name in wanted if name not in known]
        if missing:
            inputs.problem(
                "training.flops_method",
                f'"architecture" needs {", ".join(missing)}, or a model.preset or model.config',
            )
    elif "flops" not in known:
        known.pop("flops_method", None)


def fill_reliability(inputs: Inputs) -> None:
    """Complete [reliability]; without it, goodput is given or 1."""
    given = any(key.startswith("reliability.") for key in (*inputs.scenario.values, *inputs.arrays))
    if given and inputs.has("training.goodput"):
        inputs.problem(
            "training.goodput",
            "contradicts [reliability], from which goodput is derived; give one of them",
        )
    elif given:
        for key in (
            "reliability.device_mtbf_hours",
            "reliability.checkpoint_seconds",
            "reliability.restart_seconds",
        ):
            inputs.default(key)
    else:
        inputs.default("training.goodput")


def fill_rest(inputs: Inputs) -> None:
    """Complete what waits for the layout: the usual MFU, the time limit, the staff."""
    known = inputs.known
    if "mfu" not in known:
        fill_default_mfu(inputs)
    days, deadline = known.get("days"), known.get("deadline_days")
    if deadline is not None:
        known["time_limit_days"] = deadline
    if days is not None and "devices" not in known:
        known["time_limit_days"] = (
            known.pop("days") if deadline is None else np.minimum(known.pop("days"), deadline)
        )
    elif "devices" in known:
        known.pop("time_limit_days", None)
    fill_staff(inputs)


def fill_default_mfu(inputs: Inputs) -> None:
    """Take the usual MFU of the run's kind, and say where it comes from."""
    known, usual = inputs.known, inputs.entry("defaults", "training.mfu")
    sparse, narrow = (
        inputs.entry("defaults", f"training.mfu.{kind}") for kind in ("experts", "narrow")
    )
    known["typical_mfu"] = float(usual["value"])
    known["narrow_gain"] = float(narrow["value"])
    mixture = is_mixture(known)
    ratio = float(sparse["value"]) / float(usual["value"])
    known["experts_factor"] = np.where(mixture, ratio, 1.0)
    if "prediction_factor" not in known:
        inputs.interval("training.mfu", usual, "", "typical_mfu")
    source = str((sparse if np.all(mixture) else usual)["source"])
    precision = inputs.word("training.precision")
    if isinstance(precision, str) and precision in NARROW:
        source += f"; of the {precision} peak by {narrow['source']}"
    inputs.constants |= {
        "default_mfu": source,
        "typical_mfu": "catalog: defaults/training.mfu",
        "experts_factor": "catalog: defaults/training.mfu.experts over training.mfu, 1 if dense",
        "narrow_peak_ratio": "peak of 8 or 4 bits over that of 16, else 1",
        "narrow_gain": "catalog: defaults/training.mfu.narrow",
    }


def is_mixture(known: Mapping[str, Any]) -> Any:
    """Whether what is known of a model says that it is a mixture of experts."""
    experts, sparsity = (np.asarray(known.get(name, 0.0)) for name in ("experts", "sparsity"))
    active = known.get("active_params", known.get("preset_active_params", math.nan))
    used = np.asarray(active) / np.asarray(known.get("params", math.nan))
    return (experts > 0) | (sparsity > 1) | ((used > 0) & (used < _DENSE_SHARE))
