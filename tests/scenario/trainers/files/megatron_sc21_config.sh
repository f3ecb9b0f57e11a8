#!/bin/bash
export MEGATRON_CODE_DIR=<megatron source code directory>
export MEGATRON_PARAMS=" ${MEGATRON_EXTRA_PARAMS} \
	--tensor-model-parallel-size ${TP} \
	--pipeline-model-parallel-size ${PP} \
	--micro-batch-size ${MBS} \
	--global-batch-size ${GBS} \
        --num-layers ${NLS} \
        --hidden-size ${HS} \
        --num-attention-heads ${NAH} \
        --seq-length 2048 \
        --train-iters 500 \
        --fp16 "
sbatch -p batch --nodes=${NNODES} --ntasks-per-node=8 SRUN.sh
