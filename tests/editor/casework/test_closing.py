"""Closing: by the artefacts of a run about the person that met its policy, and by no other."""

import shutil
from datetime import date

import pytest
from made_runs import KEY, fact_row, made_report, write_run

from editor.artefacts.masking import CaseKey
from editor.attestation.ledger import Ledger
from editor.casework.closing import close_by, close_without
from editor.casework.describing import details, standing
from editor.casework.runs import Run, find_runs, with_run
from editor.results.report import Gate, Perplexity, ThresholdOverride
from policies import ErasureRequest
from policies.errors import ExpungeError, RequestError

TODAY = date(2026, 2, 4)
PHONE = ("Ada Quill", "PHONE_NUMBER", "415-555-0101")
OTHER = ("Bruno Marsh", "PHONE_NUMBER", "415-555-0102")
LOOSE = ThresholdOverride(threshold="perplexity_rise", policy=0.01, run=2.0)
WORSE = {"perplexities": (Perplexity(text="t", tokens=9, before=2.0, after=4.0),)}


def test_a_run_that_erased_and_verified_it_closes_a_request(requests, opened, ran):
    case = opened(identifier="one", secrets={"PHONE_NUMBER": "(415) 555 0101"})
    run = Run.read(ran(PHONE, OTHER))
    closed = close_by(case, run, TODAY)
    assert requests.case("one") == closed
    assert (closed.state, closed.record.closing.erased) == ("closed", True)
    (linked,) = closed.record.runs
    assert (linked.met, linked.kind, linked.folder) == (True, "erase", str(run.folder))
    assert not [word for word in ("Quill", "555") if word in (closed.path / "case.yaml").read_text()]
    for again in (lambda: close_by(closed, run, TODAY), lambda: close_without(closed, "r", TODAY)):
        with pytest.raises(RequestError, match="was closed on 2026-02-04"):
            again()


def test_facts_under_an_alias_and_of_a_verification_count(opened, ran):
    case = opened("Ada Moss", aliases=("Ada Quill",))
    run = Run.read(ran(PHONE, kind="verify", edit=None))
    assert close_by(case, run, TODAY).record.runs[0].kind == "verify"


@pytest.mark.parametrize(
    ("facts", "changes", "cause"),
    [
        ((OTHER,), {}, "no facts about a data subject"),
        ((("Ada Quill", "US_SSN", "123-45-6789"),), {}, "no facts about a data subject"),
        (((*PHONE, True), OTHER), {}, "still leaks 1 of the 1 facts"),
        ((PHONE, (*OTHER, True)), {}, r"did not meet its policy \(exit code 1\)"),
        ((PHONE,), WORSE, r"did not meet its policy \(exit code 3\)"),
        ((PHONE,), WORSE | {"gate": Gate(fails_on=("leakage",))}, "told not to fail on utility"),
        ((PHONE,), WORSE | {"gate": Gate(overridden=(LOOSE,))}, "it replaced the policy's perplexity_rise"),
    ],
)
def test_any_other_run_is_refused_with_its_cause_and_closes_nothing(
    requests, opened, ran, facts, changes, cause
):
    case = opened(identifier="one", secrets={"PHONE_NUMBER": "415-555-0101"})
    run = Run.read(ran(*facts, **changes))
    with pytest.raises(RequestError, match=cause) as refused:
        close_by(case, run, TODAY)
    assert not [word for word in ("Quill", "Marsh", "555") if word in str(refused.value)]
    assert requests.case("one") == case
    assert with_run(case, run.linked(case.request)).state == "erased"


def test_an_audit_closes_nothing(opened, tmp_path):
    key = CaseKey(KEY)
    row = fact_row(key, *PHONE).model_copy(update={"leaked_after": None, "leaked_before": False})
    report = made_report([], key, kind="audit", model_after=None, edit=None, facts=(row,))
    with pytest.raises(RequestError, match="erases nothing"):
        close_by(opened(), Run.read(write_run(tmp_path / "audited", report)), TODAY)


def test_a_folder_that_was_changed_has_no_say(ran):
    folder = ran((*PHONE, True))
    path = folder / "report.json"
    text = path.read_text()
    for changed in (
        text.replace('"exit_code": 1', '"exit_code": 0'),
        text.replace('"operator": "privacy desk"', '"operator": "somebody else"'),
        text.replace('"leaked_after": true', '"leaked_after": false'),
    ):
        assert changed != text
        path.write_text(changed)
        with pytest.raises(RequestError, match="does not agree with itself"):
            Run.read(folder)


def test_what_is_no_run_and_what_has_no_key_is_refused(ran, tmp_path, opened):
    folder = ran(PHONE)
    beside = folder.with_name("erased.key")
    beside.rename(tmp_path / "kept.key")
    with pytest.raises(RequestError, match="without its case key"):
        Run.read(folder)
    assert Run.read(folder, tmp_path / "kept.key").covers(opened().request)
    with pytest.raises(RequestError, match="holds no report"):
        Run.read(tmp_path / "nowhere")
    (tmp_path / "other.key").write_text("5a" * 32)
    (tmp_path / "other.key").chmod(0o600)
    assert not Run.read(folder, tmp_path / "other.key").covers(ErasureRequest.from_names(["Ada Quill"]))


def test_nothing_is_erased_for_a_reason_alone(requests, opened):
    case = opened(identifier="one")
    with pytest.raises(RequestError, match="no reason"):
        close_without(case, " ", TODAY)
    closed = close_without(case, "no such\nperson", TODAY)
    assert requests.case("one") == closed
    assert (closed.state, closed.record.closing.reason) == ("closed", "no such person")


def test_runs_about_a_person_are_found_and_known_by_their_manifests(opened, ran, tmp_path):
    case = opened()
    mine, others = ran(PHONE, name="mine"), ran(OTHER, name="others")
    ran(PHONE, name="keyless")
    (tmp_path / "keyless.key").unlink()
    found = list(find_runs(tmp_path, case))
    assert [run.folder for run in found] == [mine]
    ledger = Ledger(tmp_path / "ledger.jsonl")
    for folder in (others, mine):
        ledger.append(folder, Run.read(folder).report)
    for _ in range(2):  # a run is put on record once
        case = with_run(case, found[0].linked(case.request))
    (link,) = case.record.runs
    lines = {entry.manifest: entry.number for entry in ledger.entries()}
    (shown,) = details(case, TODAY, lines=lines)["runs"]
    assert (shown["ledger_line"], shown["folder_is"]) == (2, "as recorded")
    (mine / "manifest.json").write_text("{}")
    assert standing(link) == "changed since"
    shutil.rmtree(mine)
    assert standing(link) == "not there any more"
    with pytest.raises(ExpungeError):
        Run.read(mine)
