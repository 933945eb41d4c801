"""Operating points: matched norm is exact, matched collateral is found, and at it the least leaking trial is taken."""

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import ClassVar

import pytest
import torch

from editor.comparing.points import NEAR, SCALES, OperatingTarget, Tuner, scale_to
from editor.edits.edit import Delta, Edit
from editor.locators.problem import NOTHING_LOCATED
from editor.methods.shared.searching import Range, SearchSpace, fit_method
from editor.results.comparison import POINTS
from editor.tuning.judge import TrialResult


def edit_of(norm):
    return Edit(deltas={"w": Delta(left=torch.tensor([[norm]]), right=torch.ones(1, 1))}, method="made")


@dataclass(frozen=True, kw_only=True)
class Made:
    """Changes one weight by its strength; weak ones erase little and even ones erase best when scaled."""

    name: ClassVar[str] = "made"
    needs_dictionary: ClassVar[bool] = False
    space: ClassVar[SearchSpace] = SearchSpace(
        ranges={"push": Range(low=1, high=16, whole=True)}, strength="push", stronger=1, gentler=-1
    )
    units: ClassVar[int] = 0
    push: int = 2

    def located(self, _problem):
        return NOTHING_LOCATED

    def fit(self, problem):
        return edit_of(self.push * (1.0 if problem == "inner" else 1.5))


class Judge:
    """Collateral is a power of the norm; leakage is what `leak` says of the method."""

    def __init__(self, power=2.0, leak=lambda _method, _norm: 0.0):
        self.power, self.leak, self.asked = power, leak, 0

    def fit(self, method, problem, start):
        return fit_method(method, problem, start)

    def divergence(self, edit):
        self.asked += 1
        return 1e-3 * edit.norm**self.power

    def measure(self, edit, method):
        return TrialResult(
            method=method,
            edit=edit,
            leakage=self.leak(method, edit.norm),
            collateral=self.divergence(edit),
            kept=1.0,
            perplexity_rise=0.0,
            norm=edit.norm,
            erases=False,
            feasible=False,
        )

    def judge(self, problem, method, _start=None):
        return self.measure(method.fit(problem), method)


@pytest.mark.parametrize("power", [1.2, 2.0, 3.5])
@pytest.mark.parametrize("goal", [1e-5, 1e-3, 0.2])
def test_an_edit_is_brought_to_a_collateral_in_few_looks(power, goal):
    judge = Judge(power)
    scale = scale_to(judge, edit_of(1.3), goal)
    assert judge.asked <= 8
    assert judge.divergence(edit_of(1.3).scaled(scale)) == pytest.approx(goal, rel=1.1 * NEAR)


def test_what_cannot_be_brought_there_ends_at_the_largest_scale():
    flat = SimpleNamespace(divergence=lambda _: 1e-6)
    assert scale_to(flat, edit_of(1.0), 0.1) == pytest.approx(SCALES[1])
    steep = SimpleNamespace(divergence=lambda _: 1.0)
    assert scale_to(steep, edit_of(1.0), 1e-6) == pytest.approx(SCALES[0])


def test_an_edit_that_breaks_the_model_is_brought_down_to_where_it_does_not():
    judge = SimpleNamespace(divergence=lambda edit: 1e-3 * edit.norm**2 if edit.norm < 2 else float("nan"))
    assert scale_to(judge, edit_of(4.0), 1e-3) == pytest.approx(0.25, rel=NEAR)


def test_where_it_jumps_over_the_goal_the_nearest_that_was_seen_is_taken():
    jumping = SimpleNamespace(divergence=lambda edit: 1e-4 if edit.norm < 1 else 3e-3)
    assert jumping.divergence(edit_of(1.5).scaled(scale_to(jumping, edit_of(1.5), 1e-3))) == 3e-3


def test_an_empty_edit_is_left_as_it_is():
    judge = Judge()
    assert scale_to(judge, edit_of(0.0), 0.1) == 1.0
    assert judge.asked == 0


def tuner(judge, trials=6):
    return Tuner(Made(), "problem", "inner", judge, trials=trials, seed=0)


def test_the_reference_sets_the_cost_and_stands_at_all_points_with_one_edit():
    policy, norm, collateral, quarter = tuner(Judge()).operated(None)
    assert [one.point for one in (policy, norm, collateral, quarter)] == list(POINTS)
    assert policy.edit is norm.edit is collateral.edit
    assert policy.scale == norm.scale == collateral.scale == 1.0
    assert quarter.collateral == pytest.approx(collateral.collateral / 4, rel=1.1 * NEAR)


def test_the_others_are_brought_to_the_references_norm_and_collateral():
    target = OperatingTarget(norm=7.0, collateral=5e-4)
    policy, norm, collateral, quarter = tuner(Judge()).operated(target)
    assert policy.scale == 1.0
    assert norm.edit.norm == pytest.approx(7.0)
    assert collateral.collateral == pytest.approx(5e-4, rel=1.1 * NEAR)
    assert quarter.collateral == pytest.approx(1.25e-4, rel=1.1 * NEAR)
    assert norm.method == policy.method


def test_at_the_references_collateral_the_trial_that_leaks_least_there_is_taken():
    """The search prefers the least leaking as fitted, which is the strongest; scaled down, another is better."""
    judge = Judge(leak=lambda method, norm: abs(method.push - 3) / 100 if norm < 1 else 1 / norm)
    made = tuner(judge)
    assert any(trial.method.push == 3 for trial in made.tuning.trials)
    policy, _, collateral, _ = made.operated(OperatingTarget(norm=1.0, collateral=1e-4))
    assert policy.method.push == max(trial.method.push for trial in made.tuning.trials)
    assert collateral.method.push == 3


def test_every_arm_gets_all_its_trials():
    judge = Judge()
    judge.judge = lambda problem, method, _start=None: replace(
        Judge().measure(method.fit(problem), method), erases=True, feasible=True
    )
    assert len(tuner(judge, trials=9).tuning.trials) == 9
