"""The few numbers that the page, the card and the terminal share."""

import pytest

from editor.report import summary


def test_four_or_five_numbers_each_before_and_after(any_report):
    numbers = summary.key_numbers(any_report)
    assert 4 <= len(numbers) <= 5
    edited = any_report.model_after is not None
    assert all((number.after is not None) == edited for number in numbers)


def test_numbers_are_those_of_the_report(erase_report):
    numbers = {number.label: number for number in summary.key_numbers(erase_report)}
    held_out = numbers["Facts extracted, unseen wordings"]
    assert (held_out.before, held_out.after, held_out.tone) == ("25", "0", "good")
    lowest = min(row.worst_case_bits_after for row in erase_report.facts)
    assert numbers["Bits to guess the most exposed fact"].after == f"{lowest:.1f}"
    assert numbers["Other people's facts kept"].after == "99.8%"


def test_unmet_floor_is_bad(make_report):
    kept = [number for number in summary.key_numbers(make_report("verify")) if "kept" in number.label]
    assert [number.tone for number in kept] == ["bad"]


def test_names_of_criteria_are_for_people_alone(erase_report, make_report):
    renamed = tuple(row.model_copy(update={"name": "a line"}) for row in erase_report.criteria)
    report = make_report(criteria=renamed)
    assert summary.key_numbers(report) == summary.key_numbers(erase_report)
    for old, new in zip(erase_report.criteria, renamed, strict=True):
        assert summary.measured_text(old) == summary.measured_text(new)
        assert summary.limit_text(old) == summary.limit_text(new)


def test_a_miss_is_never_rounded_onto_the_limit(erase_report):
    kept, rise = (
        next(row for row in erase_report.criteria if row.measure == measure)
        for measure in ("others_kept", "perplexity_rise")
    )
    assert summary.measured_text(kept.model_copy(update={"measured": 0.98951})) == "98.95%"
    assert summary.measured_text(rise.model_copy(update={"measured": 0.010004})) == "+1.0004%"


def test_rows_over_all_wordings_are_shown_only_without_others(erase_report, make_report):
    first = erase_report.groups[0]
    both = (first.model_copy(update={"wording": "all"}), first)
    assert [row.wording for row in summary.group_rows(make_report(groups=both))] == ["trained"]
    assert [row.wording for row in summary.group_rows(make_report(groups=both[:1]))] == ["all"]
    assert summary.overall(make_report(groups=both), "erased").wording == "all"


@pytest.mark.parametrize(
    ("measure", "measured"),
    [("decoy_percentile", "0%"), ("perplexity_rise", "+0.31%"), ("others_kept", "99.8%"), ("integrity", "3")],
)
def test_criteria_are_in_their_own_unit(erase_report, measure, measured):
    assert summary.measured_text(summary.criterion(erase_report, measure)) == measured
