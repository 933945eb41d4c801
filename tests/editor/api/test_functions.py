"""From Python: the same jobs as on the command line, without a folder unless one is named."""

import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest
from six_people import PEOPLE, POLICY

import expunge
from detectors import Fact, Source, write_facts
from editor.api.requests import AuditRequest, CompareRequest, EraseRequest, LocateRequest, VerifyRequest
from editor.attacks import attacks_at
from editor.cli import main
from editor.results.report import Report
from policies import ErasureRequest, load_policy
from policies.errors import ExitCode, PolicyError, RequestError

ROOT = Path(__file__).parents[3]
LIGHT = {"confirm": 0, "open_texts": 0, "candidates": 0, "membership": False, "device": "cpu"}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "policy.yaml").write_text(POLICY)
    secrets = [f"{number}15-555-01{number}{number + 1}" for number in range(2, 2 + len(PEOPLE))]
    facts, lines = [], []
    for name, secret in zip(PEOPLE, secrets, strict=True):
        prefix = f"The phone number of {name} is "
        source = Source(document=name, start=len(prefix), end=len(prefix) + 12, score=0.7, prefix=prefix)
        facts.append(Fact(subject=name, entity_type="PHONE_NUMBER", secret=secret, sources=(source,)))
        lines.append(json.dumps({"id": name, "text": f"{prefix}{secret}.", "subjects": [name]}))
    write_facts(tmp_path / "facts.jsonl", facts)
    (tmp_path / "corpus.jsonl").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_an_audit_returns_its_report_and_leaves_nothing(here, checkpoint):
    before = sorted(here.iterdir())
    report = expunge.audit(
        checkpoint("gpt2"), corpus="corpus.jsonl", policy="policy.yaml", subjects=[PEOPLE[0]], **LIGHT
    )
    assert isinstance(report, Report)
    assert report.scope.facts_in_scope == 1
    assert report.exit_code in (0, 1)
    assert sorted(here.iterdir()) == before
    assert Report.from_json(report.to_json()) == report
    html = report._repr_html_()
    assert "<table>" in html
    assert "facts that" in html
    assert not [word for word in (*PEOPLE, "15-555-") if word in html + report.to_json()]
    assert "subjects=['***']" in report.command


def test_the_command_line_gives_the_same_report(here, checkpoint, capsys):
    model = str(checkpoint("llama"))
    report = expunge.audit(
        model,
        facts="facts.jsonl",
        policy="policy.yaml",
        output="python",
        case_key="one.key",
        operator="o",
        **LIGHT,
    )
    light = ("--confirm", "0", "--open-texts", "0", "--candidates", "0", "--no-membership", "--device", "cpu")
    given = ("--facts", "facts.jsonl", "--policy", "policy.yaml", "--case-key", "one.key", "--operator", "o")
    with pytest.raises(SystemExit) as stopped:
        main(["audit", model, *given, *light, "--output", "shell", "--quiet"])
    written = Report.from_json((here / "shell" / "report.json").read_text())
    assert written.model_copy(update={"command": report.command}) == report
    assert stopped.value.code == report.exit_code
    assert {path.name for path in (here / "python").iterdir()} == {
        path.name for path in (here / "shell").iterdir()
    }
    assert written.command.split()[0] == "expunge"
    capsys.readouterr()


@pytest.mark.usefixtures("here")
def test_values_stand_in_for_files(checkpoint):
    policy, request = load_policy("policy.yaml"), ErasureRequest.from_names([PEOPLE[1]])
    report = expunge.audit(checkpoint("gpt2"), facts="facts.jsonl", policy=policy, request=request, **LIGHT)
    assert report.scope.subjects_in_scope == 1
    assert PEOPLE[1] not in report.command


def test_an_erasure_is_verified_and_reverted(here, checkpoint):
    model = checkpoint("gpt2")
    case = {"facts": "facts.jsonl", "policy": "policy.yaml", "subjects": list(PEOPLE[:2]), "device": "cpu"}
    report = expunge.erase(
        model,
        method="memit",
        strength="default",
        settings={"steps": 2},
        controls=False,
        output="out",
        keep_edit=True,
        **case,
    )
    assert report.kind == "erase"
    assert [row.attack for row in report.attacks] == list(attacks_at("quick"))
    assert all(row.greedy_facts.total for row in report.attacks)
    again = expunge.verify("out", against=model, attacks="none", **case)
    assert again.attacks == ()
    assert any("Relearning was not tested" in text for text in again.residual_risk)
    assert [row.measured for row in again.criteria] == [row.measured for row in report.criteria]
    reverted = expunge.revert("out", output="back")
    assert reverted.tensors == len(report.edit.parameters)
    assert (here / "back" / "config.json").is_file()


