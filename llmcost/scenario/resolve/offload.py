"""What a run keeps in its hosts' memory, and how fast they are."""

from __future__ import annotations

import math

import numpy as np

from llmcost.scenario.resolve.inputs import Inputs, number

#: The host's figures: key, and field of an accelerator's entry.
_HOST = {
    "cluster.host_link_gb_s_each_way": "host_link_gb_s_each_way",
    "cluster.host_memory_gb_s": "host_memory_gb_s",
}


def fill(inputs: Inputs) -> None:
    """Take what is offloaded; the host's figures where something is."""
    known = inputs.known
    word = inputs.word("training.offload", "none")
    for part in ("optimizer", "activations"):
        known[f"offloads_{part}"] = inputs.look(lambda what, part=part: float(what == part), word)
        inputs.constants[f"offloads_{part}"] = "training.offload"
    accelerator = inputs.word("cluster.accelerator")
    for key, field in _HOST.items():
        wanted = np.asarray(known["offloads_optimizer"])
        if key.endswith("each_way"):
            wanted = wanted + known["offloads_activations"]
        if not np.any(wanted > 0):
            known.setdefault(field, math.inf)  # nothing crosses
            inputs.constants[field] = "training.offload: nothing is on the host"
        elif not inputs.has(key):
            found = None
            if accelerator is not None:
                found = inputs.look(
                    lambda name, field=field: number(inputs.entry("accelerators", name).get(field)),
                    accelerator,
                )
            if found is None or np.any(np.isnan(found)):
                inputs.problem(
                    key,
                    "is needed with training.offload: the catalog has none for the accelerator; give it [GB/s]",
                )
                found = math.nan
            inputs.enter(
                key,
                found,
                f"catalog: accelerators/{accelerator}" if isinstance(accelerator, str) else "axis",
            )
