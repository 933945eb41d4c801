"""Programs started as a user would: in a process, or in two by accelerate. None outlives its test.

Importing torch and transformers takes seconds. Where that is no part of what is tested, a program is run by a fork of
one process that has imported them, and nothing of ours.
"""

import contextlib
import json
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
SLOW_TO_IMPORT = (
    "torch",
    "torch._dynamo",  # what optimisers import when they are first used
    "transformers.models.auto.modeling_auto",
    "transformers.models.auto.tokenization_auto",
    "transformers.models.gpt2.modeling_gpt2",
    "transformers.models.llama.modeling_llama",
    "safetensors.torch",
)
FORKER = """
import importlib, json, os, sys, traceback

def run(told):
    os.chdir(told["cwd"])
    os.environ.clear()
    os.environ.update(told["environment"])
    for number, path in enumerate((os.devnull, *told["files"])):
        os.dup2(os.open(path, os.O_RDWR), number)
    sys.argv[1:] = told["arguments"]
    try:
        exec(told["program"], {"__name__": "__main__"})
    except SystemExit as stopped:
        return int(stopped.code or 0)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0

for name in sys.argv[1:]:
    importlib.import_module(name)
for line in sys.stdin:
    child = os.fork()
    if not child:
        code = run(json.loads(line))
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
"""


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


@pytest.fixture(scope="session")
def _forker():
    """A process that forks others, and ends with the session."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    command = [sys.executable, "-c", FORKER, *SLOW_TO_IMPORT]
    process = subprocess.Popen(command, env=environment(), start_new_session=True, **pipes)
    yield process
    end(process)


@pytest.fixture
def forked(_forker, tmp_path_factory):
    """Run programs as `python -c` does, by forks of a process that has imported torch and transformers.

    Takes a program and its arguments; a working folder and an environment other than those of the test by name. Gives
    what `subprocess.run` gives.
    """

    def run(program, *arguments, cwd=None, env=None):
        files = [tmp_path_factory.mktemp("forked") / name for name in ("stdout", "stderr")]
        for file in files:
            file.touch()
        told = {
            "program": program,
            "arguments": [str(argument) for argument in arguments],
            "cwd": str(cwd or Path.cwd()),
            "environment": env or environment(),
            "files": [str(file) for file in files],
        }
        _forker.stdin.write(json.dumps(told) + "\n")
        _forker.stdin.flush()
        code = int(_forker.stdout.readline())
        return subprocess.CompletedProcess(program, code, *(file.read_text() for file in files))

    return run


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
