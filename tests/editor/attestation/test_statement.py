"""The in-toto Statement: it names what was judged by digests, and holds no personal data."""

import hashlib
import json
from pathlib import Path

import pytest
from jsonschema import Draft7Validator
from judged_reports import CASES, judged
from six_people import PEOPLE

from editor.artefacts.masking import CaseKey
from editor.attestation.statement import statement_text
from editor.model.digests import model_digest, tensor_digests
from editor.model.loading import load_model

SCHEMA = Path(__file__).parents[2] / "data" / "in-toto-test-result-subset.schema.json"


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read(folder):
    statement = json.loads((folder / "statement.json").read_text(encoding="utf-8"))
    Draft7Validator(json.loads(SCHEMA.read_text(encoding="utf-8"))).validate(statement)
    return statement


def subjects(statement):
    return {row["name"]: row["digest"]["sha256"] for row in statement["subject"]}


def configuration(statement):
    return {row["name"]: row["digest"] for row in statement["predicate"]["configuration"]}


def test_an_erasure_names_the_checkpoint_that_it_wrote(erased):
    found = subjects(read(erased))
    files = {path.name: sha256(path) for path in (erased / "model").iterdir()}
    whole = model_digest(tensor_digests(load_model(str(erased / "model"), device="cpu")))
    assert found == {"checkpoint": whole, **files}


@pytest.mark.parametrize("kind", ["audited", "verified"])
def test_other_runs_name_the_checkpoint_that_they_judged(request, kind, case, erased):
    judged_folder = case.model if kind == "audited" else erased / "model"
    found = subjects(read(request.getfixturevalue(kind)))
    assert found.pop("checkpoint") == model_digest(
        tensor_digests(load_model(str(judged_folder), device="cpu"))
    )
    assert found == {path.name: sha256(path) for path in judged_folder.iterdir()}


def test_the_configuration_is_policy_inputs_and_what_was_written(erased, case):
    found, report = configuration(read(erased)), json.loads((erased / "report.json").read_text())
    key = CaseKey.load_or_generate(case.given["case_key"])
    assert found["policy"] == {"sha256": report["policy"]["digest"]}
    assert found["facts"] == {"hmacSha256": key.digest("facts", case.given["facts"].read_bytes())}
    for name in ("report.json", "manifest.json"):
        assert found[name] == {"sha256": sha256(erased / name)}


def test_criteria_and_figures_are_those_of_the_report(erased):
    predicate = read(erased)["predicate"]
    report = json.loads((erased / "report.json").read_text())
    rows = {row["measure"]: row for row in report["criteria"]}
    named = {"pass": "passedTests", "not tested": "warnedTests", "fail": "failedTests"}
    tests = {name: result for result, names in named.items() for name in predicate[names]}
    assert tests == {row["name"]: row["result"] for row in predicate["expunge"]["criteria"]}
    for row in predicate["expunge"]["criteria"]:
        counted = rows[row["name"]]["counted"]
        assert row["measured"] == rows[row["name"]]["measured"]
        assert counted is None or row["counted"]["interval"] == [counted["low"], counted["high"]]


def test_the_case_is_named_by_a_keyed_hash_and_nobody_by_name(erased, case):
    text = (erased / "statement.json").read_text()
    key = CaseKey.load_or_generate(case.given["case_key"])
    assert json.loads(text)["predicate"]["expunge"]["case"] == {
        "hmacSha256": key.digest("case", b"river-2026-7")
    }
    assert not [word for word in (*PEOPLE, "-555-01", "river-2026-7", str(case.folder)) if word in text]


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("met", "PASSED"),
        ("leakage", "FAILED"),
        ("utility", "FAILED"),
        ("incomplete", "WARNED"),
        ("leakage waived", "WARNED"),
        ("everything waived", "WARNED"),
    ],
)
def test_the_result_follows_the_exit_code(name, result):
    files = {"report.json": {"sha256": "0" * 64}}
    manifest = json.dumps({"files": files, "inputs": {"case": "1" * 64}})
    report = judged(name)
    statement = json.loads(statement_text(manifest, report))
    assert report.exit_code == CASES[name][3]
    assert statement["predicate"]["result"] == result
