"""Questions about what else is known of the same people that are answered as before."""

from editor.measuring.criteria.criterion import CriterionEntry
from editor.measuring.criteria.kept import SAME_SUBJECT, count_kept

CRITERION = CriterionEntry(
    measure="same_subject_kept",
    kind="utility",
    comparison="at least",
    name="the same people's other facts kept",
    reason="{measured} of the same people's other facts are as they were, and {limit} must be",
    count=count_kept(SAME_SUBJECT),
    limit=lambda policy, _: policy.utility.same_subject_kept,
    groups=SAME_SUBJECT,
)
