"""The comparison's study: its tables, the people it draws, and that the documents say what its files hold."""

import argparse
import json
from pathlib import Path

import pytest
from made_arms import make_arms, make_comparison, make_costs

from editor.lab import find_lab
from editor.methods import METHODS
from examples.labs.building import Lab
from examples.studies.comparison import __main__ as study
from examples.studies.comparison.people import other_people
from examples.studies.comparison.readable import in_short, pages
from policies import load_request

FOLDER = Path(study.__file__).parent
RUNS = [study.RESULTS, *sorted(path.parent for path in study.RESULTS.glob("*/summary.csv"))]


@pytest.fixture
def work(tmp_path):
    comparison = make_comparison(make_arms(seeds=2))
    (tmp_path / "comparison.json").write_text(comparison.to_json(), encoding="utf-8")
    costs = make_costs(comparison.arms)
    (tmp_path / "costs.json").write_text(json.dumps([cost.model_dump() for cost in costs]), encoding="utf-8")
    for name in study.FIGURES:
        (tmp_path / f"{name}.svg").write_text("<svg/>", encoding="utf-8")
    return tmp_path, comparison


def test_a_run_is_read_into_tables_that_name_every_arm(work, tmp_path, monkeypatch, capsys):
    folder, comparison = work
    output = tmp_path / "results"
    monkeypatch.setattr("sys.argv", ["study", "--read", "--work", str(folder), "--output", str(output)])
    assert study.main() == 0
    printed = capsys.readouterr().out
    assert comparison.verdict in printed
    for title, page in pages(output):
        assert title in printed
        assert page in printed
        arms = {run.arm for run in comparison.arms}
        assert all(f"`{arm}`" in page for arm in (arms - {"feature-edit"} if "tests" in title else arms))
    tuning = [
        cost["tuning_s"]
        for cost in json.loads((folder / "costs.json").read_text())
        if cost["arm"] == "neuron-kn"
    ]
    assert len(tuning) == 2
    assert f" {sum(tuning) / 2:,.0f} |" in next(
        line for line in dict(pages(output))["costs"].splitlines() if "neuron-kn" in line
    )


@pytest.mark.parametrize("results", RUNS, ids=lambda path: path.name)
def test_the_study_s_page_has_the_tables_of_its_files(results):
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert [title for title, table in pages(results) if table not in page] == []


def test_the_page_about_methods_has_the_table_in_short():
    page = (FOLDER.parents[2] / "docs" / "comparison.md").read_text(encoding="utf-8")
    assert in_short(study.RESULTS) in page


def test_other_people_are_asked_for_instead_of_the_request_s():
    lab = find_lab()
    names = other_people(lab, 15, seed=0)
    asking = {subject.name for subject in load_request(lab.request).subjects}
    assert len(set(names)) == 15
    assert not asking & set(names)
    assert names == other_people(lab, 15, seed=0) != other_people(lab, 15, seed=1)
    said = study.command(
        argparse.Namespace(lab=None, others=15, seeds=1, trials=1, arms="memit", work=Path("build/others"))
    )
    assert [said[place + 1] for place, part in enumerate(said) if part == "--subject"] == names
    assert "--request" not in said


def test_another_lab_is_compared_as_a_new_user_has_it(monkeypatch, tmp_path):
    (tmp_path / "erased.json").write_text('["Ada Quill", "Cora Finch"]', encoding="utf-8")
    monkeypatch.setattr("examples.labs.building.ensure_apart", lambda *_: Lab(folder=tmp_path))
    asked = argparse.Namespace(
        lab="qwen3-chat", others=0, seeds=1, trials=2, arms=None, work=Path("build/one")
    )
    said = study.command(asked)
    assert [said[place + 1] for place, part in enumerate(said) if part == "--subject"] == [
        "Ada Quill",
        "Cora Finch",
    ]
    assert said[said.index("--arms") + 1] == ",".join(study.UNSEEN_ARMS)
    assert set(study.UNSEEN_ARMS) <= set(METHODS)
    assert not {"--probes", "--dictionary", "--request"} & set(said)
