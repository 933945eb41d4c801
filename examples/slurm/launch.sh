#!/bin/bash
# Starts this machine's processes of one run. What follows is an Expunge command: audit, erase or verify.
# Slurm sets SLURM_JOB_NUM_NODES and SLURM_NODEID; job.sh sets MAIN_HOST, and may set PROCESSES and PORT.
set -euo pipefail
machines=${SLURM_JOB_NUM_NODES:-1}
each=${PROCESSES:-${SLURM_GPUS_ON_NODE:-1}}
exec "${PYTHON:-python}" -m accelerate.commands.launch \
    --multi_gpu \
    --num_machines "$machines" \
    --num_processes "$((machines * each))" \
    --machine_rank "${SLURM_NODEID:-0}" \
    --main_process_ip "${MAIN_HOST:-127.0.0.1}" \
    --main_process_port "${PORT:-29517}" \
    --num_cpu_threads_per_process "${OMP_NUM_THREADS:-1}" \
    --mixed_precision no \
    --dynamo_backend no \
    -m editor.cli "$@"
