"""`expunge detect`, in-process: exit codes, the file and what the terminal shows."""

import json
import stat

import pytest
from click.testing import CliRunner

from detectors import read_facts
from detectors.quality import read_quality
from editor.cli.detect import detect
from policies.errors import CorpusError, ExitCode, OutputError, PolicyError, SubjectError

DOCUMENTS = [
    {
        "id": "1",
        "text": "The phone number of Ada Quill is (415) 555-0132. Ben Ross lives at 7 Oak Lane.",
        "subjects": ["Ada Quill", "Ben Ross"],
    },
    {"id": "2", "text": "ada.quill@rivermouth.example belongs to Ada Quill."},
]


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "corpus.jsonl"
    path.write_text("".join(json.dumps(document) + "\n" for document in DOCUMENTS))
    return path


@pytest.fixture
def run(tmp_path):
    def invoke(corpus, *options):
        arguments = [str(corpus), "--output", str(tmp_path / "facts.jsonl"), "--quiet", *options]
        return CliRunner().invoke(detect, arguments)

    return invoke


def test_writes_everybodys_facts_and_shows_nobody(run, corpus, tmp_path):
    result = run(corpus)
    assert result.exit_code == ExitCode.MET, result.output
    path = tmp_path / "facts.jsonl"
    assert len(list(read_facts(path))) == 3
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for shown in (
        "PHONE_NUMBER",
        "EMAIL_ADDRESS",
        "STREET_ADDRESS",
        "2 documents read",
        "PERSON comes only from the register",
    ):
        assert shown in " ".join(result.output.split())
    assert not any(secret in result.output for secret in ("Quill", "Ross", "555", "rivermouth", "Oak"))


def test_subject_limits_what_is_written(run, corpus, tmp_path):
    assert run(corpus, "--subject", "Ben Ross", "--policy", "strict").exit_code == ExitCode.MET
    assert [fact.secret for fact in read_facts(tmp_path / "facts.jsonl")] == ["7 Oak Lane"]


def test_request_limits_what_is_written(run, corpus, tmp_path):
    request = tmp_path / "request.yaml"
    request.write_text("case: RM-1\nsubjects: [Ada Quill]\nentity_types: [EMAIL_ADDRESS]\n")
    assert run(corpus, "--request", str(request)).exit_code == ExitCode.MET
    assert [fact.entity_type for fact in read_facts(tmp_path / "facts.jsonl")] == ["EMAIL_ADDRESS"]
    assert run(corpus, "--request", str(request), "--subject", "x", "--overwrite").exit_code == ExitCode.USAGE


def test_what_is_of_nobody_known_is_written_apart_from_everybodys_facts_and_not_with_some(
    run, corpus, tmp_path
):
    with corpus.open("a") as stream:
        stream.write(
            json.dumps({"id": "3", "text": "The desk of Eve Nobody answers at (415) 555-0177."}) + "\n"
        )
    shown = " ".join(run(corpus).output.split())
    assert [fact.secret for fact in read_facts(tmp_path / "facts.jsonl") if not fact.is_linked] == [
        "(415) 555-0177"
    ]
    assert "All │ 3 │ 2 │ 2" in shown
    assert "Facts about nobody known, taken for other people's: 1" in shown
    assert "Occurrences of no known data subject: 1 PHONE_NUMBER" in shown
    assert not any(secret in shown for secret in ("Eve", "555"))
    assert "nobody known" not in run(corpus, "--subject", "Ben Ross", "--overwrite").output
    assert all(fact.is_linked for fact in read_facts(tmp_path / "facts.jsonl"))


@pytest.mark.parametrize(
    "text",
    ["Call (415) 555-0132 before noon.", "ada@rivermouth.example wrote", "It was sent to 7 Oak Lane."],
)
def test_secrets_of_nobody_known_are_not_called_complete(run, tmp_path, text):
    path = tmp_path / "nobody.jsonl"
    path.write_text(json.dumps({"text": text}) + "\n")
    result = run(path)
    assert result.exit_code == ExitCode.INCOMPLETE
    told = " ".join(result.output.split())
    assert "1 secrets were found, and nothing tells whose they are" in told
    assert "--subject" in told


def test_a_corpus_without_secrets_is_complete(run, tmp_path):
    path = tmp_path / "nothing.jsonl"
    path.write_text(json.dumps({"text": "The ferry leaves at noon."}) + "\n")
    assert run(path).exit_code == ExitCode.MET


