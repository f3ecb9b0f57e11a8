"""What serves: figures of the accelerator, rates of its kernels, constants of the software."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from llmcost.scenario.resolve import device, energy, money
from llmcost.scenario.resolve.inputs import Inputs
from llmcost.scenario.schema import KEYS

#: Figures of the serving accelerator by the engine's name, and the name of the cluster's own.
_FIGURES = {
    "service_memory_gb": "memory_gb",
    "service_memory_tb_s": "memory_tb_s",
    "service_tdp_w": "tdp_w",
    "service_scale_up_gb_s": "scale_up_gb_s_each_way",
    "service_domain": "scale_up_domain",
    "service_node": "devices_per_node",
    "service_scale_out_gbit_s": "scale_out_gbit_s_per_device",
    "service_server_power_ratio": "server_power_ratio",
    "service_device_price_usd": "device_price_usd",
    "service_price_includes_server": "price_includes_server",
    "service_available_day": "available_day",
    "service_server_cost_ratio": "server_cost_ratio",
    "service_embodied_kgco2e": "embodied_kgco2e_per_device",
    "service_cloud_usd_per_device_hour": "cloud_usd_per_device_hour",
    "service_cost_method": "cost_method",
    "service_purchase_price_usd": "purchase_price_usd",
}
#: What the figures of another accelerator than the cluster's rest on beside its name.
_SHARED = (
    "name", "schema_version", "start_date", "cost.method", "cost.cloud_vendor", "cost.cloud_commitment",
    "carbon.grid", "energy.region", "energy.operator",
)  # fmt: skip
#: Bytes of a weight by format; of 4 bits with the scale of its block.
_WEIGHT_BYTES = {
    "fp32": 4.0, "tf32": 4.0, "bf16": 2.0, "fp16": 2.0, "fp8": 1.0, "int8": 1.0,
    "fp4": 4.5 / 8, "int4": 4.5 / 8,
}  # fmt: skip
#: Formats that products run in, the first that the accelerator has a peak of.
_PRODUCTS = {
    "fp32": ("fp32",), "tf32": ("tf32", "fp32"), "bf16": ("bf16", "fp16", "fp32"),
    "fp16": ("fp16", "bf16", "fp32"), "fp8": ("fp8", "bf16", "fp16", "fp32"),
    "fp4": ("fp4", "bf16", "fp16", "fp32"), "int8": ("bf16", "fp16", "fp32"),
    "int4": ("bf16", "fp16", "fp32"),
}  # fmt: skip
#: Formats whose keys and values software may keep in 8 bits.
_NARROW = ("fp8", "fp4", "int8", "int4")
#: Measured kernels by the format of products; 16 bits for all others.
_KERNELS = {"fp8": "products-fp8", "fp4": "products-nvfp4"}
#: Constants of the catalog of kernels by the engine's name: kind of kernel and field.
_LINKS = {
    "service_attention_efficiency": ("attention-bf16", "efficiency"),
    "service_reduce_share": ("all-reduce", "domain_share"),
    "service_reduce_base_s": ("all-reduce", "base_s"),
    "service_reduce_hop_s": ("all-reduce", "hop_s"),
    "service_reduce_pipeline": ("all-reduce", "pipeline"),
    "service_exchange_base_s": ("dispatch", "base_s"),
    "service_exchange_share": ("dispatch", "domain_share"),
    "service_exchange_net_share": ("dispatch", "nic_share"),
}
#: Whose exchange with experts stands for devices on which nobody measured it.
_EXCHANGE_OF = "h100-sxm"
#: The software of most data centres; cards at home have one that names them.
_COMMON_SOFTWARE = "vllm"


def fill(inputs: Inputs) -> None:
    """Take all that the service's speed, power and price rest on."""
    _Serving(inputs).fill()


