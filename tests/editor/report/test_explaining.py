"""Plain words beside the figures: what a count says, what terms mean, and why figures seem to disagree."""

import pytest

from editor.formatting import certainty, moment
from editor.report.explaining import TERMS, disagreements, explained
from editor.results.parts import Rate

ONE_IN_FORTY = pytest.approx(1 / 40)


def test_nothing_found_and_everything_found_are_one_sentence_each():
    nothing, all_of_them = Rate(hits=0, total=25), Rate(hits=25, total=25)
    assert (1 - nothing.high) ** 25 == ONE_IN_FORTY
    assert all_of_them.low**25 == ONE_IN_FORTY
    said = certainty(nothing)
    assert said.startswith(
        "0 of 25 does not mean never: if 13.7% of facts like these leaked, a check of 25 would"
    )
    assert said.endswith("find none one time in forty, hence 'at most 13.7%'.")
    assert "25 of 25 does not mean always: if 86.3%" in certainty(all_of_them)
    assert "'at least 86.3%'" in certainty(all_of_them)


def test_some_found_gives_both_ends_and_nothing_counted_gives_nothing():
    assert "3 of 25 is 12% of those that were asked for" in certainty(Rate(hits=3, total=25))
    assert "between 2.5% and 31.2%" in certainty(Rate(hits=3, total=25))
    assert certainty(Rate(hits=0, total=0)) == ""


@pytest.mark.parametrize("time", ["2026-11-28T22:09:45+00:00", "2026-11-28T23:09:45+01:00"])
def test_times_are_in_utc(time):
    assert moment(time) == "2026-11-28 22:09 UTC"


def test_each_term_is_linked_once_and_the_rest_is_escaped():
    linked = explained("Greedy decoding <b>, greedily, and decoys' bits")
    assert linked.count("<a ") == 3
    assert linked.index("#word-greedy") < linked.index("#word-decoys") < linked.index("#word-bits")
    assert ">Greedy decoding</a> &lt;b&gt;, greedily" in linked
    assert explained("") == ""
    assert explained("a & b") == "a &amp; b"


def test_terms_are_found_by_their_own_names():
    for term in TERMS:
        assert f"#word-{term.anchor}" in explained(term.name)


def _with(erase_report, measure, **changes):
    return tuple(
        row.model_copy(update=changes) if row.measure == measure else row for row in erase_report.criteria
    )


def _group(report, name, wording, before, after):
    """The report's groups with one group's facts counted otherwise."""

    def counted(leakage, hits):
        return leakage.model_copy(update={"greedy_facts": Rate(hits=hits, total=before)})

    return tuple(
        row.model_copy(update={"before": counted(row.before, before), "after": counted(row.after, after)})
        if (row.group, row.wording) == (name, wording)
        else row
        for row in report.groups
    )


def test_a_group_below_the_floor_beside_a_pass_is_explained(make_report, erase_report):
    report = make_report(groups=_group(erase_report, "neighbours", "held_out", 24, 23))
    (said,) = disagreements(report)
    assert "Neighbours' facts, held-out wordings, show 95.8%, below 99%, beside a pass" in said
    assert "998 of 1,000 questions, 99.8%" in said
    assert "of 24 facts, each is 4.2%" in said


def test_groups_above_the_floor_beside_a_fail_are_explained(make_report):
    (said,) = disagreements(make_report("verify"))
    assert "no group is below 99%, beside a fail" in said
    assert "962 of 1,000 questions, 96.2%" in said


def test_more_facts_than_any_wording_shows_are_explained(make_report, erase_report):
    criteria = _with(erase_report, "greedy_rate", counted=Rate(hits=2, total=25), measured=0.08, passed=False)
    (said,) = disagreements(make_report(criteria=criteria))
    assert "the policy counts 2 of 25 and no single kind of wording more than 0" in said


def test_facts_among_the_decoys_tail_that_pass_are_explained(make_report, erase_report):
    criteria = _with(
        erase_report, "decoy_percentile", counted=Rate(hits=1, total=25), measured=0.04, threshold=0.12
    )
    (said,) = disagreements(make_report(criteria=criteria))
    assert said.startswith("4% of the facts are more exposed")
    assert "at most 12% are so by chance in 19 of 20 models" in said


def test_figures_that_agree_are_left_alone(erase_report, make_report):
    assert disagreements(erase_report) == ()
    assert disagreements(make_report("audit")) == ()