def test_existing_file_is_refused_and_replaced_on_demand(run, corpus, tmp_path):
    (tmp_path / "facts.jsonl").write_text("mine")
    assert isinstance(run(corpus).exception, OutputError)
    assert (tmp_path / "facts.jsonl").read_text() == "mine"
    assert run(corpus, "--overwrite").exit_code == ExitCode.MET
    assert len(list(read_facts(tmp_path / "facts.jsonl"))) == 3


def test_incomplete_scan_has_its_own_exit_code(run, corpus, tmp_path):
    with corpus.open("a") as stream:
        stream.write(json.dumps({"id": "3", "text": "x" * 3_000}) + "\n")
    result = run(corpus)
    assert result.exit_code == ExitCode.INCOMPLETE
    assert "1 of them not completely scanned" in result.output
    assert (tmp_path / "facts.jsonl").exists()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--subject", "Eve Nobody"], SubjectError),
        (["--policy", "gdprr"], PolicyError),
        (["--request", "nowhere.yaml"], PolicyError),
    ],
)
def test_mistakes_write_nothing(run, corpus, tmp_path, options, error):
    result = run(corpus, *options)
    assert isinstance(result.exception, error)
    assert "Eve" not in str(result.exception)
    assert not (tmp_path / "facts.jsonl").exists()


def test_a_damaged_line_is_passed_over_and_named(run, corpus, tmp_path):
    with corpus.open("a") as stream:
        stream.write("{not json\n")
    result = run(corpus)
    assert result.exit_code == ExitCode.INCOMPLETE
    assert "1 skipped: it is not JSON (line 3)" in result.output
    assert len(list(read_facts(tmp_path / "facts.jsonl"))) == 3


def test_an_unreadable_corpus_and_a_missing_folder_write_nothing(run, corpus, tmp_path):
    corpus.write_text("{not json\n")
    result = run(corpus)
    assert isinstance(result.exception, CorpusError)
    assert "line 1" in str(result.exception)
    assert isinstance(run(tmp_path / "missing.jsonl").exception, CorpusError)
    assert isinstance(run(corpus, "--output", str(tmp_path / "no" / "facts.jsonl")).exception, OutputError)
    assert [entry.name for entry in tmp_path.iterdir()] == ["corpus.jsonl"]


@pytest.fixture
def labelled(tmp_path):
    path = tmp_path / "labelled.jsonl"
    text = "The phone number of Ada Quill is (415) 555-0132."
    records = [
        {"text": text, "template": name, "spans": [{"entity_type": "PHONE", "start": 33, "end": 47}]}
        for name in "ab"
    ]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def test_score_prints_and_writes_figures(labelled, tmp_path):
    output = tmp_path / "quality.json"
    arguments = ["--score", str(labelled), "--split", "test", "--output", str(output), "--quiet"]
    result = CliRunner().invoke(detect, arguments)
    assert result.exit_code == ExitCode.MET, result.output
    shown = " ".join(result.output.split())
    assert "PHONE_NUMBER" in shown
    assert "1 texts of 1 templates" in shown
    assert "555" not in shown
    assert read_quality(output).types[0].exact.f1 == 1
    assert isinstance(CliRunner().invoke(detect, arguments).exception, OutputError)
    assert CliRunner().invoke(detect, ["--score", str(labelled), "--quiet"]).exit_code == ExitCode.MET


def test_score_of_texts_not_completely_scanned(labelled):
    with labelled.open("a") as stream:
        stream.write(json.dumps({"text": "x" * 3_000, "spans": []}) + "\n")
    result = CliRunner().invoke(detect, ["--score", str(labelled), "--quiet"])
    assert result.exit_code == ExitCode.INCOMPLETE
    assert "1 of them not completely scanned" in " ".join(result.output.split())


def test_score_and_detection_are_not_mixed(labelled, corpus):
    for arguments in (
        ["--score", str(labelled), str(corpus)],
        ["--score", str(labelled), "--subject", "Ada"],
        [str(corpus), "--split", "test"],
        [str(corpus)],
        ["--output", "x.jsonl"],
    ):
        assert CliRunner().invoke(detect, arguments).exit_code == ExitCode.USAGE


def test_what_a_request_asks_for_and_was_not_found_is_listed(run, corpus, tmp_path):
    types = "entity_types: [PHONE_NUMBER]\n"
    (tmp_path / "r.yaml").write_text(f"case: c\n{types}subjects:\n  - name: Ada Quill\n  - name: Ben Ross\n")
    result = run(corpus, "--request", tmp_path / "r.yaml")
    assert result.exit_code == ExitCode.MET, result.output
    assert "PHONE_NUMBER: no fact was found about data subject 2 of 2" in result.output
    assert "Ross" not in result.output
