"""What a run keeps in its hosts' memory, and how fast they are."""

from __future__ import annotations

import math

import numpy as np

from llmcost.scenario.resolve.inputs import Inputs

#: The host's figures: key, and field of an accelerator's entry.
_HOST = {
    "cluster.host_link_gb_s_each_way": "host_link_gb_s_each_way",
    "cluster.host_memory_gb_s": "host_memory_gb_s",
}
#: What is on the host, by the words of training.offload. FSDP and ZeRO-Infinity take the optimizer along with weights.
_PARTS = {
    "offloads_optimizer": ("optimizer", "parameters"),
    "offloads_parameters": ("parameters",),
    "offloads_activations": ("activations",),
    "pages_optimizer": ("paged",),
}


def fill(inputs: Inputs) -> None:
    """Take what is offloaded; the host's figures where something is."""
    known = inputs.known
    word = inputs.word("training.offload", "none")
    for name, words in _PARTS.items():
        known[name] = inputs.look(lambda what, words=words: float(what in words), word)
        inputs.constants[name] = "training.offload"
    _check(inputs)
    accelerator = inputs.word("cluster.accelerator")
    for key, field in _HOST.items():
        wanted = np.asarray(known["offloads_optimizer"])
        if key.endswith("each_way"):
            wanted = wanted + known["offloads_activations"] + known["pages_optimizer"]
        if not np.any(wanted > 0):
            known.setdefault(field, math.inf)  # nothing crosses
            inputs.constants[field] = "training.offload: nothing is on the host"
        elif not inputs.has(key):
            found = None
            if accelerator is not None:
                found = inputs.figure("accelerators", accelerator, field)
            if found is None or np.any(np.isnan(found)):
                inputs.problem(
                    key,
                    "is needed with training.offload: the catalog has none for the accelerator; give it [GB/s]",
                )
                found = math.nan
            inputs.enter(key, found, inputs.named("accelerators", accelerator))


def _check(inputs: Inputs) -> None:
    """Refuse what no software does: whole weights on the host, a step in the backward pass of several micro-batches."""
    known = inputs.known
    known.setdefault("steps_in_backward", 0.0)
    # Where nobody knows a device's memory, all moments count as having no room.
    usable = np.asarray(known["usable_memory_gb"])
    known["paging_memory_gb"] = np.where(np.isinf(usable), 0.0, usable)[()]
    inputs.constants["paging_memory_gb"] = "usable_memory_gb"
    whole = (np.asarray(known["offloads_parameters"]) > 0) & (
        np.asarray(known.get("sharding", 3.0)) < 3
    )
    if whole.ndim == 0 and whole:
        inputs.problem(
            "training.offload",
            '"parameters": weights come from the host a layer at a time with parallelism.sharding = "zero3" alone',
        )
    several = np.asarray(known["steps_in_backward"]) > 0
    if not inputs.searches and {"global_batch_seqs", "dp", "micro_batch"} <= known.keys():
        size = np.asarray(known["dp"]) * known["micro_batch"]
        several = several & (np.asarray(known["global_batch_seqs"]) > size)
        if several.ndim == 0 and several:
            inputs.problem(
                "training.optimizer_in_backward",
                "a gradient that later micro-batches add to cannot be stepped before them; give"
                " parallelism.global_batch_seqs = dp * micro_batch",
            )
