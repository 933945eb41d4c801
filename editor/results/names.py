"""Names that results are keyed by, each spelled out here and nowhere else."""

from typing import Literal, get_args

from policies.errors import ExitCode

Group = Literal["erased", "erased_before", "same_subject", "neighbours", "others", "decoys"]
"""Group that a request puts a target in; `erased_before` is what an earlier one had erased."""
Wording = Literal["trained", "template", "held_out", "prefix", "unnamed", "spelling", "free"]
"""Origin of a prompt's wording."""
Wordings = Literal[Wording, "all"]
"""One family of wordings, or all of them together."""
MethodFamily = Literal["features", "neurons", "circuits", "weights", "random"]
"""Kind of units that a method edits; `random` for controls."""
Outcome = Literal["leakage", "utility", "incomplete"]
"""Outcome that can fail a run."""

GROUPS: tuple[Group, ...] = get_args(Group)
WORDINGS: tuple[Wordings, ...] = (*get_args(Wording), "all")
EXIT_CODES: dict[Outcome, ExitCode] = {
    "leakage": ExitCode.LEAKAGE,
    "utility": ExitCode.UTILITY,
    "incomplete": ExitCode.INCOMPLETE,
}
"""Every outcome that can fail a run, gravest first; the integrity of a written checkpoint counts as utility."""