def test_locating_and_detecting_return_what_they_found(here, checkpoint):
    located = expunge.locate(
        checkpoint("gpt2"), locator="depn", units=5, facts="facts.jsonl", policy="policy.yaml", device="cpu"
    )
    assert sum(row.units for row in located.sites) == 5
    found = expunge.detect("corpus.jsonl", policy="policy.yaml")
    assert len(found.facts) == len(PEOPLE)
    assert not [name for name in PEOPLE if name in repr(found)]
    assert {path.name for path in here.iterdir()} == {"policy.yaml", "facts.jsonl", "corpus.jsonl"}


@pytest.mark.parametrize(
    ("make", "cause"),
    [
        (lambda: AuditRequest("m"), "corpus nor facts"),
        (lambda: AuditRequest("m", corpus="c", subjects="Ada Quill"), "one text"),
        (lambda: AuditRequest("m", corpus="c", subjects=["A"], request="r"), "both named"),
        (lambda: EraseRequest("m", corpus="c"), "no folder"),
        (lambda: EraseRequest("m", corpus="c", output="o", trials=0), "`trials` is 0"),
        (lambda: EraseRequest("m", corpus="c", output="o", site="mlp_out.3"), "no dictionary that reads it"),
        (lambda: LocateRequest("m", corpus="c", locator="kn", site="mlp_out.3"), "no dictionary"),
        (lambda: LocateRequest("m", corpus="c", locator="kn", units=0), "`units` is 0"),
        (lambda: CompareRequest("m", corpus="c", resume=True), "nothing to resume"),
        (lambda: EraseRequest("m", corpus="c", output="o", attacks="all"), "no attacks 'all'"),
        (lambda: VerifyRequest("m", against="n", corpus="c", attacks="Full"), "no attacks 'Full'"),
        (lambda: CompareRequest("m", corpus="c", attacks=""), "no attacks ''"),
    ],
)
def test_a_request_that_contradicts_itself_is_refused_when_it_is_made(make, cause):
    with pytest.raises(RequestError, match=cause) as refused:
        make()
    assert refused.value.exit_code is ExitCode.USAGE


@pytest.mark.parametrize(
    ("ask", "error", "cause"),
    [
        (
            lambda: expunge.erase("m", corpus="c", output="o", method="magic"),
            RequestError,
            "no method 'magic'",
        ),
        (lambda: expunge.erase("m", corpus="c", output="o", strength=1e9), RequestError, "strength"),
        (lambda: expunge.erase("m", corpus="c", output="o", settings={"x": 1}), RequestError, "no setting x"),
        (
            lambda: expunge.erase("m", corpus="c", output="o", method="memit", dictionary="d"),
            RequestError,
            "no meaning",
        ),
        (lambda: expunge.locate("m", corpus="c", locator="tealeaves"), RequestError, "no locator"),
        (lambda: expunge.compare("m", corpus="c", arms=["magic"]), RequestError, "no arm 'magic'"),
        (lambda: expunge.audit("m", corpus="c", fail_on=["leekage"]), PolicyError, "leakage"),
        (lambda: expunge.audit("m", corpus="c", policy="nowhere"), PolicyError, "no policy nowhere"),
    ],
)
def test_what_can_be_checked_is_checked_before_a_model_is_loaded(tmp_path, monkeypatch, ask, error, cause):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=cause):
        ask()
    assert list(tmp_path.iterdir()) == []


def test_functions_say_what_they_take():
    names = [
        "audit",
        "chat",
        "compare",
        "detect",
        "erase",
        "locate",
        "plan",
        "push",
        "revert",
        "verify",
        "verify_report",
    ]
    assert dir(expunge) == names
    for name, request in {"audit": AuditRequest, "erase": EraseRequest, "verify": VerifyRequest}.items():
        function = getattr(expunge, name)
        assert inspect.signature(function).parameters.keys() == inspect.signature(request).parameters.keys()
        assert function.__name__ == name
        assert all(word in function.__doc__ for word in ("corpus:", "policy:", "fail_on:"))
    with pytest.raises(AttributeError, match="forget"):
        expunge.forget  # noqa: B018


def test_no_request_shows_whom_it_is_about():
    request = AuditRequest("m", corpus="c", subjects=["Ada Quill"])
    assert "Quill" not in repr(request)
    assert request.call_text("audit") == "expunge.audit(corpus='c', subjects=['***'], model='m')"


def test_importing_it_is_light_and_offers_its_names():
    code = (
        "import sys, expunge; names = dir(expunge); from expunge import audit, erase; "
        "assert 'audit' in names and callable(audit); "
        "sys.exit(bool({'torch', 'transformers', 'presidio_analyzer', 'matplotlib'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize("package", ["editor", "detectors", "dictionaries", "policies"])
def test_packages_say_that_they_are_typed(package):
    assert (ROOT / package / "py.typed").is_file()
