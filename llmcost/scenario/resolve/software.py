"""Constants of the performance model: of kernels, of the hardware's family, of the software's profile."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np

import llmcost.scenario.resolve.formats as formats
import llmcost.scenario.resolve.stand_in as stand_in
from llmcost.catalog import Catalog
from llmcost.catalog.load import LATER, PROFILE
from llmcost.errors import InputError
from llmcost.scenario.resolve.device import half_precision_peak
from llmcost.scenario.resolve.inputs import Inputs

#: The kernels of a precision; what is wider than 16 bits runs at the share that 16 bits reach.
_FORMS = {
    "fp32": "bf16",
    "tf32": "bf16",
    "bf16": "bf16",
    "fp16": "bf16",
    "fp8": "fp8",
    "fp4": "nvfp4",
}
#: Constants by the kernel that has them, and the field; {form} is that of the precision.
_KERNELS = {
    "processors": ("processors", "processors"),
    "product_efficiency": ("products-{form}", "efficiency"),
    "product_wave_fill": ("products-{form}", "wave_fill"),
    "product_depth_half": ("products-{form}", "depth_half"),
    "product_memory_share": ("products-{form}", "memory_share"),
    "product_launch_s": ("products-{form}", "launch_s"),
    "product_cast_bytes": ("products-{form}", "cast_bytes"),
    "half_product_efficiency": ("products-bf16", "efficiency"),
    "half_product_wave_fill": ("products-bf16", "wave_fill"),
    "half_product_depth_half": ("products-bf16", "depth_half"),
    "half_product_memory_share": ("products-bf16", "memory_share"),
    "half_product_launch_s": ("products-bf16", "launch_s"),
    "expert_efficiency_ratio": ("experts-{form}", "efficiency_ratio"),
    "expert_memory_share": ("experts-{form}", "memory_share"),
    "expert_launch_s": ("experts-{form}", "launch_s"),
    "expert_row_pad": ("experts-{form}", "row_pad"),
    "expert_move_bytes": ("experts-{form}", "move_bytes"),
    "half_expert_move_bytes": ("experts-bf16", "move_bytes"),
    "attention_efficiency": ("attention-bf16", "efficiency"),
    "attention_seq_half": ("attention-bf16", "seq_half"),
    "attention_fill": ("attention-bf16", "fill"),
    "attention_launch_s": ("attention-bf16", "launch_s"),
    "attention_dim_half": ("attention", "dim_half"),
    "attention_memory_share": ("attention", "memory_share"),
    "attention_backward_rate": ("attention", "backward_rate"),
    "elementwise_memory_share": ("elementwise", "memory_share"),
    "gather_domain_share": ("all-gather", "domain_share"),
    "gather_base_s": ("all-gather", "base_s"),
    "gather_hop_s": ("all-gather", "hop_s"),
    "gather_pipeline": ("all-gather", "pipeline"),
    "reduce_domain_share": ("all-reduce", "domain_share"),
    "reduce_base_s": ("all-reduce", "base_s"),
    "reduce_hop_s": ("all-reduce", "hop_s"),
    "reduce_pipeline": ("all-reduce", "pipeline"),
    "send_share": ("send", "share"),
    "send_latency_s": ("send", "latency_s"),
    "net_ring_share": ("network", "ring_share"),
    "net_quick_share": ("network", "quick_share"),
    "net_ring_net_hop_s": ("network", "ring_net_hop_s"),
    "net_quick_net_hop_s": ("network", "quick_net_hop_s"),
    "net_ring_hop_s": ("network", "ring_hop_s"),
    "net_quick_hop_s": ("network", "quick_hop_s"),
    "dispatch_domain_share": ("dispatch", "domain_share"),
    "dispatch_base_s": ("dispatch", "base_s"),
    "combine_domain_share": ("combine", "domain_share"),
    "combine_base_s": ("combine", "base_s"),
    "exchange_nic_share": ("dispatch", "nic_share"),
    "hybrid_dispatch_domain_share": ("hybrid-dispatch", "domain_share"),
    "hybrid_dispatch_base_s": ("hybrid-dispatch", "base_s"),
    "hybrid_combine_domain_share": ("hybrid-combine", "domain_share"),
    "hybrid_combine_base_s": ("hybrid-combine", "base_s"),
    "copies_domain_share": ("all-to-all", "domain_share"),
    "copies_base_s": ("all-to-all", "base_s"),
    "copies_hop_s": ("all-to-all", "hop_s"),
    "copies_pipeline": ("all-to-all", "pipeline"),
    "copies_nic_share": ("network-all-to-all", "nic_share"),
    "copies_net_base_s": ("network-all-to-all", "base_s"),
    "copies_peer_s": ("network-all-to-all", "peer_s"),
    "flop_pj": ("power", "flop_pj_{format}"),
    "half_flop_pj": ("power", "flop_pj_bf16"),
    "byte_pj": ("power", "byte_pj"),
    "idle_share": ("power", "idle_share"),
    "power_exponent": ("power", "power_exponent"),
    "lowest_share": ("power", "lowest_share"),
}
#: Constants of the hardware's family that are numbers.
_HARDWARE = (
    "slice_sharding",
    "comm_steal",
    "operand_activity",
    "state_quality",
    "straggler_share",
    "expert_imbalance",
    "misaligned_factor",
    "launch_wait_s",
    "node_link_gb_s",
    "usable_share",
    "rated_energy_ratio",
    "context_gb",
    "communicator_gb",
    "exchange_peer_gb",
)
#: Bytes of what vendors call a GB of memory, in 1e9.
_GIB = 2**30 / 1e9


def fill(inputs: Inputs) -> None:
    """Take all that predicts a step time and a memory beside the layout."""
    _hardware(inputs)
    _kernels(inputs)
    _profile(inputs)
    formats.fill(inputs)
    _rates(inputs)


def family_of(catalog: Catalog, accelerator: str | None) -> str:
    """The family of an accelerator, empty where it has none."""
    if not accelerator:
        return ""
    return str(catalog.entry("accelerators", accelerator).get("family", ""))


def profile_of(catalog: Catalog, accelerator: str | None, start: Any) -> str:
    """The profile of the software that an accelerator's family trained with at a date."""
    home, field = guess(catalog, accelerator, start)
    word = catalog.kind("performance")[home][field]
    return catalog.find("software", word, f"catalog: [performance.{home}] {field}")


