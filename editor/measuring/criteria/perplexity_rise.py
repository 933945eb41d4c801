"""Rise of perplexity on retained text that the edit never saw."""

from editor.measuring.criteria.criterion import Count, CriterionEntry, Observation
from policies import Policy


def _count(_: Policy, observed: Observation) -> Count | None:
    return None if observed.text is None else Count(observed.text.rise, observed.text.tokens)


CRITERION = CriterionEntry(
    measure="perplexity_rise",
    kind="utility",
    comparison="at most",
    name="rise of perplexity on retained text",
    reason="the rise of perplexity on retained text is {measured}, and {limit} is allowed",
    count=_count,
    limit=lambda policy, _: policy.utility.perplexity_rise,
    unit="change",
)
