"""Counting of questions about what must stay, answered before the edit and after it."""

from collections.abc import Callable

from editor.measuring.aggregate import kept_rate
from editor.measuring.criteria.criterion import Count, Observation
from editor.results.names import Group
from policies import Policy

OTHERS: tuple[Group, ...] = ("neighbours", "others")
SAME_SUBJECT: tuple[Group, ...] = ("same_subject",)


def count_kept(groups: tuple[Group, ...]) -> Callable[[Policy, Observation], Count | None]:
    """Count questions about some groups; there are none to ask where no edit is judged."""

    def count(_: Policy, observed: Observation) -> Count | None:
        return None if observed.kept is None else Count.share(kept_rate(*observed.kept, groups))

    return count
