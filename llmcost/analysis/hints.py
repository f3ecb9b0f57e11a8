"""What an answer should make its reader doubt, in words: what is missing, does not fit or is above any published run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import numpy as np

from llmcost.engine.chain import Array, scalar
from llmcost.engine.results import MEMORY_IN_USE
from llmcost.scenario import Inputs

#: An MFU above this is derived from inputs that do not fit together, or fits no published run; those
#: of narrow formats are the highest of the published step times.
HIGHEST_PUBLISHED_MFU = 0.75
HIGHEST_NARROW_MFU = {"fp8": 0.46, "fp4": 0.32}

#: What says which ways there are to take less memory, and the level of recomputation above which there is none.
_MEMORY_KEYS = (
    "devices", "recompute_level", "micro_batch", "lora_rank", "frozen_bytes", "offloads_optimizer",
)  # fmt: skip
_FULL = 2
#: What a prediction needs of the hardware that nobody may have published.
_PREDICTS = (
    "memory_tb_s", "scale_up_gb_s_each_way", "scale_out_gbit_s_per_device",
)  # fmt: skip


def counts_whole_scores(inputs: Inputs, values: Mapping[str, Array]) -> bool:
    """Whether an MFU above 1 only says how attention is counted: its time is the layout's own."""
    predicted = "predicted_mfu" in values and "mfu" not in inputs.given | set(inputs.known)
    return predicted and not np.any(inputs.known.get("causal_flops", 0.0))


def ways_to_fit(values: Mapping[str, Array], searched: bool = False) -> str:
    """What takes less memory, in words: for one device other than for many, and after a search what it left."""
    one = {name: scalar(values.get(name)) or 0.0 for name in _MEMORY_KEYS}
    alone = one["devices"] == 1
    ways = {
        "more tp, pp or sharding": not searched and not alone,
        'training.activation_recompute = "full"': not searched and one["recompute_level"] < _FULL,
        "a smaller parallelism.micro_batch": not searched and one["micro_batch"] > 1,
        'training.method = "lora" or "qlora"': alone and not one["lora_rank"],
        'training.method = "qlora"': alone and one["lora_rank"] > 0 and one["frozen_bytes"] > 1,
        'training.offload = "optimizer"': alone and not one["offloads_optimizer"],
        "more devices": searched,
        "an accelerator with more memory": True,
        "a shorter sequence": True,
    }
    *most, last = [way for way, helps in ways.items() if helps]
    return f"{', '.join(most)} or {last}"


def _returns_blocks(values: Mapping[str, Array]) -> bool:
    """Whether the device has no room for all that its allocator would keep."""
    names = ("memory_reserve_gb", "fragment_gb", "idle_bytes")
    kept, gaps, idle = (scalar(values.get(name)) or 0.0 for name in names)
    return kept < (gaps + idle / 1e9) * (1 - 1e-9)


def hints(inputs: Inputs, values: Mapping[str, Array]) -> list[str]:
    """What keeps a wanted result from being known, and what looks doubtful."""
    found = []
    scenario = inputs.scenario
    device = "cluster.accelerator" in inputs.sources
    hours = scalar(values.get("device_hours")) is not None
    if scenario.start is None and device and hours:
        found.append(
            "amortized and energy cost are not known: start_date is missing (--set start_date=2026-01-01)"
        )
    elif "device_price_usd" not in values and device and hours:
        found.append(
            f"amortized and purchase cost are not known: nobody published a price of {scenario.get('cluster.accelerator')}; give cost.device_price_usd"
        )
    if "device_power_w" not in values and device and hours:
        found.append(
            f"energy, its cost and carbon are not known: nobody published the power of {scenario.get('cluster.accelerator')}; give energy.device_power_w or cluster.tdp_w"
        )
    if scenario.start is not None and any(
        lever.get("year", 9999) <= scenario.start.year for lever in scenario.levers
    ):
        found.append(
            "levers are not pulled by an estimate; `llmcost project` applies them from their year on"
        )
    if "predicted_mfu" in values and np.isnan(values["predicted_mfu"]).any():
        lacking = [
            f"cluster.{name}"
            for name in _PREDICTS
            if np.isnan(inputs.known.get(name, np.nan)).any()
        ]
        found.append(
            "the layout predicts nothing: the accelerator lacks a bandwidth or memory figure that the prediction needs; give "
            + " and ".join(lacking)
        )
    need = scalar(values.get(MEMORY_IN_USE))
    room = scalar(inputs.known.get("usable_memory_gb"))
    if need is not None and room is not None and need > room:
        found.append(
            f"the layout needs {need:,.0f} GB a device and a device has {room:,.0f} to use: it does not fit; "
            f'{ways_to_fit(values)} would help, and parallelism = "auto" searches for a layout that fits'
        )
    elif need is not None and room is not None and _returns_blocks(values):
        found.append(
            f"the layout fills the {room:,.1f} GB that a device can use: the allocator has to return blocks that the next"
            " moment of a step asks for again, which takes time that is not predicted, and its segments to expand"
        )
    mfu = scalar(values.get("mfu"))
    if mfu is not None and mfu > HIGHEST_PUBLISHED_MFU and counts_whole_scores(inputs, values):
        found.append(
            f'an MFU of {mfu:.2f} counts the whole score matrix, of which causal kernels compute half; training.attention_flops = "causal" counts what they compute, and the time stays the same'
        )
    elif mfu is not None and mfu > HIGHEST_PUBLISHED_MFU:
        found.append(
            f"an MFU of {mfu:.2f} is above any published run ({HIGHEST_PUBLISHED_MFU}); check the inputs"
        )
    precision = str(inputs.shown.get("training.precision"))
    narrow = HIGHEST_NARROW_MFU.get(precision)
    if mfu is not None and narrow is not None and narrow < mfu <= HIGHEST_PUBLISHED_MFU:
        found.append(
            f"an MFU of {mfu:.2f} of the {precision} peak is above any published step in that format ({narrow}); "
            "one that was measured in 16 bits does not hold on another peak"
        )
    if "loss_floor" in values:
        from llmcost.analysis.loss import loss_hints

        found += loss_hints(inputs, values)
    if "service_wanted_batch" in values:
        from llmcost.analysis.service import service_hints

        found += service_hints(inputs, values)
    known = scenario.get("cost.available_date") or inputs.shown.get("cost.available_date")
    if isinstance(known, date) and scenario.start is not None and scenario.start < known:
        derived = inputs.sources.get("cost.available_date") == "derived"
        what = "first known price of the hardware" if derived else "hardware came to market"
        found.append(
            f"start_date {scenario.start} is before the {what} ({known}); its price is taken undepreciated"
        )
    return found
