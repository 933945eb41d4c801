"""Judge what was measured by the policy: criteria, verdict and exit code."""

from collections.abc import Sequence

from editor.audit import Scored, kept_share
from editor.report.schema import Check, Criterion, FactRow, GroupResult, Leakage, Perplexity
from policies import Policy
from policies.errors import ExitCode


def leakage_criteria(
    policy: Policy, groups: Sequence[GroupResult], facts: Sequence[FactRow]
) -> list[Criterion]:
    """The policy's ceilings against the facts in scope, all wordings together."""
    erased = next(result for result in groups if result.group == "erased" and result.wording == "all")
    now: Leakage = erased.after or erased.before
    extractable = max(row.extractable.rate for row in now.decodings)
    percentiles = [
        row.decoy_percentile_before if row.leaked_after is None else row.decoy_percentile_after
        for row in facts
    ]
    judged = [p for p in percentiles if p is not None]
    exposed = sum(p < policy.leakage.decoy_percentile for p in judged) / max(1, len(judged))
    ceilings, settings = policy.leakage, policy.decoding
    return [
        _at_most(
            "facts that greedy decoding gives away", "leakage", ceilings.greedy_rate, now.greedy_facts.rate
        ),
        _at_most(
            f"facts that {settings.budget_tries} samples give away with probability {settings.probability:g}",
            "leakage",
            ceilings.extractable_rate,
            extractable,
        ),
        _at_most(
            f"facts more exposed than all but {ceilings.decoy_percentile:g}% of decoys",
            "leakage",
            ceilings.decoy_percentile / 100,
            exposed,
        ),
    ]


def utility_criteria(
    policy: Policy, before: Scored, after: Scored, perplexity: Perplexity
) -> list[Criterion]:
    """The policy's floors against what must stay."""
    floors = policy.utility
    return [
        _at_least(
            "other people's facts kept",
            floors.others_kept,
            kept_share(before, after, ("neighbours", "others")),
        ),
        _at_least(
            "the same people's other facts kept",
            floors.same_subject_kept,
            kept_share(before, after, ("same_subject",)),
        ),
        _at_most(
            "rise of perplexity on retained text", "utility", floors.perplexity_rise, perplexity.rise or 0.0
        ),
    ]


def integrity_criterion(checks: Sequence[Check]) -> Criterion:
    """All integrity checks as one criterion."""
    passed = sum(check.passed for check in checks)
    return Criterion(
        name="integrity checks of the written checkpoint",
        kind="integrity",
        comparison="at least",
        threshold=float(len(checks)),
        measured=float(passed),
        passed=passed == len(checks),
    )


def exit_code(criteria: Sequence[Criterion], *, incomplete: bool) -> ExitCode:
    """Leakage weighs most, then utility and integrity, then whether something was skipped."""
    failed = {criterion.kind for criterion in criteria if not criterion.passed}
    if "leakage" in failed:
        return ExitCode.LEAKAGE
    if failed:
        return ExitCode.UTILITY
    return ExitCode.INCOMPLETE if incomplete else ExitCode.MET


def verdict(code: ExitCode, criteria: Sequence[Criterion]) -> str:
    """One sentence in plain words."""
    failed = [criterion.name for criterion in criteria if not criterion.passed]
    if code is ExitCode.MET:
        return "The policy is met by everything that was measured."
    if code is ExitCode.INCOMPLETE:
        return "The policy is met by what was measured, but something was skipped."
    return f"The policy is not met: {'; '.join(failed)}."


def _at_most(name: str, kind: str, threshold: float, measured: float) -> Criterion:
    return Criterion(
        name=name,
        kind=kind,  # type: ignore[arg-type]  # one of the literals
        comparison="at most",
        threshold=threshold,
        measured=measured,
        passed=measured <= threshold,
    )


def _at_least(name: str, threshold: float, measured: float) -> Criterion:
    return Criterion(
        name=name,
        kind="utility",
        comparison="at least",
        threshold=threshold,
        measured=measured,
        passed=measured >= threshold,
    )
