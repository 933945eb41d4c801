"""What a reader of the README, and of the adapter's page, types from top to bottom, in a folder like a clone's."""

import json
from pathlib import Path

import pytest
from transcripts import FENCE, commands, follow, run, steps

ROOT = Path(__file__).parents[1]
ADAPTER = ROOT / "examples" / "lora-adapter" / "README.md"
ENDED = {"audit": (1,), "erase": (4,), "verify": (4,), "revert": (0,)}
"""Exit codes of the README's commands, of four documents: too few to hold retained text out, so that is not tested."""


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A working folder with the examples."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_an_adapter_is_stopped_by_the_gate(clone):
    for step in steps(ADAPTER):
        follow(step)
    rows = json.loads((clone / "build" / "audit" / "report.json").read_text())["subjects"]
    assert all(row["leaked_before"] for row in rows)


@pytest.mark.slow
def test_the_readme_s_request_is_audited_erased_verified_and_taken_back(clone):
    assert run("python -m examples.tutorial.teach --output model")[0] == 0
    notes = (ROOT / "examples" / "tutorial" / "records" / "notes.txt").read_text().splitlines()
    (clone / "c.jsonl").write_text(
        "".join(json.dumps({"id": str(n), "text": t}) + "\n" for n, t in enumerate(notes))
    )
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    block = next(fence["body"] for fence in FENCE.finditer(text) if "request.yaml" in fence["body"])
    taken = []
    for command in commands(block):
        code, said = run(command)
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
