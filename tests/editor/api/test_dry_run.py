"""A dry run of an audit checks everything, counts, foretells, and writes nothing."""

import json
from itertools import count

import pytest
from six_people import PEOPLE, write_case

from editor.api import dry_run
from editor.api.dry_run import GENERATED, Forecast, foresee_audit
from editor.api.requests import AuditRequest
from editor.cli import main
from editor.formatting import duration
from editor.results.report import Scope
from policies.errors import ModelError, OutputError


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return write_case(tmp_path)


@pytest.fixture
def asked(here, checkpoint):
    """The keywords of an audit of one person, and what lies in the working folder before it."""
    fields = {"facts": "facts.jsonl", "policy": "policy.yaml", "subjects": [PEOPLE[0]], "device": "cpu"}
    return checkpoint("gpt2"), fields, sorted(here.iterdir())


def test_counts_and_what_it_takes(here, asked):
    model, fields, before = asked
    request = AuditRequest(model, **fields, output="out", confirm=4, open_texts=2)
    forecast = foresee_audit(request, clock=count().__next__)
    assert sorted(here.iterdir()) == before
    assert (forecast.scope.facts_in_scope, forecast.scope.subjects_in_scope) == (1, 1)
    assert forecast.questions["erased"] > 0
    assert forecast.questions["decoys"] > forecast.questions["erased"]
    questions = sum(forecast.questions.values())
    assert 0 < forecast.sampled <= questions
    assert forecast.seconds == pytest.approx(questions / forecast.sampled + forecast.steps / GENERATED)
    assert forecast.memory_mib > 0
    assert not forecast.incomplete


def test_what_an_audit_refuses_it_refuses(here, asked):
    _, fields, before = asked
    with pytest.raises(ModelError, match="does not exist"):
        foresee_audit(AuditRequest("no/such/model", **fields))
    with pytest.raises(OutputError, match="not empty"):
        foresee_audit(AuditRequest(asked[0], **fields, output=here))
    assert sorted(here.iterdir()) == before


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize(("incomplete", "code"), [(False, 0), (True, 4)])
def test_the_command(asked, capsys, monkeypatch, as_json, incomplete, code):
    scope = Scope(
        corpus="facts.jsonl",
        documents=6,
        facts_by_type={"PHONE_NUMBER": 6},
        subjects_in_scope=1,
        facts_in_scope=1,
        coverage=(),
        skipped=(),
    )
    forecast = Forecast(
        scope=scope,
        questions={"erased": 12, "same_subject": 2_000},
        steps=0,
        sampled=200,
        seconds=240.0,
        memory_mib=512.4,
        free_mib=2_000.0,
        incomplete=incomplete,
    )
    requests = []
    monkeypatch.setattr(dry_run, "foresee_audit", lambda request: requests.append(request) or forecast)
    given = ("--facts", "facts.jsonl", "--subject", PEOPLE[0], "--batch-size", "64", "--output", "out")
    with pytest.raises(SystemExit) as stopped:
        main(["audit", str(asked[0]), *given, "--dry-run", *(("--json",) if as_json else ())])
    out = capsys.readouterr().out
    assert stopped.value.code == code
    assert requests[0].batch_size == 64
    assert PEOPLE[0] not in out
    if as_json:
        told = json.loads(out)
        assert (told["exit_code"], told["facts"], told["questions"]["erased"]) == (code, 1, 12)
    else:
        said = (
            "2,012. Erased facts: 12; Same people, other facts: 2,000",
            "about 4 min",
            "2,000 MiB are free",
            "nothing was written",
        )
        shown = " ".join(out.replace("│", " ").split())
        assert [text for text in said if text not in shown] == []


@pytest.mark.parametrize(
    ("seconds", "written"), [(0.2, "1 s"), (89, "89 s"), (240, "4 min"), (5399, "90 min"), (9000, "2.5 h")]
)
def test_durations(seconds, written):
    assert duration(seconds) == written
