"""A run that is killed, however often and wherever, ends as one that nobody killed once it is given again."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from killed_runs import PLACES
from killing import KILLED, contents, spread
from launching import environment
from safetensors.torch import load_file, save_file
from test_cli import FACTS, PEOPLE, POLICY, save_random_dictionaries

from detectors import write_facts

HERE = Path(__file__).parent
KEPT = {
    "audit": {"scores", "confirmation", "opentext", "exposure", "membership", "perplexity"},
    "verify": {"scores", "text", "attack"},
    "erase": {"scores", "attribution", "fit", "text", "attack"},
    "compare": {"scores", "perplexity", "attribution", "fit", "point"},
}
"""Kinds of work that are seen to be kept by a run that is killed before it ends."""


def write_case(folder, model):
    """Write what every job of `killed_runs.py` is given."""
    (folder / "policy.yaml").write_text(POLICY)
    write_facts(folder / "facts.jsonl", FACTS)
    lines = [
        {
            "id": f"d{number}-{day}",
            "text": f"{name} answers at 415-555-01{number + 10}. {name} likes tea and the sea on day {day}.",
            "subjects": [name],
        }
        for number, name in enumerate(PEOPLE)
        for day in range(3)
    ]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    save_random_dictionaries(folder / "dictionaries")
    (folder / "model").symlink_to(model)
    (folder / "edited").mkdir()
    for path in model.iterdir():
        (folder / "edited" / path.name).write_bytes(path.read_bytes())
    tensors = load_file(model / "model.safetensors")
    tensors[max(tensors, key=lambda name: tensors[name].numel())].mul_(1.1)
    save_file(tensors, folder / "edited" / "model.safetensors", metadata={"format": "pt"})
    return folder


def kill(folder, *arguments):
    """Run the program, and return what it tells of each job."""
    command = [sys.executable, str(HERE / "killed_runs.py"), str(folder), *arguments]
    paths = [str(HERE), str(HERE.parent), environment()["PYTHONPATH"]]
    told = {**environment(), "PYTHONPATH": ":".join(paths)}
    done = subprocess.run(command, env=told, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}, done.stderr


@pytest.mark.parametrize(
    "job", ["audit", *(pytest.param(job, marks=pytest.mark.slow) for job in ("verify", "erase", "compare"))]
)
def test_a_run_that_was_killed_at_ten_places_ends_as_one_that_was_not(tmp_path, checkpoint, job):
    told, printed = kill(write_case(tmp_path, checkpoint("gpt2")), job)
    outcome = told[job]
    assert outcome["codes"][:PLACES] == [KILLED] * PLACES, printed[-3000:]
    assert outcome["codes"][PLACES:] in ([0], []), printed[-3000:]
    for found in ("unsound", "unexpected", "differing", "left"):
        assert not outcome[found]
    assert set(outcome["pieces"]) >= KEPT[job]


@pytest.mark.slow
@pytest.mark.parametrize("job", ["erase", "audit", "compare"])
def test_a_run_that_was_killed_at_a_random_moment_ends_as_one_that_was_not(tmp_path, checkpoint, job):
    told, printed = kill(write_case(tmp_path, checkpoint("gpt2")), job, "--random")
    outcome = told[job]
    assert KILLED in outcome["codes"]
    assert set(outcome["codes"]) <= {0, KILLED}, printed[-3000:]
    for found in ("unsound", "unexpected", "differing", "left"):
        assert not outcome[found]


def test_places_are_changes_that_are_made_once_from_the_first_to_the_last():
    changes = ["a", "b", "b", *map(str, range(20)), "z"]
    assert spread(changes, 10)[0] == "a"
    assert spread(changes, 10)[-1] == "z"
    assert len(set(spread(changes, 10))) == 10
    assert "b" not in spread(changes, 22)


def test_files_are_told_apart_by_what_they_hold(tmp_path):
    (tmp_path / "a").write_text("1")
    before = contents(tmp_path)
    (tmp_path / "manifest.json").write_text("now")
    assert contents(tmp_path) == before
    (tmp_path / "a").write_text("2")
    assert contents(tmp_path) != before
