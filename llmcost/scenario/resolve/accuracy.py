"""How far a predicted step time and memory may be off, by what is known of their case."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import llmcost.scenario.resolve.stand_in as stand_in
from llmcost.catalog import Catalog
from llmcost.engine.chain import execute, plan
from llmcost.scenario.resolve.inputs import Inputs
from llmcost.scenario.resolve.software import family_of, guess
from llmcost.scenario.values import Distribution

#: Name of the error of a memory among those of inputs: no key of a scenario stands for it.
MEMORY = "memory_gb_per_device"


#: What the speed of software that nobody named is taken from.
_RUNS = "median of published runs beside the vendor's own software; training.software names yours"


def fill(inputs: Inputs) -> None:
    """How fast software is that nobody named, and how far a prediction may be off."""
    general = inputs.catalog.kind("performance")["general"]
    for factor in ("prediction_factor", "memory_factor"):
        inputs.known[factor] = 1.0
        inputs.constants[factor] = "1, but for uncertainty"
    least, most = (float(end) for end in general["error_memory"])
    error = Distribution(least, most, "lognormal", None, 0.0)
    inputs.intervals[MEMORY] = ("memory_factor", error)
    _speed(inputs)
    accelerator = inputs.word("cluster.accelerator")
    if not isinstance(accelerator, str):
        return
    error = step_error(inputs.catalog, kinds(inputs))
    inputs.intervals["training.mfu"] = ("prediction_factor", error)
    if not is_measured(inputs.catalog, accelerator):
        inputs.warnings.append(
            f"no kernels of {accelerator}'s family are measured: the prediction takes the shape of others', and {_in_words(error)}"
        )
        return
    other = stand_in.note(inputs.catalog, accelerator, family_of(inputs.catalog, accelerator))
    if other is not None:
        inputs.warnings.append(other)


def _speed(inputs: Inputs) -> None:
    """How fast the software is beside its profile: as fast where it is named, else what published runs say."""
    families = inputs.catalog.kind("performance")

    def speed(device: str | None, word: str | None, day: Any) -> float:
        home, field = guess(inputs.catalog, device, day)
        if word is not None or field != "software" or is_own(inputs.catalog, families[home][field]):
            return 1.0
        return float(families[home].get("assumed_speed", 1.0))

    words = [inputs.word(key) for key in ("cluster.accelerator", "training.software", "start_date")]
    found = inputs.look(speed, *words)
    if np.all(np.asarray(found) == 1):
        inputs.known.setdefault("software_speed", 1.0)
        inputs.constants["software_speed"] = "1: that of its profile"
        return
    shown = None if np.ndim(found) else float(found)
    inputs.enter_missing("training.software_speed", found, f"default: {_RUNS}", shown)


def _in_words(error: Distribution) -> str:
    return f"a step may take {1 / error.high:.1f} to {1 / error.low:.1f} times as long"


def is_own(catalog: Catalog, profile: str) -> bool:
    """Whether a profile of software is the user's own, so that it is that of the user's steps."""
    return profile in catalog.own("software")


def kinds(inputs: Inputs) -> list[str]:
    """What adds to the error of a prediction: ``assumed``, ``mixture``, ``unmeasured``, ``across``."""
    named = any(inputs.has(f"training.{key}") for key in ("software", "software_speed"))
    named |= is_own(inputs.catalog, str(inputs.shown.get("training.software")))
    found = [] if named else ["assumed"]
    found += ["mixture"] if np.max(inputs.known.get("experts", 0.0)) > 1 else []
    measured = is_measured(inputs.catalog, str(inputs.word("cluster.accelerator")))
    found += [] if measured else ["unmeasured"]
    return found + (["across"] if np.any(exchanged_across(inputs.known)) else [])


def is_measured(catalog: Catalog, accelerator: str) -> bool:
    """Whether kernels of an accelerator's family were measured."""
    return f"{family_of(catalog, accelerator)}-products-bf16" in catalog.kind("kernels")


def step_error(catalog: Catalog, cases: Sequence[str]) -> Distribution:
    """Measured over predicted MFU, by what is known of a case.

    Its median is 1: half of such runs are slower than predicted. The errors know nothing of one
    another, so the squares of their logarithms add up, on each side.

    Parameters
    ----------
    cases : sequence of str
        What adds to the error with named software, as :func:`kinds` gives it.
    """
    general = catalog.kind("performance")["general"]
    ends = np.log([general[f"error_{case}"] for case in ("stated", *cases)])
    low, high = (math.exp(sign * math.hypot(*ends[:, i])) for i, sign in enumerate((-1, 1)))
    return Distribution(low, high, "lognormal", 1.0, 0.0)


def widen_across_domains(inputs: Inputs) -> None:
    """Widen the error of a prediction whose experts are exchanged between scale-up domains."""
    accelerator = inputs.word("cluster.accelerator")
    if "mfu" in inputs.known or not isinstance(accelerator, str):
        return
    if "prediction_factor" not in inputs.known or not np.any(exchanged_across(inputs.known)):
        return
    error = step_error(inputs.catalog, kinds(inputs))
    inputs.intervals["training.mfu"] = ("prediction_factor", error)
    inputs.warnings.append(
        f"few published step times have experts exchanged between scale-up domains: {_in_words(error)}"
    )


def exchanged_across(known: Mapping[str, Any]) -> Any:
    """Whether a layout exchanges the tokens of experts between scale-up domains; not where it is not known."""
    needed = ("experts", "ep", "tp", "scale_up_domain")
    if any(name not in known for name in needed):
        return np.zeros((), dtype=bool)
    experts, ep, tp, domain = (np.asarray(known[name]) for name in needed)
    if not np.any((experts > 0) & (ep > 1)):
        return np.zeros((), dtype=bool)
    values: dict[str, Any] = dict(known)
    execute(plan(frozenset(known), frozenset({"expert_tp"})), values)
    return (experts > 0) & (ep > 1) & (ep * values.get("expert_tp", tp) > domain)
