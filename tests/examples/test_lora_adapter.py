"""The example of a pre-deployment gate: the base model passes, the adapter trained on customers' data does not."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from editor.cli import main
from editor.lab import find_lab

ROOT = Path(__file__).parents[2]


def audit(model, notes, output):
    arguments = [
        "audit",
        model,
        "--corpus",
        notes,
        "--policy",
        find_lab().policy,
        "--output",
        output,
        "--quiet",
    ]
    light = ["--confirm", 0, "--open-texts", 0, "--candidates", 0, "--no-membership"]
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in (*arguments, *light)])
    return stopped.value.code


@pytest.mark.slow
def test_the_adapter_is_stopped_and_its_base_is_not(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    script = ROOT / "examples" / "lora-adapter" / "fine_tune.py"
    subprocess.run([sys.executable, script, "--output", tmp_path / "lora"], check=True, capture_output=True)
    notes = tmp_path / "lora" / "customers.jsonl"
    people = {name for line in notes.read_text().splitlines() for name in json.loads(line)["subjects"]}
    assert len(people) == 5
    assert audit(find_lab().reference, notes, tmp_path / "base") == 0
    assert audit(tmp_path / "lora" / "adapter", notes, tmp_path / "adapter") == 1
    rows = json.loads((tmp_path / "adapter" / "report.json").read_text())["subjects"]
    assert all(row["leaked_before"] for row in rows)
