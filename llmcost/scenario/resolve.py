"""From a scenario to the engine's inputs: catalog, defaults, and where each value comes from.

Each figure of the catalog is looked up by the words that pick it (accelerator, precision, vendor,
grid, dates …). Where such a word is an axis of a sweep, the look-up runs over that axis alone and
gives an array of that axis's shape, with NaN where nobody published the figure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import numpy as np

from llmcost.catalog import Catalog, load_catalog
from llmcost.engine.chain import execute, plan
from llmcost.engine.distributions import quantile
from llmcost.errors import InputError
from llmcost.scenario.architecture import ARCHITECTURE, BY_DEPTH, complete, published_as
from llmcost.scenario.importers.huggingface import read_config
from llmcost.scenario.read import Scenario, place
from llmcost.scenario.schema import KEYS, NUMBER, PRECISIONS, RECOMPUTE, SHARDINGS, SOFTWARE, Key
from llmcost.scenario.values import Distribution, ValueProblem, check_number, show

#: What a catalog accelerator gives, by scenario key.
_DEVICE_FIELDS = {
    "cluster.devices_per_node": "devices_per_node",
    "cluster.memory_gb": "memory_gb",
    "cluster.memory_tb_s": "memory_tb_s",
    "cluster.tdp_w": "tdp_w",
    "cluster.scale_up_gb_s_each_way": "scale_up_gb_s_each_way",
    "cluster.scale_up_domain": "scale_up_domain",
    "cluster.scale_out_gbit_s_per_device": "scale_out_gbit_s_per_device",
    "cost.device_price_usd": "price_usd",
    "cost.price_includes_server": "price_includes_server",
    "cost.available_date": "available",
    "cost.server_cost_ratio": "server_cost_ratio",
    "energy.server_power_ratio": "server_power_ratio",
    "energy.power_utilisation": "power_utilisation",
    "carbon.embodied_kgco2e_per_device": "embodied_kgco2e",
}
_COMMITMENT_FIELDS = {
    "on-demand": "on_demand_usd_per_device_hour",
    "1y": "one_year_usd_per_device_hour",
    "3y": "three_year_usd_per_device_hour",
}
_DEFAULT_GRID = "USA"
#: Tokens of a batch where none is given.
_BATCH_TOKENS = 4e6
#: FlashAttention's first release; runs before it stored their attention scores.
_FLASH_ATTENTION = date(2022, 7, 1)
#: The first release of Megatron-Bridge, 26.06, whose Blackwell recipes fuse the work around the
#: products of experts into them (CuTe DSL) and replay whole steps as CUDA graphs, in 8 and 4 bits.
_FUSED_EXPERTS = date(2026, 7, 1)
#: 90 % interval of measured over predicted MFU, in families with published step times and without.
_PREDICTION_ERROR, _GENERAL_ERROR = (0.85, 1.18), (0.65, 1.54)
#: Constants of a family that nobody measured: medians of those that were.
_GENERAL = {
    "precision_factor": 1.0,
    "plain_attention_share": 0.3,
    "tuned_attention_share": 0.4,
    "family_software": 0.0,
    "fused_era": 1.0,
    "fused_expert_kernels": 0.0,
}
#: A count of parameters this far from the architecture's is a warning, and an error.
_PARAMS_WARNING, _PARAMS_ERROR = 0.01, 0.10


class Inputs:
    """What the engine starts from, and where each value comes from.

    Attributes
    ----------
    known : dict
        Quantities by engine name; numbers or arrays that broadcast.
    sources : dict of str to str
        Source of each scenario key: ``file``, ``set``, ``catalog: …``, ``default: …``.
    shown : dict of str to object
        Value of each scenario key, as a user reads it.
    distributions : dict of str to Distribution
        Uncertain inputs by scenario key.
    intervals : dict of str to (str, Distribution)
        Published intervals of what was defaulted or looked up, by scenario key, with the
        engine's name of the quantity; not used unless asked for.
    constants : dict of str to str
        Source of each constant of the performance model, by engine name.
    """

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.known: dict[str, Any] = {}
        self.sources: dict[str, str] = {}
        self.shown: dict[str, Any] = {}
        self.distributions: dict[str, Distribution] = {}
        self.intervals: dict[str, tuple[str, Distribution]] = {}
        self.constants: dict[str, str] = {}
        self.warnings: list[str] = []

    @property
    def searches(self) -> bool:
        """Whether the whole layout is to be found."""
        layout = ("tp", "pp", "vpp", "cp", "ep", "dp", "micro_batch", "sharding")
        words = self.scenario.values
        bare = "parallelism.global_batch_seqs" in words and not any(
            f"parallelism.{name}" in words for name in layout
        )
        return bare or "parallelism" in words or self.scenario.get("cluster.devices") == "auto"

    @property
    def given(self) -> frozenset[str]:
        """Quantities that the user gave, in the file or with ``--set``."""
        return frozenset(
            KEYS[key].quantity for key, source in self.sources.items()
            if source in ("file", "set", "axis") and KEYS[key].quantity
        )  # fmt: skip


def resolve(
    scenario: Scenario,
    catalog: Catalog | None = None,
    arrays: Mapping[str, Any] | None = None,
) -> Inputs:
    """Look up, default and check the inputs of a scenario.

    Parameters
    ----------
    scenario : Scenario
        The scenario as given.
    catalog : Catalog, optional
        The catalog; the built-in one with that of ``LLMCOST_CATALOG`` by default.
    arrays : mapping of str to ndarray, optional
        Values of scenario keys that replace the scenario's: numbers as floats, words and dates
        as objects, shaped so that they broadcast together.

    Raises
    ------
    InputError
        With every problem found.
    """
    return _Resolver(scenario, catalog or load_catalog(), arrays or {}).run()


class _Resolver:
    def __init__(self, scenario: Scenario, catalog: Catalog, arrays: Mapping[str, Any]) -> None:
        self.scenario = scenario
        self.catalog = catalog
        self.arrays = arrays
        self.inputs = Inputs(scenario)
        self.problems: list[str] = []
        self._entries: dict[tuple[str, str], Mapping[str, Any]] = {}
        self._model_sources: dict[str, str] = {}

    def run(self) -> Inputs:
        for key in KEYS.values():
            self._given(key)
        self._model()
        self._data_and_training()
        self._accelerator()
        self._peak()
        self._money()
        self._energy_and_carbon()
        self._reliability()
        self._layout()
        self._rest()
        if self.problems:
            raise InputError(self.problems)
        return self.inputs

    # -- access ---------------------------------------------------------------

    def word(self, key: str, default: Any = None) -> Any:
        """Text or date of a key: one, or an array of objects along its axis."""
        return self.arrays[key] if key in self.arrays else self.scenario.get(key, default)

    def has(self, key: str) -> bool:
        return key in self.arrays or key in self.scenario.values

    def look(self, function: Callable[..., Any], *words: Any) -> Any:
        """Apply a look-up to words, or over the axes that the words are arrays along."""
        if not any(isinstance(word, np.ndarray) for word in words):
            return function(*words)
        spread = np.broadcast_arrays(*[_objects(word) for word in words])
        found = {}
        flat = []
        for combination in zip(*(array.ravel() for array in spread), strict=True):
            if combination not in found:
                value = function(*combination)
                found[combination] = math.nan if value is None else float(value)
            flat.append(found[combination])
        result = np.array(flat, dtype=np.float64).reshape(spread[0].shape)
        return None if np.isnan(result).all() else result

    def enter(self, key: str, value: Any, source: str, shown: Any = None) -> None:
        """Take a value for a key that the user did not give."""
        spec = KEYS[key]
        if value is None:
            return
        if source.startswith("catalog: ") and self._out_of_bounds(spec, value, source):
            return
        self.inputs.sources[key] = source
        self.inputs.shown[key] = value if shown is None else shown
        if spec.quantity:
            self.inputs.known[spec.quantity] = value

    def _out_of_bounds(self, spec: Key, value: Any, source: str) -> bool:
        """Whether a figure of a user's catalog is none that the key can hold; says so."""
        if spec.kind != NUMBER or not isinstance(value, int | float):
            return False
        try:
            check_number(spec._replace(whole=False), float(value))
        except ValueProblem as problem:
            self.problems.append(f"catalog: {spec.name}: {problem} ({source})")
            return True
        return False

    def default(self, key: str, note: str = "") -> None:
        """Take the catalog's assumption for a key that nothing else gave."""
        if key in self.inputs.sources:
            return
        entry = self.entry("defaults", key)
        source = f"default: {note or entry['source']}"
        if self._out_of_bounds(KEYS[key], entry["value"], source):
            return
        self.enter(key, float(entry["value"]), source)
        self.interval(key, entry, "")

    def interval(self, key: str, entry: Mapping[str, Any], field: str, quantity: str = "") -> None:
        """Remember the interval of a figure of the catalog; `field` is empty where it has its own."""
        ends = [f"{field}_low", f"{field}_high"] if field else ["low", "high"]
        if not all(end in entry for end in ends):
            return
        spec = KEYS[key]
        dist = entry.get("dist", "normal" if spec.high <= 1 else "lognormal")
        low, high = (float(entry[end]) for end in ends)
        found = Distribution(low, high, dist, None, spec.low, spec.high)
        self.inputs.intervals[key] = (quantity or spec.quantity, found)

    def entry(self, kind: str, name: str) -> Mapping[str, Any]:
        return self.catalog.entry(kind, name)

    def problem(self, key: str, text: str) -> None:
        self.problems.append(f"{self.scenario.where(key)}: {text}")

    # -- steps ----------------------------------------------------------------

    def _given(self, key: Key) -> None:
        """Take the user's own value of a key."""
        if key.name in self.arrays:
            value = self.arrays[key.name]
            source = "axis"
        elif key.name in self.scenario.values:
            given = self.scenario.values[key.name]
            value, source = given.value, given.source
        else:
            return
        self.inputs.sources[key.name] = source
        self.inputs.shown[key.name] = value
        if isinstance(value, Distribution):
            self.inputs.distributions[key.name] = value
            value = self.inputs.shown[key.name] = float(quantile(value, 0.5))
        if key.quantity:
            numeric = isinstance(value, np.ndarray) and key.kind == NUMBER
            number = value if numeric else self.look(_encode(key), value)
            if number is not None:
                self.inputs.known[key.quantity] = number

    def _model(self) -> None:
        known = self.inputs.known
        preset, config = self.word("model.preset"), self.word("model.config")
        if preset is not None and config is not None:
            self.problem("model.config", "contradicts model.preset; give one of them")
            return
        own = [name for name in ARCHITECTURE if name in known]
        if preset is not None:
            source = f"catalog: models/{preset}" if isinstance(preset, str) else "axis"
            keep_counts = not own
            self._from_model(lambda name: self.entry("models", name), preset, source, keep_counts)
        elif config is not None:
            self._from_model(
                self._config,
                config,
                "file" if isinstance(config, str) else "axis",
                True,
            )
        if known.keys() >= {"layers", "hidden_size"}:
            self._complete_architecture()

    def _from_model(
        self, load: Callable[[str], Mapping[str, Any]], words: Any, source: str, counts: bool
    ) -> None:
        """Take the architecture and the counts of a named model."""
        known = self.inputs.known
        if self.problems:
            return
        names = (*ARCHITECTURE, "seq_len", *(("params",) if counts else ()))
        replaced = {name for name in ("params", "active_params", "sparsity") if name in known}
        other: Any = False
        if "params" in replaced and self.has("model.preset"):
            published = self.look(lambda word: float(load(word).get("params", math.nan)), words)
            other = ~(np.abs(np.asarray(known["params"]) / published - 1) <= _PARAMS_ERROR)
        if np.all(other):
            names, counts = ("seq_len",), False
        if np.any(other) and isinstance(words, str):
            self.inputs.warnings.append(
                f"model.params replaces the {float(np.max(published)):.4g} of {words}, whose architecture no longer applies and is left out"
            )
        for name in names:
            key = f"model.{name}"
            if self.has(key):
                continue
            value = self.look(lambda word, name=name: _number(load(word).get(name)), words)
            if value is not None and name != "seq_len" and np.any(other):
                value = np.where(other, math.nan, value)
            if value is not None and name in BY_DEPTH and self.has("model.layers"):
                value = (
                    value * known["layers"] / self.look(lambda word: load(word)["layers"], words)
                )
            one = isinstance(words, str)
            self.enter(key, value, self._model_sources.get(name, source) if one else source)
        if counts:
            if not replaced & {"active_params", "sparsity"}:
                # 0 says that a token uses all parameters, or that the architecture counts them.
                active = self.look(lambda word: _number(load(word).get("active_params", 0)), words)
                if np.any(other):
                    active = np.where(other, 0.0, active)
                if isinstance(active, np.ndarray):
                    known["preset_active_params"] = active
                elif active:
                    self.enter("model.active_params", active, source)
            if self.has("model.config"):
                published = self.look(lambda word: _published(load(word), self.catalog), words)
                if published is not None:
                    known["publisher_active_params"] = published

    def _config(self, word: str) -> Mapping[str, Any]:
        if ("config", word) not in self._entries:
            where = self.scenario.where("model.config")
            try:
                model = read_config(self.scenario.directory / word, where)
                self._entries["config", word] = model.architecture
                self._model_sources = model.sources
                self.inputs.warnings += model.warnings
            except InputError as error:
                self.problems += error.problems
                self._entries["config", word] = {}
        return self._entries["config", word]

    def _complete_architecture(self) -> None:
        """Fill what an architecture leaves to convention."""
        known, enter = self.inputs.known, self._enter_missing
        if "heads" not in known and "head_dim" in known:
            enter("model.heads", known["hidden_size"] / np.asarray(known["head_dim"]), "derived")
        if "heads" in known:
            enter(
                "model.kv_heads", known["heads"], "default: as many as heads (no grouped queries)"
            )
            if "head_dim" not in known:
                width = known["hidden_size"] / np.asarray(known["heads"])
                enter("model.head_dim", width, "default: hidden_size / heads")
        enter("model.gated_ffn", 0.0, "default: two matrices", shown=False)
        if "ffn_hidden_size" not in known:
            gated = np.asarray(known["gated_ffn"]) > 0
            width = np.where(gated, 8 / 3, 4.0) * known["hidden_size"]
            enter("model.ffn_hidden_size", width, "default: 4 hidden_size, 8/3 where gated")
        enter("model.tied_embeddings", 0.0, "default: not shared", shown=False)
        complete(known)
        if np.any(np.asarray(known["experts_per_token"]) > known["experts"]):
            self.problem("model.experts_per_token", "is more than model.experts")
        for name in (
            "dense_layers",
            "ffn_layers",
            "attention_layers",
            "recurrent_layers",
            "windowed_layers",
        ):
            if name in known and np.any(np.asarray(known[name]) > known["layers"]):
                self.problem(f"model.{name}", "is more than model.layers")

    def _enter_missing(self, key: str, value: Any, source: str, shown: Any = None) -> None:
        if KEYS[key].quantity not in self.inputs.known:
            value = float(value) if np.ndim(value) == 0 else value
            self.enter(key, value, source, shown)

    def _data_and_training(self) -> None:
        known = self.inputs.known
        self.default("data.epochs")
        self.default("training.flops_per_param_token")
        if "tokens_per_param" not in known and "tokens_per_epoch" not in known:
            ratio = self.entry("defaults", "data.tokens_per_param")
            known["default_tokens_per_param"] = float(ratio["value"])
            self.interval("data.tokens_per_param", ratio, "", "default_tokens_per_param")
        known.setdefault("tokens_basis_active", 0.0)
        known.setdefault("by_architecture", 0.0)
        known.setdefault("recompute_level", 0.0)
        if np.any(np.asarray(known["by_architecture"]) > 0):
            wanted = ("layers", "hidden_size", "heads", "vocab_size", "seq_len")
            missing = [f"model.{name}" for name in wanted if name not in known]
            if missing:
                self.problem(
                    "training.flops_method",
                    f'"architecture" needs {", ".join(missing)}, or a model.preset or model.config',
                )
        elif "flops" not in known:
            known.pop("flops_method", None)

    def _accelerator(self) -> None:
        words = self.word("cluster.accelerator")
        if words is None:
            return
        source = f"catalog: accelerators/{words}" if isinstance(words, str) else "axis"
        for key, name in _DEVICE_FIELDS.items():
            if self.has(key):
                continue
            if key == "cost.price_includes_server" and self.has("cost.device_price_usd"):
                continue  # that field describes the catalog's price, not the user's
            value = self.look(
                lambda word, name=name: _number(self.entry("accelerators", word).get(name)), words
            )
            shown = self.entry("accelerators", words).get(name) if isinstance(words, str) else None
            self.enter(key, value, source, shown)
            if isinstance(words, str):
                self.interval(key, self.entry("accelerators", words), name)

    def _peak(self) -> None:
        """Pick the dense peak and the measured matmul ceiling of the precision."""
        known = self.inputs.known
        precision = self.word("training.precision")
        if precision is None:
            precision = "bf16"
            if "cluster.accelerator" in self.inputs.sources or "peak_flops" in known:
                self.inputs.sources["training.precision"] = "default: bf16, mixed precision"
                self.inputs.shown["training.precision"] = precision
        accelerator = self.word("cluster.accelerator")

        def rate(suffix: str) -> Any:
            """The catalog's rates, and the scenario's own where it is of the precision."""

            def published(word: str | None, name: str) -> float | None:
                found = self.entry("accelerators", word).get(f"{name}{suffix}") if word else None
                return None if found is None else float(found) * 1e12

            value = self.look(published, accelerator, precision)
            for name in PRECISIONS:
                own = known.get(f"{name}{suffix}")
                if own is None:
                    continue
                mine = self.look(lambda word, name=name: float(word == name), precision)
                if isinstance(mine, np.ndarray):
                    value = np.where(mine > 0, own * 1e12, math.nan if value is None else value)
                elif mine:
                    value = own * 1e12
            return value

        own_rates = any(self.has(f"cluster.{name}_tflops") for name in PRECISIONS)
        if "peak_flops" not in known and (accelerator is not None or own_rates):
            peak = rate("_tflops")
            if peak is None:
                entry = (
                    self.entry("accelerators", accelerator) if isinstance(accelerator, str) else {}
                )
                has = [name for name in PRECISIONS if f"{name}_tflops" in entry]
                key = (
                    "training.precision"
                    if self.has("training.precision")
                    else "cluster.accelerator"
                )
                self.problem(
                    key,
                    f"{show(precision)}: no published peak for {accelerator}{'; it has ' + ', '.join(has) if has else ''}; or give cluster.peak_flops",
                )
            source = (
                f"catalog: accelerators/{accelerator} {precision}_tflops"
                if isinstance(accelerator, str) and isinstance(precision, str)
                else "axis"
            )
            if isinstance(precision, str) and self.has(f"cluster.{precision}_tflops"):
                source = "derived"
            self.enter("cluster.peak_flops", peak, source)
        ceiling = rate("_matmul_tflops")
        if ceiling is not None:
            known["matmul_ceiling_flops"] = ceiling
        self._enter_missing(
            "cluster.devices_per_node",
            self.entry("defaults", "cluster.devices_per_node")["value"],
            f"default: {self.entry('defaults', 'cluster.devices_per_node')['source']}",
        )

    def _money(self) -> None:
        for key in (
            "cost.server_cost_ratio",
            "cost.interconnect_cost_fraction",
            "cost.depreciation_ooms_per_year",
            "cost.experiments_ratio",
        ):
            self.default(key)
        known = self.inputs.known
        if "device_price_usd" in known:
            self._enter_missing(
                "cost.price_includes_server",
                1.0,
                "default: price of a device with its server",
                shown=True,
            )
        known.setdefault("cost_method", 0.0)
        if "cost.method" not in self.inputs.sources:
            self.inputs.sources["cost.method"] = "default: amortized hardware and energy"
            self.inputs.shown["cost.method"] = "amortized"
        self._cloud()

    def _cloud(self) -> None:
        if self.has("cost.cloud_usd_per_device_hour"):
            return
        accelerator = self.word("cluster.accelerator")
        if accelerator is None:
            return
        vendor = self.word("cost.cloud_vendor")
        commitment = self.word("cost.cloud_commitment", "on-demand")
        start = self.word("start_date")
        by_device: dict[str, list[Mapping[str, Any]]] = {}
        for entry in self.catalog.kind("clouds").values():
            by_device.setdefault(entry["accelerator"], []).append(entry)
        notes: list[str] = []

        def price(word: str, vendor: str | None, term: str, start: Any) -> float | None:
            day = start.toordinal() if isinstance(start, date) else start
            field = _COMMITMENT_FIELDS[term]
            nearest_of: dict[str, tuple[float, Mapping[str, Any]]] = {}
            for entry in by_device.get(word, []):
                if field not in entry or (vendor is not None and entry["vendor"] != vendor):
                    continue
                away = 0.0 if day is None else abs(entry["date"].toordinal() - day)
                away = -entry["date"].toordinal() if day is None else away
                if entry["vendor"] not in nearest_of or away < nearest_of[entry["vendor"]][0]:
                    nearest_of[entry["vendor"]] = (away, entry)
            if not nearest_of:
                return None
            prices = [float(entry[field]) for _, entry in nearest_of.values()]
            notes[:] = [
                f"{name} {entry['date']}" for name, (_, entry) in sorted(nearest_of.items())
            ]
            return _median(prices)

        value = self.look(price, accelerator, vendor, commitment, start)
        if value is None:
            if vendor is not None and isinstance(accelerator, str):
                self.inputs.warnings.append(
                    f"cost_cloud_usd is not known: the catalog has no {commitment} price of {accelerator} at {vendor}; give cost.cloud_usd_per_device_hour"
                )
            return
        if isinstance(value, np.ndarray):
            source = "axis"
        elif vendor is not None:
            source = f"catalog: clouds/{accelerator} {commitment}, {notes[0]}"
        else:
            source = f"default: median {commitment} price of {', '.join(notes)} (catalog: clouds/{accelerator})"
        self.enter("cost.cloud_usd_per_device_hour", value, source)

    def _energy_and_carbon(self) -> None:
        operator = self.word("energy.operator")
        if operator is not None and not self.has("energy.pue"):
            value = self.look(lambda word: self.entry("operators", word)["pue"], operator)
            self.enter(
                "energy.pue",
                value,
                f"catalog: operators/{operator}" if isinstance(operator, str) else "axis",
            )
        for key in (
            "energy.pue",
            "energy.server_power_ratio",
            "energy.power_utilisation",
            "carbon.hardware_lifetime_years",
            "carbon.fleet_utilisation",
            "carbon.water_l_per_kwh",
            "carbon.water_supply_l_per_kwh",
        ):
            self.default(key)
        start = self.word("start_date")
        prices = {int(year): entry for year, entry in self.catalog.kind("electricity").items()}
        if start is not None and not self.has("energy.electricity_usd_per_kwh"):

            def year_of(day: Any) -> int:
                year = day.year if isinstance(day, date) else date.fromordinal(int(day)).year
                return min(max(year, min(prices)), max(prices))

            value = self.look(lambda day: prices[year_of(day)]["usd_per_kwh"], start)
            source = "axis"
            if isinstance(start, date):
                year = year_of(start)
                note = "" if year == start.year else f", the nearest year to {start.year}"
                source = f"catalog: electricity/{year} (United States, industrial{note})"
            self.enter("energy.electricity_usd_per_kwh", value, source)
            if isinstance(start, date):
                self.interval(
                    "energy.electricity_usd_per_kwh", prices[year_of(start)], "usd_per_kwh"
                )
        grid = self.word("carbon.grid")
        if not self.has("carbon.grid_kgco2e_per_kwh"):
            if grid is None:
                value = self.entry("grids", _DEFAULT_GRID)["kgco2e_per_kwh"]
                source = f"default: grid {_DEFAULT_GRID} (catalog: grids/{_DEFAULT_GRID})"
            else:
                value = self.look(lambda word: self.entry("grids", word)["kgco2e_per_kwh"], grid)
                source = f"catalog: grids/{grid}" if isinstance(grid, str) else "axis"
            self.enter("carbon.grid_kgco2e_per_kwh", value, source)
            if grid is None or isinstance(grid, str):
                entry = self.entry("grids", grid or _DEFAULT_GRID)
                self.interval("carbon.grid_kgco2e_per_kwh", entry, "kgco2e_per_kwh")

    def _reliability(self) -> None:
        """Complete [reliability]; without it, goodput is given or 1."""
        given = any(key.startswith("reliability.") for key in (*self.scenario.values, *self.arrays))
        if given and self.has("training.goodput"):
            self.problem(
                "training.goodput",
                "contradicts [reliability], from which goodput is derived; give one of them",
            )
        elif given:
            for key in (
                "reliability.device_mtbf_hours",
                "reliability.checkpoint_seconds",
                "reliability.restart_seconds",
            ):
                self.default(key)
        else:
            self.default("training.goodput")

    def _layout(self) -> None:
        """Complete the parallel layout, and take the constants that predict its step time."""
        known = self.inputs.known
        given = [key for key in KEYS if key.startswith("parallelism.") and self.has(key)]
        if not given and not self.inputs.searches:
            return
        self._default_batch()
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
            self.inputs.warnings.append(
                f"the layout predicts nothing: {', '.join(lacking)} is missing"
            )
            return
        import llmcost.engine.memory
        import llmcost.engine.performance  # noqa: F401

        self._performance_constants()
        if not self.inputs.searches:
            self._default_layout()
            widen_across_domains(self.inputs)

    def _default_batch(self) -> None:
        """A batch of about 4 million tokens that the devices divide."""
        known = self.inputs.known
        if "global_batch_seqs" in known or "seq_len" not in known or not self.inputs.searches:
            return
        devices = int(np.max(known.get("devices", 1)))
        wanted = np.maximum(_BATCH_TOKENS / np.asarray(known["seq_len"]), devices / 8)
        odd = devices // (devices & -devices)
        size = float(np.max(odd * 2.0 ** np.round(np.log2(np.maximum(wanted / odd, 1.0)))))
        self.enter(
            "parallelism.global_batch_seqs",
            size,
            "default: about 4 million tokens (Llama 2: 4M), or a sequence for 8 devices (Llama 3.1: 16M), a number that the devices divide",
        )

    def _default_layout(self) -> None:
        """Fill what a layout leaves to convention; micro-batch and interleaving are searched."""
        for name in ("tp", "pp", "cp", "ep"):
            self._enter_missing(f"parallelism.{name}", 1.0, "default: 1")
        swept = any(isinstance(value, np.ndarray) for value in self.arrays.values())
        for name in ("vpp", "micro_batch"):
            if swept or (name == "vpp" and float(np.max(self.inputs.known["pp"])) == 1):
                self._enter_missing(f"parallelism.{name}", 1.0, "default: 1")
        self._enter_missing("parallelism.sharding", 0.0, "default: none", shown="none")
        parallel = (np.asarray(self.inputs.known["tp"]) > 1).astype(float)
        shown = bool(np.all(parallel)) if parallel.ndim == 0 else None
        self._enter_missing(
            "parallelism.sequence_parallel",
            parallel,
            "default: with tensor parallelism",
            shown=shown,
        )

    def _performance_constants(self) -> None:
        """The constants of the accelerator's family, by precision, on top of the general ones."""
        known = self.inputs.known
        families = self.catalog.kind("performance")
        accelerator, precision = (
            self.word("cluster.accelerator"),
            self.word("training.precision", "bf16"),
        )
        names = {
            name
            for entry in families.values()
            for name, value in entry.items()
            if isinstance(value, int | float)
        }

        def home(word: str | None, form: str, name: str) -> tuple[str, str]:
            """Entry, the family's before the general one, and field of a constant; no entry if none."""
            family = self.entry("accelerators", word).get("family", "") if word else ""
            field = f"{form}_{name}" if name == "precision_factor" else name
            found = (entry for entry in (family, "general") if field in families.get(entry, {}))
            return next(found, ""), field

        def constant(word: str | None, form: str, name: str) -> float | None:
            if name == "scale_out_gbit_s_per_device" and word:
                own = self.entry("accelerators", word).get(name)
                if own is not None:
                    return float(own)
            entry, field = home(word, form, name)
            if entry:
                return float(families[entry][field])
            return (
                None
                if name == "scale_out_gbit_s_per_device"
                else float(_GENERAL.get(name, math.nan))
            )

        def origin(name: str) -> str:
            if not isinstance(accelerator, str | None) or not isinstance(precision, str):
                return "catalog: performance, by accelerator and precision"
            entry, _ = home(accelerator, precision, name)
            if entry:
                return f"catalog: performance/{entry}"
            return "default: 16 bits, or a family without published step times"

        for name in sorted(names | set(_GENERAL)):
            if name.startswith(("fp8_", "fp4_")):
                continue
            self.inputs.constants[name] = origin(name)
            value = self.look(
                lambda word, form, name=name: constant(word, form, name), accelerator, precision
            )
            if value is not None and not (name in known and name == "scale_out_gbit_s_per_device"):
                known[name] = value
        known["prediction_factor"] = 1.0
        if isinstance(accelerator, str):
            family = self.entry("accelerators", accelerator).get("family", "")
            low, high = _PREDICTION_ERROR if family in families else _GENERAL_ERROR
            error = Distribution(low, high, "lognormal", None, 0.0)
            self.inputs.intervals["training.mfu"] = ("prediction_factor", error)
            if family not in families:
                self.inputs.warnings.append(
                    f"no published step times of {accelerator}'s family are known: the prediction uses general constants and may be off by 20 %"
                )
        known["bf16_peak_flops"] = known["peak_flops"]
        if accelerator is not None:
            peak = self.look(
                lambda word: _half_precision_peak(self.entry("accelerators", word)), accelerator
            )
            known["bf16_peak_flops"] = known["peak_flops"] if peak is None else peak
        known.setdefault("scale_out_gbit_s_per_device", math.nan)
        known.setdefault("scale_up_gb_s_each_way", math.nan)
        known.setdefault("matmul_ceiling_flops", math.nan)
        device = (
            f"catalog: accelerators/{accelerator}"
            if isinstance(accelerator, str)
            else "catalog: accelerators"
        )
        measured = not np.isnan(known["matmul_ceiling_flops"]).all()
        given = f"cluster.{precision}_matmul_tflops"
        self.inputs.constants |= {
            "bf16_peak_flops": device if accelerator is not None else "cluster.peak_flops",
            "matmul_ceiling_flops": (given if given in self.inputs.sources else device)
            if measured
            else "nobody measured it",
            "prediction_factor": "1, but for uncertainty",
        }
        known.setdefault("scale_up_domain", known["devices_per_node"])
        known.setdefault("synchronous_launch", 0.0)
        start = self.scenario.start
        if np.any(np.asarray(known.get("experts", 0.0)) > 0):
            self._enter_missing(
                "training.expert_overlap", 0.0, "default: as in the published step times"
            )
            recent = start is not None and start >= _FUSED_EXPERTS
            narrow = self.look(lambda form: float(form in ("fp8", "fp4")), precision)
            fused = float(recent) * known["fused_expert_kernels"] * narrow
            self._enter_missing(
                "training.fused_experts",
                fused,
                "default: from July 2026 on, with 8 or 4 bits on Blackwell",
                shown=None if np.ndim(fused) else bool(fused),
            )
        known.setdefault("expert_overlap", 0.0)
        known.setdefault("fused_experts", 0.0)
        if "fused_attention" not in known and start is not None and start < _FLASH_ATTENTION:
            known["fused_era"] = 0.0

    def _rest(self) -> None:
        known = self.inputs.known
        if "mfu" not in known:
            usual = self.entry("defaults", "training.mfu")
            known["default_mfu"] = float(usual["value"])
            if "prediction_factor" not in known:
                self.interval("training.mfu", usual, "", "default_mfu")
        days, deadline = known.get("days"), known.get("deadline_days")
        if deadline is not None:
            known["time_limit_days"] = deadline
        if days is not None and "devices" not in known:
            known["time_limit_days"] = (
                known.pop("days") if deadline is None else np.minimum(known.pop("days"), deadline)
            )
        elif "devices" in known:
            known.pop("time_limit_days", None)
        staff = [
            key
            for key in ("staff.fte", "staff.months", "staff.usd_per_fte_year")
            if not self.has(key)
        ]
        if 0 < len(staff) < 3:
            self.inputs.warnings.append(f"cost_staff_usd needs {' and '.join(staff)} as well")


