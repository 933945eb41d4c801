"""`--strength auto`: search an edit's settings on the locating split; pick the gentlest that meets the policy.

Each fact's locating wordings are split once more: an edit is fitted on some and judged on the others, so that the
search rewards what carries over to wordings it has not seen. Verification's wordings and its held-out text take no
part. The second trial answers the first: stronger where that one does not erase, gentler where it does. From then on
Optuna's TPE sampler (Bergstra et al. 2011) minimises leakage and collateral together.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from editor.editing.judge import TrialJudge, TrialResult
from editor.methods.feature_edit import FeatureEdit
from editor.methods.problem import EditProblem
from editor.questions.probes import Probe
from editor.report.schema import TrialRow

MOST_MARGIN_NATS = 8.0
STRONGER_NATS = 0.75
GENTLER_NATS = 1.0


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """A finished search.

    Attributes:
        best: the chosen trial, with its edit.
        trials: every trial, without.
    """

    best: TrialResult
    trials: tuple[TrialResult, ...]

    @property
    def chosen(self) -> FeatureEdit:
        """The chosen settings."""
        return self.best.method

    def rows(self) -> tuple[TrialRow, ...]:
        """The trials for the report."""
        return tuple(
            TrialRow(
                number=number,
                settings={name: float(value) for name, value in _parameters(trial.method).items()},
                leakage=trial.leakage,
                collateral=trial.collateral,
                norm=trial.norm,
                chosen=trial.method == self.chosen,
            )
            for number, trial in enumerate(self.trials)
        )


@dataclass(frozen=True, kw_only=True)
class StrengthSearch:
    """Searches units, gain, ridge and margin.

    Attributes:
        trials: how many edits are tried at most.
        patience: the search ends after this many trials without a gentler edit that meets the policy.
        seed: of the sampler.
        start: the first trial.
    """

    trials: int = 8
    patience: int = 3
    seed: int = 0
    start: FeatureEdit = field(default_factory=FeatureEdit)

    def fit(
        self,
        problem: EditProblem,
        judge: TrialJudge,
        progress: Callable[[TrialResult], None] | None = None,
    ) -> Tuning:
        """Run the search. `problem.erase` must hold the judge's fitting wordings alone."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        sampler = optuna.samplers.TPESampler(seed=self.seed, n_startup_trials=4)
        study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)
        study.enqueue_trial(_parameters(self.start))
        results: list[TrialResult] = []
        best: TrialResult | None = None
        for number in range(self.trials):
            start = None
            if number == 1:
                study.enqueue_trial(_parameters(_answer(results[0])))
                # What did not go deep enough goes on from where it stands; what went too deep begins anew.
                start = best.edit if best and not best.erases else None
            trial = study.ask()
            result = judge.judge(problem, _suggest(trial, self.start), start)
            study.tell(trial, [result.leakage, result.collateral])
            best = min(best or result, result, key=_preference)
            results.append(replace(result, edit=None))
            if progress is not None:
                progress(result)
            if self._stalled(results):
                break
        assert best is not None
        return Tuning(best=best, trials=tuple(results))

    def _stalled(self, results: Sequence[TrialResult]) -> bool:
        best = min(range(len(results)), key=lambda number: _preference(results[number]))
        return results[best].feasible and len(results) - 1 - best >= self.patience


def _answer(first: TrialResult) -> FeatureEdit:
    """A stronger edit where the first does not erase, a gentler one where it does."""
    margin = first.method.margin_nats + (-GENTLER_NATS if first.erases else STRONGER_NATS)
    return replace(first.method, margin_nats=min(MOST_MARGIN_NATS, max(0.0, margin)))


def _preference(result: TrialResult) -> tuple[bool, float, float]:
    """Policy first, then leakage where no edit meets it, then gentleness."""
    return not result.feasible, 0.0 if result.feasible else result.leakage - result.kept, result.collateral


def _suggest(trial: object, like: FeatureEdit) -> FeatureEdit:
    suggest = trial.suggest_float  # type: ignore[attr-defined]  # optuna has no stubs here
    return replace(
        like,
        units=trial.suggest_int("units", 50, 1000, log=True),  # type: ignore[attr-defined]
        gain=suggest("gain", 0.5, 4.0, log=True),
        ridge=suggest("ridge", 3.0, 100.0, log=True),
        margin_nats=suggest("margin_nats", 0.0, MOST_MARGIN_NATS),
    )


def _parameters(method: FeatureEdit) -> dict[str, float]:
    return {
        "units": method.units,
        "gain": method.gain,
        "ridge": method.ridge,
        "margin_nats": method.margin_nats,
    }


def split_wordings(probes: Sequence[Probe]) -> tuple[list[Probe], list[Probe]]:
    """Split the erased probes of the locating split: of each fact every third wording is kept for judging."""
    by_target = defaultdict(list)
    for probe in probes:
        if probe.target.group == "erased":
            by_target[probe.target].append(probe)
    fitting: list[Probe] = []
    judging: list[Probe] = []
    for mine in by_target.values():
        for place, probe in enumerate(mine):
            (judging if place % 3 == 1 else fitting).append(probe)
    return fitting, judging
