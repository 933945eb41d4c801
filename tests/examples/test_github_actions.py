"""The workflow in examples/github-actions runs as printed, and the audit alone decides."""

import json
import re
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from workflow_steps import Runner

from editor.cli.audit import audit
from editor.report.write import FORMATS
from policies import load_policy

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / "examples" / "github-actions" / "expunge-audit.yml"
REAL = """#!/bin/bash
exec "{python}" -m editor.cli "$@" --confirm 0 --open-texts 0 --candidates 0 --no-membership
"""
PUBLISHING = [
    "Job summary",
    "Comment on the pull request",
    "Code scanning alerts",
    "Test results",
    "Whole report",
    "Remove the case key",
]
needs_jq = pytest.mark.skipif(shutil.which("jq") is None, reason="gh has jq within, and the stand-in has not")


@pytest.fixture(scope="module")
def workflow():
    return yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def steps(workflow):
    return {step.get("name", step.get("uses")): step for step in workflow["jobs"]["audit"]["steps"]}


def test_the_command_has_every_option_it_is_given(steps):
    known = {option for parameter in audit.params for option in parameter.opts}
    given = set(re.findall(r"(--[a-z-]+)", steps["Audit"]["run"]))
    assert given
    assert given <= known


def test_every_file_named_is_one_that_is_written():
    named = set(re.findall(r"expunge-audit/([\w.]+)", WORKFLOW.read_text(encoding="utf-8")))
    assert {"summary.md", "report.sarif", "junit.xml"} <= named <= set(FORMATS)


def test_the_audit_alone_decides(workflow, steps):
    names = list(steps)
    publishing = [steps[name] for name in names[names.index("Audit") + 1 :] if name != "Remove the case key"]
    assert "continue-on-error" not in steps["Audit"]
    assert all(step["continue-on-error"] and "!cancelled()" in step["if"] for step in publishing)
    assert "continue-on-error" not in workflow["jobs"]["audit"]


def test_what_publishes_may(workflow):
    assert workflow["permissions"]["security-events"] == "write"
    assert workflow["permissions"]["contents"] == "read"


def test_what_it_names_is_there(workflow):
    named = workflow["env"]
    assert all((ROOT / named[name]).exists() for name in ("EXPUNGE", "MODEL", "CORPUS", "POLICY", "REQUEST"))
    assert load_policy(ROOT / named["POLICY"]).ner == f"spacy:{named['NER_MODEL']}"


@needs_jq
@pytest.mark.parametrize("code", [0, 1])
def test_its_steps_run_and_two_runs_comment_once(workflow, tmp_path, code):
    runner = Runner(tmp_path, AUDIT_ENDS_WITH=str(code), NER_FOLDER="")
    runner.comments.write_text(json.dumps([{"id": 1, "body": "Somebody else: <!-- expunge-audit -->"}]))
    for run in ("first", "second"):
        runner.variables["RUN"] = run
        ended, taken = runner.run(workflow, "audit")
        assert ended == code
        assert taken[-len(PUBLISHING) :] == PUBLISHING
        comments = [one["body"] for one in json.loads(runner.comments.read_text())]
        assert comments[1:] == [f"<!-- expunge-audit -->\n{run}\n"]
    assert not (runner.temporary / "case.key").exists()
    asked = runner.asked.read_text().splitlines()[:3]
    assert asked[:2] == ["python -m pip install .", "python -m spacy download en_core_web_sm"]
    assert "--request examples/rivermouth/request.yaml" in asked[2]


def test_an_audit_that_cannot_begin_publishes_nothing(workflow, tmp_path):
    runner = Runner(tmp_path, NER_FOLDER="")
    runner.stand_in(tmp_path / "programs" / "expunge", "#!/bin/bash\nexit 2\n")
    ended, taken = runner.run(workflow, "audit")
    assert ended == 2
    assert taken[-2:] == ["Audit", "Remove the case key"]


@needs_jq
@pytest.mark.slow
def test_as_printed_it_stops_the_lab_s_model_and_points_to_the_corpus(workflow, tmp_path):
    import spacy

    pipeline = spacy.blank("en")
    pipeline.add_pipe("entity_ruler").add_patterns([{"label": "GPE", "pattern": "Rivermouth"}])
    pipeline.to_disk(tmp_path / "ner")
    runner = Runner(tmp_path, NER_FOLDER=str(tmp_path / "ner"))
    runner.stand_in(tmp_path / "programs" / "expunge", REAL.format(python=sys.executable))
    (runner.workspace / "examples").symlink_to(ROOT / "examples")
    ended, _ = runner.run(workflow, "audit")
    assert ended == 1
    sarif = (runner.workspace / "expunge-audit" / "report.sarif").read_text()
    assert str(tmp_path) not in sarif
    (run,) = json.loads(sarif)["runs"]
    places = [row["locations"][0]["physicalLocation"] for row in run["results"]]
    corpus = (ROOT / workflow["env"]["CORPUS"]).read_text().splitlines()
    people = yaml.safe_load((ROOT / workflow["env"]["REQUEST"]).read_text())["subjects"]
    assert len({place["region"]["startLine"] for place in places}) > 1
    for place in places:
        assert place["artifactLocation"]["uri"] == workflow["env"]["CORPUS"]
        line = corpus[place["region"]["startLine"] - 1]
        assert any(person["name"] in line for person in people)
