"""Processes: as many as memory allows, threads whatever it allows, and none outlives what it works for."""

import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from editor.comparing import compare as comparing
from editor.comparing import processes
from editor.comparing.compare import CompareOptions
from editor.comparing.processes import allowed_processes, threads_each

MIB, GIB = 2**20, 2**30
STAND_IN = """
from concurrent.futures import wait
from editor.cli.stopping import stopped_by_sigterm
from editor.comparing.processes import worker_pool

job = "import time; print('started', flush=True); time.sleep(90)" + " " * 2_000_000
with stopped_by_sigterm(), worker_pool(2) as pool:
    wait([pool.submit(exec, job) for _ in range(4)])
"""


@pytest.fixture
def machine(monkeypatch):
    """Sets how many cores and how much free memory there are."""

    def has(cores, free=40 * GIB):
        monkeypatch.setattr(processes.os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
        monkeypatch.setattr(processes, "_free_bytes", lambda: free)

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
    loaded = SimpleNamespace(model=model, device=torch.device(device), source="m")
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
def test_jobs_end_with_the_run(number):
    """Whoever lives holds the pipe open; jobs wait in the queue, too large to be written there at once."""
    parent = subprocess.Popen(
        [sys.executable, "-c", STAND_IN], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert [parent.stdout.readline() for _ in range(2)] == ["started\n"] * 2
        parent.send_signal(number)
        rest, err = parent.communicate(timeout=30)
    finally:
        parent.kill()
    assert rest == ""
    assert parent.returncode == (-signal.SIGKILL if number == signal.SIGKILL else -signal.SIGINT)
    assert ("KeyboardInterrupt" in err) is (number == signal.SIGTERM)
