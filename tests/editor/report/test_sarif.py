"""SARIF: valid by the schema that OASIS publishes, in step with the exit code, and fingerprints that stay.

`tests/data/sarif-schema-2.1.0.json` is OASIS's own file, errata 01, byte for byte; it refuses unknown properties.
"""

import json
from pathlib import Path

import jsonschema
import pytest
from judged_reports import CASES, SKIPPED, judged

from editor.report.sarif import MOST_RESULTS, render_sarif

SCHEMA = json.loads((Path(__file__).parents[2] / "data" / "sarif-schema-2.1.0.json").read_text())
VALIDATOR = jsonschema.Draft4Validator(SCHEMA)


def run_of(report):
    return json.loads(render_sarif(report))["runs"][0]


def fingerprints(report):
    return [row["partialFingerprints"]["expunge/v1"] for row in run_of(report)["results"]]


@pytest.mark.parametrize("case", CASES)
def test_every_outcome_is_valid_and_errs_where_the_run_fails(case):
    report, code = judged(case), CASES[case][-1]
    VALIDATOR.validate(json.loads(render_sarif(report)))
    run = run_of(report)
    invocation = run["invocations"][0]
    levels = [row["level"] for row in (*run["results"], *invocation["toolExecutionNotifications"])]
    assert invocation["exitCode"] == code
    assert ("error" in levels) is bool(code)
    assert invocation["executionSuccessful"] is (code != 4)


def test_the_schema_is_that_of_the_log_and_refuses_what_sarif_does_not_know():
    log = json.loads(render_sarif(judged("leakage")))
    assert log["$schema"] == SCHEMA["id"]
    invocation = log["runs"][0]["invocations"][0]
    with pytest.raises(jsonschema.ValidationError, match="executionSuccessful"):
        VALIDATOR.validate(log | {"runs": [log["runs"][0] | {"invocations": [{"exitCode": 1}]}]})
    invocation["mood"] = "good"
    with pytest.raises(jsonschema.ValidationError, match="mood"):
        VALIDATOR.validate(log)


def test_a_rule_for_each_criterion_and_type_and_a_result_for_each_leaking_fact():
    report = judged("leakage")
    run = run_of(report)
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    types = sorted({row.entity_type for row in report.facts})
    assert rules == ["criterion/greedy_rate", *(f"leak/{name}" for name in types)]
    assert len(run["results"]) == 1 + len(report.facts)
    assert all(rules[row["ruleIndex"]] == row["ruleId"] for row in run["results"])
    assert not run_of(judged("met"))["results"]


def test_results_name_a_file_that_viewers_can_show(make_report):
    run = run_of(judged("leakage"))
    for row in run["results"]:
        place = row["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"] == "corpus.jsonl"
        assert place["region"]["startLine"] == 1
    report = make_report("audit")
    for path, uri in (
        ("data/my corpus.jsonl", "data/my%20corpus.jsonl"),
        ("/data/c.jsonl", "file:///data/c.jsonl"),
    ):
        changed = report.model_copy(update={"scope": report.scope.model_copy(update={"corpus": path})})
        assert run_of(changed)["artifacts"][0]["location"]["uri"] == uri


def test_fingerprints_tell_results_apart_and_do_not_depend_on_figures():
    report = judged("leakage")
    assert len(set(fingerprints(report))) == len(fingerprints(report))
    changed = tuple(
        row.model_copy(update={"worst_case_bits_before": 9.0, "sources": 1}) for row in report.facts
    )
    again = report.model_copy(update={"facts": changed, "versions": {}, "command": "another"})
    assert sorted(fingerprints(again)) == sorted(fingerprints(report))


def test_skipped_documents_are_notifications():
    notifications = run_of(judged("incomplete"))["invocations"][0]["toolExecutionNotifications"]
    assert [row["message"]["text"].split(": ", 1)[1] for row in notifications] == list(SKIPPED)


def test_no_more_results_than_viewers_take():
    report = judged("leakage")
    many = tuple(
        report.facts[n % 25].model_copy(update={"fact": f"US_SSN {n:08x}"}) for n in range(MOST_RESULTS + 7)
    )
    run = run_of(report.model_copy(update={"facts": many}))
    assert len(run["results"]) == MOST_RESULTS
    assert run["invocations"][0]["toolExecutionNotifications"][-1]["message"]["text"].startswith(
        "8 more facts"
    )


def test_braces_and_brackets_in_text_are_shown_as_they_stand():
    report = judged("incomplete")
    scope = report.scope.model_copy(update={"skipped": ("document {0} [a](1) \\",)})
    run = run_of(report.model_copy(update={"scope": scope}))
    text = run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"]
    assert text.endswith("document {{0}} \\[a\\](1) \\\\")
