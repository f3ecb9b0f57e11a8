#!/bin/bash
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=8
#SBATCH --gpus-per-node=8
WORKSPACE=${WORKSPACE:-/workspace}
MODEL_NAME=llama3_8b
SEQ_LENGTH=8192
TRAIN_ITERS=50
# "TP,PP,EP,CP,SP" per entry
PARALLELISM_CONFIGS=("2,2,1,2,True" "4,1,1,1,True")
CONTAINER_IMAGE=""
if [ -z "$CONTAINER_IMAGE" ]; then
    echo "ERROR: CONTAINER_IMAGE must be set."
    exit 1
fi
SRUN_CMD="srun --mpi=pmix --container-image=$CONTAINER_IMAGE"
for CONFIG in "${PARALLELISM_CONFIGS[@]}"; do
    IFS=',' read -r TP PP EP CP SP <<< "$CONFIG"
    CLI_OVERRIDES="\
        model.seq_length=$SEQ_LENGTH \
        train.train_iters=$TRAIN_ITERS \
        train.global_batch_size=32 \
        train.micro_batch_size=1 \
        checkpoint.save=${WORKSPACE}/results/${MODEL_NAME}_tp${TP}_pp${PP} \
        model.tensor_model_parallel_size=$TP \
        model.pipeline_model_parallel_size=$PP \
        model.expert_model_parallel_size=$EP \
        model.sequence_parallel=$SP \
        model.context_parallel_size=$CP"
    CMD="uv run --no-sync python scripts/training/run_recipe.py"
    CMD="$CMD --recipe ${MODEL_NAME}_pretrain_config"
    CMD="$CMD $CLI_OVERRIDES"
    echo $CMD
    $SRUN_CMD bash -c "$CMD"
done
