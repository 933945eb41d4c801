"""What readers of the pages type, from top to bottom, in a clean clone and an environment that has Expunge alone.

It is installed as the README says. Without a package index nothing is built, and this environment stands in for it.
"""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from installing import ROOT, borrow, copy_tracked, plain
from transcripts import FENCE, commands, follow, steps

pytestmark = pytest.mark.slow

README = (ROOT / "README.md").read_text(encoding="utf-8")
ADAPTER = ROOT / "examples" / "lora-adapter" / "README.md"
NOTEBOOK = ROOT / "examples" / "notebooks" / "dictionaries-to-circuits.ipynb"
ENDED = {"audit": (1,), "erase": (4,), "verify": (4,), "revert": (0,)}
"""Exit codes of the README's commands, of four documents: too few to hold retained text out, so that is not tested."""


class Reader(NamedTuple):
    """Somebody with a clone, whose shell finds programs in a folder first."""

    clone: Path
    programs: Path

    def run(self, command: str) -> tuple[int, str]:
        """Type a command in the clone; return how it ended and what it printed, with what went wrong."""
        path = f"{self.programs}:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-ec", command],
            cwd=self.clone,
            env={**plain(), "PATH": path, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + (done.stderr if done.returncode else "")


def block_with(words):
    """The commands of the README's block that holds some words."""
    return list(commands(next(fence["body"] for fence in FENCE.finditer(README) if words in fence["body"])))


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    clone = copy_tracked(tmp_path_factory.mktemp("clone"))
    make, enter, install = block_with("pip install .")
    here = Reader(clone, Path(sys.executable).parent)
    assert here.run(make) == (0, "")
    there = Reader(clone, clone / Path(enter.split()[1]).parent)
    borrow(there.programs / "python", tmp_path_factory.mktemp("borrowed") / "packages")
    code, said = there.run(install)
    return here if code and "hatchling" in said else there


@pytest.mark.parametrize("page", [ADAPTER], ids=["adapter"])
def test_an_adapter_is_stopped_by_the_gate(reader, page):
    for step in steps(page):
        follow(step, reader.run)
    rows = json.loads((reader.clone / "build" / "audit" / "report.json").read_text())["subjects"]
    assert all(row["leaked_before"] for row in rows)


def test_the_readme_s_request_is_audited_erased_verified_and_taken_back(reader):
    assert reader.run("python -m examples.tutorial.teach --output model")[0] == 0
    clone = reader.clone
    notes = (clone / "examples" / "tutorial" / "records" / "notes.txt").read_text().splitlines()
    (clone / "c.jsonl").write_text(
        "".join(json.dumps({"id": str(n), "text": t}) + "\n" for n, t in enumerate(notes))
    )
    taken = []
    for command in block_with("request.yaml"):
        code, said = reader.run(command)
        if command.startswith("expunge "):
            taken.append(command.split()[1])
            assert code in ENDED[taken[-1]], said
    assert taken == list(ENDED)
    for name in ("erased", "check"):
        report = json.loads((clone / name / "report.json").read_text())
        assert report["facts"]
        assert not any(row["leaked_after"] for row in report["facts"])
        assert not any(row["tested"] and not row["passed"] for row in report["criteria"])
        assert (clone / name / "report.html").is_file()
    original, restored = (clone / name / "model.safetensors" for name in ("model", "restored"))
    assert original.read_bytes() == restored.read_bytes()


def test_a_notebook_leads_from_two_autoencoders_to_features_probes_and_a_circuit(reader):
    """Its cells in turn, as a kernel runs them: what the last line of a cell gives is shown."""
    book = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    cells = ["".join(cell["source"]) for cell in book["cells"] if cell["cell_type"] == "code"]
    assert all(ast.parse(cell) for cell in cells)
    (reader.clone / "typed.py").write_text("\n".join(cells), encoding="utf-8")
    code, said = reader.run("python typed.py")
    assert code == 0, said[-3000:]
    for layer in range(4):
        assert f"gated   mlp_out.{layer}  explained variance" in said
        assert f"binary  mlp_out.{layer}  explained variance" in said
        assert f"\nlayer {layer}  features" in said
    assert said.count("promotes [") == 2
    assert "random neurons" in said
    assert "faithfulness 1.000" in said
