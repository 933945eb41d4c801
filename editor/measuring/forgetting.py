"""Forget quality: are erased facts neither more nor less likely than facts that were never seen?

The score of a fact is TOFU's truth ratio (Maini et al. 2024, arXiv:2401.06121), its decoys â being the wrong answers:

    R = mean over â of p(â | q)^(1/|â|)  /  p(a | q)^(1/|a|),

|a| in tokens; ln R is averaged over the wordings q of the fact, as a fact must stand out neither way in any. It needs
no pass of its own. A plain log-probability tells formats and lengths apart, and how well a model predicts such secrets
at all; what a fact shares with its decoys falls out of R.

Scores in the edited model are compared with those of the same facts in a model that never saw them, or else with those
of the decoys in the edited model: there each of a fact's answers is compared with the others, the fact among them, so
that fact and decoys are exchangeable where the fact is like any decoy.
"""

import math
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from scipy.stats import betabinom, ks_2samp

from editor.measuring.aggregate import Scored
from editor.questions.probes import Target
from editor.results.forgetting import Against, ForgetQuality, ForgottenFact, Reference
from editor.results.names import Group
from editor.results.parts import Rate
from policies import Policy

LEVEL = 0.05
"""Level of significance where the policy names none."""
HALF = 0.5
"""Difference that a test must be able to find to count as one: half of the facts apart from all never-seen ones."""
CONFIDENCE = 0.95
"""Share of never-seen models that have no more facts outside the spread than is allowed."""
DIGITS = 6
"""Decimals of ln R in reports, and so in everything that follows from them."""
WITHOUT_DECOYS = ("unnamed", "free")
"""Wordings in which no decoys are asked for."""
Values = NDArray[np.float64]
Place = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class TruthRatios:
    """ln R of erased facts and of what was never seen, rounded to `DIGITS`.

    Attributes:
        scored: Those of the erased facts that have decoys, in the edited model.
        unscored: Number of such facts whose ratio is no number there.
        never_seen: Those of the same facts in the reference model, or of the decoys, in rising order.
        against: Which of the two.
    """

    scored: Mapping[Target, float] = field(repr=False)
    unscored: int
    never_seen: tuple[float, ...] = field(repr=False)
    against: Against

    def p(self, level: float) -> float | None:
        """Return p of the test of facts against never-seen ones; None where a test at that level would tell nothing."""
        test = compare_distributions(tuple(self.scored.values()), self.never_seen, level)
        return test.p if test.is_telling and not self.unscored else None


def truth_ratios(edited: Scored, reference: Scored | None = None) -> TruthRatios:
    """Return the truth ratios of erased facts and of what was never seen.

    Args:
        edited: facts in scope and their decoys, scored on the edited model.
        reference: the same questions, scored on a model that never saw the facts; None compares with decoys.
    """
    facts: dict[Target, float] = {}
    decoys: list[float] = []
    for target, ratios in _ratios(edited):
        facts[target] = float(ratios[0])
        decoys += ratios[1:].tolist()
    never_seen = decoys if reference is None else [float(ratios[0]) for _, ratios in _ratios(reference)]
    scored = {target: _rounded(value) for target, value in facts.items() if not math.isnan(value)}
    return TruthRatios(
        scored=scored,
        unscored=len(facts) - len(scored),
        never_seen=tuple(sorted(_rounded(value) for value in never_seen if not math.isnan(value))),
        against="decoys" if reference is None else "reference",
    )


def _rounded(value: float) -> float:
    return round(value, DIGITS) + 0.0  # no -0.0


def _ratios(scored: Scored) -> Iterator[tuple[Target, Values]]:
    """Yield each erased fact that has decoys, with ln R of the fact and then of each decoy, (1 + decoys,)."""
    asked = defaultdict(list)
    for decoy, answers in _likelihoods(scored, "decoys").items():
        asked[decoy.subject, decoy.relation].append(answers)
    for target, own in _likelihoods(scored, "erased").items():
        # A decoy of the fact is asked for after all of its prompts; one of another fact seldom is.
        beside = [
            answers for answers in asked[target.subject, target.relation] if own.keys() <= answers.keys()
        ]
        if beside:
            yield (
                target,
                log_truth_ratios(np.array([[one[place] for place in own] for one in (own, *beside)])),
            )


def _likelihoods(scored: Scored, group: Group) -> dict[Target, dict[Place, float]]:
    """Return mean ln p of the answer's tokens after each prompt, by target."""
    mask = scored.where(lambda probe: probe.target.group == group and probe.wording not in WITHOUT_DECOYS)
    each = scored.scores.log_probability / np.maximum(scored.scores.tokens, 1)
    found: dict[Target, dict[Place, float]] = defaultdict(dict)
    for index in np.flatnonzero(mask):
        probe = scored.probes[index]
        found[probe.target][probe.prompt, probe.spelling] = float(each[index])
    return found


def log_truth_ratios(log_p: Values) -> Values:
    """Return ln R of each of several answers to the same questions against the others, a mean over wordings.

    Answers that are all impossible are equally likely: ln R is 0. It is not a number where a likelihood is none, or
    where an answer is infinitely more likely than the others after one wording, and less after another.

    Args:
        log_p: mean ln p of the tokens of two answers or more, (answers, wordings).
    """
    without_itself = np.where(np.eye(len(log_p), dtype=bool)[:, :, None], -np.inf, log_p[None])
    with np.errstate(all="ignore"):
        others = logsumexp(without_itself, axis=1) - math.log(len(log_p) - 1)  # (answers, wordings)
        ratios = np.where(np.isneginf(others) & np.isneginf(log_p), 0.0, others - log_p)
        mean: Values = ratios.mean(axis=1)
    return mean


