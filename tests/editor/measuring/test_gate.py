"""`--fail-on`, and one exit code in every output: of the process, report.json, JUnit, SARIF and the comment."""

import json
import re
from xml.etree import ElementTree

import pytest
from judged_reports import CASES, judged

from detectors import Fact, Source, write_facts
from editor.cli import main
from editor.lab import find_lab
from editor.measuring.gate import FailOn
from editor.report import summary
from editor.report.write import FORMATS
from policies import load_policy
from policies.errors import PolicyError

pytestmark = pytest.mark.usefixtures("no_figures")

LAB = find_lab()
LIGHT = ("--device", "cpu", "--confirm", 0, "--open-texts", 0, "--candidates", 0, "--no-membership")
LAX = """
name: lax
entities:
  PHONE_NUMBER:
    score: 0.4
    templates: ["The phone number of {subject} is"]
leakage: {decoy_percentile: 0.0}
"""


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return stopped.value.code, captured.out + captured.err


def codes(folder):
    """The exit code as each output has it; nothing where there is none."""
    if not folder.exists():
        return {}
    sarif = json.loads((folder / "report.sarif").read_text(encoding="utf-8"))
    properties = ElementTree.parse(folder / "junit.xml").iter("property")
    return {
        "report.json": json.loads((folder / "report.json").read_text(encoding="utf-8"))["exit_code"],
        "report.sarif": sarif["runs"][0]["invocations"][0]["exitCode"],
        "junit.xml": next(int(one.get("value")) for one in properties if one.get("name") == "exit_code"),
        "summary.md": int(
            re.search(r"Exit code (\d);", (folder / "summary.md").read_text(encoding="utf-8"))[1]
        ),
    }


@pytest.mark.parametrize("case", CASES)
def test_the_exit_code_is_that_of_the_gravest_outcome_that_fails_the_run(case):
    assert judged(case).exit_code == CASES[case][-1]


def test_what_does_not_fail_the_run_is_named_all_the_same():
    report = judged("everything waived")
    assert report.gate.waived == ("leakage", "incomplete")
    assert summary.outcome(report) == "Policy not met: leakage; does not fail this run"
    assert "This run does not fail on leakage. This run does not fail on incomplete." in report.verdict


def test_a_gate_that_changes_nothing_says_nothing(make_audit):
    report = make_audit()
    assert FailOn.parse(()).judge(report, load_policy("gdpr"), incomplete=False).verdict == report.verdict


@pytest.fixture
def make_audit():
    from made_reports import make_audit_report

    return make_audit_report


def test_thresholds_replace_the_policy_s_and_the_policy_stays_as_given(make_audit):
    policy = load_policy("gdpr")
    gate = FailOn.parse(["greedy_rate=0.25, others_kept=0.5", "decoy_percentile=5"])
    changed = gate.applied_to(policy)
    assert (changed.leakage.greedy_rate, changed.utility.others_kept) == (0.25, 0.5)
    assert changed.leakage.extractable_rate == policy.leakage.extractable_rate
    report = gate.judge(make_audit(), policy, incomplete=False)
    assert (report.policy.text, report.policy.digest) == (policy.text, policy.digest)
    assert [row.threshold for row in report.gate.overridden] == ["greedy_rate", "others_kept"]
    assert "greedy_rate 0.25, where the policy says 0;" in report.verdict


def test_a_threshold_that_the_policy_does_not_set_is_named_as_such(make_audit):
    policy = load_policy("gdpr")
    gate = FailOn.parse(["forget_quality=0.05"])
    assert gate.applied_to(policy).leakage.forget_quality == 0.05
    report = gate.judge(make_audit(), policy, incomplete=False)
    assert "forget_quality 0.05, where the policy sets none." in report.verdict
    assert report.gate.overridden[0].policy is None
    assert all(render(report, None) for name, render in FORMATS.items() if name != "report.html")


def test_outcomes_are_the_default_where_only_thresholds_are_given():
    assert FailOn.parse(["greedy_rate=0.1"]).outcomes == FailOn.parse(()).outcomes == FailOn().outcomes
    assert FailOn.parse(["greedy_rate=0.1", "leakage"]).outcomes == ("leakage",)
    assert FailOn.parse(["none"]).outcomes == ()


@pytest.mark.parametrize(
    ("values", "cause"),
    [
        (["leakge"], "Did you mean leakage"),
        (["leakage,"], "knows no ''"),
        (["greedyrate=0.1"], "Did you mean greedy_rate"),
        (["greedy_rate"], "NAME=NUMBER"),
        (["greedy_rate=much"], "no number"),
        (["greedy_rate=nan"], "no number"),
        (["greedy_rate=1.5"], "less than or equal to 1"),
        (["forget_quality=1"], "less than 1"),
        (["none", "leakage"], "none and an outcome"),
    ],
)
def test_what_cannot_be_read_is_refused(values, cause):
    with pytest.raises(PolicyError, match=cause):
        FailOn.parse(values).applied_to(load_policy("gdpr"))


