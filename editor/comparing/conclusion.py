"""What a comparison comes to: everything that follows from its arms, and one sentence that claims no more."""

import math
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from editor.comparing.statistics import (
    MEASURES,
    bootstrapped,
    by_arm,
    by_fact,
    differences_of,
    holm,
    overlaps,
    paired_tests,
    points_of,
    sign_flip_p,
    summarise,
)
from editor.formatting import percent, plural
from editor.results.comparison import (
    NEAR,
    ArmRun,
    ComparedMeasure,
    Comparison,
    FactOutcome,
    Interval,
    PointName,
)
from editor.results.report import ModelSummary, PolicySummary, Scope

JUDGED_AT: PointName = "collateral"
"""Operating point that the verdict is about."""
SIGNIFICANT = 0.05
"""p below which a difference counts as significant."""
SAME = 1e-9
"""Distance up to which two means are a tie."""
MANY = 1e4
"""Multiple of the reference's collateral from which on the number is not given."""
DIRECTION: dict[ComparedMeasure, int] = {"gen": 1, "exposed": -1, "bits": 1}
"""1 where more is better."""

Runs = Mapping[str, Sequence[ArmRun]]


def draw_conclusion(
    *,
    case: str,
    command: str,
    versions: dict[str, str],
    policy: PolicySummary,
    model: ModelSummary,
    scope: Scope,
    reference: str,
    trials: int,
    arms: Sequence[ArmRun],
    original: Sequence[FactOutcome] = (),
    seed: int = 0,
) -> Comparison:
    """Return the comparison of these arms; its seeds are theirs, and `seed` is that of bootstraps and permutations."""
    return Comparison(
        case=case,
        command=command,
        versions=versions,
        policy=policy,
        model=model,
        scope=scope,
        reference=reference,
        seeds=tuple(sorted({run.seed for run in arms})),
        trials=trials,
        original=tuple(original),
        arms=tuple(arms),
        summary=summarise(arms, seed),
        tests=paired_tests(arms, reference, seed),
        overlaps=overlaps(arms),
        verdict=comparison_verdict(arms, original, seed, reference=reference),
    )


def comparison_verdict(
    arms: Sequence[ArmRun], original: Sequence[FactOutcome] = (), seed: int = 0, *, reference: str = ""
) -> str:
    """Say which arm forgot most at the same collateral, by how much, and whether the difference is significant.

    The arm of the highest Gen leads; of several that share it, that of the fewest exposed facts; of several again,
    that of the most bits. Who leads is known only once it is seen, so the difference to the next best is tested with
    Holm's correction for all pairs of the arms that are still in question. Random controls neither lead nor are next
    best; the best of them is named.

    Where an arm could not be brought within `NEAR` of the reference's collateral of the same seed, the worst seed
    decides. One that cost more takes no part, for forgetting more at a higher price is no lead; one that cost less
    does. Both are named.

    Args:
        arms: runs of any number of arms and seeds.
        original: facts before any edit.
        seed: seed of bootstraps and permutations.
        reference: arm whose collateral the others were brought to; seeds that lack it are not checked.
    """
    measured = {arm: own for arm, own in by_arm(arms).items() if points_of(own, JUDGED_AT)}
    shares = {arm: _share(own, measured.get(reference, ())) for arm, own in measured.items()}
    runs = {arm: own for arm, own in measured.items() if shares[arm] <= math.exp(NEAR)}
    controls = {arm: own for arm, own in runs.items() if own[0].family == "random"}
    methods = {arm: own for arm, own in runs.items() if arm not in controls}
    if not methods:
        return "No method was measured at the same collateral, so the comparison has no winner."
    facts = max(len(_values(own, "gen")) for own in methods.values())
    seeds = len({run.seed for own in methods.values() for run in own})
    measured_on = f"{plural(facts, 'fact')}, {plural(seeds, 'seed')}"
    judged = f"{_contest(methods, seed)}{_beside(methods, controls)}{_unmatched(shares)}{_unedited(original)}"
    return f"At the same collateral ({measured_on}), {judged}."


def _share(runs: Sequence[ArmRun], reference: Sequence[ArmRun]) -> float:
    """Return an arm's collateral as a share of the reference's in the same seed; infinite where it is no number.

    Of the seeds the highest, or if none is too high, the lowest.
    """
    goals = {run.seed: one.collateral for run in reference for one in points_of([run], JUDGED_AT)}
    shares = [
        _ratio(one.collateral, goals[run.seed])
        for run in runs
        if run.seed in goals
        for one in points_of([run], JUDGED_AT)
    ]
    highest, lowest = max(shares, default=1.0), min(shares, default=1.0)
    return highest if highest > math.exp(NEAR) else lowest


def _ratio(collateral: float, goal: float) -> float:
    if collateral == goal:
        return 1.0
    return collateral / goal if goal > 0 and math.isfinite(collateral) else math.inf


def _unmatched(shares: Mapping[str, float]) -> str:
    """Name the arms that are not where the others are."""
    below = [f"{arm} at {_part(share)} of it" for arm, share in shares.items() if share < math.exp(-NEAR)]
    above = [f"{arm} ({_times(share)})" for arm, share in shares.items() if share > math.exp(NEAR)]
    said = f"; short of that collateral stayed {_listed(below)}" if below else ""
    if above:
        said += f"; left out, since no scale brought it down to that collateral: {_listed(above)}"
    return said


