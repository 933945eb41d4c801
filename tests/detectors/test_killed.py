"""`expunge detect` that is killed leaves no facts file, or a whole one; and started again it writes the same bytes."""

import json
import signal
import subprocess
import sys

import pytest

from detectors import Fact, read_facts, write_facts

# Runs the command, and kills it without warning when a function is called for the nth time.
PROGRAM = """
import os, signal, sys
place, count, arguments = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
if place != "nowhere":
    import importlib
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
from editor.cli import main
sys.argv[1:] = arguments
main()
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


def run(corpus, output, place="nowhere", count=0):
    arguments = ["detect", str(corpus), "--output", str(output), "--quiet", "--overwrite"]
    command = [sys.executable, "-c", PROGRAM, place, str(count), *arguments]
    return subprocess.run(command, capture_output=True, check=False).returncode


def test_a_run_that_is_killed_and_started_again_writes_what_an_unbroken_one_does(corpus, tmp_path):
    whole, broken = tmp_path / "whole.jsonl", tmp_path / "broken.jsonl"
    assert run(corpus, whole) == 4, "a line in each file is none"
    assert len(list(read_facts(whole))) == 45
    for place, count in (("detectors.extract:search_document", 40), ("detectors.fact:asdict", 20)):
        assert run(corpus, broken, place, count) == -signal.SIGKILL
        assert not broken.exists()
    broken.write_text("what stood there")
    assert run(corpus, broken, "detectors.fact:Path.replace", 1) == -signal.SIGKILL
    assert broken.read_text() == "what stood there"
    assert run(corpus, broken) == 4
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
