#!/bin/bash
# model size options = [1.7B, 76B, 1T]
MODEL_SIZE=76B
if [ ${MODEL_SIZE} == "1.7B" ]; then
    TP=1; PP=1; MBS=16; GBS=512; NLS=24; HS=2304; NAH=24
    NNODES=4
    MEGATRON_EXTRA_PARAMS="--activations-checkpoint-method uniform "
elif [ ${MODEL_SIZE} == "76B" ]; then
    TP=8
    PP=4
    MBS=2
    GBS=1792
    NLS=60
    HS=10240
    NAH=80
    NNODES=128
    MEGATRON_EXTRA_PARAMS="--activations-checkpoint-method uniform --num-layers-per-virtual-pipeline-stage 5"
else
    echo "Invalid configuration"
    exit 1
fi
export JOB_NAME=results_${MODEL_SIZE}
. `pwd`/CONFIG.sh
exit 0
