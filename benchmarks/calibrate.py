"""Calibrate the performance model's constants on published step times, and cross-validate them.

``python -m benchmarks.calibrate`` prints the constants with the error left, by source, with each
model size and each source left out in turn, and two baselines: a constant MFU per accelerator,
and a sum of five terms with five fitted constants. ``--write`` puts the constants into the catalog.
It needs scipy, which nothing else does: ``pip install scipy``.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import least_squares

from llmcost.analysis.layout import find, wants_search
from llmcost.analysis.validate import layout_scenario, rows
from llmcost.catalog import load_catalog
from llmcost.catalog.load import PROFILE
from llmcost.engine.chain import execute, plan
from llmcost.scenario import parse_scenario, resolve
from llmcost.scenario.resolve.software import profile_of

CATALOG = load_catalog()
DATA = Path(__file__).parent.parent / "llmcost" / "catalog" / "data"
#: Profiles of software that share a constant.
_PLAIN, _TUNED = ("pytorch", "megatron"), ("transformer-engine", "xla")
#: Constant, profiles of software that have it (none where the hardware has), family ("" for all),
#: where to start, bounds.
PARAMETERS: list[tuple[str, tuple[str, ...], str, float, float, float]] = [
    ("matmul_share", _PLAIN, "", 0.9, 0.5, 1.0),
    ("matmul_share", _TUNED, "", 0.9, 0.5, 1.0),
    ("matmul_share", _TUNED, "tpu", 1.05, 0.4, 1.1),
    ("fp8_precision_factor", (), "hopper", 0.9, 0.2, 1.2),
    ("fp8_precision_factor", (), "blackwell", 0.9, 0.2, 1.2),
    ("fp4_precision_factor", (), "blackwell", 0.7, 0.1, 1.2),
    ("attention_share", _PLAIN, "ampere", 0.32, 0.1, 0.9),
    ("attention_share", _PLAIN, "hopper", 0.2, 0.1, 0.9),
    ("attention_share", _TUNED, "hopper", 0.6, 0.1, 0.9),
    ("attention_share", _TUNED, "blackwell", 0.4, 0.1, 0.9),
    ("attention_share", _TUNED, "tpu", 0.3, 0.05, 0.9),
    ("elementwise_factor", ("pytorch",), "", 3.0, 0.8, 6.0),
    ("elementwise_factor", ("megatron",), "", 1.5, 0.8, 6.0),
    ("elementwise_factor", _TUNED, "", 2.5, 0.8, 6.0),
    ("elementwise_factor", _TUNED, "tpu", 1.0, 0.8, 6.0),
    ("data_floor", (), "", 0.9, 0.0, 1.0),
    ("data_floor", (), "tpu", 0.5, 0.0, 1.0),
    ("data_overlap", (), "", 0.8, 0.0, 1.0),
    ("data_latency_s", (), "", 5e-6, 0.0, 2e-4),
    ("optimizer_factor", (), "", 3.0, 1.0, 12.0),
    ("operand_exposure", (), "", 0.5, 0.0, 1.0),
    ("score_share", (), "", 0.17, 0.05, 1.0),
    ("score_bytes", (), "", 4.0, 2.0, 40.0),
    ("misaligned_factor", (), "", 3.0, 1.0, 6.0),
    ("scale_up_share", (), "", 0.8, 0.5, 1.0),
    ("scale_out_share", (), "", 0.75, 0.3, 1.0),
    ("tensor_exposure", _PLAIN, "", 0.85, 0.3, 1.0),
    ("tensor_exposure", _TUNED, "", 0.4, 0.0, 1.0),
    ("tensor_exposure", _TUNED, "tpu", 0.4, 0.0, 1.0),
    ("collective_latency_s", (), "", 1e-4, 0.0, 3e-4),
    ("collective_latency_s", (), "tpu", 1e-5, 0.0, 5e-5),
    ("expert_exposure", (), "", 1.0, 0.2, 3.0),
    ("logit_bytes", (), "", 30.0, 2.0, 80.0),
    ("launch_s", (), "", 1e-3, 2e-4, 2e-3),
    ("synchronous_launch_s", (), "", 5e-3, 2e-4, 8e-3),
    ("straggler_share", (), "", 0.012, 0.0, 0.04),
]
START, LOW, HIGH = (np.array([p[i] for p in PARAMETERS]) for i in (3, 4, 5))
#: A constant of a profile by the engine's names.
_BOTH = {name: [f"fsdp_{name}", f"family_{name}"] for name in PROFILE}
#: Pull towards the start, in shares of the range: what the rows do not determine stays put.
_REGULARISATION = 0.05
#: Errors above this count by their size, not their square: what the model lacks must not bend it.
_SCALE = 0.05


class Rows:
    """Published layouts as arrays, those that leave a part open with every choice of it."""

    def __init__(self) -> None:
        self.cases = [row for row in rows("throughput.csv") if not row["excluded"]]
        known = []
        for row in self.cases:
            inputs = resolve(parse_scenario(layout_scenario(row)), CATALOG)
            if wants_search(inputs):
                inputs, _ = find(inputs)
            known.append({k: float(v) for k, v in inputs.known.items() if np.ndim(v) == 0})
        names = set.union(*(set(item) for item in known))
        self.known = {n: np.array([item.get(n, np.nan) for item in known]) for n in sorted(names)}
        if np.isnan(self.known.get("fused_attention", np.nan)).all():
            self.known.pop("fused_attention", None)
        laid = dict(self.known)
        execute(plan(frozenset(laid), frozenset({"fsdp"})), laid)
        self.software = np.array(
            [
                row["software"]
                or profile_of(CATALOG, row["accelerator"], "fsdp" if fsdp else "family")
                for row, fsdp in zip(self.cases, laid["fsdp"], strict=True)
            ]
        )
        self.target = np.array([float(row["published_step_s"]) for row in self.cases])
        self.weight = np.array([float(row["calibration_weight"]) for row in self.cases])
        self.family = np.array(
            [str(CATALOG.entry("accelerators", row["accelerator"])["family"]) for row in self.cases]
        )
        self.precision = np.array([row["precision"] for row in self.cases])
        self.source = np.array([row["source"] for row in self.cases])
        self.main = np.array([row["group"] == "throughput" for row in self.cases])
        self.model = np.array(
            [
                re.sub(r"-\d+-\d+-(h100|a100).*|-(full|selective)$", "", row["id"])
                for row in self.cases
            ]
        )
        self.steps = plan(frozenset(self.known), frozenset({"step_time_s"}))

    def constants(self, theta: Any) -> dict[str, Any]:
        """The constants of each row."""
        found: dict[str, Any] = {}
        for (name, profiles, family, *_), value in zip(PARAMETERS, theta, strict=True):
            where = np.ones(len(self.cases), dtype=bool) if not family else self.family == family
            names = [name]
            if profiles:  # the row's software is known, so the layout chooses between equals
                where, names = where & np.isin(self.software, profiles), _BOTH[name]
            elif name.endswith("precision_factor"):
                where, names = where & (self.precision == name[:3]), ["precision_factor"]
            for quantity in names:
                before = found.get(quantity, self.known.get(quantity))
                found[quantity] = np.where(where, value, before)
        return found

    def error(self, theta: Any) -> Any:
        """Logarithm of predicted over published step time."""
        values = {**self.known, **self.constants(theta)}
        execute(self.steps, values)
        return np.log(values["step_time_s"] / self.target)

    def fit(self, mask: Any) -> Any:
        """Constants that fit the masked rows best."""

        def residual(theta: Any) -> Any:
            pull = _REGULARISATION * (theta - START) / (HIGH - LOW)
            return np.concatenate([(self.weight * self.error(theta))[mask], pull])

        start = np.clip(START, LOW + 1e-9 * (HIGH - LOW), HIGH - 1e-9 * (HIGH - LOW))
        return least_squares(
            residual, start, bounds=(LOW, HIGH), loss="soft_l1", f_scale=_SCALE, x_scale=HIGH - LOW
        ).x


def _error(log_error: Any) -> Any:
    """Relative error of the step time."""
    return np.abs(np.expm1(log_error))


def _shown(log_error: Any) -> str:
    """Mean absolute error of the step time, and of MFU, which weighs slow rows more."""
    return f"{_error(log_error).mean():6.1%} ({_error(-log_error).mean():.1%})"


def baselines(data: Rows) -> None:
    """Print the two simple models' errors on the rows of the main group, which they are fitted to."""
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
        mine = (accelerators == name) & data.main
        if mine.any():
            constant[accelerators == name] = np.median(np.log(ideal[mine] / data.target[mine]))
    print(
        f"baseline, a constant MFU per accelerator: {_shown((np.log(ideal / data.target) - constant)[data.main])}"
    )
    terms = _five_terms(values)

    def log_error(logarithms: Any) -> Any:
        return np.log(np.exp(logarithms) @ terms / data.target)

    found = least_squares(
        lambda x: log_error(x)[data.main], np.zeros(5), loss="soft_l1", f_scale=_SCALE
    ).x
    print(
        f"baseline, a sum of five terms with five constants: {_shown(log_error(found)[data.main])}"
    )


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
    ceiling = np.where(np.isnan(ceiling), v["general_ceiling_share"] * v["peak_flops"], ceiling)
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
    """Fit, cross-validate, print; with --write also put the constants into the catalog."""
    data = Rows()
    everything = np.ones(len(data.cases), dtype=bool)
    theta = data.fit(everything)
    errors = data.error(theta)
    print(
        f"{len(data.cases)} rows, {len(PARAMETERS)} constants; mean absolute error of step time (of MFU)"
        f" on the main group: {_shown(errors[data.main])}"
    )
    for name in dict.fromkeys(data.source):
        mine = data.source == name
        print(f"  {name[:58]:58} {mine.sum():4} rows {_shown(errors[mine])}")
    baselines(data)
    for (name, profiles, family, *_), value in zip(PARAMETERS, theta, strict=True):
        print(f"  {family or 'all':10} {name:24} {value:<10.4g} {', '.join(profiles)}".rstrip())
    if "--write" in sys.argv:
        _write(theta)
    if "--fast" in sys.argv:
        return
    left_out = errors.copy()
    for name in dict.fromkeys(data.model[data.main]):
        mine = data.main & (data.model == name)
        left_out[mine] = data.error(data.fit(~mine))[mine]
    print(f"each model size of the main group left out in turn: {_shown(left_out[data.main])}")
    for name in dict.fromkeys(data.source):
        mine = data.source == name
        left_out[mine] = data.error(data.fit(~mine))[mine]
        print(f"  left out: {name[:58]:58} {_shown(left_out[mine])}")
    print(f"each source left out in turn, main group: {_shown(left_out[data.main])}")


def _write(theta: Any) -> None:
    """Replace the constants in the catalog's files, their comments kept."""
    for (name, profiles, family, *_), value in zip(PARAMETERS, theta, strict=True):
        file = DATA / ("software.toml" if profiles else "performance.toml")
        field = f"{family}_{name}" if profiles and family else name
        shown = 0.0 if value < 1e-9 else value  # a bound that the fit comes close to
        text = file.read_text()
        for entry in profiles or (family or "general",):
            pattern = re.compile(rf"(\[{entry}\]\n(?:(?!\[).*\n)*?{field} = )\S+")
            text, count = pattern.subn(rf"\g<1>{shown:.4g}", text)
            assert count == 1, (field, entry)
        file.write_text(text)


if __name__ == "__main__":
    main()
