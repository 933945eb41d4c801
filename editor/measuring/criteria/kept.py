"""Questions about what must stay, answered before the edit and after it."""

from collections.abc import Callable

from editor.measuring.aggregate import kept_rate
from editor.measuring.criteria.criterion import Count, CriterionEntry, Observation
from editor.results.names import Group
from policies import Policy

OTHERS: tuple[Group, ...] = ("neighbours", "others")
SAME_SUBJECT: tuple[Group, ...] = ("same_subject",)


def count_kept(groups: tuple[Group, ...]) -> Callable[[Policy, Observation], Count | None]:
    """Count questions about some groups; there are none to ask where no edit is judged."""

    def count(_: Policy, observed: Observation) -> Count | None:
        return None if observed.kept is None else Count.share(kept_rate(*observed.kept, groups))

    return count


OTHERS_KEPT = CriterionEntry(
    measure="others_kept",
    kind="utility",
    comparison="at least",
    name="other people's facts kept",
    reason="{measured} of other people's facts are as they were, and {limit} must be",
    count=count_kept(OTHERS),
    limit=lambda policy, _: policy.utility.others_kept,
    groups=OTHERS,
)
SAME_SUBJECT_KEPT = CriterionEntry(
    measure="same_subject_kept",
    kind="utility",
    comparison="at least",
    name="the same people's other facts kept",
    reason="{measured} of the same people's other facts are as they were, and {limit} must be",
    count=count_kept(SAME_SUBJECT),
    limit=lambda policy, _: policy.utility.same_subject_kept,
    groups=SAME_SUBJECT,
)