def _part(share: float) -> str:
    return f"{share:.2f}" if share >= 0.01 else "less than 0.01"


def _times(share: float) -> str:
    return f"{share:.3g} times as much" if share < MANY else "beyond measure"


def _listed(parts: Sequence[str]) -> str:
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last


def _unedited(original: Sequence[FactOutcome]) -> str:
    """Say what Gen is without any edit, where the model does not complete every wording by itself."""
    gen = float(np.mean([fact.gen for fact in original])) if original else 0.0
    if gen == 1:
        return "; the original model itself completes none of them"
    return f"; the original model itself does not complete {percent(gen)}" if gen > 0 else ""


def p_text(p: float) -> str:
    """Write a p value: 'p = 0.012', 'p < 0.001'."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def _contest(methods: Runs, seed: int) -> str:
    """Say who leads by the first measure that tells the methods apart."""
    left, said = methods, ""
    for measure in MEASURES:
        means = {arm: _mean(own, measure) for arm, own in left.items()}
        ranked = sorted(left, key=lambda arm: -DIRECTION[measure] * means[arm])
        first = [arm for arm in ranked if abs(means[arm] - means[ranked[0]]) <= SAME]
        if len(first) == 1:
            return said + ("; of these, " if said else "") + _leads(measure, ranked, left, seed)
        if said and len(first) == len(left):
            said += f" and at {_worded(measure, means[first[0]])}"
        else:
            said += ("; of these, " if said else "") + f"{_listed(first)} tie at "
            said += _worded(measure, means[first[0]])
        left = {arm: own for arm, own in left.items() if arm in first}
    return f"{said}, so none of them is ahead"


def _leads(measure: ComparedMeasure, ranked: Sequence[str], runs: Runs, seed: int) -> str:
    """Say how the first stands against the next best, and whether that may be chance."""
    leader, *others = ranked
    own = _amount(measure, _mean(runs[leader], measure))
    if not others:
        return f"{leader} forgot {own} of unseen wordings; there was no other method to compare it with"
    difference, p = _against_next(measure, {arm: runs[arm] for arm in ranked}, seed)
    chance = "significant" if p < SIGNIFICANT else "not significant"
    pairs = plural(len(ranked) * (len(ranked) - 1) // 2, "pair")
    return (
        f"{leader} {LED[measure].format(own)}, against {_amount(measure, _mean(runs[others[0]], measure))} by "
        f"{others[0]}, the next best; the difference ({_between(measure, difference)}) is {chance} at 5% "
        f"({p_text(p)}, Holm's correction for {pairs})"
    )


LED: dict[ComparedMeasure, str] = {
    "gen": "forgot most: {} of unseen wordings",
    "exposed": "left the fewest facts exposed: {}",
    "bits": "left facts hardest to guess: {} on average",
}


def _against_next(measure: ComparedMeasure, ranked: Runs, seed: int) -> tuple[Interval, float]:
    """Return by how much the first is better than the second, and the p of that, corrected for all pairs."""
    pairs = list(combinations(ranked, 2))
    differences = [
        DIRECTION[measure] * np.array(differences_of(ranked[one], ranked[other], JUDGED_AT, measure))
        for one, other in pairs
    ]
    corrected = holm([sign_flip_p(one, seed) for one in differences])
    return bootstrapped(differences[0], seed), corrected[0]


def _beside(methods: Runs, controls: Runs) -> str:
    """Say what the best of the random controls forgot."""
    if not controls:
        return ""
    best = max(controls, key=lambda arm: _mean(controls[arm], "gen"))
    forgot = _mean(controls[best], "gen")
    no_less = forgot >= max(_mean(own, "gen") for own in methods.values()) - SAME
    end = ", no less than any method" if no_less else ""
    return f"; {best}, a random control, forgot {percent(forgot)}{end}"


def _values(runs: Sequence[ArmRun], measure: ComparedMeasure) -> list[float]:
    return list(by_fact(points_of(runs, JUDGED_AT), measure).values())


def _mean(runs: Sequence[ArmRun], measure: ComparedMeasure) -> float:
    return float(np.mean(_values(runs, measure)))


def _amount(measure: ComparedMeasure, value: float) -> str:
    return f"{value:.1f} bits" if measure == "bits" else percent(value)


def _worded(measure: ComparedMeasure, value: float) -> str:
    of = {"gen": " of unseen wordings", "exposed": " of facts exposed", "bits": " a fact"}
    return _amount(measure, value) + of[measure]


def _between(measure: ComparedMeasure, difference: Interval) -> str:
    """Write a difference and its interval: '3.2 points, 95% interval −0.4 to 6.8'."""
    factor, unit = (1, "bits") if measure == "bits" else (100, "points")
    mean, low, high = (
        f"{factor * value:.1f}".replace("-", "\N{MINUS SIGN}")
        for value in (difference.mean, difference.low, difference.high)
    )
    return f"{mean} {unit}, 95% interval {low} to {high}"
