"""Calibrate the few constants of software and hardware families on published step times, and check them.

``python -m benchmarks.calibrate`` prints the constants with their priors, the error left by
source, with each source left out in turn (its constants then fall back to their priors, or to
what other sources of the same software say), what the 90 % interval covers, and two baselines: a
constant MFU per accelerator and precision, and a sum of five terms with five fitted constants.
``--write`` puts the constants into the catalog. It needs scipy, which nothing else does.

Kernels are not fitted here: their constants come from measured kernels (benchmarks/kernels).
What is fitted are numbers of a profile of software or of a family of accelerators, each with a
prior, what reasoning says before any step time is looked at, and physical bounds.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import least_squares

from llmcost.analysis.cluster import find, wants_search
from llmcost.analysis.validate import layout_scenario, rows
from llmcost.catalog import load_catalog
from llmcost.engine.chain import execute, plan
from llmcost.errors import LlmcostError
from llmcost.scenario import parse_scenario, resolve
from llmcost.scenario.resolve.software import family_of

CATALOG = load_catalog()
DATA = Path(__file__).parent.parent / "llmcost" / "catalog" / "data"


class Constant(NamedTuple):
    """A constant to fit: where it stands, its prior and the bounds that physics sets."""

    entry: str
    field: str
    prior: float
    deviation: float
    low: float
    high: float

    @property
    def family(self) -> str:
        """Family of accelerators that it holds for, empty for all."""
        head = self.field.partition("_")[0]
        if self.entry in _HARDWARE:
            return "" if self.entry == "general" else self.entry
        return head if head in _FAMILIES else ""

    @property
    def quantity(self) -> str:
        """The engine's name of it."""
        own = self.entry not in _HARDWARE and self.family
        return self.field.partition("_")[2] if own else self.field


_FAMILIES = ("ampere", "hopper", "blackwell", "tpu", "volta")
_HARDWARE = ("general", *_FAMILIES, "tpu-v6e")


