#!/bin/bash
# sources: the arguments of transformers' run_clm.py; the JSON beside it
N_GPUS=8
export CUDA_DEVICE_MAX_CONNECTIONS=1
deepspeed --num_nodes 2 --num_gpus=${N_GPUS} run_clm.py \
    --model_name_or_path meta-llama/Llama-2-13b-hf \
    --dataset_name wikitext \
    --block_size 4096 \
    --per_device_train_batch_size 2 \
    --gradient_accumulation_steps 4 \
    --gradient_checkpointing True \
    --bf16 True \
    --optim adafactor \
    --max_steps 1000 \
    --learning_rate 2e-5 \
    --no_such_option 7 \
    --output_dir out \
    --deepspeed huggingface_zero2.json
