"""The parallel layout: replicas, micro-batches, stages, and what each device holds."""

from __future__ import annotations

import numpy as np

from llmcost.engine.chain import Array, rule
from llmcost.engine.papers import DUALPIPE, NARAYANAN, ZERO


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
    """Micro-batches that a replica works through in a step [1]."""
    return global_batch_seqs / (dp * micro_batch)


@rule("micro_tokens", formula="micro_batch * seq_len / cp", reference=NARAYANAN)
def micro_tokens(micro_batch: Array, seq_len: Array, cp: Array) -> Array:
    """Tokens of a micro-batch on one device [tokens]."""
    return micro_batch * seq_len / cp


@rule("stage_layers", formula="ceil(layers / (pp * vpp)) * vpp", reference=NARAYANAN)
def stage_layers(layers: Array, pp: Array, vpp: Array) -> Array:
    """Layers of the fullest pipeline stage: whole layers in each of its virtual stages [1]."""
    return np.minimum(np.ceil(layers / (pp * vpp) - 1e-9) * vpp, layers)


@rule(
    "first_stage_layers",
    formula="stage_layers, one less where stages of stage_layers would have room for two layers more and none predicts"
    " further tokens",
    reference="Llama 3, arXiv:2407.21783, section 3.3.2; Megatron-LM, account_for_embedding_in_pipeline_split;"
    " Megatron Bridge, recipes of DeepSeek-V3 (multi-token prediction)",
)
def first_stage_layers(layers: Array, pp: Array, stage_layers: Array, mtp_layers: Array) -> Array:
    """Layers of the first stage, which also holds the embedding [1].

    126 layers on 16 stages make 7 in the first and the last and 8 in each between [1]. Layers of multi-token prediction
    stand beside the head and need all the room: 61 on 16 are 4 in each but the last, which has one.
    """
    room = pp * stage_layers - layers
    spared = (pp > 1) & (room >= 2) & (stage_layers > 1) & (mtp_layers <= 0)
    return stage_layers - np.where(spared, 1.0, 0.0)


@rule(
    "last_stage_layers",
    formula="max(layers - first_stage_layers - (pp - 2) * stage_layers, 0); without a pipeline layers",
    reference=f"{NARAYANAN}; Llama 3, arXiv:2407.21783, section 3.3.2",
)
def last_stage_layers(
    layers: Array, pp: Array, stage_layers: Array, first_stage_layers: Array
) -> Array:
    """Layers left for the last stage, which also holds the output head [1]."""
    left = layers - first_stage_layers - (pp - 2) * stage_layers
    return np.where(pp > 1, np.maximum(left, 0.0), layers)


@rule(
    "stages_per_device",
    formula="1; 2 with DualPipe, one from each end of the pipeline",
    reference=DUALPIPE,
)
def stages_per_device(pp: Array, schedule: Array) -> Array:
    """Pipeline stages whose parameters a device holds, each for half of the micro-batches [1]."""
    return np.where((schedule > 1) & (pp > 1), 2.0, 1.0)


@rule(
    "expert_tp",
    formula="tp, less where the replicas are too few for the experts: min(tp, dp * cp * tp / ep); 1 without experts",
    reference="Liu et al. 2025, arXiv:2504.14960 (parallel folding)",
)
def expert_tp(tp: Array, dp: Array, cp: Array, ep: Array, experts: Array) -> Array:
    """Devices that share an expert's weights [1].

    Where `ep` exceeds the replicas, its group takes in those of tensor parallelism too.
    """
    return np.where(experts > 0, np.maximum(np.minimum(tp, dp * cp * tp / ep), 1.0), 1.0)


@rule(
    "layer_dense_params",
    formula="dense_block_params / layers",
    reference="sum over the blocks",
)
def layer_dense_params(layers: Array, dense_block_params: Array) -> Array:
    """Parameters of a layer outside its routed experts, on average over the layers [1]."""
    return dense_block_params / layers


@rule(
    "layer_expert_params",
    formula="moe_layers * experts * expert_params / layers",
    reference="sum over the blocks",
)
def layer_expert_params(
    layers: Array, moe_layers: Array, experts: Array, expert_params: Array
) -> Array:
    """Parameters of the routed experts of a layer, on average over the layers [1]."""
    return moe_layers * experts * expert_params / layers


@rule("table_params", formula="vocab_size * embedding_size", reference="definition")
def table_params(vocab_size: Array, embedding_size: Array) -> Array:
    """Parameters of the input embedding, or of the output head [1]."""
    return vocab_size * embedding_size


