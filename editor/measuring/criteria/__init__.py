"""What a policy asks for, each criterion an entry of `CRITERIA`.

The search, the verdict, the gate, the comparison and every rendering read it from here. A new criterion is a file
beside these, which defines `CRITERION`, and its name in the table.
"""

from collections.abc import Mapping
from importlib import import_module

from editor.measuring.criteria.criterion import CriterionEntry, Observation, RetainedText
from editor.results.report import Criterion
from policies import Policy

__all__ = ["CRITERIA", "CriterionEntry", "Observation", "RetainedText", "judge"]

CRITERIA: Mapping[str, CriterionEntry] = {
    name: import_module(f"editor.measuring.criteria.{name}").CRITERION
    for name in (
        "greedy_rate",
        "extractable_rate",
        "decoy_percentile",
        "forget_quality",
        "earlier_greedy_rate",
        "earlier_extractable_rate",
        "others_kept",
        "same_subject_kept",
        "perplexity_rise",
        "integrity",
    )
}
"""By measure, the gravest first: the order of every table."""


def judge(policy: Policy, observed: Observation) -> tuple[Criterion, ...]:
    """Judge what was observed by every criterion that it can be asked for; the only place where a policy is judged."""
    judged = (entry.judge(policy, observed) for entry in CRITERIA.values())
    return tuple(row for row in judged if row is not None)
