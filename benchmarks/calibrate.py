"""Calibrate the few constants of software and hardware families on published step times, and check them.

``python -m benchmarks.calibrate`` prints the constants with their priors, the error left by
source, with each source left out in turn (its constants then fall back to their priors, or to
what other sources of the same software say), what the 90 % interval covers, and two baselines: a
constant MFU per accelerator and precision, and a sum of five terms with five fitted constants.
``--write`` puts the constants into the catalog, and the ranges (intervals.py) but with ``--fast``. It needs scipy, which nothing else does.

Kernels are not fitted here: their constants come from measured kernels (benchmarks/kernels).
What is fitted are numbers of a profile of software or of a family of accelerators, each with a
prior, what reasoning says before any step time is looked at, and physical bounds.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import least_squares

from benchmarks import baselines, intervals
from benchmarks.baselines import by_source, off
from llmcost.analysis.cluster import find, wants_search
from llmcost.analysis.validate import layout_scenario, rows
from llmcost.catalog import Catalog, load_catalog
from llmcost.engine.chain import execute, plan
from llmcost.errors import LlmcostError
from llmcost.scenario import parse_scenario, resolve
from llmcost.scenario.resolve.software import family_of

CATALOG = load_catalog()
DATA = Path(__file__).parent.parent / "llmcost" / "catalog" / "data"
FITTED = ("throughput.csv",)
#: Steps that no constant was fitted to.
UNSEEN = tuple(sorted(path.name for path in DATA.glob("throughput_unseen*.csv")))


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
        ("megatron-core-ungrouped", "expert_quality", 0.8, 0.1, 0.4, 1.0),
        ("megatron-bridge", "expert_quality", 0.9, 0.1, 0.4, 1.0),
        ("megatron-bridge", "exchange_overlap", 0.4, 0.15, 0.0, 0.95),
        ("megatron-bridge", "fused_exchange_overlap", 0.8, 0.1, 0.0, 0.98),
        ("megatron-bridge", "product_quality", 0.97, 0.02, 0.85, 1.0),
        ("megatron-bridge", "attention_quality", 0.9, 0.1, 0.4, 1.15),
        ("megatron-bridge", "elementwise_passes", 1.6, 0.3, 1.0, 4.0),
        ("megatron-core", "kernels_per_expert", 20.0, 8.0, 2.0, 60.0),
        ("megatron-core", "kernel_launch_s", 5e-6, 1.5e-6, 2e-6, 1.2e-5),
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

    def __init__(
        self, named: bool = True, catalog: Catalog = CATALOG, files: Sequence[str] = FITTED
    ) -> None:
        """Published layouts with the software that they ran, or with what is taken where nothing says it."""
        self.catalog = catalog
        self.cases = []
        software = []
        known = []
        for row in chain.from_iterable(rows(name) for name in files):
            if row.get("excluded"):
                continue
            try:
                table = layout_scenario(row)
                if not named:
                    table["training"].pop("software", None)
                inputs = resolve(parse_scenario(table), catalog)
                if wants_search(inputs):
                    inputs, _ = find(inputs)
            except LlmcostError as error:
                print(f"left out: {row['id']}: {error.problems[0][:150]}")
                continue
            self.cases.append(row)
            software.append(inputs.shown["training.software"])
            known.append({k: float(v) for k, v in inputs.known.items() if np.ndim(v) == 0})
        names = set.union(*(set(item) for item in known))
        for item in known:
            item.update(_counted(item, names - set(item)))
        self.known = {n: np.array([item.get(n, np.nan) for item in known]) for n in sorted(names)}
        self.assumed_speed = self.known["software_speed"].copy()
        self.known["software_speed"][:] = 1.0  # errors are of the profile
        self.target = np.array([float(row["published_step_s"]) for row in self.cases])
        self.family = np.array([family_of(CATALOG, row["accelerator"]) for row in self.cases])
        self.device = np.array([row["accelerator"] for row in self.cases])
        self.software = np.array(software)
        self.stated = np.array([bool(row["software"]) for row in self.cases])
        self.named = self.stated & named
        self.precision = np.array([row["precision"] for row in self.cases])
        self.source = np.array([source_of(row) for row in self.cases])
        self.fused = self.known["fused_experts"]
        self.mixture = np.nan_to_num(self.known["experts"]) > 0
        self.main = np.array([row["group"] == "throughput" for row in self.cases])
        counts = {name: (self.source == name).sum() for name in set(self.source)}
        self.weight = np.array([min(1.0, (_ROWS_IN_FULL / counts[s]) ** 0.5) for s in self.source])
        self.steps = plan(frozenset(self.known), frozenset({"predicted_step_s"}))
        #: Rows that take each constant, the general ones first.
        order = sorted(range(len(CONSTANTS)), key=lambda i: len(CONSTANTS[i].family))
        self.takers = {i: self._takers(CONSTANTS[i]) for i in order}

    def values(self, theta: Any) -> dict[str, Any]:
        """Quantities of every row with the given constants."""
        values: dict[str, Any] = dict(self.known)
        for i, where in self.takers.items():
            constant = CONSTANTS[i]
            overlaps = constant.quantity.endswith("exchange_overlap")
            name = "expert_overlap" if overlaps else constant.quantity
            values[name] = np.where(where, theta[i], values[name])
            if constant.quantity == "product_efficiency":
                values["half_product_efficiency"] = np.where(
                    where, theta[i], values["half_product_efficiency"]
                )
        with np.errstate(all="ignore"):
            execute(self.steps, values)
        return values

    def _takers(self, constant: Constant) -> Any:
        """Rows that a constant holds for."""
        where = np.ones(len(self.cases), dtype=bool)
        if constant.entry not in _HARDWARE:
            where &= self._runs(constant)
        if constant.family in _FAMILIES:
            where &= self.family == constant.family
        elif constant.family:
            where &= self.device == constant.family
        if constant.quantity.endswith("exchange_overlap"):
            where &= (self.fused > 0) == constant.quantity.startswith("fused")
        return where

    def _runs(self, constant: Constant) -> Any:
        """Rows whose profile takes a constant from this entry, its own or by its base."""
        profiles = CATALOG.kind("software")

        def home(name: str, family: str) -> str:
            entry = profiles[name]
            own = {constant.field, f"{family}_{constant.field}"}
            return name if own & set(entry) or "base" not in entry else home(entry["base"], family)

        pairs = zip(self.software, self.family, strict=True)
        return np.array([home(name, family) == constant.entry for name, family in pairs])

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


def main() -> None:
    """Fit, leave sources out, print; with --write also put the constants into the catalog."""
    data = Rows()
    everything = np.ones(len(data.cases), dtype=bool)
    theta = data.fit(everything)
    errors = data.error(theta)
    within = by_source(data, errors, everything)
    print(f"{len(data.cases)} rows of {len(within)} sources, {len(CONSTANTS)} constants")
    for constant, value in zip(CONSTANTS, theta, strict=True):
        edge = min(value - constant.low, constant.high - value) < 1e-3 * (
            constant.high - constant.low
        )
        away = (value - constant.prior) / constant.deviation
        print(
            f"  {constant.entry:16} {constant.field:26} {value:<10.4g} prior {constant.prior:g} ({away:+.1f} sd){' BOUND' if edge else ''}"
        )
    for name, error in within.items():
        mine = data.source == name
        print(
            f"  {name[:60]:60} {mine.sum():4} rows {error:6.1%} bias {np.expm1(np.median(errors[mine])):+.1%}"
        )
    print(
        f"mean of sources {np.mean(list(within.values())):.1%}; main rows {off(errors[data.main]).mean():.1%}"
    )
    baselines.report(data)
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
        _write((c.entry, c.field, f"{x:.4g}") for c, x in zip(CONSTANTS, theta, strict=True))
    if "--fast" in sys.argv:
        return
    left_out = errors.copy()
    found = {name: data.fit(data.source != name, theta) for name in within}
    for name, own in found.items():
        left_out[data.source == name] = data.error(own)[data.source == name]
    outside = by_source(data, left_out, everything)
    for name, error in outside.items():
        print(f"  left out: {name[:58]:58} {error:6.1%}")
    mixtures = by_source(data, left_out, data.mixture)
    print(
        f"each source left out: mean of sources {np.mean(list(outside.values())):.1%}, worst {max(outside.values()):.1%}; mixtures of experts {np.mean(list(mixtures.values())):.1%}"
    )
    print(f"90 % of left-out rows are within {np.expm1(np.quantile(np.abs(left_out), 0.9)):.0%}")
    files = (*FITTED, *UNSEEN)
    ranges = intervals.report(
        intervals.collect(
            Rows(files=files),
            Rows(named=False, files=files),
            Rows(catalog=intervals.Unmeasured(), files=files),
            {"": theta, **found},
        ),
        CATALOG,
    )
    if "--write" in sys.argv:
        _write(ranges)


def _write(found: Iterable[tuple[str, str, str]]) -> None:
    """Replace constants in the catalog's files, their comments kept."""
    for entry, field, value in found:
        file = DATA / ("performance.toml" if entry in _HARDWARE else "software.toml")
        text = file.read_text()
        pattern = re.compile(rf"(\[{entry}\]\n(?:(?!\[).*\n)*?{field} = )(\[.*?\]|\S+)")
        text, count = pattern.subn(rf"\g<1>{value}", text)
        assert count == 1, (entry, field)
        file.write_text(text)


if __name__ == "__main__":
    main()
