"""Published cases against what llmcost predicts: throughput, memory, cost, energy, carbon, service."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from statistics import median
from typing import Any, NamedTuple

from llmcost.analysis import serving
from llmcost.analysis.cases import Case, estimate_of, rows, step_interval, what_is_known
from llmcost.analysis.finetune_cases import MEMORY_GROUP, SPEED_GROUP, finetune_cases
from llmcost.analysis.memory_cases import GROUP as MEASURED_MEMORY
from llmcost.analysis.memory_cases import measured_memory_cases
from llmcost.analysis.power_cases import GROUP as MEASURED_POWER
from llmcost.analysis.power_cases import measured_power_cases
from llmcost.analysis.run_cases import CARBON, WHOLE, run_cases, whole_run_cases
from llmcost.catalog import Catalog


class Tolerance(NamedTuple):
    """How far a case may be off before validation fails, and how far the mean of its group.

    Service and fine-tuning: the median instead, of each source too where `each_source`, and the share of
    cases that the interval holds.
    """

    worst: float | None = None
    mean: float | None = None
    median: float | None = None
    coverage: tuple[float, float] | None = None
    each_source: bool = False


#: Servers of one kind differ by more than trainers do: by the host, the load and the requests.
_SERVICE = Tolerance(median=0.25, coverage=(0.85, 0.95), each_source=True)
#: Published steps, the software of which the scenario leaves out.
UNNAMED = "throughput, software not named"
#: How far each group of cases may be off.
TOLERANCES = {
    # A single published run is as noisy as the software that it ran on (docs/accuracy.md).
    "throughput": Tolerance(0.35, 0.06),
    "throughput, further": Tolerance(0.60, 0.08),
    # Software that nobody names is anyone's: judged by its range, as runs by name are.
    UNNAMED: Tolerance(median=0.15, coverage=(0.85, 0.95)),
    "memory": Tolerance(0.05, 0.05),
    # Each by the meter of its source (docs/memory.md).
    MEASURED_MEMORY: Tolerance(0.30, 0.10),
    MEASURED_POWER: Tolerance(0.08, 0.08),
    # Sources leave open what their software keeps (docs/memory.md).
    MEMORY_GROUP: Tolerance(median=0.12),
    SPEED_GROUP: Tolerance(median=0.25),
    "cost": Tolerance(0.001, 0.001),
    "cost, by name and dates": Tolerance(0.03, 0.03),
    # Grids are those of the run's year; publishers took one of another (docs/method/carbon.md).
    "energy and carbon": Tolerance(0.05, 0.03),
    # Runs on one kind of TPU drew powers 13 % apart from their mean (docs/method/power.md).
    "energy and carbon of TPUs": Tolerance(0.20, 0.10),
    # Publishers took the grid of another year, or a market's (docs/published.md).
    CARBON: Tolerance(0.10, 0.05),
    # Runs of one size on one accelerator differ by twice in what they reach (docs/accuracy.md).
    WHOLE: Tolerance(median=0.30, coverage=(0.85, 0.95)),
    serving.SPEED_GROUP: _SERVICE,
    serving.FULL_GROUP: _SERVICE,
    serving.ENERGY_GROUP: _SERVICE,
}
#: Cases after which it is told how many are done.
_TOLD = 25
_SHARDING = ("none", "zero1", "zero2", "zero3")
_RECOMPUTE = ("none", "selective", "full")
_MODEL = (
    "layers", "hidden_size", "heads", "kv_heads", "head_dim", "ffn_hidden_size", "vocab_size", "seq_len",
    "experts", "experts_per_token", "shared_experts", "expert_ffn_hidden_size", "dense_layers",
    "q_lora_rank", "kv_lora_rank", "qk_rope_head_dim", "v_head_dim",
)  # fmt: skip


class Summary(NamedTuple):
    """A group of cases, or those of a source in it."""

    group: str
    cases: int
    mean_absolute_error: float
    median_absolute_error: float
    bias: float
    worst: float
    coverage: float | None
    tolerance: float | None
    mean_tolerance: float | None
    median_tolerance: float | None
    coverage_tolerance: tuple[float, float] | None

    @property
    def passed(self) -> bool:
        """Whether all that has a tolerance is within it."""
        low, high = self.coverage_tolerance or (0.0, 1.0)
        return (
            _within(self.worst, self.tolerance)
            and _within(self.mean_absolute_error, self.mean_tolerance)
            and _within(self.median_absolute_error, self.median_tolerance)
            and (self.coverage is None or low <= self.coverage <= high)
        )


def _within(error: float, tolerance: float | None) -> bool:
    return tolerance is None or error <= tolerance


def layout_scenario(row: Mapping[str, str]) -> dict[str, Any]:
    """A published layout as a scenario: what the row leaves open is left out."""

    def number(name: str) -> dict[str, float]:
        return {name: float(row[name])} if row.get(name) else {}

    model: dict[str, Any] = {}
    for name in _MODEL:
        value = number(name)
        if value and (value[name] > 0):
            model |= value
    if row["preset"]:
        model["preset"] = row["preset"]
    else:
        model["gated_ffn"] = row["gated_ffn"] == "1"
        model["tied_embeddings"] = row["tied_embeddings"] == "1"
    cluster: dict[str, Any] = {
        "accelerator": row["accelerator"],
        **number("devices"),
        **number("devices_per_node"),
        **number("scale_out_gbit_s_per_device"),
        **number("memory_tb_s"),
        **number("tdp_w"),
    }
    layout: dict[str, Any] = {}
    for name in ("tp", "pp", "vpp", "cp", "ep", "expert_tp", "micro_batch", "global_batch_seqs"):
        layout |= number(name)
    layout["sharding"] = _SHARDING[int(row["sharding"])]
    layout["sequence_parallel"] = row["sequence_parallel"] == "1"
    training = {
        "precision": row["precision"],
        "activation_recompute": _RECOMPUTE[int(row["recompute_level"])],
        **({"software": row["software"]} if row["software"] else {}),
        **number("recompute_share"),
        **({"expert_dispatch": row["expert_dispatch"]} if row["expert_dispatch"] else {}),
        **{name: True for name in ("synchronous_launch", "fused_experts") if row[name] == "1"},
    }
    return {
        "name": row["id"],
        "model": model,
        "cluster": cluster,
        "parallelism": layout,
        "training": training,
    }


def throughput_cases(catalog: Catalog, named: bool = True) -> Iterator[Case]:
    """Step times of published layouts, those set aside with a reason left out.

    Parameters
    ----------
    named : bool
        Whether the scenario says what software trained.
    """
    for row in rows("throughput.csv"):
        if row["excluded"]:
            continue
        table = layout_scenario(row)
        if not named:
            table["training"].pop("software", None)
        found = estimate_of(table, catalog)
        predicted = None if found is None else found.result("step_time_s")
        yield Case(
            row["group"] if named else UNNAMED,
            row["id"],
            row["source"],
            "step_time_s",
            float(row["published_step_s"]),
            predicted,
            *step_interval(found, predicted),
            what_is_known(found),
        )


def unnamed_cases(catalog: Catalog) -> Iterator[Case]:
    """The same step times, with software that the scenario does not name."""
    return throughput_cases(catalog, named=False)


def memory_cases(catalog: Catalog) -> Iterator[Case]:
    """Memory of figure 1 of Korthikanti et al. 2022: states and activations of the first stage."""
    for row in rows("memory.csv"):
        tp, pp = float(row["tp"]), float(row["pp"])
        table = {
            "name": row["model"],
            "model": {"preset": row["model"]},
            "cluster": {"accelerator": "a100-sxm-80gb", "devices": tp * pp},
            "training": {"activation_recompute": row["activation_recompute"], "software": "megatron-2021"},
            "parallelism": {
                "tp": tp, "pp": pp, "vpp": float(row["vpp"]), "micro_batch": float(row["micro_batch"]),
                "global_batch_seqs": float(row["micro_batch"]) * pp * 8, "sequence_parallel": row["sequence_parallel"] == "true",
            },
        }  # fmt: skip
        found = estimate_of(table, catalog)
        published = (
            (float(row["params_and_optimizer_gib"]) + float(row["activations_gib"])) * 2**30 / 1e9
        )
        predicted = None if found is None else found.result("memory_gb_per_device")
        name = f"{row['model']} {row['activation_recompute']}"
        yield Case("memory", name, row["source"], "memory_gb_per_device", published, predicted)


def cost_cases(catalog: Catalog) -> Iterator[Case]:
    """Cost cases of Epoch AI with their own inputs, and with names and dates alone."""
    source = "Cottier et al. 2024, arXiv:2405.21015"
    for row in rows("epoch_costs.csv"):
        own = {
            "name": row["model"], "start_date": row["training_start"],
            "cluster": {"tdp_w": float(row["tdp_w"]), "device_hours": float(row["device_hours"])},
            "cost": {
                "device_price_usd": float(row["start_value_per_device_usd"]), "available_date": row["training_start"],
                "server_cost_ratio": float(row["server_cost_ratio"]),
            },
            "energy": {name: float(row[name]) for name in ("server_power_ratio", "power_utilisation", "pue", "electricity_usd_per_kwh")},
        }  # fmt: skip
        named: dict[str, Any] = {
            "name": row["model"], "start_date": row["training_start"],
            "cluster": {"accelerator": row["accelerator"], "device_hours": float(row["device_hours"])},
        }  # fmt: skip
        if "TPU" in row["accelerator"]:
            # The source takes a TPU's mean power for its peak; what Google measured is three times that.
            named["energy"] = own["energy"]
            named["cluster"]["tdp_w"] = float(row["tdp_w"])
        for group, table, parts in (
            ("cost", own, ("accelerator", "server", "interconnect", "energy", "amortized")),
            ("cost, by name and dates", named, ("amortized",)),
        ):
            found = estimate_of(table, catalog)
            for part in parts:
                key = f"cost_{part}_usd"
                yield Case(
                    group,
                    row["model"],
                    source,
                    key,
                    float(row[key]),
                    None if found is None else found.result(key),
                )


def validate(catalog: Catalog, tell: Callable[[str], None] = lambda detail: None) -> list[Case]:
    """Predict every published case, and tell now and then how many are done."""
    kinds = (
        throughput_cases, unnamed_cases, memory_cases, measured_memory_cases, measured_power_cases, finetune_cases, cost_cases,
        run_cases, whole_run_cases, serving.serving_cases,
    )  # fmt: skip
    found = []
    for case in chain.from_iterable(kind(catalog) for kind in kinds):
        found.append(case)
        if len(found) % _TOLD == 0:
            tell(f"{len(found):,} cases")
    return found


def summarize(cases: list[Case], by_source: bool = False) -> list[Summary]:
    """Errors by group, or by source within a group; a case that gave no answer counts as 100 % off.

    The interval is that of a group: a source alone has too few cases to tell how many it holds.
    """
    groups: dict[str, list[Case]] = {}
    for case in cases:
        groups.setdefault(f"{case.group}: {case.source}" if by_source else case.group, []).append(
            case
        )
    found = []
    for name, members in groups.items():
        errors = [1.0 if case.error is None else case.error for case in members]
        tolerance = TOLERANCES[members[0].group]
        size = [abs(error) for error in errors]
        held = [case.covered for case in members if case.covered is not None]
        found.append(
            Summary(
                name,
                len(members),
                sum(size) / len(size),
                median(size),
                sum(errors) / len(errors),
                max(size),
                sum(held) / len(held) if held else None,
                tolerance.worst,
                tolerance.mean,
                tolerance.median if tolerance.each_source or not by_source else None,
                None if by_source else tolerance.coverage,
            )
        )
    return found


class Held(NamedTuple):
    """Published steps of one state of knowledge, and the share of them inside their ranges, each source counted once."""

    known: str
    cases: int
    sources: int
    coverage: float


def held_by_kind(cases: Sequence[Case]) -> list[Held]:
    """How many of the published steps the ranges hold, by what is known of them."""
    found: dict[str, dict[str, list[bool]]] = {}
    for case in cases:
        if case.known and case.covered is not None:
            found.setdefault(case.known, {}).setdefault(case.source, []).append(case.covered)
    return [
        Held(
            known,
            sum(map(len, sources.values())),
            len(sources),
            sum(sum(held) / len(held) for held in sources.values()) / len(sources),
        )
        for known, sources in sorted(found.items(), reverse=True)
    ]


def failures(groups: Sequence[Summary], sources: Sequence[Summary]) -> list[str]:
    """Groups outside their tolerance, and sources whose median is."""
    medians = [item for item in sources if item.median_tolerance is not None]
    return [item.group for item in (*groups, *medians) if not item.passed]
