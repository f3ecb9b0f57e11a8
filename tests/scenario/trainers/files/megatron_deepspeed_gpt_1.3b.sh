#!/bin/bash
dir=`pwd`
seq_len=2048
## GPT-3 XL 1.3B
model_size=1.3
num_layers=24
hidden_size=2048
num_attn_heads=16
global_batch_size=512
# global_batch_size=256
train_tokens_in_billion=300
train_tokens=$((${train_tokens_in_billion} * 1000000000))
train_samples=$(( 300 * 1000000000 * 2 / ${seq_len} ))
mp_size=2
pp_size=1
no_pp="true"
zero_stage=1
num_gpus=$(($(ds_ssh nvidia-smi --query-gpu=name --format=csv,noheader | wc -l)-2))
dp_size=$(( ${num_gpus} / ${pp_size} / ${mp_size} ))
batch_size=2
activation_checkpoint="true"
megatron_options=" \
    --tensor-model-parallel-size ${mp_size} \
    --micro-batch-size ${batch_size} \
    --global-batch-size ${global_batch_size} \
    --num-layers ${num_layers} \
    --hidden-size ${hidden_size} \
    --num-attention-heads ${num_attn_heads} \
    --seq-length ${seq_len} \
    --train-tokens ${train_tokens} \
    --train-samples ${train_samples} \
    --lr 2.0e-4 \
    --fp16"
if [ "${activation_checkpoint}" = "true" ]; then
megatron_options="${megatron_options} \
    --checkpoint-activations"
fi
config_json="ds_config_gbs${global_batch_size}_zero${zero_stage}.json"
cat > ${config_json} <<EOT
{
  "train_batch_size": ${global_batch_size},
  "train_micro_batch_size_per_gpu": ${batch_size},
  "zero_optimization": {"stage": ${zero_stage}},
  "fp16": {"enabled": true}
}
EOT
deepspeed_options=" \
    --deepspeed \
    --deepspeed_config ${config_json} \
    --zero-stage ${zero_stage} \
    --pipeline-model-parallel-size ${pp_size}"
if [[ "${no_pp}" = "true" ]]; then
deepspeed_options="${deepspeed_options} \
    --no-pipeline-parallel"
fi
for (( node = 0; node <= 3; node++ ))
do
    ssh worker-"$node" true
done
run_cmd="deepspeed ${dir}/../../pretrain_gpt.py ${megatron_options} ${deepspeed_options}"
echo ${run_cmd}
eval ${run_cmd}
