"""`--strength auto`: search an edit's settings on the locating split for one that meets the policy, gently.

Each fact's locating wordings are split once more: an edit is fitted on two thirds and judged on all, so that the
search rewards what carries over to wordings it has not seen. Verification's wordings and its held-out text take no
part. A trial answers the best so far: stronger where that does not erase, and then holding what must stay less firmly
if it costs little; more firmly where it costs too much; gentler where it does neither. It goes on from the best edit as
long as that one misses the policy, where the method can; a gentler one starts from scratch. A method that weighs what
must stay and can go on is asked for nothing else, and the search ends when no answer is left. Of other methods
`ANSWERS` trials answer; from then on Optuna's TPE sampler (Bergstra et al. 2011) minimises leakage and collateral
together.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from editor.locators.problem import EditProblem
from editor.methods.features.feature_edit import FeatureEdit
from editor.methods.method import Method
from editor.methods.shared.searching import WarmStart, with_settings
from editor.questions.probes import Probe
from editor.results.edits import TrialRow
from editor.tuning.judge import TrialJudge, TrialResult

ANSWERS = 3
"""Trials after the first that answer the best one, before the sampler draws."""


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """A finished search.

    Attributes:
        best: chosen trial, with its edit.
        trials: every trial; without its edit, unless the search keeps them.
    """

    best: TrialResult
    trials: tuple[TrialResult, ...]

    @property
    def chosen(self) -> Method:
        """The chosen settings."""
        return self.best.method

    def rows(self) -> tuple[TrialRow, ...]:
        """Return the trials for the report; of several with the chosen settings, the one that was chosen is marked."""
        chosen = _best(self.trials)
        return tuple(
            TrialRow(
                number=number,
                settings=trial.method.space.values(trial.method),
                leakage=trial.leakage,
                collateral=trial.collateral,
                norm=trial.norm,
                chosen=number == chosen,
            )
            for number, trial in enumerate(self.trials)
        )


@dataclass(frozen=True, kw_only=True)
class StrengthSearch:
    """Search of the settings in a method's search space.

    Attributes:
        trials: number of edits tried at most.
        patience: number of trials without a gentler edit that meets the policy after which the search ends. None is 0
            for a method that weighs what must stay, which is gentle by itself, and 1 for others. With None a method
            that can go on from an edit as well has no trials but answers.
        seed: seed of the sampler.
        start: method with the settings of the first trial.
        keep_edits: whether every trial's edit is kept in memory.
    """

    trials: int = 8
    patience: int | None = None
    seed: int = 0
    start: Method = field(default_factory=FeatureEdit)
    keep_edits: bool = False

    def fit(
        self,
        problem: EditProblem,
        judge: TrialJudge,
        progress: Callable[[TrialResult], None] | None = None,
    ) -> SearchResult:
        """Run the search. `problem.erase` must hold the judge's fitting wordings alone."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        sampler = optuna.samplers.TPESampler(seed=self.seed, n_startup_trials=4)
        study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)
        space = self.start.space
        study.enqueue_trial(space.values(self.start))
        results: list[TrialResult] = []
        best: TrialResult | None = None
        answers: list[Method] = []
        for number in range(self.trials):
            if answers and (self._answers_only or number <= ANSWERS):
                study.enqueue_trial(space.values(answers.pop(0)))
            start = best.edit if best is not None and not _settled(best) else None
            trial = study.ask()
            settings = {name: values.suggested(trial, name) for name, values in space.ranges.items()}
            result = judge.judge(problem, with_settings(self.start, settings), start)
            study.tell(trial, [result.leakage, result.collateral])
            if best is None or preference(result) < preference(best):
                best, answers = result, _answers(result)
            results.append(result if self.keep_edits else replace(result, edit=None))
            if progress is not None:
                progress(result)
            if self._stalled(results) or (self._answers_only and not answers):
                break
        assert best is not None
        return SearchResult(best=best, trials=tuple(results))

    @property
    def _answers_only(self) -> bool:
        holds = self.start.space.holding is not None
        return self.patience is None and holds and isinstance(self.start, WarmStart)

    def _stalled(self, results: Sequence[TrialResult]) -> bool:
        best = _best(results)
        patience = self.patience
        if patience is None:
            patience = 0 if self.start.space.holding else 1
        return _settled(results[best]) and len(results) - 1 - best >= patience


def _answers(best: TrialResult) -> list[Method]:
    """Return the methods that answer the best trial so far, the likeliest first; none is the same again."""
    method, space = best.method, best.method.space
    stronger, gentler = space.moved(method, stronger=True), space.moved(method, stronger=False)
    if not best.erases:
        answers = [stronger, space.loosened(method) if best.feasible else space.held(method)]
    else:
        answers = [gentler] if best.feasible else [space.held(method), gentler]
    return [answer for answer in answers if answer != method]


def _settled(result: TrialResult) -> bool:
    """Tell whether a trial meets the policy, with room within its ceilings."""
    return result.feasible and result.erases


def _best(results: Sequence[TrialResult]) -> int:
    """Return the place of the trial that a search chooses: of equally good ones the first."""
    return min(range(len(results)), key=lambda place: preference(results[place]))


def preference(result: TrialResult) -> tuple[bool, bool, float, float]:
    """Rank a trial: policy first, then room within its ceilings, then leakage where there is none, then gentleness."""
    return (
        not result.feasible,
        not result.erases,
        0.0 if _settled(result) else result.leakage - result.kept,
        result.collateral,
    )


def split_wordings(probes: Sequence[Probe]) -> tuple[list[Probe], list[Probe]]:
    """Split the erased probes of the locating split: of each fact every third wording is kept for judging."""
    by_target = defaultdict(list)
    for probe in probes:
        if probe.is_erased:
            by_target[probe.target].append(probe)
    fitting: list[Probe] = []
    judging: list[Probe] = []
    for mine in by_target.values():
        for place, probe in enumerate(mine):
            (judging if place % 3 == 1 else fitting).append(probe)
    return fitting, judging