def _constants() -> list[Constant]:
    """The constants and their priors.

    Qualities: 0.95 of the best kernels for plain cuBLAS and PyTorch, 1 for tuned stacks. FlashAttention 2 reaches half
    of what kernels for Hopper do (Shah et al. 2024, figure 5). Passes: 3 for norms in 32 bits and separate kernels, 1.3
    to 1.6 where they are fused, near 1 where their bytes are counted. Overlaps: none where there is no switch.
    """
    found = [
        Constant("general", "straggler_share", 0.008, 0.004, 0.0, 0.03),
        Constant("general", "comm_steal", 0.12, 0.05, 0.0, 0.3),
        Constant("general", "operand_activity", 0.85, 0.1, 0.6, 1.0),
        Constant("general", "launch_wait_s", 3e-5, 1.5e-5, 6e-6, 1e-4),
        Constant("general", "state_quality", 0.1, 0.1, 0.005, 1.0),
        Constant("tpu", "product_efficiency", 0.93, 0.03, 0.8, 0.99),
        Constant("tpu-v6e", "product_efficiency", 0.8, 0.1, 0.5, 0.99),
    ]
    for entry, field, prior, deviation, low, high in (
        ("fsdp1-2023", "product_quality", 0.97, 0.03, 0.8, 1.0),
        ("fsdp1-2023", "hopper_product_quality", 0.92, 0.05, 0.7, 1.0),
        ("fsdp1-2023", "attention_quality", 0.8, 0.15, 0.3, 1.0),
        ("fsdp1-2023", "hopper_attention_quality", 0.4, 0.1, 0.2, 1.0),
        ("fsdp1-2023", "elementwise_passes", 2.8, 0.5, 1.0, 5.0),
        ("fsdp1-2023", "loss_bytes", 40.0, 10.0, 8.0, 80.0),
        ("fsdp1-2023", "data_overlap", 0.85, 0.1, 0.0, 1.0),
        ("fsdp1-2023", "kernels_per_layer", 45.0, 15.0, 15.0, 120.0),
        ("megatron-2021", "product_quality", 0.92, 0.05, 0.7, 1.0),
        ("megatron-2021", "elementwise_passes", 1.15, 0.15, 0.8, 2.0),
        ("megatron-2021", "score_bytes", 13.0, 2.0, 8.0, 20.0),
        ("megatron-2021", "loss_bytes", 30.0, 8.0, 8.0, 80.0),
        ("megatron-2021", "kernels_per_layer", 40.0, 12.0, 15.0, 120.0),
        ("megatron-2021", "optimizer_passes", 2.0, 0.5, 1.0, 4.0),
        ("megatron-core", "product_quality", 0.95, 0.03, 0.8, 1.0),
        ("megatron-core", "attention_quality", 0.85, 0.1, 0.4, 1.0),
        ("megatron-core", "elementwise_passes", 1.6, 0.3, 1.0, 4.0),
        ("megatron-core", "tensor_overlap", 0.5, 0.15, 0.0, 0.95),
        ("megatron-core", "data_overlap", 0.85, 0.1, 0.0, 1.0),
        ("megatron-core", "expert_quality", 0.8, 0.1, 0.4, 1.0),
        ("megatron-bridge", "exchange_overlap", 0.4, 0.15, 0.0, 0.95),
        ("megatron-bridge", "fused_exchange_overlap", 0.8, 0.1, 0.0, 0.98),
        ("megatron-bridge", "product_quality", 0.97, 0.02, 0.85, 1.0),
        ("megatron-bridge", "attention_quality", 0.9, 0.1, 0.4, 1.15),
        ("megatron-bridge", "elementwise_passes", 1.6, 0.3, 1.0, 4.0),
        ("megatron-bridge", "kernels_per_expert", 20.0, 8.0, 2.0, 60.0),
        ("megatron-bridge", "kernel_launch_s", 5e-6, 1.5e-6, 2e-6, 1.2e-5),
        ("maxtext", "product_quality", 0.97, 0.03, 0.7, 1.0),
        ("maxtext", "attention_quality", 0.8, 0.15, 0.2, 1.0),
        ("maxtext", "elementwise_passes", 1.5, 0.4, 1.0, 4.0),
        ("maxtext", "data_overlap", 0.9, 0.1, 0.0, 1.0),
        ("pytorch-eager", "elementwise_passes", 2.8, 0.5, 1.0, 5.0),
        ("pytorch-compile", "elementwise_passes", 1.4, 0.3, 1.0, 4.0),
    ):
        found.append(Constant(entry, field, prior, deviation, low, high))
    return found


CONSTANTS = _constants()
PRIOR, DEVIATION, LOW, HIGH = (
    np.array([constant[i] for constant in CONSTANTS]) for i in (2, 3, 4, 5)
)
#: Error of a single published step time that nothing explains: how it was read, the run's day.
_NOISE = 0.06
#: Rows of a source that count in full; more of them count as the root of their number.
_ROWS_IN_FULL = 16


def _counted(known: dict[str, float], names: set[str]) -> dict[str, float]:
    """What a layout's own quantities say of those that only others were given."""
    found = {}
    for name in names:
        values: dict[str, Any] = dict(known)
        with np.errstate(all="ignore"):
            execute(plan(frozenset(known), frozenset({name})), values)
        if name in values and np.ndim(values[name]) == 0:
            found[name] = float(values[name])
    return found


