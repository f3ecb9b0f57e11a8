"""What keeps the service from being known, and what looks doubtful of it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from llmcost.engine.chain import Array
from llmcost.scenario import Inputs


def service_hints(inputs: Inputs, values: Mapping[str, Array]) -> list[str]:
    """What a scenario with ``[inference]`` should say more of."""

    def number(name: str) -> float:
        value = values.get(name)
        return float(value) if value is not None and np.size(value) == 1 else float("nan")

    accelerator = inputs.shown.get("inference.accelerator")
    room, wanted = number("service_most_sequences"), number("service_wanted_batch")
    weights, memory = number("service_weights_gb"), number("service_memory_gb")
    if np.isnan(room) and not np.isnan(weights + memory):
        return [
            f"the service is not known: weights of {weights:,.0f} GB leave no room for a sequence in the {memory:,.0f} GB "
            "of a device; give more inference.devices_per_replica or a narrower inference.precision"
        ]
    found = []
    if "inference.batch" in inputs.sources and wanted > room:
        found.append(
            f"inference.batch: there is room for {room:,.0f} sequences a replica, not for {wanted:,.0f}; the former are taken"
        )
    if np.isnan(number("inference_devices")):
        found.append(
            f"the service is not known: the catalog lacks a bandwidth or memory figure of {accelerator}"
        )
    elif np.isnan(number("inference_energy_mwh")):
        found.append(
            f"energy and carbon of the service are not known: nobody published the power of {accelerator}; give inference.device_power_w"
        )
    elif np.isnan(number("inference_cost_usd")):
        lacking = "start_date is missing" if inputs.scenario.start is None else "prices lack"
        found.append(
            f"the cost of the service is not known by cost.method: {lacking}"
            + (f" for {accelerator}" if lacking == "prices lack" else "")
        )
    return found