def guess(catalog: Catalog, accelerator: str | None, start: Any) -> tuple[str, str]:
    """The entry of kind performance that says what software a family trained with, and its field."""
    families = catalog.kind("performance")
    family = family_of(catalog, accelerator)
    home = family if "software" in families.get(family, {}) else "general"
    early = families[home].get("early_until")
    is_early = early is not None and start is not None and day_of(start) < early
    return home, "early_software" if is_early else "software"


def day_of(value: Any) -> date:
    """A date, or the day number that an axis may hold instead."""
    return value if isinstance(value, date) else date.fromordinal(int(value))


def profile_entry(catalog: Catalog, name: str) -> Mapping[str, Any]:
    """A profile with what it takes from its base.

    Raises
    ------
    InputError
        If a base is its own, or no profile.
    """
    found: dict[str, Any] = {}
    seen = [name]
    while True:
        entry = catalog.entry("software", seen[-1])
        found = {**entry, **found}
        base = entry.get("base")
        if base is None:
            return found
        seen.append(catalog.find("software", base, f"catalog: [software.{seen[-1]}] base"))
        if len(set(seen)) < len(seen):
            raise InputError(f"catalog: [software.{name}] base: a profile cannot be its own base")


def _hardware(inputs: Inputs) -> None:
    """The constants of the accelerator's family, on top of the general ones."""
    families = inputs.catalog.kind("performance")
    accelerator = inputs.word("cluster.accelerator")

    def home(word: str | None, name: str) -> str:
        places = (word, family_of(inputs.catalog, word))
        own = (place for place in places if place and name in families.get(place, {}))
        return next(own, "general")

    for name in _HARDWARE:
        one = isinstance(accelerator, str | None)
        inputs.constants[name] = "catalog: performance" + (
            f"/{home(accelerator, name)}" if one else ", by accelerator"
        )
        inputs.known[name] = inputs.look(
            lambda word, name=name: float(families[home(word, name)][name]), accelerator
        )
    # Where nobody knows a device's memory, it has room for all.
    size = np.asarray(inputs.known.get("memory_gb", math.nan), dtype=np.float64)
    usable = np.where(np.isnan(size), math.inf, size * _GIB * inputs.known["usable_share"])
    inputs.known["usable_memory_gb"] = usable[()]
    inputs.constants["usable_memory_gb"] = "cluster.memory_gb in GiB, times usable_share"


def _kernels(inputs: Inputs) -> None:
    """The constants of measured kernels: the device's own, its family's, those of all others."""
    kernels = inputs.catalog.kind("kernels")
    accelerator = inputs.word("cluster.accelerator")
    precision = inputs.word("training.precision", "bf16")

    def home(device: str | None, kind: str, field: str) -> str | None:
        places = (device, family_of(inputs.catalog, device), "general")
        names = [f"{place}-{kind}" for place in places if place]
        return next((name for name in names if field in kernels.get(name, {})), None)

    def place(name: str, device: str | None, form: str) -> tuple[str | None, str]:
        kind, field = _KERNELS[name]
        form = _FORMS[form]
        kind = kind.format(form=form)
        field = field.format(format="fp4" if form == "nvfp4" else form)
        own = f"{device}-products-bf16"
        if field == "efficiency" and form != "bf16" and kind.startswith("products"):
            measured = any(
                f"{p}-{kind}" in kernels for p in (device, family_of(inputs.catalog, device))
            )
            if not measured and own in kernels:  # what the same device reaches in 16 bits
                return own, field
        found = home(device, kind, field)
        if field.startswith("flop_pj") and found == "general-power":
            return None, field  # the energy of an operation is a matter of the chip
        if found is None and kind.startswith("experts"):
            found = home(device, "experts-fp8" if form == "nvfp4" else "experts-bf16", field)
        return found, field

    families = inputs.catalog.kind("performance")

    def stated(name: str, device: str | None) -> str | None:
        """The entry of kind performance that gives a constant where no kernel is measured."""
        places = (device, family_of(inputs.catalog, device))
        return next((p for p in places if p and name in families.get(p, {})), None)

    def constant(name: str, device: str | None, form: str) -> float | None:
        own = stated(name, device)
        if own is not None:
            return float(families[own][name])
        entry, field = place(name, device, form)
        if entry is not None:
            return float(kernels[entry][field])
        return _computed(inputs, name, device)

    one = isinstance(accelerator, str | None) and isinstance(precision, str)
    for name in _KERNELS:
        own = stated(name, accelerator) if one else None
        found = place(name, accelerator, precision)[0] if one else None
        kernel = f"kernels/{found}" if found else "kernels"
        other = stand_in.of_entry(inputs.catalog, accelerator, found) if one and not own else None
        kernel += f", {other.label}" if other else ""
        inputs.constants[name] = f"catalog: {f'performance/{own}' if own else kernel}"
        value = inputs.look(
            lambda device, form, name=name: constant(name, device, form), accelerator, precision
        )
        inputs.known[name] = math.nan if value is None else value


