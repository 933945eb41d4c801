#!/bin/bash
#SBATCH --job-name=expunge-audit
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=32
#SBATCH --time=04:00:00
#SBATCH --output=expunge-%j.log
# One task a machine, which starts a process for each of its GPUs. The environment with Expunge, the model, the corpus
# and the folder of the output lie where all machines see them.
set -euo pipefail
here=$(dirname "${SLURM_SUBMIT_DIR:-$PWD}/examples/slurm/launch.sh")
MAIN_HOST=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
export MAIN_HOST
export PORT=$((20000 + SLURM_JOB_ID % 10000))
export OMP_NUM_THREADS=4
srun --kill-on-bad-exit=1 "$here/launch.sh" audit "$MODEL" \
    --corpus "$CORPUS" --policy gdpr --output "$OUTPUT" --quiet
