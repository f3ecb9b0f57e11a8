"""Published runs and the predictions of them: hours, energy, carbon and rent of whole runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from llmcost.analysis.cases import Case, estimate_of
from llmcost.analysis.estimate import Estimate, estimate
from llmcost.analysis.sampling import QUANTILES, Sampling
from llmcost.analysis.uncertainty import samples_of
from llmcost.catalog import Catalog
from llmcost.scenario import load_scenario

WHOLE = "whole runs, by name"
CARBON = "carbon of device-hours, by name and date"
#: Samples of an interval: its ends are within 2 % of those of many more.
_SAMPLES = 2000
#: Published figures that the bundled scenario of the run reproduces.
_SCENARIO_RESULTS = {
    "gpt-3": ("energy_mwh", "operational_tco2e"),
    "bloom-176b": ("energy_mwh", "operational_tco2e", "embodied_tco2e"),
    "llama-2-70b": ("operational_tco2e",),
    "llama-3.1-8b": ("operational_tco2e",),
    "llama-3.1-405b": ("operational_tco2e", "device_hours"),
    "deepseek-v3": ("cost_cloud_usd",),
    "palm-540b": ("operational_tco2e",),
}
#: Figures of a run that its name, tokens and accelerator alone are to find, and the result that is each.
_WHOLE_RESULTS = {
    "device_hours": "device_hours",
    "devices_energy_mwh": "energy_mwh",
    "rent_usd": "cost_cloud_usd",
}


def run_cases(catalog: Catalog) -> Iterator[Case]:
    """Energy, carbon and cost of published runs, by their bundled scenarios or by their device-hours."""
    for name, run in catalog.kind("runs").items():
        scenario = run.get("scenario")
        if scenario in _SCENARIO_RESULTS:
            found: Estimate | None = estimate(load_scenario(scenario, (), catalog), catalog)
            yield from _cases(_power_group(run), scenario, run, found, _SCENARIO_RESULTS[scenario])
        elif scenario is None and "pue" in run:
            found = estimate_of(_site(run), catalog)
            keys = ("energy_mwh", "operational_tco2e")
            yield from _cases(_power_group(run), name, run, found, keys)
        elif scenario is None and "operator" in run:
            found = estimate_of(_operated(run), catalog)
            yield from _cases(CARBON, name, run, found, ("operational_tco2e",))


def whole_run_cases(catalog: Catalog) -> Iterator[Case]:
    """What a run took, from what is known before it: its model, tokens and accelerator, and the MFU of its kind.

    The interval is that of ``--uncertainty defaults``; there is none where nothing that counts is uncertain.
    """
    for name, run in catalog.kind("runs").items():
        for field, key in _WHOLE_RESULTS.items():
            if field not in run or not ("preset" in run or field == "rent_usd"):
                continue
            found = estimate_of(whole_scenario(run, field), catalog)
            predicted = None if found is None else found.result(key)
            yield Case(
                WHOLE, name, str(run["source"]), key, float(run[field]), predicted,
                *_interval(found, key, catalog),
            )  # fmt: skip


def whole_scenario(run: Mapping[str, Any], field: str) -> dict[str, Any]:
    """What is known of a run before it; without a model, its device-hours, which are then rented."""
    table: dict[str, Any] = {
        "name": run["full_name"],
        "start_date": run["date"].isoformat(),
        "cluster": {"accelerator": run["accelerator"]},
    }
    if "preset" in run:
        table |= {"model": {"preset": run["preset"]}, "data": {"tokens": run["tokens"]}}
    else:
        table["cluster"]["device_hours"] = run["device_hours"]
    if "precision" in run:
        table["training"] = {"precision": run["precision"]}
    if "vendor" in run:
        table["cost"] = {"cloud_vendor": run["vendor"]}
    if field == "devices_energy_mwh":  # metered at the devices: without server and building
        table["energy"] = {"pue": 1, "server_power_ratio": 1}
    return table


def _interval(
    found: Estimate | None, key: str, catalog: Catalog
) -> tuple[float | None, float | None]:
    if found is None:
        return None, None
    sampling = Sampling(_SAMPLES, defaults=True)
    samples = np.ravel(samples_of(found, sampling, catalog, (key,))[key])
    low, _, high = np.nanquantile(samples, QUANTILES)
    return (float(low), float(high)) if low < high else (None, None)


def _cases(
    group: str, name: str, run: Mapping[str, Any], found: Estimate | None, keys: tuple[str, ...]
) -> Iterator[Case]:
    for key in keys:
        predicted = None if found is None else found.result(key)
        yield Case(group, name, str(run["source"]), key, float(run[key]), predicted)


def _power_group(run: Mapping[str, Any]) -> str:
    tpu = str(run["accelerator"]).startswith("tpu-")
    return "energy and carbon of TPUs" if tpu else "energy and carbon"


def _site(run: Mapping[str, Any]) -> dict[str, Any]:
    """A run as its device-hours at a site of known PUE and grid."""
    return {
        "name": run["full_name"],
        "cluster": {name: run[name] for name in ("accelerator", "device_hours")},
        "energy": {"pue": run["pue"]},
        "carbon": {"grid_kgco2e_per_kwh": run["grid_kgco2e_per_kwh"]},
    }


def _operated(run: Mapping[str, Any]) -> dict[str, Any]:
    """A run as its device-hours at an operator's, at the power that its publisher counted."""
    return {
        "name": run["full_name"],
        "start_date": run["date"].isoformat(),
        "cluster": {name: run[name] for name in ("accelerator", "device_hours")},
        "energy": {"operator": run["operator"], "device_power_w": run["device_power_w"]},
    }
