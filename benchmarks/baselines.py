"""Errors of published step times, and two simple models that the performance model is held against."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import least_squares

from llmcost.engine.chain import execute, plan


def off(log_error: Any) -> Any:
    """Relative error of the step time."""
    return np.abs(np.expm1(log_error))


def by_source(data: Any, log_error: Any, mask: Any) -> dict[str, float]:
    return {
        name: float(off(log_error)[mask & (data.source == name)].mean())
        for name in dict.fromkeys(data.source[mask])
    }


def report(data: Any) -> None:
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
    errors = by_source(data, np.log(ideal / data.target) - constant, everything)
    mean = np.mean(list(errors.values()))
    print(f"baseline, a constant MFU per accelerator: mean of sources {mean:.1%}")
    terms = _five_terms(values)

    def log_error(logarithms: Any) -> Any:
        return np.log(np.exp(logarithms) @ terms / data.target)

    found = least_squares(log_error, np.zeros(5), loss="soft_l1", f_scale=0.05).x
    errors = by_source(data, log_error(found), everything)
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
