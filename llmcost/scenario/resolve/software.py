"""Constants of the performance model: of the software's profile, of the accelerator's family, and general."""

from __future__ import annotations

import math
from datetime import date
from typing import Any

import numpy as np

from llmcost.catalog import Catalog
from llmcost.catalog.load import PROFILE
from llmcost.engine.chain import execute, plan
from llmcost.scenario.resolve.device import half_precision_peak
from llmcost.scenario.resolve.inputs import Inputs
from llmcost.scenario.values import Distribution

#: FlashAttention's first release; runs before it stored their attention scores.
_FLASH_ATTENTION = date(2022, 7, 1)
#: The first release of Megatron-Bridge, 26.06, whose Blackwell recipes fuse the work around the
#: products of experts into them (CuTe DSL) and replay whole steps as CUDA graphs, in 8 and 4 bits.
_FUSED_EXPERTS = date(2026, 7, 1)
#: 90 % interval of measured over predicted MFU, in families with published step times and without.
_PREDICTION_ERROR, _GENERAL_ERROR = (0.85, 1.18), (0.65, 1.54)
#: Which field of a family names the software that trains, for layouts that look like PyTorch's
#: FSDP and for others; the engine picks by the layout where the scenario names none.
_BY_LAYOUT = {"fsdp": "fsdp_software", "family": "software"}


def fill(inputs: Inputs) -> None:
    """Take all that predicts a step time beside the layout."""
    _constants(inputs)
    _profile(inputs)
    _accuracy(inputs)
    _rates(inputs)
    _kernels(inputs)


def family_of(catalog: Catalog, accelerator: str | None) -> str:
    """The family of an accelerator, empty where it has none."""
    if not accelerator:
        return ""
    return str(catalog.entry("accelerators", accelerator).get("family", ""))


def profile_of(catalog: Catalog, accelerator: str | None, layout: str) -> str:
    """The profile of the software that an accelerator's family trains a kind of layout with."""
    families, field = catalog.kind("performance"), _BY_LAYOUT[layout]
    family = family_of(catalog, accelerator)
    home = family if field in families.get(family, {}) else "general"
    where = f"catalog: [performance.{home}] {field}"
    return catalog.find("software", families[home][field], where)


def _constants(inputs: Inputs) -> None:
    """The constants of the accelerator's family, by precision, on top of the general ones."""
    known, families = inputs.known, inputs.catalog.kind("performance")
    accelerator = inputs.word("cluster.accelerator")
    precision = inputs.word("training.precision", "bf16")

    def home(word: str | None, form: str, name: str) -> tuple[str, str]:
        """Entry, the family's before the general one, and field of a constant; no entry if none."""
        field = f"{form}_{name}" if name == "precision_factor" else name
        entries = (family_of(inputs.catalog, word), "general")
        return next((item for item in entries if field in families.get(item, {})), ""), field

    def constant(word: str | None, form: str, name: str) -> float | None:
        entry, field = home(word, form, name)
        if not entry:  # 16 bits keep all
            return 1.0 if name == "precision_factor" else None
        return float(families[entry][field])

    def origin(name: str) -> str:
        if not isinstance(accelerator, str | None) or not isinstance(precision, str):
            return "catalog: performance, by accelerator and precision"
        entry, _ = home(accelerator, precision, name)
        return f"catalog: performance/{entry}" if entry else "default: 16 bits"

    names = {
        name
        for entry in families.values()
        for name, value in entry.items()
        if isinstance(value, int | float) and not name.endswith("precision_factor")
    }
    for name in sorted(names | {"precision_factor"}):
        inputs.constants[name] = origin(name)
        value = inputs.look(
            lambda word, form, name=name: constant(word, form, name), accelerator, precision
        )
        if value is not None:
            known.setdefault(name, value)


def _profile(inputs: Inputs) -> None:
    """The constants of the software's profile, those for the accelerator's family first."""
    accelerator, software = inputs.word("cluster.accelerator"), inputs.word("training.software")
    one = isinstance(accelerator, str | None) and isinstance(software, str | None)
    for layout in _BY_LAYOUT:

        def profile(device: str | None, word: str | None, layout: str = layout) -> str:
            return word or profile_of(inputs.catalog, device, layout)

        def constant(device: str | None, word: str | None, name: str) -> float:
            entry = inputs.entry("software", profile(device, word))
            own = f"{family_of(inputs.catalog, device)}_{name}"
            return float(entry.get(own, entry[name]))

        origin = f"software/{profile(accelerator, software)}" if one else "software, by its words"
        for name in PROFILE:
            inputs.constants[f"{layout}_{name}"] = f"catalog: {origin}"
            inputs.known[f"{layout}_{name}"] = inputs.look(
                lambda device, word, name=name: constant(device, word, name), accelerator, software
            )


