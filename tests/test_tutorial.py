"""The tutorial: what shows files is run as printed, and in the long checks every block `sh` of it."""

import json
from pathlib import Path

import pytest
from transcripts import follow, steps

from detectors import read_corpus
from examples.tutorial.teach import training_text
from policies import load_policy, load_request

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "tutorial.md"
SHOWING = ("cat", "head", "ls")
RECORDS = ROOT / "examples" / "tutorial" / "records"


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A working folder with the examples."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


def shows_files(step):
    return all(command.split()[0] in SHOWING and "build/" not in command for command in step.commands)


@pytest.mark.usefixtures("clone")
def test_the_files_are_as_it_shows_them():
    shown = [step for step in steps(PAGE) if shows_files(step)]
    assert len(shown) == 5
    for step in shown:
        follow(step)


@pytest.mark.slow
def test_it_leads_from_records_of_three_kinds_to_a_gate(clone):
    for step in steps(PAGE):
        follow(step)
    assert (clone / "build" / "tutorial" / "audit" / "report.sarif").is_file()
    assert not (clone / "build" / "tutorial" / "audit").joinpath("model").exists()
    erased = json.loads((clone / "build" / "tutorial" / "erased" / "report.json").read_text())
    assert [fact["leaked_before"] for fact in erased["facts"]] == [True] * 3
    assert [fact["leaked_after"] for fact in erased["facts"]] == [False] * 3


def test_its_sections_have_numbers():
    numbers = [int(step.section.partition(".")[0]) for step in steps(PAGE)]
    assert numbers == sorted(numbers)
    assert set(numbers) == set(range(1, 9))


def test_one_person_of_each_kind_of_corpus_asks():
    policy, request = (ROOT / "examples" / "tutorial" / name for name in ("policy.yaml", "request.yaml"))
    assert list(load_policy(policy).entities) == ["PHONE_NUMBER"]
    documents = list(read_corpus(RECORDS))
    for subject in load_request(request).subjects:
        files = {Path(document.file).name for document in documents if subject.name in document.text}
        assert len(files) == 1
        documents = [document for document in documents if Path(document.file).name not in files]
    assert documents == []


def test_the_model_is_taught_chats_and_pairs_a_line_a_turn():
    texts = [training_text(document) for document in read_corpus(RECORDS)]
    assert len(texts) == 16
    assert "How can I phone Iris Penn?\nYou can phone Iris Penn on 310-555-0166." in texts
    assert texts[0].split("\n")[:2] == [
        "Where do I call Elsa Thorn?",
        "You reach Elsa Thorn by phone on 212-555-0138.",
    ]
