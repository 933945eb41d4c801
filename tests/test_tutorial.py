"""The tutorial, followed as printed: up to the gate, and in the long checks to the end."""

from pathlib import Path

import pytest
from transcripts import follow, steps

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "tutorial.md"
LONG = "8. When the gate stops a model"


def followed(folder, monkeypatch, *, whole):
    """Follow the page in a folder that has the examples, as a clone has."""
    (folder / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "80")
    taken = [step for step in steps(PAGE) if whole or step.section != LONG]
    for step in taken:
        follow(step)
    return taken


def test_it_leads_from_records_of_three_kinds_to_a_gate(tmp_path, monkeypatch):
    taken = followed(tmp_path, monkeypatch, whole=False)
    assert len({step.section for step in taken}) == 7
    assert any(step.printed for step in taken)


@pytest.mark.slow
def test_it_leads_on_to_a_model_that_passes(tmp_path, monkeypatch):
    taken = followed(tmp_path, monkeypatch, whole=True)
    assert taken[-1].section == LONG


def test_every_step_of_it_is_in_a_section_with_a_number():
    numbers = [int(step.section.partition(".")[0]) for step in steps(PAGE)]
    assert numbers == sorted(numbers)
    assert set(numbers) == set(range(1, 9))
