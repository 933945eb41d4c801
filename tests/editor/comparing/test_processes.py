"""Processes: as many as memory allows, threads whatever it allows, and none outlives what it works for."""

import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from launching import wait_until

from editor.comparing import compare as comparing
from editor.comparing import processes
from editor.comparing.compare import CompareOptions
from editor.comparing.processes import allowed_processes, threads_each

MIB, GIB = 2**20, 2**30
STAND_IN = """
import sys
from concurrent.futures import wait
from editor.cli.stopping import stopped_by_signals
from editor.comparing.processes import worker_pool

job = "import os, pathlib, threading; "
job += f"pathlib.Path({sys.argv[1]!r}, str(os.getpid())).touch(); threading.Event().wait()"
job += " " * 2_000_000
with stopped_by_signals(), worker_pool(2) as pool:
    wait([pool.submit(exec, job) for _ in range(4)])
"""


@pytest.fixture
def machine(monkeypatch):
    """Sets how many cores and how much free memory there are."""

    def has(cores, free=40 * GIB):
        monkeypatch.setattr(processes.os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
        monkeypatch.setattr(processes, "free_bytes", lambda: free)

    return has


def test_as_many_processes_as_memory_and_cores_allow(machine):
    machine(8)
    assert allowed_processes(10 * MIB, on_gpu=False) == 8
    assert allowed_processes(2 * GIB, on_gpu=False) == 3
    assert allowed_processes(2**40, on_gpu=False) == 1
    assert allowed_processes(10 * MIB, on_gpu=True) == 1


@pytest.mark.parametrize(
    ("cores", "at_once", "threads"), [(2, 45, 1), (2, 2, 1), (8, 3, 2), (8, 1, 8), (1, 4, 1)]
)
def test_threads_share_the_cores(machine, cores, at_once, threads):
    machine(cores)
    assert threads_each(at_once) == threads


def first_job(device="cpu", **options):
    """What all jobs have in common, for a model of 64 MiB."""
    model = torch.nn.Linear(4096, 4096, bias=False)
    loaded = SimpleNamespace(model=model, device=torch.device(device), source="m", revision=None, alike={})
    return comparing._first_job(SimpleNamespace(seed=0), loaded, CompareOptions(**options), None, "d")


@pytest.mark.parametrize("options", [{}, {"arms": (), "seeds": 3}, {"processes": 4}])
def test_free_memory_decides_how_many_run_and_not_with_how_many_threads(machine, options):
    jobs = []
    for free in (GIB, 3 * GIB, 40 * GIB):
        machine(8, free)
        jobs.append(first_job(**options))
    assert len({job.threads for job in jobs}) == 1
    assert [job.processes for job in jobs] == ([4] * 3 if "processes" in options else [1, 2, 8])


def test_two_cores_run_two_arms_of_one_thread(machine):
    machine(2)
    assert (first_job().processes, first_job().threads) == (2, 1)
    assert (first_job("cuda").processes, first_job("cuda").threads) == (1, 2)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_jobs_end_with_the_run(number, started, tmp_path):
    """Jobs wait in the queue, too large to be written there at once. Those that run would never end."""
    running, said = tmp_path / "running", tmp_path / "said.txt"
    running.mkdir()
    with said.open("w") as errors:
        parent = started(
            sys.executable, "-c", STAND_IN, running, stdout=subprocess.PIPE, stderr=errors, text=True
        )
    wait_until(lambda: len(list(running.iterdir())) == 2, parent)
    parent.send_signal(number)
    # Whoever lives holds the pipe open: it is at its end once they are all gone.
    assert parent.stdout.read() == ""
    assert parent.wait() == (-signal.SIGKILL if number == signal.SIGKILL else -signal.SIGINT)
    assert ("KeyboardInterrupt" in said.read_text()) is (number == signal.SIGTERM)
