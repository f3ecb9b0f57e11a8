"""The model in service: figures of its accelerator, constants of its software, defaults."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np


from llmcost.scenario.values import Distribution

if TYPE_CHECKING:
    from llmcost.scenario.resolve import _Resolver

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
}
#: What the figures of another accelerator rest on beside its name.
_SHARED = (
    "name", "schema_version", "start_date", "cost.cloud_vendor", "cost.cloud_commitment",
    "carbon.grid",
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
#: Measured kernels by the format of products: the catalog's word, and the energy's.
_KERNELS = {"fp8": "fp8", "fp4": "nvfp4"}
#: 90 % intervals of measured over predicted speed and power, docs/service.md.
_SPEED_ERROR, _POWER_ERROR = (0.6, 1.4), (0.8, 1.25)
_ARCHITECTURE = ("layers", "hidden_size", "heads", "vocab_size")


def resolve_inference(resolver: _Resolver) -> None:
    """Complete ``[inference]`` of a scenario that has it."""
    given = (*resolver.scenario.values, *resolver.arrays)
    if not any(key.startswith("inference.") for key in given):
        return
    known = resolver.inputs.known
    if not resolver.has("inference.output_tokens_per_day"):
        key = "inference.output_tokens_per_day"
        resolver.problem(key, "is missing: a service is described by the tokens that it writes")
        return
    if "peak_flops" not in known and not resolver.has("inference.accelerator"):
        key = "inference.accelerator"
        resolver.problem(key, "is missing, and there is no cluster.accelerator to take for it")
        return
    lacking = [f"model.{name}" for name in _ARCHITECTURE if name not in known]
    if lacking:
        resolver.inputs.warnings.append(
            f"the service is not known: {', '.join(lacking)} is missing; a model.preset or model.config has them"
        )
        return
    import llmcost.engine.service  # noqa: F401

    _Service(resolver).run()


class _Service:
    """Fills the resolver's inputs with what the rules of :mod:`llmcost.engine.service` need."""

    def __init__(self, resolver: _Resolver) -> None:
        self.resolver = resolver
        self.inputs = resolver.inputs
        self.known = resolver.inputs.known
        self.serving = resolver.catalog.kind("serving")
        self.kernels = resolver.catalog.kind("kernels")
        self.accelerator = resolver.word("inference.accelerator")
        cluster = resolver.word("cluster.accelerator")
        if self.accelerator is None:
            self.accelerator = cluster
            if isinstance(cluster, str):
                self._show("inference.accelerator", cluster, "default: that of the cluster")
        #: Whether the cluster's own figures, as the scenario changes them, are the service's.
        self.same = isinstance(cluster, str | None) and self.accelerator is cluster
        self.same = self.same or (isinstance(cluster, str) and self.accelerator == cluster)
        self.precision = resolver.word("inference.precision")
        if self.precision is None:
            self.precision = "bf16"
            self._show("inference.precision", "bf16", "default: weights as most are published")

    def run(self) -> None:
        for key in ("days", "context_tokens", "utilisation"):
            self.resolver.default(f"inference.{key}")
        if "prompt_tokens_per_day" not in self.known:
            self.resolver.enter("inference.prompt_tokens_per_day", 0.0, "default: no prompts")
            self.inputs.warnings.append(
                "the service reads no prompts: give inference.prompt_tokens_per_day where it does"
            )
        self._figures()
        self._peaks()
        self._software()
        self._measured()
        self._layout()
        self._model()
        self.known["service_speed_factor"] = self.known["service_power_factor"] = 1.0
        for key, name, ends in (
            ("inference.tokens_per_s_per_device", "service_speed_factor", _SPEED_ERROR),
            ("inference.device_power_w", "service_power_factor", _POWER_ERROR),
        ):
            if not self.resolver.has(key):
                error = Distribution(*ends, "lognormal", None, 0.0)
                self.inputs.intervals[key] = (name, error)
                self.inputs.constants[name] = "1, but for uncertainty"

    def _show(self, key: str, value: Any, source: str) -> None:
        self.inputs.sources[key] = source
        self.inputs.shown[key] = value

    def _constant(self, name: str, value: Any, origin: str) -> None:
        """Take a number that is no key of the scenario."""
        if value is not None:
            self.known[name] = value
            self.inputs.constants[name] = origin

    def _entry(self, word: str | None) -> Mapping[str, Any]:
        return self.resolver.entry("accelerators", word) if word else {}

    def _figures(self) -> None:
        """The accelerator's own figures and prices: the cluster's where it is the same one."""
        name = self.accelerator if isinstance(self.accelerator, str) else "of the axis"
        origin = "that of the cluster" if self.same else f"as of a cluster with {name}"
        figures = self.known if self.same else self._other_cluster()
        for quantity, of_cluster in _FIGURES.items():
            self._constant(quantity, figures.get(of_cluster), origin)
        for quantity in ("service_scale_up_gb_s", "service_scale_out_gbit_s"):
            self.known.setdefault(quantity, math.nan)
        self.known.setdefault("service_domain", self.known["service_node"])

    def _other_cluster(self) -> dict[str, Any]:
        """What the engine would know of a cluster with the serving accelerator."""
        from llmcost.scenario.resolve import resolve

        scenario, arrays = self.resolver.scenario, self.resolver.arrays
        kept = {key: item for key, item in scenario.values.items() if key in _SHARED}
        moved = {key: item for key, item in arrays.items() if key in _SHARED}
        if isinstance(self.accelerator, str):
            given = scenario.values["inference.accelerator"]
            form = self._format(self.accelerator, "bf16") or "bf16"
            kept["cluster.accelerator"] = given
            kept["training.precision"] = given._replace(value=form)
        else:
            moved["cluster.accelerator"] = self.accelerator
        found = resolve(
            scenario._replace(values=kept, levers=(), correlations=(), sweep={}),
            self.resolver.catalog,
            moved,
        )
        self.inputs.warnings += [f"service: {text}" for text in found.warnings]
        return found.known

    def _format(self, word: str | None, form: str) -> str:
        """The format that products run in on an accelerator; empty where it has no peak."""
        return next((item for item in _PRODUCTS[form] if self._peak(word, item)), "")

    def _peak(self, word: str | None, form: str) -> float:
        own = self.known.get(f"{form}_tflops") if self.same else None
        if own is not None and not np.ndim(own):
            return float(own) * 1e12
        found = self._entry(word).get(f"{form}_tflops")
        if found is not None:
            return float(found) * 1e12
        trained = self.resolver.word("training.precision", "bf16")
        peak = self.known.get("peak_flops") if self.same else None
        if peak is not None and not np.ndim(peak) and form == trained:
            return float(peak)
        return 0.0

    def _peaks(self) -> None:
        look, words = self.resolver.look, (self.accelerator, self.precision)
        origin = "catalog: accelerators, by the format that products run in"

        def peak(word: str | None, form: str) -> float | None:
            return self._peak(word, self._format(word, form)) or None

        self._constant("service_peak_flops", look(peak, *words), origin)
        self._constant("service_half_peak_flops", look(peak, self.accelerator, "bf16"), origin)
        weight = look(lambda form: _WEIGHT_BYTES[form], self.precision)
        self._constant("service_weight_bytes", weight, "format of the weights")

    def _kernel(self, word: str | None, kind: str, field: str) -> float | None:
        """A constant of a measured kernel: the device's, its family's, or the general one."""
        for home in (word, self._entry(word).get("family"), "general"):
            found = self.kernels.get(f"{home}-{kind}", {}).get(field)
            if found is not None:
                return float(found)
        return None

    def _measured(self) -> None:
        look, accelerator = self.resolver.look, self.accelerator
        origin = "catalog: kernels"

        def efficiency(word: str | None, form: str) -> float | None:
            """Of a narrow format that nobody measured on the family, that of 16 bits."""
            kind = f"products-{_KERNELS.get(self._format(word, form), 'bf16')}"
            family = self._entry(word).get("family")
            own = any(f"{home}-{kind}" in self.kernels for home in (word, family))
            if not own and f"{word}-products-bf16" in self.kernels:
                kind = "products-bf16"
            return self._kernel(word, kind, "efficiency")

        def energy(word: str | None, form: str) -> float | None:
            """Of an operation [pJ]; one in 4 bits takes half of one in 8 where not measured."""
            name = self._format(word, form)
            name = name if name in ("fp8", "fp4") else "bf16"
            found = self._kernel(word, "power", f"flop_pj_{name}")
            if found is None:
                found = (self._kernel(word, "power", "flop_pj_fp8") or math.nan) / 2
            return found * float(self.serving["general"]["flop_factor"])

        words = (accelerator, self.precision)
        self._constant("service_product_efficiency", look(efficiency, *words), origin)
        half = look(efficiency, accelerator, "bf16")
        self._constant("service_half_efficiency", half, origin)
        self._constant("service_flop_pj", look(energy, *words), origin)
        for name, kind, field in (
            ("service_attention_efficiency", "attention-bf16", "efficiency"),
            ("service_reduce_share", "all-reduce", "domain_share"),
            ("service_reduce_base_s", "all-reduce", "base_s"),
            ("service_reduce_hop_s", "all-reduce", "hop_s"),
            ("service_reduce_pipeline", "all-reduce", "pipeline"),
            ("service_exchange_share", "dispatch", "domain_share"),
            ("service_exchange_net_share", "dispatch", "nic_share"),
        ):

            def constant(word: str | None, kind: str = kind, field: str = field) -> float | None:
                found = self._kernel(word, kind, field)
                return self._kernel("h100-sxm", kind, field) if found is None else found

            self._constant(name, look(constant, accelerator), origin)

    def _software(self) -> None:
        software = self.resolver.word("inference.software")
        if software is None:
            software = self._default_software()
        general = self.serving["general"]
        for name in (
            "weight_share", "cache_share", "product_share", "layer_s", "expert_layer_s",
            "memory_share", "idle_share", "active_power_share", "byte_pj", "server_share",
            "exchange_s",
        ):  # fmt: skip
            self._constant(f"service_{name}", float(general[name]), "catalog: serving/general")
        look = self.resolver.look
        for name, field in (
            ("service_step_s", "step_s"),
            ("service_sequence_s", "sequence_s"),
            ("service_overlap", "overlap"),
            ("service_default_sequences", "most_sequences"),
        ):
            value = look(lambda word, field=field: float(self.serving[word][field]), software)
            self._constant(name, value, "catalog: serving, by software")

        def weight_share(word: str, form: str) -> float:
            narrow = form in ("fp4", "int4")
            share = float(self.serving[word]["four_bit_share"]) if narrow else 1.0
            return share * float(general["weight_share"])

        value = look(weight_share, software, self.precision)
        self._constant("service_weight_share", value, "catalog: serving, by software")
        cache = self.resolver.word("inference.kv_precision")

        def cache_bytes(cache: str | None, word: str, form: str) -> float:
            narrow = self.serving[word]["narrow_cache"] and form in ("fp8", "fp4", "int8", "int4")
            return 1.0 if cache == "fp8" or (cache is None and narrow) else 2.0

        value = look(cache_bytes, cache, software, self.precision)
        self._constant("service_kv_bytes", value, "format of the cache, by software")
        if cache is None and not np.ndim(value):
            shown = "fp8" if value == 1 else "bf16"
            self._show("inference.kv_precision", shown, f"default: as {software} keeps it")

    def _default_software(self) -> str:
        cards = next(
            (name for name, entry in self.serving.items() if self.accelerator in entry.get("accelerators", ())),
            "vllm",
        ) if isinstance(self.accelerator, str) else "vllm"  # fmt: skip
        why = "a card at home" if cards == "llama.cpp" else "what most data centres can run"
        self._show("inference.software", cards, f"default: {why}")
        return cards

    def _layout(self) -> None:
        """What a layout leaves open; the rest follows from the size of the model."""
        known, resolver = self.known, self.resolver
        devices, tp, ep = (known.get(name) for name in ("devices_per_replica", "service_tp", "service_ep"))
        if devices is None and (tp is not None or ep is not None):
            devices = np.maximum(1.0 if tp is None else tp, 1.0 if ep is None else ep)
            resolver.enter("inference.devices_per_replica", devices, "derived")
        if tp is None and ep is not None:
            tp = np.asarray(1.0)
            resolver.enter("inference.tp", 1.0, "default: 1, attention by data parallelism")
        if devices is not None and tp is not None and np.any(np.asarray(devices) % tp > 0):
            resolver.problem(
                "inference.tp",
                f"{_plain(tp)} does not divide inference.devices_per_replica, {_plain(devices)}",
            )
        if devices is not None and ep is not None and np.any(np.asarray(ep) > devices):
            resolver.problem(
                "inference.ep",
                f"{_plain(ep)} is more than inference.devices_per_replica, {_plain(devices)}",
            )
        experts = np.asarray(known.get("experts", 0.0))
        if ep is not None and np.any((experts == 0) & (np.asarray(ep) > 1)):
            resolver.problem("inference.ep", f"{_plain(ep)}: the model has no experts to spread")

    def _model(self) -> None:
        """What a model without windows or states leaves out."""
        known = self.known
        for name in ("windowed_layers", "window", "recurrent_layers", "recurrent_state_size"):
            known.setdefault(name, 0.0)
        known.setdefault("attention_layers", known["layers"])
        known.setdefault("ffn_layers", known["layers"])
        known.setdefault("windowed_kv_heads", known["kv_heads"])
        known.setdefault("windowed_head_dim", known["head_dim"])


def _number(value: Any) -> float | None:
    if hasattr(value, "toordinal"):
        return float(value.toordinal())
    return None if value is None else float(value)


def _plain(value: Any) -> str:
    return f"{float(np.max(value)):g}"



