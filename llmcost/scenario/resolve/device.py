"""The accelerator: what its entry of the catalog gives, and its peak at the precision of training."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from llmcost.scenario.resolve.inputs import Inputs
from llmcost.scenario.schema import PRECISIONS
from llmcost.scenario.values import show

#: What a catalog accelerator gives, by scenario key.
_DEVICE_FIELDS = {
    "cluster.devices_per_node": "devices_per_node",
    "cluster.memory_gb": "memory_gb",
    "cluster.memory_tb_s": "memory_tb_s",
    "cluster.tdp_w": "tdp_w",
    "cluster.scale_up_gb_s_each_way": "scale_up_gb_s_each_way",
    "cluster.scale_up_domain": "scale_up_domain",
    "cluster.scale_up_axes": "scale_up_axes",
    "cluster.scale_out_gbit_s_per_device": "scale_out_gbit_s_per_device",
    "cost.device_price_usd": "price_usd",
    "cost.price_includes_server": "price_includes_server",
    "cost.available_date": "available",
    "cost.server_cost_ratio": "server_cost_ratio",
    "energy.server_power_ratio": "server_power_ratio",
    "energy.power_utilisation": "power_utilisation",
    "energy.host_utilisation": "host_utilisation",
    "carbon.embodied_kgco2e_per_device": "embodied_kgco2e",
}
#: Bits of number formats narrower than 16.
NARROW = {"fp8": 8.0, "fp4": 4.0}


def fill(inputs: Inputs) -> None:
    """Take the accelerator's figures, and its rates at the precision of training."""
    figures(inputs)
    _peak(inputs)


def figures(inputs: Inputs) -> None:
    """Take the accelerator's figures, those of its rates left out."""
    _accelerator(inputs)
    usual = inputs.entry("defaults", "cluster.devices_per_node")
    inputs.enter_missing("cluster.devices_per_node", usual["value"], f"default: {usual['source']}")


def _accelerator(inputs: Inputs) -> None:
    words = inputs.word("cluster.accelerator")
    if words is None:
        return
    source = inputs.named("accelerators", words)
    assumed = inputs.catalog.kind("defaults")
    for key, name in _DEVICE_FIELDS.items():
        if inputs.has(key):
            continue
        if key == "cost.price_includes_server" and inputs.has("cost.device_price_usd"):
            continue  # that field describes the catalog's price, not the user's
        value = inputs.figure("accelerators", words, name)
        if isinstance(value, np.ndarray) and key in assumed:  # as the default of one device alone
            value = np.where(np.isnan(value), float(assumed[key]["value"]), value)
        shown = inputs.entry("accelerators", words).get(name) if isinstance(words, str) else None
        inputs.enter(key, value, source, shown)
        if isinstance(words, str):
            inputs.interval(key, inputs.entry("accelerators", words), name)


def _peak(inputs: Inputs) -> None:
    """Pick the dense peak and the measured matmul ceiling of the precision."""
    known = inputs.known
    precision = inputs.word("training.precision")
    if precision is None:
        precision = "bf16"
        if "cluster.accelerator" in inputs.sources or "peak_flops" in known:
            inputs.sources["training.precision"] = "default: bf16, mixed precision"
            inputs.shown["training.precision"] = precision
    accelerator = inputs.word("cluster.accelerator")

    def rate(suffix: str) -> Any:
        """The catalog's rates, and the scenario's own where it is of the precision."""

        def published(word: str | None, name: str) -> float | None:
            found = inputs.entry("accelerators", word).get(f"{name}{suffix}") if word else None
            return None if found is None else float(found) * 1e12

        value = inputs.look(published, accelerator, precision)
        for name in PRECISIONS:
            own = known.get(f"{name}{suffix}")
            if own is None:
                continue
            mine = inputs.look(lambda word, name=name: float(word == name), precision)
            if isinstance(mine, np.ndarray):
                value = np.where(mine > 0, own * 1e12, math.nan if value is None else value)
            elif mine:
                value = own * 1e12
        return value

    own_rates = any(inputs.has(f"cluster.{name}_tflops") for name in PRECISIONS)
    if "peak_flops" not in known and (accelerator is not None or own_rates):
        peak = rate("_tflops")
        if peak is None:
            entry = (
                inputs.entry("accelerators", accelerator) if isinstance(accelerator, str) else {}
            )
            has = [name for name in PRECISIONS if f"{name}_tflops" in entry]
            key = (
                "training.precision" if inputs.has("training.precision") else "cluster.accelerator"
            )
            inputs.problem(
                key,
                f"{show(precision)}: no published peak for {accelerator}{'; it has ' + ', '.join(has) if has else ''}; or give cluster.peak_flops",
            )
        source = (
            f"catalog: accelerators/{accelerator} {precision}_tflops"
            if isinstance(accelerator, str) and isinstance(precision, str)
            else "axis"
        )
        if isinstance(precision, str) and inputs.has(f"cluster.{precision}_tflops"):
            source = "derived"
        inputs.enter("cluster.peak_flops", peak, source)
    _narrow_peak(inputs, precision, accelerator)
    ceiling = rate("_matmul_tflops")
    if ceiling is not None:
        known["matmul_ceiling_flops"] = ceiling


def half_precision_peak(inputs: Inputs, accelerator: str) -> float | None:
    """The 16-bit peak of an accelerator [FLOP/s]."""
    found = inputs.entry("accelerators", accelerator).get("bf16_tflops")
    return None if found is None else float(found) * 1e12


def _narrow_peak(inputs: Inputs, precision: Any, accelerator: Any) -> None:
    """How many times the 16-bit peak that of a narrower format is."""
    known = inputs.known
    if "peak_flops" not in known:
        return

    def half(word: str | None, form: str) -> float | None:
        return half_precision_peak(inputs, word) if word and form in NARROW else None

    found = inputs.look(half, accelerator, precision)
    own = known.get("bf16_tflops")
    published = own * 1e12 if own is not None else math.nan if found is None else found
    # Where nobody published it: half the bits, twice the peak.
    by_width = np.asarray(inputs.look(lambda form: 16 / NARROW.get(form, 16.0), precision))
    ratio = known["peak_flops"] / np.asarray(published)
    ratio = np.where(np.isnan(ratio), by_width, ratio)
    ratio = np.where(by_width > 1, ratio, 1.0)
    known["narrow_peak_ratio"] = np.where(np.isnan(known["peak_flops"]), math.nan, ratio)
