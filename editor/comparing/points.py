"""The operating points of an arm: tuned to the policy, and scaled to the reference arm's ‖ΔW‖ and collateral.

At the last point the same edits, the reference's too, are brought to a quarter of that collateral: where the whole of
it lets several arms forget everything, this tells them apart.

Everything here is chosen on the locating split. The reference arm tuned to the policy sets the norm and the collateral
that the others are brought to. A change of weights is brought there by a factor; for collateral, each trial's edit is,
and the one that then leaks least is taken: a search for the policy need not have ended where it is best.
"""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from editor.edits.edit import Edit
from editor.locators.problem import EditProblem
from editor.methods.circuits.circuit import CircuitMethod
from editor.methods.method import Method
from editor.results.comparison import NEAR, QUARTER, PointName
from editor.tuning.judge import TrialJudge, TrialResult
from editor.tuning.search import SearchResult, StrengthSearch

SCALES = (1 / 64, 64.0)
"""Smallest and largest factor of a change of weights."""
STEPS = 12
BROKEN = 1e6
"""Nats/token that count for collateral which is no number: the model's outputs are none."""


@dataclass(frozen=True, kw_only=True)
class OperatingTarget:
    """Norm and collateral of the reference arm where it is tuned to the policy: what the others are brought to.

    Attributes:
        norm: ‖ΔW‖_F.
        collateral: mean KL(original || edited) on retained text of the locating split, nats/token.
    """

    norm: float
    collateral: float


@dataclass(frozen=True, kw_only=True)
class OperatingPointEdit:
    """An edit at an operating point.

    Attributes:
        point: operating point.
        method: method with the settings taken.
        scale: factor by which the fitted change was multiplied.
        edit: edit with the multiplied change.
        collateral: collateral of that edit, as in `OperatingTarget`.
    """

    point: PointName
    method: Method
    scale: float
    edit: Edit = field(repr=False)
    collateral: float


