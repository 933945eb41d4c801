"""Requests of a folder are erased in one run, counted, and put on record."""

import json
from datetime import date
from pathlib import Path

import pytest
from six_people import PEOPLE

import expunge
from editor.casework.folder import RequestFolder
from policies import Subject
from policies.errors import SubjectError

RECEIVED = date(2026, 1, 31)
CASE = {
    "facts": "facts.jsonl",
    "policy": "policy.yaml",
    "method": "memit",
    "strength": "default",
    "settings": {"steps": 2},
    "controls": False,
    "attacks": "none",
    "device": "cpu",
}


@pytest.mark.usefixtures("here")
def test_all_that_wait_are_erased_in_one_run_and_counted_one_by_one(checkpoint):
    requests = RequestFolder(Path("requests"))
    handed_in = {"PHONE_NUMBER": "415-555-0177"}
    for name, secrets in ((PEOPLE[0], {}), (PEOPLE[1], handed_in)):
        requests.add(
            Subject(name=name, secrets=secrets),
            received=RECEIVED,
            today=RECEIVED,
            identifier=f"r{len(secrets)}",
        )
    report = expunge.erase(checkpoint("gpt2"), requests="requests", output="out", **CASE)
    assert {row.case: (len(row.subjects), row.facts) for row in report.cases} == {"r0": (1, 1), "r1": (1, 2)}
    assert "requests='requests'" in report.command
    page = Path("out/report.html").read_text()
    assert 'href="#cases"' in page
    assert page.count("<code>r1</code>") == 1
    assert expunge.verify_report("out").disagreements == ()
    manifest = json.loads(Path("out/manifest.json").read_text())
    assert {"report.json", "model/config.json"} <= set(manifest["files"])
    for case in requests.cases():
        (run,) = case.record.runs
        assert (run.kind, Path(run.folder)) == ("erase", Path("out").resolve())
        assert run.met == (report.exit_code == 0)
        assert case.state == ("verified" if run.met else "erased")


@pytest.mark.usefixtures("here")
def test_a_person_of_whom_nothing_is_known_is_told_by_the_request(checkpoint):
    requests = RequestFolder(Path("requests"))
    for identifier, name in (("r0", PEOPLE[0]), ("r1", "Nobody Known")):
        requests.add(Subject(name=name), received=RECEIVED, today=RECEIVED, identifier=identifier)
    with pytest.raises(SubjectError, match=r"data subject 2 of 2.*in turn, r0, r1") as refused:
        expunge.erase(checkpoint("gpt2"), requests="requests", output="out", **CASE)
    assert "Known" not in str(refused.value)
    assert not Path("out").exists()
    assert {case.state for case in requests.cases()} == {"open"}
