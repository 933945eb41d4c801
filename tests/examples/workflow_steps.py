"""A workflow's job on this machine: its `run` steps in bash as a runner runs them, its actions noted.

Commands that would reach the network are stood in for by programs of the same name, first on the path.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}", re.DOTALL)
PYTHON = """#!/bin/bash
printf '%s\\n' "python $*" >> "$ASKED"
[ "$2" != spacy ] || [ -z "$NER_FOLDER" ] || cp -r "$NER_FOLDER" "$4"
"""
AUDIT = """#!/bin/bash
printf '%s\\n' "expunge $*" >> "$ASKED"
mkdir -p expunge-audit
for file in summary.md report.json report.sarif junit.xml; do echo "$RUN" > "expunge-audit/$file"; done
exit "$AUDIT_ENDS_WITH"
"""
GH = """#!/usr/bin/env python3
import json, os, pathlib, subprocess, sys
assert sys.argv[1] == "api" and os.environ["GH_TOKEN"]
url = next(word for word in sys.argv if word.startswith("repos/"))
value = lambda option: sys.argv[sys.argv.index(option) + 1] if option in sys.argv else ""
store = pathlib.Path(os.environ["COMMENTS_FILE"])
comments = json.loads(store.read_text())
if not value("--method"):
    assert url == "repos/clinic/bot/issues/7/comments"
    print(subprocess.run(["jq", "-r", value("--jq")], input=json.dumps(comments), capture_output=True, text=True,
                         check=True).stdout, end="")
else:
    name, _, body = value("--field").partition("=@")
    assert name == "body"
    number = int(url.rpartition("/")[2]) if value("--method") == "PATCH" else len(comments) + 1
    assert url == ("repos/clinic/bot/issues/comments/%d" % number if value("--method") == "PATCH"
                   else "repos/clinic/bot/issues/7/comments")
    comments = [one for one in comments if one["id"] != number]
    store.write_text(json.dumps([*comments, {"id": number, "body": pathlib.Path(body).read_text()}]))
"""


class Runner:
    """A machine with a workspace for one pull request.

    Attributes:
        workspace: folder in which steps run.
        known: what expressions stand for.
        variables: environment of every step, beside the workflow's own.
    """

    def __init__(self, folder: Path, **variables: str) -> None:
        self.workspace, self.temporary = folder / "workspace", folder / "temporary"
        programs = folder / "programs"
        for each in (self.workspace, self.temporary, programs):
            each.mkdir(parents=True, exist_ok=True)
        for name, text in {"python": PYTHON, "expunge": AUDIT, "gh": GH}.items():
            self.stand_in(programs / name, text)
        self.comments = self.temporary / "comments.json"
        self.comments.write_text("[]")
        self.asked = self.temporary / "asked"
        self.known = {
            "github.workspace": str(self.workspace),
            "github.repository": "clinic/bot",
            "github.token": "a token",
            "github.event_name": "pull_request",
            "github.event.pull_request.number": "7",
            "github.event.pull_request.head.repo.full_name": "clinic/bot",
            "secrets.EXPUNGE_CASE_KEY": "0" * 64,
        }
        here = Path(sys.executable).parent
        self.variables = {
            **os.environ,
            "PATH": f"{programs}:{here}:{os.environ['PATH']}",
            "ASKED": str(self.asked),
            "COMMENTS_FILE": str(self.comments),
            "GITHUB_ACTOR": "clerk",
            "GITHUB_STEP_SUMMARY": str(self.temporary / "step-summary.md"),
            "RUNNER_TEMP": str(self.temporary),
            **variables,
        }

    @staticmethod
    def stand_in(path: Path, text: str) -> None:
        path.write_text(text)
        path.chmod(0o755)

    def run(self, workflow: dict, job: str) -> tuple[int, list[str]]:
        """Run a job; return the exit code of the step that failed it, or 0, and the steps that were taken."""
        failed, taken = 0, []
        for step in workflow["jobs"][job]["steps"]:
            name = step.get("name", step.get("uses"))
            if not self._is_due(step.get("if"), failed):
                continue
            taken.append(name)
            if "run" in step:
                code = self._run(step, workflow["env"])
                if code and not step.get("continue-on-error"):
                    failed = failed or code
                assert not code or not step.get("continue-on-error"), f"{name} ended with {code}"
        return failed, taken

    def _run(self, step: dict, variables: dict) -> int:
        given = {**variables, **step.get("env", {})}
        environment = self.variables | {name: self._resolved(str(text)) for name, text in given.items()}
        script = self._resolved(step["run"])
        done = subprocess.run(
            ["bash", "-e", "-c", script],
            cwd=self.workspace,
            env=environment,
            capture_output=True,
            check=False,
        )
        return done.returncode

    def _resolved(self, text: str) -> str:
        return EXPRESSION.sub(lambda match: self._value(match[1]), text)

    def _value(self, term: str) -> str:
        return term[1:-1] if term.startswith("'") else self.known[term]

    def _is_due(self, condition: str | None, failed: int) -> bool:
        if condition is None:
            return not failed
        terms = (EXPRESSION.fullmatch(condition) or [None, condition])[1].split("&&")
        return all(self._holds(term.strip()) for term in terms)

    def _holds(self, term: str) -> bool:
        if term in ("always()", "!cancelled()"):
            return True
        if files := re.fullmatch(r"hashFiles\('(.+)'\) != ''", term):
            return (self.workspace / files[1]).is_file()
        left, right = term.split(" == ")
        return self._value(left) == self._value(right)
