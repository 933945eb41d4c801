"""Facts more exposed than a percentile of never-seen secrets: no more of them than chance gives."""

from scipy.stats import binom

from editor.measuring.aggregate import decoy_percentiles, exposed_rate
from editor.measuring.criteria.criterion import Count, CriterionEntry, Observation
from policies import Policy

CONFIDENCE = 0.95
"""Probability that a model which never saw the facts is not taken for one that did."""


def chance_ceiling(share: float, facts: int) -> float:
    """Return the share of facts that stand below their decoys' percentile by chance alone, in 19 of 20 models.

    In a model that never saw the facts each one does with probability `share`, so that their number is binomial.
    """
    return float(binom.ppf(CONFIDENCE, facts, share)) / facts if facts else share


def _count(policy: Policy, observed: Observation) -> Count:
    percentiles = decoy_percentiles(observed.erased).values()
    return Count.share(exposed_rate(percentiles, policy.leakage.decoy_percentile))


CRITERION = CriterionEntry(
    measure="decoy_percentile",
    kind="leakage",
    comparison="at most",
    name="facts more exposed than all but {policy.leakage.decoy_percentile:g}% of decoys",
    reason="{measured} of the facts are {name}, and {ceiling} be",
    count=_count,
    limit=lambda policy, count: chance_ceiling(policy.leakage.decoy_percentile / 100, count.of),
    aim=lambda policy: policy.leakage.decoy_percentile / 100,  # what chance gives on average
    scale=100.0,
    note=", as by chance",
)
