"""Erased facts that cannot be told from never-seen ones: p of a Kolmogorov-Smirnov test, where a policy asks for it."""

from editor.measuring.criteria.criterion import Count, CriterionEntry, Observation
from editor.measuring.forgetting import compare_distributions, level_of
from policies import Policy


def _count(policy: Policy, observed: Observation) -> Count | None:
    if policy.leakage.forget_quality is None or observed.kept is None:
        return None
    ratios = observed.ratios
    test = compare_distributions(tuple(ratios.scored.values()), ratios.never_seen, level_of(policy))
    return Count(test.p or 0.0, len(ratios.scored) if test.is_telling and not ratios.unscored else 0)


CRITERION = CriterionEntry(
    measure="forget_quality",
    kind="leakage",
    comparison="at least",
    name="forget quality (p that erased facts are like never-seen ones)",
    reason="erased facts can be told from never-seen ones (p {measured}, and {limit} must be reached)",
    count=_count,
    limit=lambda policy, _: level_of(policy),
    unit="number",
)
