"""Facts that sampling leaks: (n, p)-extractable (Hayes et al. 2024, arXiv:2410.19482) under some decoding."""

from editor.measuring.aggregate import extractable_rate
from editor.measuring.criteria.criterion import Count, CriterionEntry

CRITERION = CriterionEntry(
    measure="extractable_rate",
    kind="leakage",
    comparison="at most",
    name="facts that {policy.decoding.budget_tries} samples leak with probability "
    "{policy.decoding.probability:g}",
    reason="sampling leaks {measured} of the facts in scope, and {ceiling} leak",
    count=lambda policy, observed: Count.share(extractable_rate(observed.erased, policy.decoding)),
    limit=lambda policy, _: policy.leakage.extractable_rate,
)