def _median(numbers: list[float]) -> float:
    """The middle; `numpy.median` would import the masked arrays, 10 ms of a start-up."""
    ordered, half = sorted(numbers), len(numbers) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def _objects(word: Any) -> Any:
    if isinstance(word, np.ndarray):
        return word
    array = np.empty((), dtype=object)
    array[()] = word
    return array


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
    values = dict(known)
    execute(plan(frozenset(known), frozenset({"expert_tp"})), values)
    crosses = (experts > 0) & (ep * values.get("expert_tp", tp) > domain)
    wide = ("prediction_factor", Distribution(*_GENERAL_ERROR, "lognormal", None, 0.0))
    if np.any(crosses) and inputs.intervals.get("training.mfu") not in (None, wide):
        inputs.intervals["training.mfu"] = wide
        inputs.warnings.append(
            "no published step time has experts exchanged between scale-up domains: the prediction rests on the network's figures and may be off by 40 %"
        )


def _half_precision_peak(entry: Mapping[str, Any]) -> float | None:
    """The 16-bit peak of an accelerator [FLOP/s]."""
    found = entry.get("bf16_tflops")
    return None if found is None else float(found) * 1e12


def _number(value: Any) -> float | None:
    """A figure of the catalog as a number: dates as day numbers, flags as 0 or 1."""
    if isinstance(value, date):
        return float(value.toordinal())
    return None if value is None else float(value)


