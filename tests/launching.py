"""Programs started as a user would: in a process, or in two by accelerate. None outlives its test."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOOK_S = 0.05
TAKEN = "EADDRINUSE", "address already in use", "Address already in use"


def pytest_configure():
    """Every process that a test starts, in whatever folder, imports the packages beside these tests."""
    known = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    if str(ROOT) not in known:
        os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *known])
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def environment():
    """One thread a process, asleep when it has nothing to do."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}


@pytest.fixture
def started():
    """Start processes that are ended with the test, whatever happens, and all that they have started too."""
    running = []

    def start(*command, **options):
        process = subprocess.Popen([str(part) for part in command], start_new_session=True, **options)
        running.append(process)
        return process

    yield start
    for process in running:
        end(process)


def end(process):
    """End a process and its group, wait for it and close its pipes."""
    with process, contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def wait_until(condition, process):
    """Wait for what a process is to bring about, for as long as it runs."""
    while not condition():
        assert process.poll() is None, f"ended with {process.returncode} before what was waited for"
        time.sleep(LOOK_S)


def launch(*arguments, cwd=None):
    """`accelerate launch` of two processes on the CPU, whose gradients gloo averages.

    It looks for a free port and takes it later: where another program was faster, it is launched again.
    """
    options = ["--multi_gpu", "--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no"]
    options += ["--dynamo_backend", "no", "--main_process_port", "0"]
    options += ["--num_cpu_threads_per_process", "1"]
    command = [sys.executable, "-m", "accelerate.commands.launch", *options, *map(str, arguments)]
    while True:
        result = subprocess.run(
            command, env=environment(), capture_output=True, text=True, check=False, cwd=cwd
        )
        if result.returncode == 0 or not any(words in result.stderr for words in TAKEN):
            break
    assert result.returncode == 0, result.stderr[-3000:]
    return result