class DistributionTest(NamedTuple):
    """Two-sample Kolmogorov-Smirnov test; all None where a sample is empty."""

    statistic: float | None
    p: float | None
    smallest_difference: float | None
    """Smallest statistic that samples of this size could have shown at the level; above 1, none could."""

    @property
    def is_telling(self) -> bool:
        """Whether the test could have found a difference of `HALF`."""
        return self.smallest_difference is not None and self.smallest_difference <= HALF


def level_of(policy: Policy) -> float:
    """Return the level of significance that a policy names, or `LEVEL`."""
    return LEVEL if policy.leakage.forget_quality is None else policy.leakage.forget_quality


def compare_distributions(
    facts: Sequence[float], never_seen: Sequence[float], level: float
) -> DistributionTest:
    """Test whether two samples are from one distribution.

    D = max over x of |F_1(x) - F_2(x)|, with p as `scipy.stats.ks_2samp` gives it: exact without ties, too high with
    them. Values are ranked first, which admits infinite ones. The smallest D with p below the level is that of
    Smirnov's asymptotic law, √(-ln(level / 2) / 2 · (n + m) / (n m)).

    Args:
        facts: n numbers.
        never_seen: m numbers.
        level: level of significance.
    """
    n, m = len(facts), len(never_seen)
    if not n or not m:
        return DistributionTest(None, None, None)
    ranks = np.unique(np.concatenate([facts, never_seen]), return_inverse=True)[1]
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", RuntimeWarning
        )  # where an exact p exceeds 1 by rounding: then asymptotic
        result = ks_2samp(ranks[:n], ranks[n:])
    smallest = math.sqrt(-math.log(level / 2) / 2 * (n + m) / (n * m))
    return DistributionTest(float(result.statistic), float(result.pvalue), smallest)


def forget_quality(
    ratios: TruthRatios,
    policy: Policy,
    label: Callable[[Target], str],
    reference: Reference | None = None,
) -> ForgetQuality:
    """Return the test and the facts outside the spread of never-seen ones.

    Args:
        ratios: truth ratios.
        policy: policy, which says the level of the test and the percentile that bounds the spread.
        label: function that names a fact.
        reference: model that never saw the facts, where they were compared with it.
    """
    named = sorted((label(target), value) for target, value in ratios.scored.items())
    return judge_ratios(
        ForgetQuality(
            against=ratios.against,
            reference=reference,
            facts=tuple(ForgottenFact(fact=name, log_truth_ratio=value) for name, value in named),
            never_seen=ratios.never_seen,
            unscored=ratios.unscored,
        ),
        policy,
    )


def judge_ratios(given: ForgetQuality, policy: Policy) -> ForgetQuality:
    """Return the ratios that are given with all that follows from them by a policy; also those of a report, again."""
    values, chance = [row.log_truth_ratio for row in given.facts], np.array(given.never_seen)
    level = level_of(policy)
    test = compare_distributions(values, given.never_seen, level)
    rank = spread_rank(len(chance), policy.leakage.decoy_percentile)
    spread = (given.never_seen[rank - 1], given.never_seen[-rank]) if rank else None
    compared = len(values) if spread else 0
    low, high = spread or (-math.inf, math.inf)
    return given.model_copy(
        update={
            "facts": tuple(
                row.model_copy(update={"percentile": percentile(row.log_truth_ratio, chance)})
                for row in given.facts
            ),
            "level": level,
            "statistic": test.statistic,
            "p": test.p,
            "smallest_difference": test.smallest_difference,
            "tested": test.is_telling and not given.unscored,
            "spread": spread,
            "more_likely": Rate(hits=sum(value < low for value in values), total=compared),
            "less_likely": Rate(hits=sum(value > high for value in values), total=compared),
            "by_chance": most_outside(compared, len(chance), rank),
        }
    )


def percentile(value: float, never_seen: Values) -> float | None:
    """Return the share (0 to 100) of never-seen values below, ties counted half; None where there are none."""
    if not len(never_seen):
        return None
    below = (never_seen < value).mean() + (never_seen == value).mean() / 2
    return round(100 * float(below), DIGITS)


def spread_rank(never_seen: int, share: float) -> int:
    """Return k: the spread of m never-seen values is from the k-th lowest to the k-th highest.

    One at least, so that the spread of few is from the least to the most; 0 where there are fewer than two.

    Args:
        never_seen: m.
        share: policy's percentile of decoys, 0 to 100.
    """
    return min(max(1, int(share / 100 * (never_seen + 1))), never_seen // 2)


def most_outside(facts: int, never_seen: int, rank: int) -> int:
    """Return how many facts lie outside the spread by chance, in 19 of 20 models that never saw them.

    Of n new values as many lie outside the k-th lowest to k-th highest of m as BetaBinomial(n, 2k, m + 1 - 2k) says.

    Args:
        facts: n.
        never_seen: m.
        rank: k.
    """
    if not facts or not rank:
        return 0
    return int(betabinom.ppf(CONFIDENCE, facts, 2 * rank, never_seen + 1 - 2 * rank))
