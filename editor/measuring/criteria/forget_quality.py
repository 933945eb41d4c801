"""Erased facts that cannot be told from never-seen ones: p of the KS test, where a policy asks for it."""

from editor.measuring.criteria.criterion import Count, CriterionEntry, Observation
from editor.measuring.forgetting import level_of
from policies import Policy


def _count(policy: Policy, observed: Observation) -> Count | None:
    if policy.leakage.forget_quality is None or observed.kept is None:
        return None
    p = observed.ratios.p(level_of(policy))
    return Count(p or 0.0, 0 if p is None else len(observed.ratios.scored))


CRITERION = CriterionEntry(
    measure="forget_quality",
    kind="leakage",
    comparison="at least",
    name="forget quality: p of the test of erased facts against never-seen ones",
    reason="erased facts can be told from never-seen ones (p {measured}, and {limit} must be reached)",
    count=_count,
    limit=lambda policy, _: level_of(policy),
    unit="number",
)
