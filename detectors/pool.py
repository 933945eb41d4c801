"""The search of documents by several processes, with the results of one.

Presidio's own batches speed up the language step alone, and slow the rest down.
"""

import multiprocessing
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice

from detectors.corpus import Document
from detectors.engine import Engine
from detectors.people import Register
from detectors.search import Findings, search_document
from policies import Policy
from policies.errors import CorpusError

PARALLEL_FROM_DOCUMENTS = 5_000
"""Number of documents from which it pays that each process imports Presidio, which takes seconds."""
BATCH_DOCUMENTS = 256
BATCH_CHARACTERS = 100_000
BATCHES_IN_FLIGHT = 4
"""Number of batches in flight per process; it bounds the memory."""

_worker: tuple[Engine, Register] | None = None


def process_count(documents: int) -> int:
    """Return how many processes a corpus of this size is worth: one, or one per core."""
    return _cores() if documents >= PARALLEL_FROM_DOCUMENTS else 1


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def search_in_processes(
    documents: Iterable[Document], policy: Policy, register: Register, processes: int
) -> Iterator[Findings]:
    """Search documents in new processes; yield results in the documents' order, whichever ends first.

    Each process builds its own engine from policy and register. Only a few batches are in flight, so that
    memory does not grow with the corpus.

    Raises:
        CorpusError: a damaged corpus, or a process that was ended from outside.
    """
    # Not forked: a parent with threads (a progress bar, a model) could leave a child waiting for ever.
    context = multiprocessing.get_context("spawn")
    batches = _batches(documents)
    waiting: deque[Future[list[Findings]]] = deque()
    with ProcessPoolExecutor(processes, context, _start, (policy, register)) as pool:
        try:
            for batch in islice(batches, processes * BATCHES_IN_FLIGHT):
                waiting.append(pool.submit(_search, batch))
            while waiting:
                findings = waiting.popleft().result()
                for batch in islice(batches, 1):
                    waiting.append(pool.submit(_search, batch))
                yield from findings
        except BrokenProcessPool:
            raise CorpusError(
                "A process that searched the corpus ended early, perhaps for want of memory",
                "Run again with one process",
            ) from None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _batches(documents: Iterable[Document]) -> Iterator[list[Document]]:
    batch: list[Document] = []
    characters = 0
    for document in documents:
        batch.append(document)
        characters += len(document.text)
        if len(batch) == BATCH_DOCUMENTS or characters >= BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _start(policy: Policy, register: Register) -> None:
    global _worker  # noqa: PLW0603 - a process has one engine
    _worker = Engine(policy, register), register


def _search(batch: list[Document]) -> list[Findings]:
    assert _worker is not None, "the pool starts every process with _start"
    engine, register = _worker
    return [search_document(document, engine, register) for document in batch]
