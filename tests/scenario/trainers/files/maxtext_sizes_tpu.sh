#!/bin/bash
export OUTPUT=gs://runs
python3 -m MaxText.train MaxText/configs/base.yml run_name=gpt3 base_output_directory=$OUTPUT \
  base_emb_dim=6144 base_num_query_heads=48 base_num_kv_heads=8 base_mlp_dim=24576 base_num_decoder_layers=48 \
  head_dim=128 vocab_size=50304 mlp_activations=gelu logits_via_embedding=true \
  per_device_batch_size=0.5 ici_tensor_parallelism=4 ici_fsdp_parallelism=64 dcn_data_parallelism=2 \
  max_target_length=2048 steps=100 remat_policy=full quantization=int8 \
  compile_topology=v5e-256 compile_topology_num_slices=2
