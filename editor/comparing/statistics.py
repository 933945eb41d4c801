"""What follows from the arms' outcomes: means with intervals, paired tests, overlaps; all of it seeded."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from heapq import nsmallest
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom, bootstrap

from editor.results.comparison import (
    POINTS,
    ArmRun,
    ComparedMeasure,
    Editing,
    FactOutcome,
    Interval,
    Overlap,
    PairedTest,
    Point,
    PointName,
    SummaryRow,
)
from editor.results.parts import Rate

MEASURES: tuple[ComparedMeasure, ...] = ("gen", "exposed", "bits")
"""Measures that arms are tested by."""
MOST_CHANGED = 100
"""Neurons of an arm that count for its overlap with another."""
DRAWS = 2_000
"""Draws of every bootstrap."""
FLIPS = 10_000
"""Random flips of a permutation test with too many facts to try all of them."""
MOST_EXACT = 12
"""Facts up to which all sign flips are tried."""
MOST_BITS = 128.0
"""More bits count as that many in tests: nobody guesses them, and infinity has no mean."""
VALUES: dict[str, Callable[[FactOutcome], float]] = {
    "rel": lambda fact: fact.rel,
    "gen": lambda fact: fact.gen,
    "exposed": lambda fact: float(fact.exposed),
    "extractable": lambda fact: float(fact.extractable),
    "bits": lambda fact: min(fact.bits, MOST_BITS),
}
"""What is averaged over facts, by name."""


def summarise(arms: Sequence[ArmRun], seed: int = 0) -> tuple[SummaryRow, ...]:
    """Summarise every arm at every operating point over all its seeds: point by point, arms in the order given.

    Intervals of rel, gen, exposed and extractable are percentile bootstraps over facts, each a mean over seeds;
    that of loc is one over questions, the seeds averaged. Seeds ask largely the same questions, so theirs are drawn
    together, as if all were the same: more seeds do not narrow it. Those of same_subject, forget_quality, attacks and
    perplexity_rise are the least and the most of the seeds: single questions are not kept of them.

    Args:
        arms: runs of any number of arms and seeds, each with at least one fact; one may lack a point.
        seed: seed of the bootstraps; the draws are the same for all arms with as many facts.
    """
    return tuple(
        _summary(runs, point, points, seed)
        for point in POINTS
        for runs in by_arm(arms).values()
        if (points := points_of(runs, point))
    )


def paired_tests(arms: Sequence[ArmRun], reference: str, seed: int = 0) -> tuple[PairedTest, ...]:
    """Test the reference against every other arm, fact by fact, at every point and by every measure.

    Args:
        arms: runs; facts that only one of two arms has are left out.
        reference: arm that the others are compared with.
        seed: seed of bootstraps and flips.
    """
    runs = by_arm(arms)
    own = runs.pop(reference, [])
    tests: list[PairedTest] = []
    for point in POINTS:
        for measure in MEASURES:
            differences = {arm: differences_of(own, other, point, measure) for arm, other in runs.items()}
            tests += _test_pairs(point, measure, {arm: one for arm, one in differences.items() if one}, seed)
    return tuple(tests)


def overlaps(arms: Sequence[ArmRun]) -> tuple[Overlap, ...]:
    """Compare every two arms by the Jaccard index of their most changed neurons, a mean over their common seeds.

    |A ∩ B| / |A ∪ B| of the `MOST_CHANGED` most changed neurons A and B (Jaccard 1912).

    An arm that changes no neuron overlaps with none and is left out.
    """
    changed: dict[str, dict[int, frozenset[tuple[str, int]]]] = defaultdict(dict)
    for run in arms:
        if neurons := most_changed(run.editing):
            changed[run.arm][run.seed] = neurons
    return tuple(
        Overlap(
            first=first,
            second=second,
            jaccard=float(
                np.mean([_jaccard(changed[first][seed], changed[second][seed]) for seed in common])
            ),
        )
        for first, second in combinations(changed, 2)
        if (common := sorted(changed[first].keys() & changed[second].keys()))
    )


def most_changed(editing: Editing) -> frozenset[tuple[str, int]]:
    """Return the neurons (layer, index) whose weights changed most, at most `MOST_CHANGED`; unchanged ones never."""
    every = (
        (-norm, layer, index)
        for layer, norms in editing.neurons.items()
        for index, norm in enumerate(norms)
        if norm > 0
    )
    return frozenset((layer, index) for _, layer, index in nsmallest(MOST_CHANGED, every))


def by_arm(arms: Sequence[ArmRun]) -> dict[str, list[ArmRun]]:
    """Group runs by arm, both in the order given."""
    runs: dict[str, list[ArmRun]] = defaultdict(list)
    for run in arms:
        runs[run.arm].append(run)
    return dict(runs)


def points_of(runs: Iterable[ArmRun], point: PointName) -> list[Point]:
    """Return one operating point of several runs; those that lack it are passed over."""
    return [one for run in runs for one in run.points if one.point == point]


def by_fact(points: Iterable[Point], measure: str) -> dict[str, float]:
    """Return each fact's value by one of `VALUES`, a mean over seeds; facts in the order of their labels."""
    values: dict[str, list[float]] = defaultdict(list)
    for point in points:
        for fact in point.facts:
            values[fact.fact].append(VALUES[measure](fact))
    return {fact: float(np.mean(values[fact])) for fact in sorted(values)}


