"""The workflow in examples/github-actions names commands, options and files that exist, and the audit alone decides."""

import re
from pathlib import Path

import pytest
import yaml

from editor.cli.audit import audit
from editor.report.write import FORMATS

WORKFLOW = Path(__file__).parents[2] / "examples" / "github-actions" / "expunge-audit.yml"


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
