#!/bin/bash
deepspeed --module openrlhf.cli.train_sft \
    --max_len 4096 --pretrain meta-llama/Meta-Llama-3-8B --dataset Open-Orca/OpenOrca \
    --train_batch_size 256 --micro_train_batch_size 2 --max_samples 500000 --max_epochs 2 \
    --zero_stage 2 --bf16 --learning_rate 5e-6 --gradient_checkpointing --packing_samples --lora_rank 64
