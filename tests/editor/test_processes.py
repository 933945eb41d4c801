"""A run in several processes: the report of one, and an end of all where one fails."""

import json
import os
import sys
from types import SimpleNamespace

import pytest
import torch
from launching import launch
from test_cli import FACTS, POLICY, save_random_dictionaries

from detectors import write_facts
from editor import processes
from editor.cli import launched, main
from editor.processes import ElsewhereError, Group, group
from policies.errors import ExitCode, ExpungeError, OutputError
from policies.faults import explain

JOBS = """
import json, os, sys
from pathlib import Path
import torch
from editor.api.audit import run_audit
from editor.api.erase import run_erase
from editor.api.requests import AuditRequest, EraseRequest, VerifyRequest
from editor.api.verify import run_verify
from editor.processes import group, joined, leave
from policies.errors import ExpungeError, OutputError

case = dict(facts="facts.jsonl", policy="policy.yaml", device="cpu", case_key="case.key", command="expunge")
erased = dict(method="feature-edit", strength="default", dictionary="dictionaries", settings=dict(steps=4))
few = dict(trials=1, attacks="none", controls=False)

def everything(where):
    run_audit(AuditRequest(model="model", output=f"{where}/audit", confirm=4, open_texts=0, candidates=7, **case))
    run_erase(EraseRequest(model="model", output=f"{where}/erased", **erased, **few, **case))
    run_verify(VerifyRequest(edited="one/erased", against="model", output=f"{where}/check", attacks="none", **case))

def failure(run, *arguments, **named):
    try:
        run(*arguments, **named)
    except (ExpungeError, RuntimeError) as error:
        return type(error).__name__, str(error), int(getattr(error, "exit_code", 5))

def failing(where):
    # The first process finds its output taken; the second one fails between two meetings, and then in its work.
    request = AuditRequest(model="model", output="one/audit", **case)
    found = [failure(run_audit, request)]
    for fails in (between, working, missing):
        found.append(failure(fails))
    return found

def between():
    with joined(cpu=True) as mine:
        if mine.index == 1:
            raise OutputError("The disk of the second is full", "Make room")
        mine.share("something", lambda: 1)

def working():
    def work(item):
        if item == 3:
            raise OutputError("The third cannot be done", "Leave it out")
        return item
    with joined(cpu=True) as mine:
        list(mine.each("work", range(6), work))

def missing():
    with joined(cpu=True) as mine:
        mine.agree("model", mine.index)

rank, count = os.environ["RANK"], os.environ["WORLD_SIZE"]
torch.set_num_threads(1)
if rank == "0":
    os.environ["WORLD_SIZE"] = "1"
    everything("one")
    os.environ["WORLD_SIZE"] = count
with joined(cpu=True):
    pass  # the second waits until what it compares with is there
everything("two")
Path(f"failures-{rank}.json").write_text(json.dumps(failing("two")))
leave()
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory, checkpoint):
    """A folder in which two processes did each job, and one process before them."""
    folder = tmp_path_factory.mktemp("together")
    (folder / "policy.yaml").write_text(POLICY)
    write_facts(folder / "facts.jsonl", FACTS)
    (folder / "model").symlink_to(checkpoint("llama"))
    save_random_dictionaries(folder / "dictionaries")
    (folder / "jobs.py").write_text(JOBS)
    launch(folder / "jobs.py", cwd=folder)
    return folder


@pytest.mark.parametrize("job", ["audit", "erased", "check"])
def test_two_processes_give_the_report_of_one(ran, job):
    one, two = ((ran / name / job / "report.json").read_bytes() for name in ("one", "two"))
    assert one == two
    assert json.loads(one)["groups"]


def test_two_processes_write_the_checkpoint_of_one(ran):
    files = sorted(path.name for path in (ran / "one" / "erased" / "model").iterdir())
    assert "model.safetensors" in files
    for name in files:
        one, two = ((ran / where / "erased" / "model" / name).read_bytes() for where in ("one", "two"))
        assert one == two, name
    assert sorted(path.name for path in (ran / "two").iterdir()) == ["audit", "check", "erased"]


def test_what_fails_in_one_process_ends_all_for_the_same_reason(ran):
    first, second = (json.loads((ran / f"failures-{rank}.json").read_text()) for rank in "01")
    for mine, theirs in zip(first, second, strict=True):
        assert mine[1:] == theirs[1:]
    said = [text for _, text, _ in first]
    assert "is not empty" in said[0]
    assert "The disk of the second is full" in said[1]
    assert "The third cannot be done" in said[2]
    assert "do not hold the same model" in said[3]
    assert {code for _, _, code in first} == {ExitCode.USAGE}


def test_alone_nothing_is_exchanged():
    alone = group()
    assert (alone.count, alone.main, alone.device) == (1, True, None)
    work = alone.each("work", iter([1, 2]), lambda item: item * 2)
    assert next(work) == 2  # one after the other, as they are asked for
    assert alone.share("value", lambda: 3) == 3
    alone.agree("model", "digest")
    alone.end()


@pytest.fixture
def meeting(monkeypatch):
    """Let a process of three meet others, who answer with what is put into the list."""
    answers = []
    monkeypatch.setattr(processes, "_gather", lambda mine: [mine, *answers.pop(0)])
    return answers


def test_dear_work_is_dealt_out_first_and_evenly():
    three = Group(0, 3)
    owners = three._deal("work", [1, 9, 1, 8, 7])
    loads = [
        sum(cost for cost, who in zip([1, 9, 1, 8, 7], owners, strict=True) if who == one) for one in range(3)
    ]
    assert max(loads) == 9
    assert three._deal("work", [1]) != [owners[1]]  # who has had most is given no more


def test_processes_at_different_places_end(meeting):
    meeting.append([("there", 1, None)])
    with pytest.raises(RuntimeError, match="different places"):
        Group(0, 2).agree("here", 1)


def test_a_process_that_ended_without_a_word_is_told_of(monkeypatch):
    def broken(_):
        raise RuntimeError("Connection closed by peer")

    monkeypatch.setattr(processes, "_gather", broken)
    alone = Group(0, 2)
    with pytest.raises(processes.LostError, match="ended without a word") as raised:
        alone.end()
    assert raised.value.exit_code == ExitCode.INTERNAL
    alone.fail(raised.value)  # nobody is there to be told


def test_another_process_failure_keeps_its_code_and_words(meeting):
    failure = explain(KeyboardInterrupt())
    meeting.append([(failure, 0, None)])
    with pytest.raises(ElsewhereError) as raised:
        Group(0, 2).end()
    assert raised.value.exit_code == ExitCode.INCOMPLETE
    assert raised.value.cause == "Stopped"


def test_an_error_that_cannot_be_sent_is_sent_in_words():
    class LocalError(Exception):
        pass

    assert isinstance(processes._sendable(LocalError("Ada Quill")), ElsewhereError)
    assert "Ada Quill" not in str(processes._sendable(LocalError("Ada Quill")))
    known = OutputError("cause", "remedy")
    assert processes._sendable(known) is known


def test_a_device_is_chosen_for_each_process(monkeypatch):
    from editor.model.placement import device_of

    assert device_of("cpu") == "cpu"
    monkeypatch.setattr(
        "editor.model.placement.group", lambda: SimpleNamespace(device=torch.device("cuda", 3))
    )
    assert device_of("auto") == "cuda:3"


def test_other_commands_are_refused_in_several_processes(monkeypatch, capsys):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SystemExit) as stopped:
        main(["revert", "folder", "--output", "out"])
    assert stopped.value.code == ExitCode.USAGE
    assert "`revert` runs in one process" in capsys.readouterr().err
    launched.check_launched(["audit", "model"])
    with pytest.raises(ExpungeError):
        launched.check_launched(["--json", "compare"])


def test_the_first_process_alone_speaks(monkeypatch):
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, getattr(sys, name))
    before = sys.stdout
    monkeypatch.setenv("RANK", "0")
    launched.silence_others()
    assert sys.stdout is before
    monkeypatch.setenv("RANK", "1")
    launched.silence_others()
    with sys.stdout as silent:
        assert silent.name == os.devnull
        assert sys.stderr is silent
