"""Facts erased by earlier requests that greedy decoding completes again after at least one wording."""

from editor.measuring.aggregate import greedy_rate
from editor.measuring.criteria.criterion import CriterionEntry
from editor.measuring.criteria.earlier import count_earlier

CRITERION = CriterionEntry(
    measure="earlier_greedy_rate",
    kind="leakage",
    comparison="at most",
    name="facts of earlier requests that greedy decoding leaks",
    reason="greedy decoding leaks {measured} of the facts of earlier requests, and {ceiling}",
    count=lambda _, observed: count_earlier(greedy_rate(observed.erased, "erased_before")),
    limit=lambda policy, _: policy.leakage.greedy_rate,
)