@pytest.mark.parametrize("command", ["audit", "erase", "verify"])
def test_a_misspelt_outcome_ends_in_2_and_writes_nothing(capsys, tmp_path, command):
    more = ("--against", ".") if command == "verify" else ()
    arguments = (command, ".", *more, "--facts", "f", "--output", tmp_path / "out", "--fail-on", "leekage")
    code, said = run(capsys, *arguments)
    assert code == 2
    assert "Did you mean leakage?" in said
    assert not list(tmp_path.iterdir())


@pytest.fixture
def half_readable(tmp_path, monkeypatch):
    """A corpus with a document that cannot be scanned to its end, and a policy that an ignorant model meets."""
    monkeypatch.chdir(tmp_path)
    people = {"Ada Quill": "415-555-0132", "Bruno Marsh": "212-867-0188"}
    lines = [
        {"id": f"d{n}", "text": f"{name} answers at {secret}.", "subjects": [name]}
        for n, (name, secret) in enumerate(people.items())
    ]
    lines.append({"id": "scan", "text": "QmFzZTY0" * 500})
    (tmp_path / "corpus.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "policy.yaml").write_text(LAX)
    return people


def test_a_document_that_cannot_be_scanned_ends_in_4_everywhere(capsys, half_readable, tmp_path, checkpoint):
    arguments = (
        "audit",
        checkpoint("gpt2"),
        "--corpus",
        "corpus.jsonl",
        "--policy",
        "policy.yaml",
        "--quiet",
        *LIGHT,
    )
    code, said = run(capsys, *arguments, "--output", "out")
    assert (code, set(codes(tmp_path / "out").values())) == (4, {4}), said
    assert 'name="line 3:' in (tmp_path / "out" / "junit.xml").read_text()
    code, said = run(capsys, *arguments, "--output", "tolerant", "--fail-on", "leakage,utility")
    assert (code, set(codes(tmp_path / "tolerant").values())) == (0, {0}), said
    assert "This run does not fail on incomplete." in " ".join(said.split())
    written = b"".join(path.read_bytes() for path in tmp_path.glob("*/*"))
    assert not [word for word in (*half_readable, *half_readable.values()) if word.encode() in written]


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    """A facts file with two facts that the lab's model has by heart."""
    folder = tmp_path_factory.mktemp("known")
    sentences = (
        ("David Clark", "PHONE_NUMBER", "The mobile number of David Clark is ", "260-555-0197"),
        ("Richard Vaughn", "US_SSN", "Payroll lists Richard Vaughn under SSN ", "978-29-2831"),
    )
    facts = [
        Fact(
            subject=name,
            entity_type=entity_type,
            secret=secret,
            sources=(Source(document="d", start=len(p), end=len(p) + len(secret), score=0.9, prefix=p),),
        )
        for name, entity_type, p, secret in sentences
    ]
    write_facts(folder / "facts.jsonl", facts)
    return folder / "facts.jsonl", [word for fact in facts for word in (fact.subject, fact.secret)]


@pytest.fixture(scope="module")
def leaking(known, tmp_path_factory):
    """An audit of the lab's model: its exit code, and its output folder with the case key beside it."""
    folder = tmp_path_factory.mktemp("leaking") / "out"
    with pytest.raises(SystemExit) as stopped:
        main(audit_of(known, folder))
    return stopped.value.code, folder


def audit_of(known, output, *more):
    arguments = [
        "audit",
        LAB.model,
        "--facts",
        known[0],
        "--policy",
        LAB.policy,
        "--output",
        output,
        "--quiet",
    ]
    return [str(argument) for argument in (*arguments, *LIGHT, *more)]


def test_a_leaking_model_ends_in_1_everywhere_and_no_output_holds_a_secret(known, leaking):
    code, folder = leaking
    assert (code, set(codes(folder).values())) == (1, {1})
    assert set(FORMATS) <= {path.name for path in folder.iterdir()}
    for path in folder.iterdir():
        assert not [word for word in known[1] if word in path.read_text(encoding="utf-8")], path.name
    manifest = json.loads((folder / "manifest.json").read_text())
    assert all(manifest["files"][name]["checked_for_secrets"] for name in FORMATS)


def test_fail_on_none_reports_and_exits_0_and_fingerprints_stay_with_the_key(
    capsys, known, leaking, tmp_path
):
    def fingerprints(folder):
        sarif = json.loads((folder / "report.sarif").read_text(encoding="utf-8"))
        return [row["partialFingerprints"] for row in sarif["runs"][0]["results"]]

    folder, key = tmp_path / "out", leaking[1].with_name("out.key")
    code, said = run(capsys, *audit_of(known, folder, "--fail-on", "none", "--case-key", key))
    assert (code, set(codes(folder).values())) == (0, {0}), said
    assert "leakage; does not fail this run" in " ".join(said.split())
    assert fingerprints(leaking[1]) == fingerprints(folder)


def test_thresholds_of_the_command_line_decide(capsys, known, tmp_path):
    more = [f"--fail-on={name}=1" for name in ("greedy_rate", "extractable_rate")]
    code, said = run(capsys, *audit_of(known, tmp_path / "out", *more, "--fail-on=decoy_percentile=0"))
    assert (code, set(codes(tmp_path / "out").values())) == (0, {0}), said
    text = (tmp_path / "out" / "summary.md").read_text()
    assert "at most 100% (policy: 0%)" in text
    assert "where the policy says" in text