class Rows:
    """Published layouts as arrays, those that leave a part open with the best choice of it."""

    def __init__(self) -> None:
        self.cases = []
        known = []
        for row in rows("throughput.csv"):
            if row["excluded"]:
                continue
            try:
                inputs = resolve(parse_scenario(layout_scenario(row)), CATALOG)
                if wants_search(inputs):
                    inputs, _ = find(inputs)
            except LlmcostError as error:
                print(f"left out: {row['id']}: {error.problems[0][:150]}")
                continue
            self.cases.append(row)
            known.append({k: float(v) for k, v in inputs.known.items() if np.ndim(v) == 0})
        names = set.union(*(set(item) for item in known))
        for item in known:
            item.update(_counted(item, names - set(item)))
        self.known = {n: np.array([item.get(n, np.nan) for item in known]) for n in sorted(names)}
        self.target = np.array([float(row["published_step_s"]) for row in self.cases])
        self.family = np.array([family_of(CATALOG, row["accelerator"]) for row in self.cases])
        self.device = np.array([row["accelerator"] for row in self.cases])
        self.software = np.array([row["software"] for row in self.cases])
        self.precision = np.array([row["precision"] for row in self.cases])
        self.source = np.array([source_of(row) for row in self.cases])
        self.fused = self.known["fused_experts"]
        self.mixture = np.nan_to_num(self.known["experts"]) > 0
        self.main = np.array([row["group"] == "throughput" for row in self.cases])
        counts = {name: (self.source == name).sum() for name in set(self.source)}
        self.weight = np.array([min(1.0, (_ROWS_IN_FULL / counts[s]) ** 0.5) for s in self.source])
        self.steps = plan(frozenset(self.known), frozenset({"predicted_step_s"}))

    def values(self, theta: Any) -> dict[str, Any]:
        """Quantities of every row with the given constants."""
        values: dict[str, Any] = dict(self.known)
        order = sorted(range(len(CONSTANTS)), key=lambda i: len(CONSTANTS[i].family))
        for i in order:
            constant = CONSTANTS[i]
            where = np.ones(len(self.cases), dtype=bool)
            if constant.entry not in _HARDWARE:
                where &= self._runs(constant)
            if constant.family in _FAMILIES:
                where &= self.family == constant.family
            elif constant.family:
                where &= self.device == constant.family
            name = constant.quantity
            if name.endswith("exchange_overlap"):
                where &= (self.fused > 0) == name.startswith("fused")
                name = "expert_overlap"
            values[name] = np.where(where, theta[i], values[name])
            if constant.quantity == "product_efficiency":
                values["half_product_efficiency"] = np.where(
                    where, theta[i], values["half_product_efficiency"]
                )
        with np.errstate(all="ignore"):
            execute(self.steps, values)
        return values

    def _runs(self, constant: Constant) -> Any:
        """Rows whose profile takes a constant from this entry, its own or by its base."""
        profiles = CATALOG.kind("software")

        def home(name: str) -> str:
            entry = profiles[name]
            return name if constant.field in entry or "base" not in entry else home(entry["base"])

        return np.isin(self.software, [name for name in profiles if home(name) == constant.entry])

    def error(self, theta: Any) -> Any:
        """Logarithm of predicted over published step time."""
        return np.log(self.values(theta)["predicted_step_s"] / self.target)

    def fit(self, mask: Any, start: Any = PRIOR) -> Any:
        """Constants that fit the masked rows best, their priors counted as measurements."""

        def residual(theta: Any) -> Any:
            data = (self.weight * self.error(theta))[mask] / _NOISE
            return np.concatenate([data, (theta - PRIOR) / DEVIATION])

        start = np.clip(start, LOW + 1e-9 * (HIGH - LOW), HIGH - 1e-9 * (HIGH - LOW))
        return least_squares(
            residual, start, bounds=(LOW, HIGH), loss="soft_l1", x_scale=DEVIATION, max_nfev=60
        ).x


def source_of(row: Any) -> str:
    """The source of a row; the summaries of one vendor by the machine that they measured."""
    name = str(row["source"])
    return f"{name} {row['accelerator']}" if "Megatron-Bridge" in name else name


def _error(log_error: Any) -> Any:
    """Relative error of the step time."""
    return np.abs(np.expm1(log_error))


def _by_source(data: Rows, log_error: Any, mask: Any) -> dict[str, float]:
    return {
        name: float(_error(log_error)[mask & (data.source == name)].mean())
        for name in dict.fromkeys(data.source[mask])
    }


