"""Jobs: the reference first, results kept as they come, a stopped run gone on with, other settings refused."""

from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from made_arms import finished

from editor.comparing import job, run
from editor.comparing.compare import CompareOptions, parts_in
from editor.comparing.job import Job, target_in
from editor.comparing.points import OperatingTarget
from editor.comparing.run import LONG_FIRST, REFERENCE, Ledger, in_order, run_all
from editor.kept_work import json_form
from editor.methods import METHODS
from editor.methods.shared.settings import with_seed
from policies.errors import ModelError, OutputError

NAMES = (REFERENCE, "neuron-kn", "memit")


FIRST = Job(
    arm=REFERENCE,
    seed=0,
    case=None,
    model="m",
    device="cpu",
    dictionaries="d",
    site=None,
    trials=2,
    reference=None,
    key=None,
    processes=2,
    threads=1,
)


@pytest.fixture
def jobs(monkeypatch):
    """The jobs that were run, in order; run here and at once."""
    ran, failing = [], set()

    @contextmanager
    def pool(_processes):
        def submit(job):
            future = Future()
            ran.append(job)
            if job.arm in failing:
                future.set_exception(RuntimeError("no memory"))
            else:
                future.set_result(finished(job.arm, job.seed))
            return future

        yield submit

    monkeypatch.setattr(run, "_pool", pool)
    return type("Jobs", (), {"ran": ran, "failing": failing})


def ledger(folder, **settings):
    return Ledger(folder=folder / "out.arms", settings={"trials": 2, **settings})


def test_the_references_begin_first_and_the_others_are_told_where_its_cost_will_be(jobs, tmp_path):
    book = ledger(tmp_path)
    book.open(resume=False)
    seen = []
    results = run_all(FIRST, NAMES, (3, 4), book, seen.append)
    assert [(one.run.arm, one.run.seed) for one in results] == [(name, s) for s in (3, 4) for name in NAMES]
    assert [job.arm for job in jobs.ran[:2]] == [REFERENCE, REFERENCE]
    assert all((job.reference is None) is (job.arm == REFERENCE) for job in jobs.ran)
    assert all(job.reference == book.path(REFERENCE, job.seed) for job in jobs.ran[2:])
    assert target_in(jobs.ran[2].reference) == OperatingTarget(norm=3.2, collateral=0.004)
    assert len(seen) == len(results)


def test_long_jobs_begin_before_short_ones_and_none_before_what_it_waits_for():
    order = in_order(list(METHODS), (0, 1))
    assert sorted(order) == sorted((arm, seed) for arm in METHODS for seed in (0, 1))
    assert order[:2] == [(REFERENCE, 0), (REFERENCE, 1)]
    families = [METHODS[arm].family for arm, seed in order[2:] if seed == 0]
    assert families == sorted(families, key=LONG_FIRST.index)


def test_a_job_waits_until_the_references_result_is_there(tmp_path, monkeypatch):
    book = ledger(tmp_path)
    book.open(resume=False)
    waits = iter([lambda: None, lambda: book.keep(finished(REFERENCE, 0))])
    monkeypatch.setattr(job, "time", SimpleNamespace(sleep=lambda _: next(waits)()))
    assert target_in(book.path(REFERENCE, 0)) == OperatingTarget(norm=3.2, collateral=0.004)
    assert not list(waits)


def test_a_stopped_run_goes_on_with_what_is_missing(jobs, tmp_path):
    jobs.failing.add("memit")
    book = ledger(tmp_path)
    book.open(resume=False)
    with pytest.raises(RuntimeError, match="no memory"):
        run_all(FIRST, NAMES, (0, 1), book, lambda _: None)
    kept = {path.name for path in book.folder.iterdir()}
    assert f"{REFERENCE}-0.json" in kept
    assert not any("memit" in name or "partial" in name for name in kept)
    jobs.failing.clear()
    done = [(name, seed) for name in NAMES for seed in (0, 1) if f"{name}-{seed}.json" in kept]
    jobs.ran.clear()
    again = ledger(tmp_path)
    again.open(resume=True)
    results = run_all(FIRST, NAMES, (0, 1), again, lambda _: None)
    assert {(job.arm, job.seed) for job in jobs.ran} == {(n, s) for n in NAMES for s in (0, 1)} - set(done)
    assert [one.run.arm for one in results] == [*NAMES, *NAMES]


def test_a_stopped_run_is_not_overwritten_unasked(tmp_path):
    ledger(tmp_path).open(resume=False)
    with pytest.raises(OutputError, match="--resume"):
        ledger(tmp_path).open(resume=False)


def test_other_settings_are_named(tmp_path):
    ledger(tmp_path).open(resume=False)
    with pytest.raises(OutputError, match="another facts, trials"):
        ledger(tmp_path, trials=3, facts="x").open(resume=True)


