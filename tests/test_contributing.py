"""Each worked example of CONTRIBUTING.md, followed literally in a copy, ends with the contract tests green."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLE = re.compile(r"^### (.+?)\n(.*?)(?=^##)", re.MULTILINE | re.DOTALL)
STEP = re.compile(
    r"Write\s+`(?P<new>[^`]+)`:\n\n```python\n(?P<code>.*?)```"
    r"|Add to `(?P<table>\w+)` in\s+`(?P<file>[^`]+)`:\n\n```python\n(?P<entry>.*?)```"
    r"|```sh\n(?P<command>.*?)```",
    re.DOTALL,
)
COPIED = ("editor", "detectors", "dictionaries", "policies", "tests", "expunge.py", "pyproject.toml")
PYTEST = "import sys, pytest; sys.exit(pytest.main(sys.argv[1:]))"
TOKENIZER = "examples/rivermouth/tokenizer.py"
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
EXAMPLES = dict(EXAMPLE.findall(TEXT[TEXT.index("## Worked examples") :]))


@pytest.fixture
def clone(tmp_path):
    """The tree without the lab."""
    (tmp_path / TOKENIZER).parent.mkdir(parents=True)
    for name in (*COPIED, TOKENIZER):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name)  # with what was compiled
        else:
            shutil.copyfile(ROOT / name, tmp_path / name)
    return tmp_path


def enter(path, table, entry):
    """Put an entry before the end of a table, which is the first line that closes a bracket."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    start = next(place for place, line in enumerate(lines) if re.match(rf"{table}\b.*=", line))
    end = next(place for place in range(start, len(lines)) if re.match(r"( {4})?[)}]", lines[place]))
    path.write_text("".join([*lines[:end], entry, *lines[end:]]), encoding="utf-8")


def test_there_is_one_for_each_seam():
    assert list(EXAMPLES) == ["A method", "An attack", "A criterion", "A dictionary format"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_followed_literally_it_passes_the_contract_tests(clone, name, forked):
    commands, touched = [], []
    for step in STEP.finditer(EXAMPLES[name]):
        touched += [path for path in (step["new"], step["file"]) if path]
        if step["new"]:
            (clone / step["new"]).write_text(step["code"], encoding="utf-8")
        elif step["table"]:
            enter(clone / step["file"], step["table"], step["entry"])
        else:
            commands += step["command"].splitlines()
    assert commands
    for check in (("check",), ("format", "--check")):
        command = [sys.executable, "-m", "ruff", *check, "--quiet", *touched]
        done = subprocess.run(command, cwd=clone, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    for command in commands:
        program, *arguments = command.split()
        assert (program, *arguments[:2]) == (".venv/bin/python", "-m", "pytest")
        environment = {**os.environ, "PYTHONPATH": str(clone), "OMP_NUM_THREADS": "1"}
        # What was imported before pytest began is no test of ours.
        more = ("-p", "no:cacheprovider", "-q", "-W", "ignore::pytest.PytestAssertRewriteWarning")
        done = forked(PYTEST, *arguments[2:], *more, cwd=clone, env=environment)
        assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    assert re.search(r"\d+ passed", done.stdout)