class _Serving:
    """The words that pick the figures, and the inputs that take them."""

    def __init__(self, inputs: Inputs) -> None:
        self.inputs, self.known = inputs, inputs.known
        self.kernels = inputs.catalog.kind("kernels")
        cluster = inputs.word("cluster.accelerator")
        self.accelerator = inputs.word("inference.accelerator")
        if self.accelerator is None:
            self.accelerator = cluster
            self._show("inference.accelerator", cluster, "default: that of the cluster")
        words = isinstance(cluster, str) and isinstance(self.accelerator, str)
        #: Whether the cluster's own figures, as the scenario changes them, are the service's.
        self.same = self.accelerator is cluster or (words and self.accelerator == cluster)
        self.precision = inputs.word("inference.precision")
        if self.precision is None:
            self.precision = "bf16"
            self._show("inference.precision", "bf16", "default: weights as most are published")

    def fill(self) -> None:
        self._figures()
        self._peaks()
        self._rates()
        self._software()

    def _show(self, key: str, value: Any, source: str) -> None:
        if isinstance(value, str):
            self.inputs.sources[key] = source
            self.inputs.shown[key] = value

    def _constant(self, name: str, value: Any, origin: str) -> None:
        """Take a number that is no key of the scenario."""
        if value is not None:
            self.known[name] = value
            self.inputs.constants[name] = origin

    def _entry(self, word: str) -> Any:
        return self.inputs.entry("accelerators", word)

    def _figures(self) -> None:
        """The accelerator's own figures and prices: the cluster's where it is the same one."""
        name = self.accelerator if isinstance(self.accelerator, str) else "that of the axis"
        origin = "that of the cluster" if self.same else f"catalog: of {name}"
        figures = self.known if self.same else self._other_cluster()
        for quantity, of_cluster in _FIGURES.items():
            self._constant(quantity, figures.get(of_cluster), origin)
        for quantity in ("service_scale_up_gb_s", "service_scale_out_gbit_s"):
            self.known.setdefault(quantity, math.nan)
        self.known.setdefault("service_domain", self.known["service_node"])

    def _other_cluster(self) -> dict[str, Any]:
        """What the engine would know of a cluster with the serving accelerator."""
        scenario, arrays = self.inputs.scenario, self.inputs.arrays
        kept = {key: item for key, item in scenario.values.items() if key in _SHARED}
        moved = {key: item for key, item in arrays.items() if key in _SHARED}
        if isinstance(self.accelerator, str):
            given = scenario.values["inference.accelerator"]
            kept["cluster.accelerator"] = given
        else:
            moved["cluster.accelerator"] = self.accelerator
        other = Inputs(scenario._replace(values=kept), self.inputs.catalog, moved)
        for key in KEYS.values():
            other.take(key)
        device.figures(other)
        money.fill(other)
        energy.fill(other)
        self.inputs.warnings += [f"service: {text}" for text in other.warnings]
        self.inputs.problems += other.problems
        return other.known

    def _format(self, word: str, form: str) -> str:
        """The format that products run in on an accelerator; empty where it has no peak."""
        return next((item for item in _PRODUCTS[form] if self._peak(word, item)), "")

    def _peak(self, word: str, form: str) -> float:
        """Dense peak of a format [FLOP/s]: the scenario's own, or the catalog's; 0 without."""
        own = self.known.get(f"{form}_tflops") if self.same else None
        if own is not None and not np.ndim(own):
            return float(own) * 1e12
        return float(self._entry(word).get(f"{form}_tflops", 0.0)) * 1e12

    def _peaks(self) -> None:
        look = self.inputs.look
        origin = "catalog: accelerators, by the format that products run in"

        def peak(word: str, form: str) -> float | None:
            return self._peak(word, self._format(word, form)) or None

        found = look(peak, self.accelerator, self.precision)
        if found is None:
            self.inputs.problem(
                "inference.accelerator" if not self.same else "cluster.accelerator",
                f"nobody published a peak of {self.accelerator} in {self.precision} or 16 bits",
            )
        self._constant("service_peak_flops", found, origin)
        self._constant("service_half_peak_flops", look(peak, self.accelerator, "bf16"), origin)
        weight = look(lambda form: _WEIGHT_BYTES[form], self.precision)
        self._constant("service_weight_bytes", weight, "format of the weights")

    def _kernel(self, word: str, kind: str, field: str) -> float | None:
        """A constant of a measured kernel: the device's, its family's, or the general one."""
        for home in (word, self._entry(word).get("family"), "general"):
            found = self.kernels.get(f"{home}-{kind}", {}).get(field)
            if found is not None:
                return float(found)
        return None

    def _rates(self) -> None:
        """Shares of peak and bandwidth, and energies, from measured kernels."""
        look, origin = self.inputs.look, "catalog: kernels"

        def efficiency(word: str, form: str) -> float | None:
            """Of a narrow format that nobody measured on the family, that of 16 bits."""
            kind = _KERNELS.get(self._format(word, form), "products-bf16")
            homes = (word, self._entry(word).get("family"))
            if not any(f"{home}-{kind}" in self.kernels for home in homes):
                own = f"{word}-products-bf16" in self.kernels
                kind = "products-bf16" if own else kind
            return self._kernel(word, kind, "efficiency")

        def energy_pj(word: str, form: str) -> float | None:
            """Of an operation [pJ]; one in 4 bits takes half of one in 8 where not measured."""
            name = self._format(word, form)
            name = name if name in ("fp8", "fp4") else "bf16"
            found = self._kernel(word, "power", f"flop_pj_{name}")
            return found if found is not None else self._half_of_eight(word)

        words = (self.accelerator, self.precision)
        self._constant("service_product_efficiency", look(efficiency, *words), origin)
        half = look(efficiency, self.accelerator, "bf16")
        self._constant("service_half_efficiency", half, origin)
        self._constant("service_product_pj", look(energy_pj, *words), origin)
        for name, (kind, field) in _LINKS.items():

            def constant(word: str, kind: str = kind, field: str = field) -> float | None:
                found = self._kernel(word, kind, field)
                return self._kernel(_EXCHANGE_OF, kind, field) if found is None else found

            self._constant(name, look(constant, self.accelerator), origin)

    def _half_of_eight(self, word: str) -> float | None:
        eight = self._kernel(word, "power", "flop_pj_fp8")
        return None if eight is None else eight / 2

    def _software(self) -> None:
        """Constants of the model, and of the software's profile."""
        look, profiles = self.inputs.look, self.inputs.catalog.kind("serving")
        for name, value in self.inputs.entry("service", "general").items():
            if isinstance(value, int | float):
                self._constant(f"service_{name}", float(value), "catalog: service/general")
        software = self.inputs.word("inference.software")
        if software is None:
            software = look_up_software(self.inputs, self.accelerator)
            self._show("inference.software", software, "default: by the accelerator")
        origin = f"catalog: serving/{software}" if isinstance(software, str) else "catalog: serving"
        for field in ("step_s", "sequence_s", "overlap", "default_sequences", "memory_share"):
            value = look(lambda word, field=field: float(profiles[word][field]), software)
            self._constant(f"service_{field}", value, origin)
        cache = self.inputs.word("inference.kv_precision")

        def cache_bytes(given: str | None, word: str, form: str) -> float:
            narrow = profiles[word]["narrow_cache"] and form in _NARROW
            return 1.0 if given == "fp8" or (given is None and narrow) else 2.0

        value = look(cache_bytes, cache, software, self.precision)
        self._constant("service_kv_bytes", value, "format of the cache, by software")
        if cache is None and not np.ndim(value):
            shown = "fp8" if value == 1 else "bf16"
            self._show("inference.kv_precision", shown, f"default: as {software} keeps it")


def look_up_software(inputs: Inputs, accelerator: Any) -> str:
    """The profile that names the accelerator among those it serves on, or the common one."""
    if isinstance(accelerator, str):
        for name, entry in inputs.catalog.kind("serving").items():
            if accelerator in entry.get("accelerators", ()):
                return name
    return _COMMON_SOFTWARE