def baselines(data: Rows) -> None:
    """Print the two simple models' errors, fitted to all rows."""
    k = data.known
    values = dict(k)
    wanted = {
        "step_flops", "attention_flops_per_token", "device_dense_params", "device_expert_params",
        "own_params", "micro_batches", "micro_tokens", "stage_layers", "dp",
    }  # fmt: skip
    with np.errstate(all="ignore"):
        execute(plan(frozenset(k), frozenset(wanted)), values)
    ideal = values["step_flops"] / (k["devices"] * k["peak_flops"])
    accelerators = np.array([f"{row['accelerator']} {row['precision']}" for row in data.cases])
    constant = np.zeros(len(ideal))
    for name in set(accelerators):
        mine = accelerators == name
        constant[mine] = np.median(np.log(ideal[mine] / data.target[mine]))
    everything = np.ones(len(data.cases), dtype=bool)
    errors = _by_source(data, np.log(ideal / data.target) - constant, everything)
    mean = np.mean(list(errors.values()))
    print(f"baseline, a constant MFU per accelerator: mean of sources {mean:.1%}")
    terms = _five_terms(values)

    def log_error(logarithms: Any) -> Any:
        return np.log(np.exp(logarithms) @ terms / data.target)

    found = least_squares(log_error, np.zeros(5), loss="soft_l1", f_scale=0.05).x
    errors = _by_source(data, log_error(found), everything)
    mean = np.mean(list(errors.values()))
    print(f"baseline, a sum of five terms with five constants: mean of sources {mean:.1%}")


def _five_terms(v: dict[str, Any]) -> Any:
    """Matmul, attention, activation traffic, weights and optimizer, network, each in seconds.

    Attention goes with the memory bandwidth, which beats the peak as its measure.
    """
    devices, batches = v["devices"], v["micro_batches"]
    memory = v["memory_tb_s"] * 1e12
    tokens = v["global_batch_seqs"] * v["seq_len"] / devices
    again = np.where(v["recompute_level"] > 1, 4 / 3, 1.0)
    bubble = 1 + (v["pp"] - 1) / (v["vpp"] * batches)
    ceiling = v["matmul_ceiling_flops"]
    ceiling = np.where(np.isnan(ceiling), 0.8 * v["peak_flops"], ceiling)
    scores = v["attention_flops_per_token"] * tokens
    params = v["device_dense_params"] + v["device_expert_params"]
    updated = np.where(v["sharding"] > 0, v["own_params"], params)
    group, fast = v["dp"] * v["cp"], v["scale_up_gb_s_each_way"] * 1e9
    here = np.maximum(np.maximum(v["devices_per_node"], v["scale_up_domain"]) / v["tp"], 1.0)
    slow = np.nan_to_num(v["scale_out_gbit_s_per_device"], nan=25.0) / 8 * 1e9 * here
    network = np.where(group * v["tp"] <= v["scale_up_domain"], fast, np.minimum(fast, slow))
    gathers = np.where(v["sharding"] > 2, 3 * batches, 2.0) * 2 * params * (group > 1) / network
    reduced = 16 * batches * v["stage_layers"] * v["micro_tokens"] * v["hidden_size"] * again / fast
    return np.stack([
        (v["step_flops"] / devices - scores) * again / ceiling * bubble,
        scores * np.where(v["recompute_level"] > 0, 4 / 3, 1.0) / (100 * memory) * bubble,
        tokens * v["layers"] * v["hidden_size"] * 340 * again / memory * bubble,
        (28 * updated + 6 * batches * params) / memory,
        gathers + reduced * (v["tp"] - 1) / v["tp"],
    ])  # fmt: skip


