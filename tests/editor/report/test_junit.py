"""JUnit XML: valid by tests/data/junit-subset.xsd, stricter than what CI servers read, in step with the exit code."""

from pathlib import Path
from xml.etree import ElementTree

import pytest
import xmlschema
from judged_reports import CASES, SKIPPED, judged

from editor.report.junit import render_junit

SCHEMA = Path(__file__).parents[2] / "data" / "junit-subset.xsd"


@pytest.fixture(scope="module")
def schema():
    return xmlschema.XMLSchema(SCHEMA)


def parsed(report):
    return ElementTree.fromstring(render_junit(report))


def properties(root):
    return {element.get("name"): element.get("value") for element in root.iter("property")}


@pytest.mark.parametrize("case", CASES)
def test_every_outcome_is_valid_and_fails_where_the_run_fails(schema, case):
    report = judged(case)
    schema.validate(render_junit(report))
    root, code = parsed(report), CASES[case][-1]
    broken = len(list(root.iter("failure"))) + len(list(root.iter("error")))
    assert bool(broken) is bool(code)
    assert (int(root.get("failures")) + int(root.get("errors"))) == broken
    assert properties(root)["exit_code"] == str(code)
    assert properties(root)["policy.sha256"] == report.policy.digest


def test_counts_add_up():
    root = parsed(judged("leakage and something skipped"))
    for suite in root:
        for attribute, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error")):
            assert int(suite.get(attribute)) == len(list(suite.iter(tag)))
    assert int(root.get("tests")) == len(list(root.iter("testcase")))


def test_a_case_for_each_criterion_person_and_skipped_document():
    report = judged("leakage and something skipped")
    names = {
        suite.get("name"): [case.get("name") for case in suite.iter("testcase")] for suite in parsed(report)
    }
    assert set(names) == {"expunge.leakage", "expunge.people", "expunge.coverage"}
    assert sorted(names["expunge.people"]) == sorted(row.subject for row in report.subjects)
    assert names["expunge.coverage"] == list(SKIPPED)
    assert names["expunge.leakage"] == ["greedy_rate: facts that greedy decoding leaks"]


def test_a_leaking_person_names_the_facts_by_label():
    report = judged("leakage")
    row = report.subjects[0]
    case = next(case for case in parsed(report).iter("testcase") if case.get("name") == row.subject)
    labels = {fact.fact for fact in report.facts if fact.subject == row.subject}
    assert labels <= set(case.find("failure").text.replace("\n", ", ").split(", "))


def test_what_is_tolerated_is_skipped_with_its_reason():
    root = parsed(judged("everything waived"))
    assert {element.get("message").rsplit(" ", 6)[-1] for element in root.iter("skipped")} == {"it", "run"}
    assert properties(root)["fails_on"] == "none"


def test_characters_that_xml_cannot_hold_are_replaced(schema):
    scope = judged("incomplete").scope.model_copy(
        update={"skipped": ("document \x00\x1b[31m<&>\ud800: \uffff]]>",)}
    )
    text = render_junit(judged("incomplete", scope=scope))
    schema.validate(text)
    assert (
        ElementTree.fromstring(text).findall(".//testcase")[-1].get("name")
        == "document \ufffd\ufffd[31m<&>\ufffd: \ufffd]]>"
    )


def test_same_report_same_bytes():
    assert render_junit(judged("utility")) == render_junit(judged("utility"))
