"""What earlier versions wrote is still read: reports, comparisons, manifests, edits, the lab's dictionaries."""

import json

import pytest
from made_arms import make_comparison
from made_reports import make_erase_report

from dictionaries import load_dictionaries
from editor.edits.edit import Edit
from editor.lab import find_lab
from editor.results.comparison import Comparison
from editor.results.report import Report


def older_report(report):
    """As it was written before attacks and criteria were told by tables."""
    data = json.loads(report.to_json())
    for row in data["attacks"]:
        del row["attack"]
    for row in data["criteria"]:
        del row["tested"], row["required"]
    return data


def test_a_report_without_names_of_attacks_and_what_was_tested():
    report = make_erase_report()
    again = Report.from_json(json.dumps(older_report(report)))
    assert [row.greedy_facts for row in again.attacks] == [row.greedy_facts for row in report.attacks]
    assert [(row.measured, row.passed) for row in again.criteria] == [
        (row.measured, row.passed) for row in report.criteria
    ]
    assert all(row.tested for row in again.criteria)


def test_a_report_in_which_a_criterion_had_passed_of_nothing():
    data = older_report(make_erase_report())
    kept = next(row for row in data["criteria"] if row["measure"] == "others_kept")
    kept |= {"counted": {"hits": 0, "total": 0, "rate": 0.0, "low": 0.0, "high": 1.0}, "measured": 1.0}
    read = next(row for row in Report.from_json(json.dumps(data)).criteria if row.measure == "others_kept")
    assert (read.result, read.measured) == ("not tested", None)


def older_comparison(comparison):
    """As it was written when two attacks had fields of their own."""
    data = json.loads(comparison.to_json())
    names = {"4-bit": "four_bit", "relearning": "relearned"}
    for run in data["arms"]:
        for point in run["points"]:
            rates = {row["attack"]: row["greedy_facts"] for row in point.pop("attacks")}
            point |= {field: rates.get(attack, {"hits": 0, "total": 0}) for attack, field in names.items()}
            del point["failed"], point["untested"]
    for row in data["summary"]:
        attacks = row.pop("attacks")
        row |= {field: attacks.get(attack) for attack, field in names.items()}
        del row["untested"]
    return data


def test_a_comparison_with_a_field_for_each_attack():
    comparison = make_comparison()
    again = Comparison.from_json(json.dumps(older_comparison(comparison)))
    for run, was in zip(again.arms, comparison.arms, strict=True):
        for point, before in zip(run.points, was.points, strict=True):
            tested = {row.attack: row.greedy_facts for row in before.attacks if row.greedy_facts.total}
            assert {row.attack: row.greedy_facts for row in point.attacks} == tested
    for row, was in zip(again.summary, comparison.summary, strict=True):
        assert {name: one for name, one in row.attacks.items() if one} == {
            name: one for name, one in was.attacks.items() if one
        }


@pytest.mark.parametrize("setting", ["continued_rounds", "warm_start_rounds"])
def test_an_edit_with_a_setting_of_either_name(tmp_path, setting):
    from editor.edits.edit import Delta

    edit = Edit(deltas={"w": Delta.from_dense(torch_ones())}, method="feature-edit", settings={setting: 1.0})
    edit.save(tmp_path)
    assert Edit.load(tmp_path).settings == {setting: 1.0}


def torch_ones():
    import torch

    return torch.ones(2, 3)


def test_the_labs_dictionaries():
    lab = find_lab()
    assert (
        len(load_dictionaries(lab.dictionaries("gated")))
        == len(load_dictionaries(lab.dictionaries("binary")))
        == 4
    )
