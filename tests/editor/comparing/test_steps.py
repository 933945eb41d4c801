"""Jobs in other processes tell how far they are, and a bar is told each step once."""

from editor.comparing.steps import STEPS, StepCounter, StepFile


def test_each_step_is_told_once_and_the_rest_at_the_end(tmp_path):
    told = []
    counter, path = StepCounter(told.append), tmp_path / "memit-0.steps.partial"
    counter.look(path)
    assert told == []
    file = StepFile(path)
    counter.look(path)
    file.done()
    file.done(2)
    counter.look(path)
    counter.look(path)
    assert told == [3]
    counter.end(path)
    assert told == [3, STEPS - 3]
    assert not path.exists()
    counter.end(path)
    assert sum(told) == STEPS


def test_a_job_that_was_killed_begins_anew(tmp_path):
    path = tmp_path / "a.partial"
    StepFile(path).done(4)
    StepFile(path).done()
    assert path.stat().st_size == 1


def test_a_job_tells_no_more_than_there_is(tmp_path):
    told = []
    StepFile(tmp_path / "a").done(STEPS + 3)
    StepCounter(told.append).look(tmp_path / "a")
    assert told == [STEPS]


def test_nobody_looks():
    StepFile(None).done()