def _computed(inputs: Inputs, name: str, device: str | None) -> float | None:
    """What no entry says: nothing is cast, nobody measured an energy; processors by the peak."""
    if name == "product_cast_bytes":
        return 0.0
    if name != "processors":
        return None
    kernels = inputs.catalog.kind("kernels")
    if not device:  # of a device without a name its peak alone is known
        general = float(kernels["general-processors"]["tflops_per_processor"])
        return float(np.max(inputs.known["peak_flops"])) / 1e12 / general
    family = family_of(inputs.catalog, device)
    each = kernels.get(f"{family}-processors", {}).get("tflops_per_processor")
    each = each or kernels["general-processors"]["tflops_per_processor"]
    peak = inputs.catalog.entry("accelerators", device).get("bf16_tflops")
    return None if peak is None else float(peak) / float(each)


def _profile(inputs: Inputs) -> None:
    """The constants of the software's profile, those for the accelerator's family first."""
    known, accelerator = inputs.known, inputs.word("cluster.accelerator")
    software, start = inputs.word("training.software"), inputs.word("start_date")

    def profile(device: str | None, word: str | None, day: Any) -> str:
        return word or profile_of(inputs.catalog, device, day)

    def constant(device: str | None, word: str | None, day: Any, name: str) -> float:
        entry = profile_entry(inputs.catalog, profile(device, word, day))
        own = f"{family_of(inputs.catalog, device)}_{name}"
        return float(entry.get(own, entry.get(name, LATER.get(name))))

    origin = "software, by its words"
    if all(not isinstance(word, np.ndarray) for word in (accelerator, software, start)):
        name = profile(accelerator, software, start)
        origin = f"software/{name}"
        if software is None:
            inputs.sources["training.software"] = (
                f"default: what {accelerator or 'accelerators'} trained with"
                f"{'' if start is None else f' in {start.year}'}"
            )
            inputs.shown["training.software"] = name
    for name in PROFILE:
        value = inputs.look(
            lambda device, word, day, name=name: constant(device, word, day, name),
            accelerator,
            software,
            start,
        )
        inputs.constants[name] = f"catalog: {origin}"
        if name == "fused_attention":
            exists = inputs.look(lambda device: _fuses(inputs, device), accelerator)
            value = np.minimum(np.asarray(value), np.asarray(exists))
        known.setdefault(name, value)


def _fuses(inputs: Inputs, device: str | None) -> float:
    families = inputs.catalog.kind("performance")
    own = families.get(family_of(inputs.catalog, device), {})
    return float({**families["general"], **own}["fused_attention"])


def _rates(inputs: Inputs) -> None:
    """The accelerator's figures that the performance model takes beside its constants."""
    known = inputs.known
    accelerator = inputs.word("cluster.accelerator")

    def half(word: str) -> float | None:
        return half_precision_peak(inputs, word)

    peak = None if accelerator is None else inputs.look(half, accelerator)
    # What narrower formats leave in 16 bits; where all is wider, nothing is left in them.
    wide = np.asarray(formats.wide(inputs)) > 0
    known["bf16_peak_flops"] = (
        known["peak_flops"] if peak is None else np.where(wide, known["peak_flops"], peak)
    )
    families = inputs.catalog.kind("performance")

    def network(word: str | None) -> float:
        family = families.get(family_of(inputs.catalog, word), {})
        return float(family.get("scale_out_gbit_s_per_device", math.nan))

    assumed = inputs.look(network, accelerator)
    given = known.get("scale_out_gbit_s_per_device", math.nan)
    known["scale_out_gbit_s_per_device"] = np.where(
        np.isnan(given), math.nan if assumed is None else assumed, given
    )
    known.setdefault("scale_up_gb_s_each_way", math.nan)
    known.setdefault("matmul_ceiling_flops", math.nan)
    known.setdefault("tdp_w", math.nan)
    known.setdefault("scale_up_domain", known["devices_per_node"])
    known.setdefault("scale_up_axes", 1.0)
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