def main() -> None:
    """Fit, leave sources out, print; with --write also put the constants into the catalog."""
    data = Rows()
    everything = np.ones(len(data.cases), dtype=bool)
    theta = data.fit(everything)
    errors = data.error(theta)
    by_source = _by_source(data, errors, everything)
    print(f"{len(data.cases)} rows of {len(by_source)} sources, {len(CONSTANTS)} constants")
    for constant, value in zip(CONSTANTS, theta, strict=True):
        edge = min(value - constant.low, constant.high - value) < 1e-3 * (
            constant.high - constant.low
        )
        away = (value - constant.prior) / constant.deviation
        print(
            f"  {constant.entry:16} {constant.field:26} {value:<10.4g} prior {constant.prior:g} ({away:+.1f} sd){' BOUND' if edge else ''}"
        )
    for name, error in by_source.items():
        mine = data.source == name
        print(
            f"  {name[:60]:60} {mine.sum():4} rows {error:6.1%} bias {np.expm1(np.median(errors[mine])):+.1%}"
        )
    print(
        f"mean of sources {np.mean(list(by_source.values())):.1%}; main rows {_error(errors[data.main]).mean():.1%}"
    )
    baselines(data)
    if "--rows" in sys.argv:
        v = data.values(theta)
        parts = (
            "compute_s",
            "model_collectives_s",
            "pipeline_bubble_s",
            "pipeline_transfer_s",
            "data_parallel_s",
            "optimizer_s",
            "straggler_s",
            "sustained_share",
            "product_share",
        )
        for i, row in enumerate(data.cases):
            shown = " ".join(f"{p[:5]} {np.broadcast_to(v[p], errors.shape)[i]:.3g}" for p in parts)
            print(f"  {row['id'][:52]:52} {errors[i]:+.2f} T {data.target[i]:.3g} {shown}")
    if "--write" in sys.argv:
        _write(theta)
    if "--fast" in sys.argv:
        return
    left_out = errors.copy()
    for name in by_source:
        mine = data.source == name
        left_out[mine] = data.error(data.fit(~mine, theta))[mine]
    outside = _by_source(data, left_out, everything)
    for name, error in outside.items():
        print(f"  left out: {name[:58]:58} {error:6.1%}")
    mixtures = _by_source(data, left_out, data.mixture)
    print(
        f"each source left out: mean of sources {np.mean(list(outside.values())):.1%}, worst {max(outside.values()):.1%}; mixtures of experts {np.mean(list(mixtures.values())):.1%}"
    )
    print(f"90 % of left-out rows are within {np.expm1(np.quantile(np.abs(left_out), 0.9)):.0%}")
    intervals(data, left_out)


def intervals(data: Rows, left_out: Any) -> None:
    """Print measured over predicted MFU at 5 and 95 % by kind of run, each source counted once."""
    torch = np.char.startswith(data.software.astype(str), "pytorch")
    tpu = data.family == "tpu"
    kinds = {
        "mixtures of experts": data.mixture,
        "accelerators without measured kernels": tpu & ~data.mixture,
        "PyTorch, dense": torch & ~tpu & ~data.mixture,
        "the vendor's and Megatron's, dense": ~torch & ~tpu & ~data.mixture,
    }
    for name, mine in kinds.items():
        values, sources = left_out[mine], data.source[mine]
        weight = np.array([1 / (sources == source).sum() for source in sources])
        order = np.argsort(values)
        place = (np.cumsum(weight[order]) - weight[order] / 2) / weight.sum()
        low, middle, high = np.exp(np.interp((0.05, 0.5, 0.95), place, values[order]))
        print(f"{name}: {len(set(sources))} sources, {low:.2f} {middle:.2f} {high:.2f}")


def _write(theta: Any) -> None:
    """Replace the constants in the catalog's files, their comments kept."""
    for constant, value in zip(CONSTANTS, theta, strict=True):
        file = DATA / ("performance.toml" if constant.entry in _HARDWARE else "software.toml")
        text = file.read_text()
        pattern = re.compile(rf"(\[{constant.entry}\]\n(?:(?!\[).*\n)*?{constant.field} = )\S+")
        text, count = pattern.subn(rf"\g<1>{value:.4g}", text)
        assert count == 1, constant
        file.write_text(text)


if __name__ == "__main__":
    main()
