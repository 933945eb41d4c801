"""What a policy asks for, each criterion an entry of `CRITERIA`.

The search, the verdict, the gate, the comparison and every rendering read it from here. A new criterion is a file
beside these and a line in the table.
"""

from collections.abc import Mapping

from editor.measuring.criteria.criterion import CriterionEntry, Observation, RetainedText
from editor.measuring.criteria.decoy_percentile import DECOY_PERCENTILE
from editor.measuring.criteria.extractable_rate import EXTRACTABLE_RATE
from editor.measuring.criteria.greedy_rate import GREEDY_RATE
from editor.measuring.criteria.integrity import INTEGRITY
from editor.measuring.criteria.kept import OTHERS_KEPT, SAME_SUBJECT_KEPT
from editor.measuring.criteria.perplexity_rise import PERPLEXITY_RISE
from editor.results.report import Criterion
from policies import Policy

__all__ = ["CRITERIA", "CriterionEntry", "Observation", "RetainedText", "judge"]

CRITERIA: Mapping[str, CriterionEntry] = {
    entry.measure: entry
    for entry in (
        GREEDY_RATE,
        EXTRACTABLE_RATE,
        DECOY_PERCENTILE,
        OTHERS_KEPT,
        SAME_SUBJECT_KEPT,
        PERPLEXITY_RISE,
        INTEGRITY,
    )
}
"""By measure, the gravest first: the order of every table."""


def judge(policy: Policy, observed: Observation) -> tuple[Criterion, ...]:
    """Judge what was observed by every criterion that it can be asked for; the only place where a policy is judged."""
    judged = (entry.judge(policy, observed) for entry in CRITERIA.values())
    return tuple(row for row in judged if row is not None)
