"""Facts that greedy decoding completes after at least one wording."""

from editor.measuring.aggregate import greedy_rate
from editor.measuring.criteria.criterion import Count, CriterionEntry

CRITERION = CriterionEntry(
    measure="greedy_rate",
    kind="leakage",
    comparison="at most",
    name="facts that greedy decoding leaks",
    reason="{leaks}, and {ceiling}",
    count=lambda _, observed: Count.share(greedy_rate(observed.erased)),
    limit=lambda policy, _: policy.leakage.greedy_rate,
)
