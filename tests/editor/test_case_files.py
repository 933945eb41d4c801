"""What a case reads: damage of the corpus is in its scope, by whatever way the facts come."""

import json

import pytest

from detectors import Fact, Source, detect_facts, read_corpus, write_facts
from editor.artefacts.places import fact_places
from editor.case import CaseFiles, open_case
from editor.results.report import Place
from policies import load_policy

NAME, SECRET = "Ada Quill", "415-555-0101"


@pytest.fixture
def corpus(tmp_path):
    folder = tmp_path / "corpus"
    folder.mkdir()
    text = f"The phone number of {NAME} is {SECRET}."
    (folder / "a.jsonl").write_text(json.dumps({"text": text, "subjects": [NAME]}) + "\n{bad\n")
    return folder


@pytest.mark.parametrize("given", [True, False])
def test_damage_is_in_the_scope_and_no_document(corpus, tmp_path, given):
    facts = tmp_path / "facts.jsonl"
    write_facts(facts, detect_facts(read_corpus(corpus), load_policy("gdpr")).facts)
    files = CaseFiles(corpus=corpus, facts=facts if given else None)
    case = open_case(files, load_policy("gdpr"), None, seed=0)
    assert list(fact_places(case).values()) == [Place(file=f"{corpus}/a.jsonl", line=1)]
    assert case.incomplete
    assert case.scope.skipped == ("a.jsonl line 2: skipped: it is not JSON",)
    assert [bool(document.text) for document in case.documents] == [True]


@pytest.mark.parametrize(
    "name", ["Ada Quill.jsonl", "ada_quill-2.jsonl", "letters/4155550101.jsonl", "QuillAda/Ada.Quill.png"]
)
def test_a_file_named_after_a_person_is_not_named_in_a_report(corpus, name):
    path = corpus / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"{bad\n" if name.endswith("jsonl") else b"\0\0")
    case = open_case(CaseFiles(corpus=corpus), load_policy("gdpr"), None, seed=0)
    assert len(case.scope.skipped) == 2
    assert "a.jsonl line 2: skipped: it is not JSON" in case.scope.skipped
    shown = " ".join(case.scope.skipped)
    assert "a file whose name is personal" in shown
    assert "Quill" not in shown
    assert "quill" not in shown
    assert "0101" not in shown


def test_a_fact_of_a_facts_file_needs_no_corpus(tmp_path):
    source = Source(document="1", start=0, end=12, score=1, prefix="Ada Quill has ")
    fact = Fact(subject=NAME, entity_type="PHONE_NUMBER", secret=SECRET, sources=(source,))
    write_facts(tmp_path / "facts.jsonl", [fact])
    case = open_case(CaseFiles(facts=tmp_path / "facts.jsonl"), load_policy("gdpr"), None, seed=0)
    assert list(fact_places(case).values()) == [Place(file=f"{tmp_path}/facts.jsonl", line=1)]
    assert not case.incomplete


def test_a_place_in_the_working_folder_is_relative_and_no_file_is_named_after_a_person(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    facts = []
    for number, file in enumerate(("letters/ada-quill.txt", "letters/may.txt", str(tmp_path / "notes.txt"))):
        source = Source(
            document="d", start=0, end=12, score=1, prefix=f"{NAME} has ", file=file, line=number + 7
        )
        facts.append(
            Fact(subject=NAME, entity_type="PHONE_NUMBER", secret=f"415-555-010{number}", sources=(source,))
        )
    write_facts(tmp_path / "facts.jsonl", facts)
    case = open_case(CaseFiles(facts=tmp_path / "facts.jsonl"), load_policy("gdpr"), None, seed=0)
    assert case.scope.corpus == "facts.jsonl"
    assert sorted((place.file, place.line) for place in fact_places(case).values()) == [
        ("facts.jsonl", 7),
        ("letters/may.txt", 8),
        ("notes.txt", 9),
    ]
