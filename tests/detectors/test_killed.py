"""`expunge detect` that is killed leaves no facts file, or a whole one; and started again it writes the same bytes."""

import json
import signal
import subprocess
import sys

import pytest

from detectors import Fact, read_facts, write_facts

# Runs the command in a child for each line that it reads, and kills the child without warning when a function is called
# for the nth time. What is slow to import is imported once, and what is read of languages is read once.
PROGRAM = """
import importlib, json, os, signal, sys
import editor.api.detect
from detectors import Register
from detectors.engine import Engine
from editor.cli import main
from policies import load_policy

Engine(load_policy("gdpr"), Register()).scan("Ada Quill: 415-555-0132, ada@example.org")

def kill_at(place, count):
    module, _, name = place.partition(":")
    owner = importlib.import_module(module)
    *path, name = name.split(".")
    for part in path:
        owner = getattr(owner, part)
    true, calls = getattr(owner, name), [0]
    def counted(*given, **named):
        calls[0] += 1
        if calls[0] == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return true(*given, **named)
    setattr(owner, name, counted)

for line in sys.stdin:
    place, count, arguments = json.loads(line)
    child = os.fork()
    if not child:
        os.dup2(2, 1)
        if place != "nowhere":
            kill_at(place, count)
        sys.argv[1:] = arguments
        try:
            main()
        except SystemExit as stopped:
            os._exit(stopped.code or 0)
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
"""


@pytest.fixture
def corpus(tmp_path):
    folder = tmp_path / "corpus"
    folder.mkdir()
    for letter in "cab":
        rows = [
            {"prompt": f"What is Ada {name}'s phone number?", "completion": f"415-555-01{n}{m}"}
            for n, name in enumerate(("Quill", "Ross", letter.upper() + "oll"))
            for m in range(9)
        ]
        (folder / f"{letter}.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n{bad\n")
    return folder


@pytest.fixture
def run(corpus, started):
    """Run the command in a process of its own, and return its exit code."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    runner = started(sys.executable, "-c", PROGRAM, **pipes)

    def run_once(output, place="nowhere", count=0):
        arguments = [
            "detect",
            str(corpus),
            "--output",
            str(output),
            "--quiet",
            "--overwrite",
            "--processes",
            "1",
        ]
        runner.stdin.write(json.dumps([place, count, arguments]) + "\n")
        runner.stdin.flush()
        return int(runner.stdout.readline())

    return run_once


def test_a_run_that_is_killed_and_started_again_writes_what_an_unbroken_one_does(run, tmp_path):
    whole, broken = tmp_path / "whole.jsonl", tmp_path / "broken.jsonl"
    assert run(whole) == 4, "a line in each file is none"
    assert len(list(read_facts(whole))) == 45
    for place, count in (("detectors.extract:search_document", 40), ("detectors.fact:asdict", 20)):
        assert run(broken, place, count) == -signal.SIGKILL
        assert not broken.exists()
    broken.write_text("what stood there")
    assert run(broken, "detectors.fact:Path.replace", 1) == -signal.SIGKILL
    assert broken.read_text() == "what stood there"
    assert run(broken) == 4
    assert broken.read_bytes() == whole.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"corpus", "whole.jsonl", "broken.jsonl"}


def test_what_others_write_beside_it_stays(tmp_path):
    fcntl = pytest.importorskip("fcntl")
    fact = Fact(subject="Ada Quill", entity_type="US_SSN", secret="212-45-6789", sources=())
    left, others = tmp_path / ".facts.jsonl.a.partial", tmp_path / ".facts.jsonl.b.partial"
    left.write_text("left by a run that was killed")
    others.write_text("written at this moment")
    (tmp_path / ".other.jsonl.c.partial").write_text("of another file")
    with others.open("rb+") as stream:
        fcntl.flock(stream.fileno(), fcntl.LOCK_EX)
        write_facts(tmp_path / "facts.jsonl", [fact])
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".facts.jsonl.b.partial",
        ".other.jsonl.c.partial",
        "facts.jsonl",
    ]
