"""Who holds what: replicas, stages, micro-batches of a parallel layout."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array, rule
from llmcost.engine.papers import NARAYANAN

#: Bytes of a number in the forward and backward pass.
WIDTH = 2.0


@rule("model_parallel", formula="tp * pp * cp", reference=NARAYANAN)
def model_parallel(tp: Array, pp: Array, cp: Array) -> Array:
    """Devices that hold one replica of the model [1]."""
    return tp * pp * cp


@rule("dp", formula="devices / (tp * pp * cp)", reference=NARAYANAN)
def dp(devices: Array, model_parallel: Array) -> Array:
    """Data-parallel replicas [1]."""
    return devices / model_parallel


@rule("devices", formula="dp * tp * pp * cp", reference=NARAYANAN)
def devices(dp: Array, model_parallel: Array) -> Array:
    """Devices of a layout [1]."""
    return dp * model_parallel


@rule("micro_batches", formula="global_batch_seqs / (dp * micro_batch)", reference=NARAYANAN)
def micro_batches(global_batch_seqs: Array, dp: Array, micro_batch: Array) -> Array:
    """Micro-batches that a pipeline works through in a step [1]."""
    return np.maximum(global_batch_seqs / (dp * micro_batch), 1.0)


@rule("micro_tokens", formula="micro_batch * seq_len / cp", reference=NARAYANAN)
def micro_tokens(micro_batch: Array, seq_len: Array, cp: Array) -> Array:
    """Tokens of a micro-batch on one device [tokens]."""
    return micro_batch * seq_len / cp


@rule("stage_layers", formula="ceil(layers / (pp * vpp)) * vpp", reference=NARAYANAN)
def stage_layers(layers: Array, pp: Array, vpp: Array) -> Array:
    """Layers of the fullest pipeline stage: whole layers in each of its virtual stages [1]."""
    return np.ceil(layers / (pp * vpp) - 1e-9) * vpp


@rule(
    "last_stage_layers",
    formula="max(layers - (pp - 1) * stage_layers, 0)",
    reference=f"{NARAYANAN}; Llama 3, arXiv:2407.21783, section 3.3.2",
)
def last_stage_layers(layers: Array, pp: Array, stage_layers: Array) -> Array:
    """Layers left for the last stage, which also holds the output head.

    Fewer than in the others where the stages cannot be equal: 126 layers on 16 stages make
    8 in each and 6 in the last, so that the head costs no time there [1].
    """
    return np.maximum(layers - (pp - 1) * stage_layers, 0.0)


@rule(
    "expert_tp",
    formula="tp, less where the replicas are too few for the experts: min(tp, dp * cp * tp / ep)",
    reference="Liu et al. 2025, arXiv:2504.14960 (parallel folding)",
)
def expert_tp(tp: Array, dp: Array, cp: Array, ep: Array) -> Array:
    """Devices that share an expert's weights [1].

    Where `ep` exceeds the replicas, its group takes in those of tensor parallelism too.
    """
    return np.maximum(np.minimum(tp, dp * cp * tp / ep), 1.0)
