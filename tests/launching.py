"""Programs started as a user would: in a process, or in two by accelerate."""

import os
import socket
import subprocess
import sys


def environment():
    """One thread a process, asleep when it has nothing to do."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}


def launch(*arguments, cwd=None):
    """`accelerate launch` of two processes on the CPU, whose gradients gloo averages."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--multi_gpu", "--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no"]
    options += ["--dynamo_backend", "no", "--main_process_port", str(port)]
    options += ["--num_cpu_threads_per_process", "1"]
    command = [sys.executable, "-m", "accelerate.commands.launch", *options, *map(str, arguments)]
    result = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False, cwd=cwd)
    assert result.returncode == 0, result.stderr[-3000:]
    return result
