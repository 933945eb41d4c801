"""The layers hold, and would not if somebody broke them: a wrong import in a copy is seen."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("editor", "detectors", "dictionaries", "policies")
INTERIOR = "inside editor, a room imports from those below it alone"


def lint(folder):
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def copy(tmp_path):
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(ROOT / "pyproject.toml", tmp_path / "pyproject.toml")
    return tmp_path


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        (None, "", None),
        ("editor/case.py", "from editor.report.summary import title", INTERIOR),
        ("editor/measuring/leakage.py", "def late():\n    from editor.tuning import judge", INTERIOR),
        (
            "editor/locators/nodes.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from editor.methods import METHODS",
            INTERIOR,
        ),
        ("editor/attic.py", "import json", INTERIOR),
        (
            "editor/methods/neurons/neuron_kn.py",
            "from editor.methods.features import pisces",
            "inside methods, families stand side by side on what they share",
        ),
    ],
)
def test_a_wrong_import_breaks_the_contract_that_forbids_it(copy, file, line, contract):
    if file is not None:
        with (copy / file).open("a", encoding="utf-8") as stream:
            stream.write(f"\n{line}\n")
    code, said = lint(copy)
    assert (code == 0) is (contract is None), said
    broken = [row.removesuffix(" BROKEN") for row in said.splitlines() if row.endswith(" BROKEN")]
    assert broken == ([contract] if contract else [])
    assert f"{INTERIOR} {'BROKEN' if contract == INTERIOR else 'KEPT'}" in said
