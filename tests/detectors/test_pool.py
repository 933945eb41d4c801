import os
import signal

import pytest

from detectors import Document, detect_facts, pool
from policies.errors import CorpusError

DOCUMENTS = [
    Document(
        id=str(number),
        text=f"The phone number of Ada Quill is 415-555-{number:04}. " + "x" * (2_000 * (number % 7 == 0)),
        subjects=("Ada Quill", f"Ben Ross{number}"),
    )
    for number in range(300)
]


def test_several_processes_find_what_one_finds_in_the_same_order(gdpr):
    calls = []
    one = detect_facts(DOCUMENTS, gdpr)
    two = detect_facts(DOCUMENTS, gdpr, processes=2, on_document=lambda: calls.append(1))
    assert two == one
    assert len(calls) == len(DOCUMENTS)
    assert len(one.facts) == len(DOCUMENTS)
    assert len(one.skipped) == 43


def test_processes_are_for_large_corpora():
    assert pool.process_count(pool.PARALLEL_FROM_DOCUMENTS - 1) == 1
    assert pool.process_count(pool.PARALLEL_FROM_DOCUMENTS) == len(os.sched_getaffinity(0))


def test_batches_are_bounded_by_number_and_length():
    short = [Document(id="1", text="x")] * (2 * pool.BATCH_DOCUMENTS + 8)
    assert [len(batch) for batch in pool._batches(short)] == [pool.BATCH_DOCUMENTS] * 2 + [8]
    long = [Document(id="1", text="x" * 60_000)] * 3
    assert [len(batch) for batch in pool._batches(long)] == [2, 1]


@pytest.fixture
def without_presidio(monkeypatch):
    """Processes that begin at once and find nothing."""
    monkeypatch.setattr(pool, "_start", _no_engine)
    monkeypatch.setattr(pool, "_search", list)


@pytest.mark.usefixtures("without_presidio")
def test_few_batches_are_in_flight(gdpr):
    taken = []

    def documents():
        for document in DOCUMENTS * 20:
            taken.append(1)
            yield document

    register = pool.Register()
    found = pool.search_in_processes(documents(), gdpr, register, 2)
    next(found)
    assert len(taken) <= (2 * pool.BATCHES_IN_FLIGHT + 1) * pool.BATCH_DOCUMENTS
    found.close()


@pytest.mark.usefixtures("without_presidio")
def test_damage_met_while_processes_search_ends_the_run(gdpr):
    def documents():
        yield DOCUMENTS[0]
        raise CorpusError("Line 2 is not JSON", "Correct it")

    with pytest.raises(CorpusError, match="Line 2"):
        list(pool.search_in_processes(documents(), gdpr, pool.Register(), 2))


@pytest.mark.usefixtures("without_presidio")
def test_a_process_that_is_ended_is_reported(gdpr, monkeypatch):
    monkeypatch.setattr(pool, "_search", _end)
    with pytest.raises(CorpusError, match="ended early"):
        list(pool.search_in_processes(DOCUMENTS, gdpr, pool.Register(), 2))


def _no_engine(_policy, _register):
    pass


def _end(_batch):
    os.kill(os.getpid(), signal.SIGKILL)