def bootstrapped(values: ArrayLike, seed: int = 0) -> Interval:
    """Return the mean of one value or more, with its 95% percentile interval.

    Percentile bootstrap (Efron and Tibshirani 1993, chapter 13): `DRAWS` resamples with replacement, each as large
    as the sample.
    """
    array = np.asarray(values, dtype=np.float64)
    mean = float(array.mean())
    if len(array) == 1:  # there is nothing to draw
        return Interval(mean=mean, low=mean, high=mean)
    low, high = bootstrap(
        (array,), np.mean, n_resamples=DRAWS, method="percentile", random_state=np.random.default_rng(seed)
    ).confidence_interval
    return Interval(mean=mean, low=float(low), high=float(high))


def sign_flip_p(differences: ArrayLike, seed: int = 0) -> float:
    """Return the two-sided p of the mean of paired differences, if each might as well have had the other sign.

    All m flips for `MOST_EXACT` pairs or fewer: p = b / m, b of them as extreme as what was observed. Else `FLIPS`
    random ones, what was observed counted among them: p = (b + 1) / (m + 1), never 0 (Phipson and Smyth 2010).

    By hand: scipy's permutation_test gives the same p where all are tried, at 200 times the time, and half as fine a
    one where they are drawn, as it doubles the smaller tail.
    """
    array = np.asarray(differences, dtype=np.float64)
    exact = len(array) <= MOST_EXACT
    flipped = _signs(len(array), seed, exact=exact) @ array
    # b. The same numbers summed in another order differ in the last digits.
    extreme = int(np.sum(np.abs(flipped) >= abs(array.sum()) - 1e-9 * np.abs(array).sum()))
    return extreme / len(flipped) if exact else (extreme + 1) / (len(flipped) + 1)


def holm(p: Sequence[float]) -> list[float]:
    """Correct m p values for how many they are by Holm's step-down method (1979), in the order given.

    The k-th smallest becomes the highest of min(1, (m - j + 1) p_(j)) over j <= k. By hand: scipy corrects for the rate
    of false discoveries alone.
    """
    corrected, highest = [0.0] * len(p), 0.0
    for rank, place in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        highest = max(highest, min(1.0, p[place] * (len(p) - rank)))  # rank = j - 1
        corrected[place] = highest
    return corrected


def differences_of(
    first: Sequence[ArmRun], second: Sequence[ArmRun], point: PointName, measure: ComparedMeasure
) -> list[float]:
    """Return first less second for every fact that both have, in the order of labels; seeds are averaged before."""
    left, right = (by_fact(points_of(runs, point), measure) for runs in (first, second))
    return [left[fact] - right[fact] for fact in left if fact in right]