class Tuner:
    """One arm, tuned, that can be brought to its operating points.

    Args:
        method: method with the settings of the first trial.
        problem: problem of all wordings of the locating split: the final edits are fitted to it.
        inner: problem of the wordings that trials are fitted to.
        judge: judge of trials.
        trials: number of trials; a search never ends early, so that every arm has the same.
        seed: seed of the search.
    """

    def __init__(
        self,
        method: Method,
        problem: EditProblem,
        inner: EditProblem,
        judge: TrialJudge,
        *,
        trials: int,
        seed: int,
    ) -> None:
        self.problem, self.judge = problem, judge
        started = time.perf_counter()
        for one in (problem, inner):
            discover(method, one)
        self.locating_s = time.perf_counter() - started
        search = StrengthSearch(trials=trials, patience=trials, seed=seed, start=method, keep_edits=True)
        self.tuning: SearchResult = search.fit(inner, judge)
        self.tuning_s = time.perf_counter() - started - self.locating_s
        self.fitting_s = 0.0
        self._final: dict[Method, Edit] = {}

    def operated(self, target: OperatingTarget | None) -> Iterator[OperatingPointEdit]:
        """Yield the arm's edit at every operating point; without a target it is the reference, which sets it."""
        best = self.tuning.best
        edit = self.final(best)
        collateral = self.judge.divergence(edit)
        own = target or OperatingTarget(norm=edit.norm, collateral=collateral)
        yield OperatingPointEdit(
            point="policy", method=best.method, scale=1.0, edit=edit, collateral=collateral
        )
        if target is None:
            yield OperatingPointEdit(
                point="norm", method=best.method, scale=1.0, edit=edit, collateral=collateral
            )
            yield OperatingPointEdit(
                point="collateral", method=best.method, scale=1.0, edit=edit, collateral=collateral
            )
            yield self._scale_to("quarter", best, QUARTER * collateral, math.sqrt(QUARTER))
            return
        scale = own.norm / edit.norm if edit.norm else 1.0
        scaled = edit.scaled(scale)
        yield OperatingPointEdit(
            point="norm",
            method=best.method,
            scale=scale,
            edit=scaled,
            collateral=self.judge.divergence(scaled),
        )
        chosen, guess = self._least_leaking(own.collateral)
        matched = self._scale_to("collateral", chosen, own.collateral, guess)
        yield matched
        yield self._scale_to("quarter", chosen, QUARTER * own.collateral, matched.scale * math.sqrt(QUARTER))

    def final(self, trial: TrialResult) -> Edit:
        """Fit a trial's settings to all wordings, once."""
        if trial.method not in self._final:
            started = time.perf_counter()
            self._final[trial.method] = self.judge.fit(trial.method, self.problem, trial.edit)
            self.fitting_s = max(self.fitting_s, time.perf_counter() - started)
        return self._final[trial.method]

    def _scale_to(
        self, point: PointName, trial: TrialResult, collateral: float, guess: float
    ) -> OperatingPointEdit:
        """Fit a trial's settings to all wordings, and bring the edit to a collateral."""
        edit = self.final(trial)
        scale = scale_to(self.judge, edit, collateral, guess)
        scaled = edit.scaled(scale)
        return OperatingPointEdit(
            point=point,
            method=trial.method,
            scale=scale,
            edit=scaled,
            collateral=self.judge.divergence(scaled),
        )

    def _least_leaking(self, collateral: float) -> tuple[TrialResult, float]:
        """Return the trial whose edit leaks least when brought to a collateral, and the factor that brings it there."""
        trials: Sequence[TrialResult] = self.tuning.trials
        scales, leaking = [], []
        for trial in trials:
            assert trial.edit is not None  # kept by the search
            guess = _guess(trial.collateral, collateral)
            scales.append(scale_to(self.judge, trial.edit, collateral, guess))
            measured = self.judge.measure(trial.edit.scaled(scales[-1]), trial.method)
            leaking.append((measured.leakage, -measured.kept))
        best = min(range(len(trials)), key=lambda place: leaking[place])
        return trials[best], scales[best]


def discover(method: Method, problem: EditProblem) -> None:
    """Find what the method edits; the problem remembers it."""
    if isinstance(method, CircuitMethod):
        method.circuit(problem)
    else:
        method.located(problem)


def _guess(collateral: float, goal: float) -> float:
    """Return the factor that brings a collateral to another if it grows with the square; 1 where that says nothing."""
    known = 0 < collateral < BROKEN and goal > 0
    return math.sqrt(goal / collateral) if known else 1.0


def scale_to(judge: TrialJudge, edit: Edit, collateral: float, guess: float = 1.0) -> float:
    """Find the factor that brings an edit to a collateral in nats/token.

    Secants in the logarithms of both, from a first guess on. Collateral grows with about the square of a small
    change, so that few steps are needed. An edit that cannot be brought there within `SCALES` is left at the end of
    it, and otherwise at the nearest that was seen.
    """
    if edit.is_empty or collateral <= 0:
        return 1.0
    low, high = (math.log(end) for end in SCALES)
    goal, slope = math.log(collateral), 2.0
    x = min(high, max(low, math.log(guess)))
    last, nearest = None, (math.inf, x)
    for _ in range(STEPS):
        value = judge.divergence(edit.scaled(math.exp(x)))
        y = math.log(max(value if value < BROKEN else BROKEN, 1e-12))
        if abs(y - goal) <= nearest[0]:
            nearest = abs(y - goal), x
        if nearest[0] <= NEAR:
            break
        if last is not None and abs(x - last[0]) > 1e-6:
            slope = max(0.3, (y - last[1]) / (x - last[0]))
        last = (x, y)
        moved = min(high, max(low, x + (goal - y) / slope))
        if moved == x:
            break
        x = moved
    return math.exp(nearest[1])
