"""The comment on a pull request: short, in step with the exit code, and never more than a comment holds."""

import pytest
from judged_reports import CASES, SKIPPED, judged
from made_evidence import make_evidence

from editor.report.pull_request import MOST_CHARACTERS, MOST_SUBJECTS, render_pull_request
from editor.results.report import Gate, ThresholdOverride


@pytest.mark.parametrize("case", CASES)
def test_sign_and_exit_code_agree(case):
    report, code = judged(case), CASES[case][-1]
    text = render_pull_request(report)
    sign = "❌" if code else "⚠️" if report.gate.waived else "✅"
    assert text.startswith(f"## {sign} ")
    assert f"Exit code {code};" in text
    assert ("**not met**" in text) is (code in {1, 3})
    assert text == render_pull_request(judged(case))


def test_verdict_thresholds_types_people_and_what_was_skipped():
    report = judged("leakage and something skipped")
    text = render_pull_request(report)
    assert report.verdict in text
    assert "| Facts that greedy decoding leaks | at most 0% | 100% | **not met** |" in text
    assert "| US\\_SSN | 5 of 5 |" in text
    assert all(row.subject in text for row in report.subjects)
    assert all(line in text for line in SKIPPED)
    assert report.command in text


def test_who_when_and_the_baseline():
    report = judged("leakage", evidence=make_evidence())
    text = render_pull_request(report, "2026-11-28T22:09:45+00:00")
    assert "privacy desk audited rivermouth/model" in text
    assert "on 2026-11-28 22:09 UTC" in text
    assert "The baseline models/base leaks 1 of the 25; training added 24." in text


def test_a_replaced_threshold_stands_beside_the_policy_s():
    report = judged("leakage")
    replaced = Gate(overridden=(ThresholdOverride(threshold="greedy_rate", policy=0.5, run=0.0),))
    assert "at most 0% (policy: 50%)" in render_pull_request(report.model_copy(update={"gate": replaced}))


def test_people_beyond_the_first_are_counted():
    report = judged("leakage")
    many = tuple(report.subjects[0].model_copy(update={"subject": f"subject {n:08x}"}) for n in range(1000))
    text = render_pull_request(report.model_copy(update={"subjects": many}))
    assert text.count("| subject ") == MOST_SUBJECTS
    assert "… and 990 people more" in text


@pytest.mark.parametrize("length", [10_000, 1_000_000])
def test_never_more_than_a_comment_holds(length):
    report = judged("leakage and something skipped")
    facts = tuple(
        report.facts[n % 25].model_copy(update={"entity_type": f"T{n}" + "_" * length}) for n in range(200)
    )
    scope = report.scope.model_copy(update={"skipped": ("<" * length,) * 300})
    criteria = report.criteria * 20
    long = {
        "command": "&" * length,
        "verdict": "<" * length,
        "facts": facts,
        "scope": scope,
        "criteria": criteria,
    }
    text = render_pull_request(report.model_copy(update=long))
    assert len(text) <= MOST_CHARACTERS
    assert text.startswith("## ❌")
