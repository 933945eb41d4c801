"""Integrity of the checkpoint that was written: all checks together."""

from editor.measuring.criteria.criterion import Count, CriterionEntry, Observation
from policies import Policy


def _count(_: Policy, observed: Observation) -> Count | None:
    if observed.checks is None:
        return None
    return Count(float(sum(check.passed for check in observed.checks)), len(observed.checks))


CRITERION = CriterionEntry(
    measure="integrity",
    kind="integrity",
    comparison="at least",
    name="integrity checks of the written checkpoint",
    reason="{failed} integrity checks of the written checkpoint failed",
    count=_count,
    limit=lambda _, count: float(count.of),
    unit="number",
)