def test_what_is_kept_comes_back_whole(tmp_path):
    book = ledger(tmp_path)
    book.open(resume=False)
    book.keep(finished("memit", 5))
    assert book.find("memit", 5) == finished("memit", 5)
    assert book.find("memit", 6) is None


def test_a_folder_of_somebody_elses_is_refused_and_left_as_it_is(tmp_path):
    book = ledger(tmp_path)
    book.folder.mkdir()
    (book.folder / "letters.txt").write_text("mine")
    for resume in (False, True):
        with pytest.raises(OutputError, match="holds something else"):
            book.open(resume=resume)
    assert [path.name for path in book.folder.iterdir()] == ["letters.txt"]


def test_what_failed_before_anything_was_finished_leaves_nothing_and_spares_what_was_there(tmp_path):
    def fails(book, *, resume=False, after=()):
        with book.opened(resume=resume):
            for one in after:
                book.keep(one)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails(ledger(tmp_path))
    assert not (tmp_path / "out.arms").exists()
    ledger(tmp_path).open(resume=False)
    with pytest.raises(OutputError):  # somebody else runs here
        fails(ledger(tmp_path))
    assert (tmp_path / "out.arms").exists()
    with pytest.raises(RuntimeError):
        fails(ledger(tmp_path), resume=True, after=[finished("memit", 5)])
    assert ledger(tmp_path).find("memit", 5) == finished("memit", 5)


def test_what_was_made_of_an_arm_is_kept_where_none_was_finished(tmp_path):
    book, form = ledger(tmp_path), json_form(str)

    def stopped():
        with book.opened(resume=False):
            parts_in(book.folder).once("fit", (), form, lambda: "edit")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    with book.opened(resume=True):
        assert parts_in(book.folder).once("fit", (), form, pytest.fail) == "edit"
    (book.folder / "settings.json").unlink()  # killed while everything was being removed
    book.open(resume=True)
    book.remove()
    assert not book.folder.exists()


@pytest.mark.parametrize("name", ["settings.json", "memit-5.json"])
def test_a_damaged_file_is_named_with_a_remedy(tmp_path, name):
    book = ledger(tmp_path)
    book.open(resume=False)
    book.keep(finished("memit", 5))
    path = book.folder / name
    path.write_text(path.read_text()[:10])

    def fit_from():
        book.open(resume=True)
        book.find("memit", 5)

    with pytest.raises(OutputError, match=rf"{name} is damaged. Remove"):
        fit_from()


def test_a_figure_that_was_changed_is_not_taken_over(tmp_path):
    book = ledger(tmp_path)
    book.open(resume=False)
    book.keep(finished("memit", 5))
    path = book.path("memit", 5)
    before = path.read_text()
    path.write_text(before.replace("0.004", "0.001"))
    assert path.read_text() != before
    with pytest.raises(OutputError, match="Remove that file and add --resume"):
        book.find("memit", 5)
    path.write_text(before)
    assert book.find("memit", 5) == finished("memit", 5)


def test_what_is_removed_in_the_end_is_ours_alone(tmp_path):
    book = ledger(tmp_path)
    book.open(resume=False)
    book.keep(finished("memit", 5))
    (book.folder / "dictionaries" / "mlp_out.0").mkdir(parents=True)
    (book.folder / "dictionaries.json").write_text("1.5")
    parts_in(book.folder).end_with(book.path("memit", 5), "compare")
    (book.folder / "thesis.tex").write_text("mine")
    book.remove()
    assert [path.name for path in book.folder.iterdir()] == ["thesis.tex"]
    (book.folder / "thesis.tex").unlink()
    book.remove()
    assert not book.folder.exists()


def test_every_method_is_an_arm():
    assert CompareOptions().names == tuple(METHODS)


def test_every_seed_of_an_arm_is_replaced():
    for entry in METHODS.values():
        method = entry.make()
        assert with_seed(method, 0) == method
        seeded = with_seed(method, 7)
        assert (seeded == method) is ("seed=" not in repr(method))
        assert "seed=0" not in repr(seeded)


def test_a_process_that_was_killed_is_an_error_with_a_remedy(jobs, tmp_path, monkeypatch):
    @contextmanager
    def pool(_processes):
        def submit(_job):
            future = Future()
            future.set_exception(BrokenProcessPool())
            return future

        yield submit

    monkeypatch.setattr(run, "_pool", pool)
    book = ledger(tmp_path)
    book.open(resume=False)
    with pytest.raises(ModelError, match="--parallel"):
        run_all(FIRST, NAMES, (0,), book, lambda _: None)
    assert not jobs.ran
