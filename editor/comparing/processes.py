"""The processes that jobs run in: how many, with how many threads, and how they end."""

import multiprocessing
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

COPIES = 6
"""Times the model's parameters that one process may hold at its peak, roughly."""
BASE_BYTES = 2**30
"""Bytes that a process holds beside them: the libraries, the questions, the logits."""


@contextmanager
def worker_pool(processes: int) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of fresh processes, one a job, so that each one's peak memory is its own.

    They are stopped where the block raises, and stop by themselves where this process is killed.
    """
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(
        max_workers=processes, mp_context=context, max_tasks_per_child=1, initializer=_end_with_parent
    )
    try:
        yield pool
    except BaseException:
        running = list((getattr(pool, "_processes", None) or {}).values())
        pool.shutdown(wait=False, cancel_futures=True)
        for process in running:
            process.terminate()
        raise
    pool.shutdown()


def _end_with_parent() -> None:
    """Have this process exit at once when its parent is gone: nobody would take its result."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def allowed_processes(model_bytes: int, *, on_gpu: bool) -> int:
    """Return how many jobs may run at a time: one a core while memory lasts; on a GPU one."""
    if on_gpu:
        return 1
    return max(1, min(cores(), free_bytes() // (BASE_BYTES + COPIES * model_bytes)))


def threads_each(at_once: int) -> int:
    """Return how many threads a job has where at most `at_once` run at a time: its share of the cores, one at least.

    Threads decide the order of sums, and so the last digits of results. They must not depend on what memory
    happens to be free: where it allows fewer processes than cores, cores stay idle.
    """
    return max(1, cores() // at_once)


def cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def free_bytes() -> int:
    """Return the bytes of memory that can be had; 8 GiB where the system does not say."""
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 8 * 2**30
