"""The strength search: the second trial answers the first, and the gentlest edit that meets the policy is chosen."""

from dataclasses import replace

import pytest

from editor.edits.edit import Edit
from editor.methods import METHODS
from editor.methods.features.feature_edit import FeatureEdit
from editor.tuning.judge import TrialResult
from editor.tuning.search import SearchResult, StrengthSearch, split_wordings

START = FeatureEdit().margin_nats
MARGINS = (5.5, 7.0, 8.5, 10.0, 11.5, 12.0)
"""Of a search that answers by more alone, to the end of the range."""


class Judge:
    """Erases from a margin on; collateral grows with the margin."""

    def __init__(self, enough):
        self.enough = enough
        self.starts = []

    def judge(self, _problem, method, start=None):
        self.starts.append(start)
        erases = method.margin_nats >= self.enough
        return TrialResult(
            method=method,
            edit=Edit(deltas={}, method=method.name, settings={}),
            leakage=0.0 if erases else 1.0,
            collateral=method.margin_nats,
            kept=1.0,
            perplexity_rise=0.0,
            norm=1.0,
            erases=erases,
            feasible=erases,
        )


@pytest.mark.parametrize(("enough", "step"), [(START - 0.5, -1.0), (START + 1.0, 1.5)])
def test_the_second_trial_answers_the_first(enough, step):
    judge = Judge(enough)
    first, second = StrengthSearch(trials=2, patience=1).fit(None, judge).trials
    assert judge.starts[0] is None
    assert (judge.starts[1] is None) is first.erases  # a stronger one goes on from the first
    assert first.method == FeatureEdit()
    assert second.method.margin_nats == pytest.approx(first.method.margin_nats + step)


class Costly(Judge):
    """Erases, and costs too much unless what must stay weighs enough."""

    def judge(self, problem, method, start=None):
        result = super().judge(problem, method, start)
        feasible = method.retain >= self.enough
        return replace(result, feasible=feasible, erases=True, kept=method.retain / 1000)


def test_what_costs_too_much_goes_on_with_what_must_stay_held_more_firmly():
    judge = Costly(100.0)
    trials = StrengthSearch(trials=4, patience=1).fit(None, judge).trials
    assert [trial.method.retain for trial in trials[:3]] == pytest.approx([30.0, 90.0, 270.0])
    assert [trial.feasible for trial in trials[:3]] == [False, False, True]
    assert [start is None for start in judge.starts] == [True, False, False, True]
    assert trials[3].method.margin_nats < trials[2].method.margin_nats  # settled: then gentler, from scratch


def test_a_search_ends_with_the_first_that_meets_the_policy_where_the_method_weighs_what_must_stay():
    assert len(StrengthSearch().fit(None, Judge(START)).trials) == 1
    weighing = replace(FeatureEdit.space, holding=None)
    method = type("Rough", (FeatureEdit,), {"space": weighing})()
    assert len(StrengthSearch(start=method).fit(None, Judge(START)).trials) == 2


class Stubborn(Judge):
    """Leaks less with each step of the margin, and never little enough; costs too much where told so."""

    def __init__(self, feasible=True):
        super().__init__(100.0)
        self.feasible = feasible

    def judge(self, problem, method, start=None):
        result = super().judge(problem, method, start)
        leakage = 1.0 / (1.0 + method.margin_nats + method.retain / 1000)
        return replace(result, leakage=leakage, feasible=self.feasible)


def test_a_method_that_can_go_on_is_asked_for_answers_alone_until_none_is_left():
    judge = Stubborn()
    trials = StrengthSearch(trials=50).fit(None, judge).trials
    margins = [trial.method.margin_nats for trial in trials]
    assert margins == pytest.approx(list(MARGINS))
    assert {(trial.method.retain, trial.method.units) for trial in trials} == {(30.0, 800)}
    assert [start is None for start in judge.starts] == [True, *[False] * 5]


def test_where_the_first_answer_is_no_better_the_second_is_given():
    trials = StrengthSearch(trials=50).fit(None, Stubborn(feasible=False)).trials
    settings = [(trial.method.margin_nats, round(trial.method.retain)) for trial in trials]
    stronger = [(margin, 30) for margin in MARGINS]
    assert settings == [*stronger, (12.0, 90), (12.0, 270), (12.0, 300)]


def test_a_method_that_cannot_go_on_is_searched_beyond_its_answers():
    trials = StrengthSearch(trials=9, start=METHODS["circuit-mlp"].make()).fit(None, Unresumed()).trials
    assert len(trials) == 9


class Unresumed(Judge):
    """Never erases, whatever the method."""

    def __init__(self):
        super().__init__(0.0)

    def judge(self, problem, method, start=None):
        result = super().judge(problem, FeatureEdit(), start)
        return replace(result, method=method, leakage=1.0, erases=False)


def test_holding_more_firmly_stays_in_the_range_and_asks_nothing_of_a_method_that_holds_nothing():
    space = FeatureEdit.space
    assert space.held(FeatureEdit(retain=250.0)).retain == space.ranges["retain"].high
    assert replace(space, holding=None).held(FeatureEdit()) == FeatureEdit()


@pytest.mark.parametrize("enough", [0.5, 3.0, 4.5])
def test_the_gentlest_edit_that_meets_the_policy_is_chosen(enough):
    tuning = StrengthSearch(trials=12, patience=12).fit(None, Judge(enough))
    met = [trial for trial in tuning.trials if trial.feasible]
    assert len(tuning.trials) == 12
    assert tuning.chosen == min(met, key=lambda trial: trial.collateral).method
    assert sum(row.chosen for row in tuning.rows()) == 1
    assert tuning.best.edit is not None
    assert all(trial.edit is None for trial in tuning.trials)


class Settling(Judge):
    """Each trial erases more gently than the one before, whatever its settings."""

    def judge(self, problem, method, start=None):
        result = super().judge(problem, method, start)
        return replace(result, collateral=1.0 / len(self.starts))


def test_of_trials_with_equal_settings_only_the_chosen_one_is_marked():
    only = FeatureEdit(units=100)
    judge = Settling(0.0)
    results = [judge.judge(None, only) for _ in range(3)]
    rows = SearchResult(best=results[2], trials=tuple(results)).rows()
    assert [row.chosen for row in rows] == [False, False, True]


def test_where_nothing_meets_the_policy_the_least_leaking_is_chosen_and_the_search_goes_on():
    tuning = StrengthSearch(trials=5, patience=1).fit(None, Judge(100.0))
    assert len(tuning.trials) == 5
    assert tuning.chosen in [trial.method for trial in tuning.trials]


def test_the_search_ends_when_nothing_gentler_is_found():
    tuning = StrengthSearch(trials=50, patience=3).fit(None, Judge(3.4))
    best = min(
        (i for i, trial in enumerate(tuning.trials) if trial.feasible),
        key=lambda i: tuning.trials[i].collateral,
    )
    assert len(tuning.trials) == best + 4 or len(tuning.trials) == 50


def test_the_same_seed_gives_the_same_trials():
    runs = [StrengthSearch(trials=8, patience=8, seed=5).fit(None, Judge(2.0)).rows() for _ in range(2)]
    assert runs[0] == runs[1]


def test_no_probes_no_wordings():
    assert split_wordings([]) == ([], [])
