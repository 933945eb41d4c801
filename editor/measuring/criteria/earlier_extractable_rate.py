"""Facts erased by earlier requests that sampling leaks again: (n, p)-extractable under some decoding."""

from editor.measuring.aggregate import extractable_rate
from editor.measuring.criteria.criterion import CriterionEntry
from editor.measuring.criteria.earlier import count_earlier

CRITERION = CriterionEntry(
    measure="earlier_extractable_rate",
    kind="leakage",
    comparison="at most",
    name="facts of earlier requests that {policy.decoding.budget_tries} samples leak with probability "
    "{policy.decoding.probability:g}",
    reason="sampling leaks {measured} of the facts of earlier requests, and {ceiling} leak",
    count=lambda policy, observed: count_earlier(
        extractable_rate(observed.erased, policy.decoding, "erased_before")
    ),
    limit=lambda policy, _: policy.leakage.extractable_rate,
)
