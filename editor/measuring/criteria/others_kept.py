"""Questions about other people that are answered as before."""

from editor.measuring.criteria.criterion import CriterionEntry
from editor.measuring.criteria.kept import OTHERS, count_kept

CRITERION = CriterionEntry(
    measure="others_kept",
    kind="utility",
    comparison="at least",
    name="other people's facts kept",
    reason="{measured} of other people's facts are as they were, and {limit} must be",
    count=count_kept(OTHERS),
    limit=lambda policy, _: policy.utility.others_kept,
    groups=OTHERS,
)
