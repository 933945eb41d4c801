"""SARIF: valid by the schema that OASIS publishes, in step with the exit code, and fingerprints that stay.

`tests/data/sarif-schema-2.1.0.json` is OASIS's own file, errata 01, byte for byte; it refuses unknown properties.
"""

import json
from pathlib import Path

import jsonschema
import pytest
from judged_reports import CASES, SKIPPED, judged

from editor.report.sarif import MOST_RESULTS, render_sarif
from editor.results.report import Place

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


def placed(report, file="letters/may.jsonl"):
    """The report with a line for each fact: the n-th of them at line 10 n."""
    rows = (
        row.model_copy(update={"place": Place(file=file, line=10 * number)})
        for number, row in enumerate(report.facts, start=1)
    )
    return report.model_copy(update={"facts": tuple(rows)})


def places(run):
    found = (row["locations"][0]["physicalLocation"] for row in run["results"])
    return [(place["artifactLocation"]["uri"], place["region"]["startLine"]) for place in found]


def test_a_fact_points_to_its_line_and_a_leakage_criterion_to_the_worst_of_them():
    report = placed(judged("leakage"))
    lines = {row.fact: row.place.line for row in report.facts}
    worst, *facts = places(run_of(report))
    said = [row["message"]["text"].partition(" of subject")[0] for row in run_of(report)["results"][1:]]
    assert facts == [("letters/may.jsonl", lines[fact]) for fact in said]
    assert len(set(facts)) == len(facts)
    assert worst == facts[0]
    uris = [one["location"]["uri"] for one in run_of(report)["artifacts"]]
    assert uris == ["corpus.jsonl", "letters/may.jsonl"]


def test_what_is_about_no_fact_points_to_the_corpus():
    assert set(places(run_of(placed(judged("utility"))))) == {("corpus.jsonl", 1)}
    assert set(places(run_of(judged("leakage")))) == {("corpus.jsonl", 1)}


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("data/my corpus.jsonl", "data/my%20corpus.jsonl"),
        ("../c.jsonl", "../c.jsonl"),
        ("/srv/my data/c.jsonl", "c.jsonl"),
        ("/srv/letters/", "letters"),
        ("C:\\Users\\me\\c.jsonl", "c.jsonl"),
        ("\\\\server\\share\\c.jsonl", "c.jsonl"),
    ],
)
def test_no_absolute_path_is_in_it(path, uri):
    report = placed(judged("leakage and something skipped"), path)
    scope = report.scope.model_copy(
        update={"corpus": path, "skipped": ("/srv/private/a.txt line 7: skipped: it is not JSON",)}
    )
    command = f"expunge audit /srv/private/bot --corpus='{path}' --output \"/srv/private/my audits\""
    model = report.model_before.model_copy(update={"source": "/srv/private/bot"})
    run = run_of(
        report.model_copy(
            update={"scope": scope, "command": command, "model_before": model, "model_after": None}
        )
    )
    assert {found for found, _ in places(run)} == {uri}
    text = json.dumps(run)
    assert not any(folder in text for folder in ("srv", "private", "Users", "server", "my data"))
    assert run["results"][0]["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] == "bot"
    assert run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"].endswith(
        ": a.txt line 7: skipped: it is not JSON"
    )


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
