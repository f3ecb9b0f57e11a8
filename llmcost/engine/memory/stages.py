"""Parameters that a device of each stage of a pipeline holds: the first, a middle one, the last."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from llmcost.engine.chain import Array, Function, rule
from llmcost.engine.papers import DUALPIPE, KORTHIKANTI, NARAYANAN, ZERO

#: The stages of a pipeline that may be the fullest: the first, the second, the last.
STAGES = ("first", "middle", "last")
#: The stage from the other end of the pipeline that shares a device with each in DualPipe.
MIRRORS = {"first": "last", "middle": "middle", "last": "first"}


def of_each_stage(
    gives: Mapping[str, str], own: Sequence[str], *, formula: str, reference: str
) -> Callable[[Function], Function]:
    """Enter a function once for each stage.

    Parameters
    ----------
    gives : mapping of str to str
        Name of the quantity by stage.
    own : sequence of str
        Parameters that are the stage's: ``params`` stands for ``first_params`` and so on, and
        ``mirrored_params`` for those of the stage from the other end of the pipeline.
    formula, reference : str
        As :func:`llmcost.engine.chain.rule`.
    """

    def enter(function: Function) -> Function:
        for stage, name in gives.items():
            of = {parameter: f"{stage}_{parameter}" for parameter in own}
            for parameter in own:
                of[f"mirrored_{parameter}"] = f"{MIRRORS[stage]}_{parameter}"
            rule(name, formula=formula, reference=reference, of=of)(function)
        return function

    return enter


@rule(
    "first_dense_params",
    formula="device_dense_params less the layers that the first stage leaves to others for the embedding",
    reference=KORTHIKANTI,
)
def first_dense_params(
    device_dense_params: Array,
    stage_layers: Array,
    first_stage_layers: Array,
    layer_dense_params: Array,
    layer_uses: Array,
    tp: Array,
) -> Array:
    """Parameters outside the routed experts on a device of the first stage [1]."""
    fewer = stage_layers - first_stage_layers
    return device_dense_params - fewer * layer_dense_params / layer_uses / tp


@rule(
    "first_expert_params",
    formula="device_expert_params less the layers that the first stage leaves to others",
    reference=KORTHIKANTI,
)
def first_expert_params(
    device_expert_params: Array,
    stage_layers: Array,
    first_stage_layers: Array,
    layer_expert_params: Array,
    ep: Array,
    expert_tp: Array,
) -> Array:
    """Parameters of the routed experts on a device of the first stage [1]."""
    fewer = stage_layers - first_stage_layers
    return device_expert_params - fewer * layer_expert_params / (ep * expert_tp)


@rule(
    "first_tables",
    formula="table_params / tp, twice where one stage holds embedding and head",
    reference=KORTHIKANTI,
)
def first_tables(
    table_params: Array, tied_embeddings: Array, output_head: Array, tp: Array, pp: Array
) -> Array:
    """Parameters of embedding and head on a device of the first stage [1]."""
    alone = np.where(pp > 1, 0.0, 1.0)
    return (1 + alone * output_head * (1 - tied_embeddings)) * table_params / tp


@rule(
    "middle_dense_params",
    formula="stage_layers * layer_dense_params / layer_uses / tp; 0 below three stages",
    reference=NARAYANAN,
)
def middle_dense_params(
    stage_layers: Array, layer_dense_params: Array, layer_uses: Array, tp: Array, pp: Array
) -> Array:
    """Parameters outside the routed experts on a device between first and last stage [1]."""
    return np.where(pp > 2, stage_layers * layer_dense_params / layer_uses / tp, 0.0)


@rule(
    "middle_expert_params",
    formula="stage_layers * layer_expert_params / (ep * expert_tp); 0 below three stages",
    reference=NARAYANAN,
)
def middle_expert_params(
    stage_layers: Array, layer_expert_params: Array, pp: Array, ep: Array, expert_tp: Array
) -> Array:
    """Parameters of the routed experts on a device between first and last stage [1]."""
    return np.where(pp > 2, stage_layers * layer_expert_params / (ep * expert_tp), 0.0)


@rule(
    "middle_tables",
    formula="0: embedding and head are on the first stage and the last",
    reference=KORTHIKANTI,
)
def middle_tables(table_params: Array) -> Array:
    """Parameters of embedding and head on a device between first and last stage [1]."""
    return np.zeros_like(table_params)


@rule(
    "last_tables",
    formula="table_params / tp where there is a head; a tied one is a copy of the embedding on another stage",
    reference=KORTHIKANTI,
)
def last_tables(
    table_params: Array, tied_embeddings: Array, output_head: Array, tp: Array, pp: Array
) -> Array:
    """Parameters of the output head, and of the embedding without a pipeline [1]."""
    alone = np.where(pp > 1, 0.0, 1.0)
    tables = output_head * np.where(tied_embeddings > 0, 1 - alone, 1.0) + alone
    return tables * table_params / tp


@rule(
    "last_dense_params",
    formula="(last_stage_layers * layer_dense_params / layer_uses + mtp_layers * (layer_dense_params"
    " + 2 hidden_size^2)) / tp + last_tables",
    reference=f"{KORTHIKANTI}; DeepSeek-AI 2024, arXiv:2412.19437",
)
def last_dense_params(
    last_stage_layers: Array,
    mtp_layers: Array,
    hidden_size: Array,
    layer_dense_params: Array,
    layer_uses: Array,
    last_tables: Array,
    tp: Array,
) -> Array:
    """Parameters outside the routed experts on a device of the last stage [1]."""
    further = mtp_layers * (layer_dense_params + 2 * hidden_size**2)
    blocks = last_stage_layers * layer_dense_params / layer_uses + further
    return blocks / tp + last_tables


@rule(
    "last_expert_params",
    formula="(last_stage_layers + mtp_layers) * layer_expert_params / (ep * expert_tp)",
    reference=NARAYANAN,
)
def last_expert_params(
    last_stage_layers: Array,
    mtp_layers: Array,
    layer_expert_params: Array,
    ep: Array,
    expert_tp: Array,
) -> Array:
    """Parameters of the routed experts on a device of the last stage [1]."""
    return (last_stage_layers + mtp_layers) * layer_expert_params / (ep * expert_tp)


@of_each_stage(
    {stage: f"{stage}_params" for stage in STAGES},
    ("dense_params", "expert_params"),
    formula="dense and expert parameters of the stage; with DualPipe also those of the stage as far from the other end",
    reference=f"sum over parts; {DUALPIPE}",
)
def params(
    dense_params: Array,
    expert_params: Array,
    mirrored_dense_params: Array,
    mirrored_expert_params: Array,
    stages_per_device: Array,
) -> Array:
    """Parameters on a device of a stage [1]."""
    also = mirrored_dense_params + mirrored_expert_params
    return dense_params + expert_params + np.where(stages_per_device > 1, also, 0.0)


@of_each_stage(
    {stage: f"{stage}_table_params" for stage in STAGES},
    ("tables",),
    formula="embedding and head of the stage; with DualPipe also those of the stage as far from the other end",
    reference=f"sum over parts; {DUALPIPE}",
)
def table_params(tables: Array, mirrored_tables: Array, stages_per_device: Array) -> Array:
    """Parameters of embedding and head on a device of a stage [1]."""
    return tables + np.where(stages_per_device > 1, mirrored_tables, 0.0)


@of_each_stage(
    {stage: f"{stage}_own_params" for stage in STAGES},
    ("dense_params", "expert_params"),
    formula="dense / sharers + experts / expert_sharers, of the stage; with DualPipe the mean of its two stages",
    reference=f"{ZERO}; {DUALPIPE}",
)
def own_params(
    dense_params: Array,
    expert_params: Array,
    mirrored_dense_params: Array,
    mirrored_expert_params: Array,
    sharers: Array,
    expert_sharers: Array,
    stages_per_device: Array,
) -> Array:
    """Parameters that a device of a stage keeps where its replicas share them [1].

    With DualPipe two devices of a pipeline hold each stage: twice as many share it.
    """
    twice = stages_per_device > 1
    dense = np.where(twice, (dense_params + mirrored_dense_params) / 2, dense_params)
    routed = np.where(twice, (expert_params + mirrored_expert_params) / 2, expert_params)
    return dense / sharers + routed / expert_sharers