def _test_pairs(
    point: PointName, measure: ComparedMeasure, differences: dict[str, list[float]], seed: int
) -> list[PairedTest]:
    p = [sign_flip_p(one, seed) for one in differences.values()]
    return [
        PairedTest(
            point=point,
            measure=measure,
            arm=arm,
            difference=bootstrapped(one, seed),
            p=plain,
            p_holm=corrected,
        )
        for (arm, one), plain, corrected in zip(differences.items(), p, holm(p), strict=True)
    ]


def _summary(runs: Sequence[ArmRun], point: PointName, points: Sequence[Point], seed: int) -> SummaryRow:
    def over_facts(measure: str) -> Interval:
        return bootstrapped(list(by_fact(points, measure).values()), seed)

    rises = [one.perplexity_rise for one in points]
    alike = [one.forget_quality for one in points if one.forget_quality is not None]
    return SummaryRow(
        arm=runs[0].arm,
        family=runs[0].family,
        point=point,
        seeds=len(points),
        rel=over_facts("rel"),
        gen=over_facts("gen"),
        loc=_over_questions([one.others_kept for one in points], seed),
        exposed=over_facts("exposed"),
        extractable=over_facts("extractable"),
        same_subject=_over_seeds([one.same_subject for one in points]),
        perplexity_rise=_ends(rises),
        forget_quality=_ends(alike) if alike else None,
        attacks=_attacks(points),
        bits=float(np.median([fact.bits for one in points for fact in one.facts])),
        norm=float(np.mean([one.norm for one in points])),
        collateral=float(np.mean([one.collateral for one in points])),
        meets_policy=sum(one.meets_policy for one in points),
        untested=tuple(dict.fromkeys(measure for one in points for measure in one.untested)),
    )


def _attacks(points: Sequence[Point]) -> dict[str, Interval | None]:
    """Return leaking shares over seeds, by attack, in the order in which they were made."""
    names = dict.fromkeys(row.attack for one in points for row in one.attacks)
    return {
        name: _over_seeds([row.greedy_facts for one in points for row in one.attacks if row.attack == name])
        for name in names
    }


def _over_questions(kept: Sequence[str], seed: int) -> Interval | None:
    """Return the mean of the seeds' shares of 1; seeds without a question are left out.

    To resample n answers of which k are 1 is to toss a coin of k / n for each of n. Which questions two seeds share
    is not kept, so the worst is taken: every draw is the same quantile in all seeds (comonotone). The interval is
    then as wide as the seeds' own on average; independent draws would narrow it by evidence that is not there.
    """
    asked = [(one.count("1"), len(one)) for one in kept if one]
    if not asked:
        return None
    at = 1 - np.random.default_rng(seed).random(DRAWS)  # never 0, whose quantile is no count
    drawn = [binom.ppf(at, size, hits / size) / size for hits, size in asked]
    low, high = np.quantile(np.mean(drawn, axis=0), (0.025, 0.975))
    return Interval(
        mean=float(np.mean([hits / size for hits, size in asked])), low=float(low), high=float(high)
    )


def _over_seeds(rates: Sequence[Rate]) -> Interval | None:
    """Return mean, least and most of the seeds in which anything was tested."""
    shares = [rate.rate for rate in rates if rate.total]
    return _ends(shares) if shares else None


def _ends(values: Sequence[float]) -> Interval:
    """Return mean, least and most of the seeds."""
    return Interval(mean=float(np.mean(values)), low=min(values), high=max(values))


@lru_cache(maxsize=4)
def _signs(count: int, seed: int, *, exact: bool) -> NDArray[np.float64]:
    """Return rows of +1 and -1, (flips, count): all that there are, or `FLIPS` random ones."""
    if exact:
        bits = np.arange(2**count)[:, None] >> np.arange(count) & 1
    else:
        bits = np.random.default_rng(seed).integers(0, 2, (FLIPS, count))
    return np.where(bits, 1.0, -1.0)


def _jaccard(first: frozenset[tuple[str, int]], second: frozenset[tuple[str, int]]) -> float:
    return len(first & second) / len(first | second)