@rule(
    "device_dense_params",
    formula="(stage_layers * layer_dense_params / layer_uses + the embedding, encoder_params and other_params, and the"
    " head and layers of multi-token prediction where there is one stage) / tp",
    reference="Korthikanti et al. 2022, arXiv:2205.05198",
)
def device_dense_params(
    stage_layers: Array,
    layer_dense_params: Array,
    layer_uses: Array,
    mtp_layers: Array,
    hidden_size: Array,
    table_params: Array,
    tied_embeddings: Array,
    output_head: Array,
    encoder_params: Array,
    other_params: Array,
    tp: Array,
    pp: Array,
) -> Array:
    """Parameters outside the routed experts on a device of the first, fullest stage [1].

    Parameters
    ----------
    stage_layers, layer_dense_params, layer_uses : array_like
        Layers of the stage, parameters of each, and how many layers share them [1].
    mtp_layers, hidden_size : array_like
        Layers of multi-token prediction, which stand beside the head, and the width [1].
    table_params, tied_embeddings, output_head : array_like
        Parameters of embedding and head, 1 where they are one, 1 where there is a head [1].
    encoder_params, other_params : array_like
        Encoders and towers; norms, biases, positions [1].
    tp, pp : array_like
        Devices that share a layer, stages [1].

    Returns
    -------
    ndarray
        Parameters [1].
    """
    alone = np.where(pp > 1, 0.0, 1.0)
    head = alone * output_head * (1 - tied_embeddings)
    further = alone * mtp_layers * (layer_dense_params + 2 * hidden_size**2)
    blocks = stage_layers * layer_dense_params / layer_uses + further
    return (blocks + (1 + head) * table_params + encoder_params + other_params) / tp


@rule(
    "feed_forward_width",
    formula="((ffn_layers - moe_layers) * ffn_hidden_size + moe_layers * (shared_experts + experts_per_token)"
    " * expert_ffn_hidden_size) / layers",
    reference="definition",
)
def feed_forward_width(
    layers: Array,
    ffn_layers: Array,
    moe_layers: Array,
    ffn_hidden_size: Array,
    experts_per_token: Array,
    shared_experts: Array,
    expert_ffn_hidden_size: Array,
) -> Array:
    """Width of the feed-forward blocks that a token enters in a layer, on average over the layers [1]."""
    dense = (ffn_layers - moe_layers) / layers * ffn_hidden_size
    mixtures = moe_layers / layers
    return dense + mixtures * (shared_experts + experts_per_token) * expert_ffn_hidden_size


@rule(
    "layer_device_params",
    formula="layer_dense_params / tp + layer_expert_params / (ep * expert_tp)",
    reference="definition",
)
def layer_device_params(
    layer_dense_params: Array, layer_expert_params: Array, tp: Array, ep: Array, expert_tp: Array
) -> Array:
    """Parameters of a layer on a device [1]."""
    return layer_dense_params / tp + layer_expert_params / (ep * expert_tp)


@rule(
    "device_expert_params",
    formula="(stage_layers, and mtp_layers where there is one stage) * layer_expert_params / (ep * expert_tp)",
    reference="Lepikhin et al. 2020, arXiv:2006.16668",
)
def device_expert_params(
    stage_layers: Array,
    mtp_layers: Array,
    layer_expert_params: Array,
    pp: Array,
    ep: Array,
    expert_tp: Array,
) -> Array:
    """Parameters of the routed experts on a device of the fullest stage [1]."""
    layers = stage_layers + np.where(pp > 1, 0.0, mtp_layers)
    return layers * layer_expert_params / (ep * expert_tp)


@rule(
    "sharers",
    formula="dp_shard * cp where given, else dp * cp; with zero3 those of a slice where slice_sharding: min(dp * cp, scale_up_domain / tp)",
    reference=f"{ZERO}; Zhao et al. 2023, arXiv:2304.11277, section 3.2.2 (hybrid sharding); MaxText documentation: sharded"
    " inside a slice, replicated between slices",
)
def sharers(
    dp: Array,
    cp: Array,
    tp: Array,
    scale_up_domain: Array,
    sharding: Array,
    slice_sharding: Array,
    dp_shard: Array,
) -> Array:
    """Replicas that share states where they are sharded [1].

    `slice_sharding` is 1 for TPUs, whose slices are joined by the data centre's network.
    """
    group = dp * cp
    slices = (slice_sharding > 0) & (sharding > 2)
    usual = np.where(slices, np.minimum(group, np.maximum(scale_up_domain / tp, 1.0)), group)
    return np.where(np.isnan(dp_shard), usual, np.minimum(dp_shard * cp, group))


@rule(
    "frees_weights",
    formula="1 with zero3 where reshard; where that is not given, without a pipeline",
    reference="Zhao et al. 2023, arXiv:2304.11277; torchtitan, apply_fsdp: no resharding after the forward in a pipeline",
)
def frees_weights(sharding: Array, pp: Array, reshard: Array) -> Array:
    """Whether gathered weights are freed after the forward pass and gathered again for the backward [1]."""
    wanted = np.where(np.isnan(reshard), pp == 1, reshard > 0)
    return np.where((sharding > 2) & wanted, 1.0, 0.0)


@rule(
    "expert_sharers",
    formula="sharers * tp / (ep * expert_tp), at least 1",
    reference="Rajbhandari et al. 2022, arXiv:2201.05596",
)
def expert_sharers(sharers: Array, tp: Array, ep: Array, expert_tp: Array) -> Array:
    """Replicas of an expert that share its states: fewer than of the rest of the model [1]."""
    return np.maximum(sharers * tp / (ep * expert_tp), 1.0)


@rule(
    "own_params",
    formula="device_dense_params / sharers + device_expert_params / expert_sharers",
    reference=ZERO,
)
def own_params(
    device_dense_params: Array, device_expert_params: Array, sharers: Array, expert_sharers: Array
) -> Array:
    """Parameters that a device looks after where its replicas share them [1]."""
    return device_dense_params / sharers + device_expert_params / expert_sharers
