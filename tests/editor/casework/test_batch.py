"""Many requests in one run: one request of all, counted and put on record one by one."""

import os
from datetime import date

import pytest
from made_runs import KEY, made_report, write_run

from editor.api.requests import EraseRequest
from editor.artefacts.masking import CaseKey
from editor.casework.batch import Batch
from editor.casework.closing import close_without
from editor.casework.runs import Run, with_run
from editor.cli import main
from editor.measuring.rejudging import contradictions
from editor.results.report import Report
from policies.errors import OutputError, PolicyError, RequestError, SubjectError

TODAY = date(2026, 2, 4)
ADA = ("Ada Quill", "PHONE_NUMBER", "415-555-0101")
BRUNO = ("Bruno Marsh", "PHONE_NUMBER", "415-555-0102")


@pytest.fixture
def three(opened):
    """Requests of three people, the third of which is the most urgent."""
    return (
        opened("Ada Quill", identifier="one", aliases=("A. Quill",)),
        opened("Bruno Marsh", identifier="two", secrets={"PHONE_NUMBER": BRUNO[2]}),
        opened("Cora Finch", identifier="zero", received=date(2026, 1, 2)),
    )


def test_what_waits_is_one_request_of_all_people(requests, three, ran):
    batch = Batch.of_folder(requests.path)
    assert [case.id for case in batch.cases] == ["zero", "one", "two"]
    together = batch.request
    assert together.subjects == tuple(case.request.subjects[0] for case in batch.cases)
    assert together.case == Batch.of_folder(requests.path).request.case
    close_without(three[2], "no such person", TODAY)
    run = Run.read(ran(ADA, BRUNO))
    assert with_run(three[1], run.linked(three[1].request)).state == "verified"
    assert Batch.of_folder(requests.path).request == three[0].request
    close_without(three[0], "no such person", TODAY)
    with pytest.raises(RequestError, match="waits for its erasure"):
        Batch.of_folder(requests.path)


def test_kinds_stay_where_all_ask_for_the_same(requests, opened):
    for name in ("Ada Quill", "Bruno Marsh"):
        opened(name, entity_types=["PHONE_NUMBER"])
    assert Batch.of_folder(requests.path).request.entity_types == ("PHONE_NUMBER",)
    opened("Cora Finch")
    with pytest.raises(RequestError, match="different entity types"):
        _ = Batch.of_folder(requests.path).request


def test_people_of_one_name_are_not_taken_for_one(requests, opened):
    first = opened("Ada Quill", born=date(1980, 5, 17))
    second = opened("Ada Moss", aliases=("ada quill",), born=date(1990, 1, 1))
    with pytest.raises(RequestError, match="have a name in common") as refused:
        _ = Batch.of_folder(requests.path).request
    assert first.id in str(refused.value)
    assert second.id in str(refused.value)


def test_a_file_of_a_folder_is_known_and_any_other_is_not(three, tmp_path):
    (case,) = Batch.of_file(three[0].path / "request.yaml").cases
    assert case == three[0]
    other = tmp_path / "request.yaml"
    other.write_text("case: a\nsubjects: [Ada Quill]\n")
    assert Batch.of_file(other) is None


def test_a_record_that_cannot_be_written_is_told_before_the_work(requests, three, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, _: path != three[1].path)
    with pytest.raises(OutputError, match="record of request two cannot be written"):
        Batch.of_folder(requests.path)


def test_a_report_counts_each_request_and_is_found_where_it_does_not(requests, three, tmp_path):
    key, batch = CaseKey(KEY), Batch.of_folder(requests.path)
    alone = made_report([ADA, BRUNO], key)
    assert '"cases"' not in alone.to_json()
    report = batch.counted(made_report([ADA, (*ADA[:2], "415-555-0103"), (*BRUNO, True)], key), key)
    rows = {
        row.case: (len(row.subjects), row.facts, row.leaked_before, row.leaked_after) for row in report.cases
    }
    assert rows == {"zero": (0, 0, 0, None), "one": (1, 2, 2, 0), "two": (1, 1, 1, 1)}
    assert Report.from_json(report.to_json()) == report
    assert list(contradictions(report)) == []
    forged = [row.model_copy(update={"leaked_after": 0}) if row.facts else row for row in report.cases]
    said = list(contradictions(report.model_copy(update={"cases": tuple(forged)})))
    assert said == ["The facts of request two are not those of its people"]
    write_run(tmp_path / "out", report)
    batch.record(tmp_path / "out", key)
    assert {case.id: case.state for case in requests.cases()} == dict.fromkeys(
        ("zero", "one", "two"), "erased"
    )
    one = Batch.of_file(three[0].path / "request.yaml")
    assert one.counted(alone, key) is alone


@pytest.mark.usefixtures("three")
def test_a_run_that_met_its_policy_makes_those_it_is_about_verified(requests, ran):
    Batch.of_folder(requests.path).record(ran(ADA, BRUNO), CaseKey(KEY))
    states = {case.id: case.state for case in requests.cases()}
    assert states == {"zero": "erased", "one": "verified", "two": "verified"}


@pytest.mark.usefixtures("three")
def test_whoever_is_unknown_is_told_by_the_request(requests):
    batch = Batch.of_folder(requests.path)
    with pytest.raises(SubjectError, match=r"data subject 1 of 3.*in turn, zero, one, two"), batch.naming():
        raise SubjectError("Nothing is about data subject 1 of 3", "Check the spelling")


@pytest.mark.parametrize(
    ("more", "cause"),
    [
        ({"subjects": ["Ada Quill"]}, "both named"),
        ({"request": "r.yaml"}, "both named"),
        ({"previous": ["out"]}, "Give their requests again"),
    ],
)
def test_a_folder_of_requests_stands_alone(more, cause):
    with pytest.raises(RequestError, match=cause):
        EraseRequest("m", corpus="c", output="o", requests="r", **more)
    assert EraseRequest("m", corpus="c", output="o", requests="r", also_erased=["x"]).names_people


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize("output", ["requests", "."])
def test_requests_are_not_overwritten_by_their_erasure(requests, monkeypatch, capsys, output):
    monkeypatch.chdir(requests.path.parent)
    given = ("erase", ".", "--facts", "f", "--requests", "requests", "--overwrite", "--output", output)
    with pytest.raises(SystemExit) as stopped:
        main([*given, "--case-key", "../k"])
    assert stopped.value.code == 2
    assert len(requests.cases()) == 3
    capsys.readouterr()


def test_a_damaged_request_ends_a_batch_before_the_model_is_looked_for(requests, three):
    (three[0].path / "request.yaml").write_text("case: one\n")
    with pytest.raises(PolicyError, match="`subjects` is missing"):
        Batch.of_folder(requests.path)