_CODES: dict[str, tuple[str, ...]] = {
    "data.tokens_basis": ("total", "active"),
    "training.flops_method": ("params", "architecture"),
    "training.activation_recompute": RECOMPUTE,
    "training.software": SOFTWARE,
    "parallelism.sharding": SHARDINGS,
    "cost.method": ("amortized", "cloud", "purchase"),
}


def _encode(key: Key) -> Callable[[Any], float | None]:
    """How a key's value becomes a number for the engine."""

    def encode(value: Any) -> float | None:
        if key.kind == NUMBER:
            return None if isinstance(value, str) else float(value)
        if key.name in _CODES:
            return float(_CODES[key.name].index(value))
        return _number(value)

    return encode


def _published(architecture: Mapping[str, Any], catalog: Catalog) -> float | None:
    """Active parameters that the publisher of a mixture of experts names."""
    if not architecture.get("experts"):
        return None
    return _number((published_as(architecture, catalog) or {}).get("active_params"))


def check_params(inputs: Inputs, values: Mapping[str, Any]) -> None:
    """Compare given parameters with the count of the architecture beside them.

    Raises
    ------
    InputError
        If they are more than 10 % apart; more than 1 % is a warning.
    """
    beside = [
        name
        for name in ARCHITECTURE
        if inputs.sources.get(f"model.{name}") in ("file", "set", "axis")
    ]
    if not beside:
        return
    if (
        inputs.sources.get("model.params") not in ("file", "set", "axis")
        or "architecture_params" not in values
    ):
        return
    gap = np.abs(np.asarray(values["params"]) / values["architecture_params"] - 1)
    worst = float(np.nanmax(gap))
    text = (
        f"{inputs.scenario.where('model.params')}: {float(np.ravel(values['params'])[0]):.4g} is {worst:.1%} off the "
        f"{float(np.ravel(values['architecture_params'])[0]):.4g} that the architecture counts"
    )
    if worst > _PARAMS_ERROR:
        raise InputError(f"{text}; correct one of them")
    if worst > _PARAMS_WARNING:
        inputs.warnings.append(f"{text}; the given count is used")


__all__ = ["ARCHITECTURE", "Inputs", "check_params", "place", "resolve"]