def _accuracy(inputs: Inputs) -> None:
    """How far a prediction may be off, by what is published of the accelerator's family."""
    inputs.known["prediction_factor"] = 1.0
    inputs.constants["prediction_factor"] = "1, but for uncertainty"
    accelerator = inputs.word("cluster.accelerator")
    if not isinstance(accelerator, str):
        return
    measured = family_of(inputs.catalog, accelerator) in inputs.catalog.kind("performance")
    low, high = _PREDICTION_ERROR if measured else _GENERAL_ERROR
    error = Distribution(low, high, "lognormal", None, 0.0)
    inputs.intervals["training.mfu"] = ("prediction_factor", error)
    if not measured:
        inputs.warnings.append(
            f"no published step times of {accelerator}'s family are known: the prediction uses general constants and may be off by 20 %"
        )


def _rates(inputs: Inputs) -> None:
    """The accelerator's figures that the performance model takes beside its constants."""
    known = inputs.known
    accelerator = inputs.word("cluster.accelerator")

    def half(word: str) -> float | None:
        return half_precision_peak(inputs, word)

    peak = None if accelerator is None else inputs.look(half, accelerator)
    known["bf16_peak_flops"] = known["peak_flops"] if peak is None else peak
    known.setdefault("scale_out_gbit_s_per_device", math.nan)
    known.setdefault("scale_up_gb_s_each_way", math.nan)
    known.setdefault("matmul_ceiling_flops", math.nan)
    known.setdefault("scale_up_domain", known["devices_per_node"])
    known.setdefault("synchronous_launch", 0.0)
    device = "catalog: accelerators"
    if isinstance(accelerator, str):
        device += f"/{accelerator}"
    given = f"cluster.{inputs.word('training.precision', 'bf16')}_matmul_tflops"
    ceiling = given if given in inputs.sources else device
    if np.isnan(known["matmul_ceiling_flops"]).all():
        ceiling = "nobody measured it"
    inputs.constants["matmul_ceiling_flops"] = ceiling
    inputs.constants["bf16_peak_flops"] = (
        device if accelerator is not None else "cluster.peak_flops"
    )


def _kernels(inputs: Inputs) -> None:
    """Which kernels there were when the run started."""
    known, start = inputs.known, inputs.scenario.start
    if np.any(np.asarray(known.get("experts", 0.0)) > 0):
        inputs.enter_missing(
            "training.expert_overlap", 0.0, "default: as in the published step times"
        )
        recent = start is not None and start >= _FUSED_EXPERTS
        precision = inputs.word("training.precision", "bf16")
        narrow = inputs.look(lambda form: float(form in ("fp8", "fp4")), precision)
        fused = float(recent) * known["fused_expert_kernels"] * narrow
        inputs.enter_missing(
            "training.fused_experts",
            fused,
            "default: from July 2026 on, with 8 or 4 bits on Blackwell",
            shown=None if np.ndim(fused) else bool(fused),
        )
    known.setdefault("expert_overlap", 0.0)
    known.setdefault("fused_experts", 0.0)
    if "fused_attention" not in known and start is not None and start < _FLASH_ATTENTION:
        known["fused_era"] = 0.0


def widen_across_domains(inputs: Inputs) -> None:
    """Widen the error of a prediction whose experts are exchanged between scale-up domains.

    No published step time that the model was calibrated on has such a layout.
    """
    known = inputs.known
    needed = ("experts", "ep", "tp", "scale_up_domain", "prediction_factor")
    if "mfu" in known or any(name not in known for name in needed):
        return
    experts, ep, tp, domain, _ = (np.asarray(known[name]) for name in needed)
    if not np.any((experts > 0) & (ep > 1)):
        return
    values: dict[str, Any] = dict(known)
    execute(plan(frozenset(known), frozenset({"expert_tp"})), values)
    crosses = (experts > 0) & (ep * values.get("expert_tp", tp) > domain)
    wide = ("prediction_factor", Distribution(*_GENERAL_ERROR, "lognormal", None, 0.0))
    if np.any(crosses) and inputs.intervals.get("training.mfu") not in (None, wide):
        inputs.intervals["training.mfu"] = wide
        inputs.warnings.append(
            "no published step time has experts exchanged between scale-up domains: the prediction rests on the network's figures and may be off by 40 %"
        )
