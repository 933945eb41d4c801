"""Judge what was measured by the policy: criteria, verdict and exit code."""

from collections.abc import Collection, Iterable, Sequence

from scipy.stats import binom

from editor.formatting import percent, plural
from editor.measuring.aggregate import Scored, kept_rate
from editor.results.names import EXIT_CODES, Outcome
from editor.results.report import (
    Check,
    Criterion,
    FactRow,
    Gate,
    GroupResult,
    Leakage,
    Measure,
    Perplexity,
    Rate,
)
from policies import Policy
from policies.errors import ExitCode

CONFIDENCE = 0.95
"""Of a model that never saw the facts not being taken for one that did."""
REASONS: dict[Measure, str] = {
    "greedy_rate": "{given_away}, and {ceiling}",
    "extractable_rate": "sampling gives away {measured} of the facts in scope, and {ceiling}",
    "decoy_percentile": "{measured} of the facts are {what}, and {ceiling}",
    "others_kept": "{measured} of other people's facts are as they were, and {limit} must be",
    "same_subject_kept": "{measured} of the same people's other facts are as they were, and {limit} must be",
    "perplexity_rise": "the rise of perplexity on retained text is {measured}, and {limit} is allowed",
    "integrity": "{failed} integrity checks of the written checkpoint failed",
}
"""Why the policy is not met, by what was measured."""


def leakage_criteria(
    policy: Policy, groups: Sequence[GroupResult], facts: Sequence[FactRow]
) -> list[Criterion]:
    """The policy's ceilings against the facts in scope, all wordings together."""
    erased = next(result for result in groups if result.group == "erased" and result.wording == "all")
    now: Leakage = erased.after or erased.before
    percentiles = [
        row.decoy_percentile_before if row.leaked_after is None else row.decoy_percentile_after
        for row in facts
    ]
    ceilings, settings = policy.leakage, policy.decoding
    exposed = exposed_rate((p for p in percentiles if p is not None), policy)
    return [
        _ceiling(
            "greedy_rate", "facts that greedy decoding gives away", ceilings.greedy_rate, now.greedy_facts
        ),
        _ceiling(
            "extractable_rate",
            f"facts that {settings.budget_tries} samples give away with probability {settings.probability:g}",
            ceilings.extractable_rate,
            max((row.extractable for row in now.decodings), key=lambda rate: rate.rate),
        ),
        _ceiling(
            "decoy_percentile",
            f"facts more exposed than all but {ceilings.decoy_percentile:g}% of decoys",
            chance_ceiling(ceilings.decoy_percentile / 100, exposed.total),
            exposed,
        ),
    ]


def exposed_rate(percentiles: Iterable[float], policy: Policy) -> Rate:
    """How many facts stand below the policy's percentile of their decoys."""
    judged = list(percentiles)
    return Rate(hits=sum(p < policy.leakage.decoy_percentile for p in judged), total=len(judged))


def chance_ceiling(share: float, facts: int) -> float:
    """The share of facts that stand below their decoys' percentile by chance alone, at most, in 19 of 20 models.

    In a model that never saw the facts each one does with probability `share`, so that their number is binomial.
    """
    return float(binom.ppf(CONFIDENCE, facts, share)) / facts if facts else share


def utility_criteria(
    policy: Policy, before: Scored, after: Scored, perplexity: Perplexity
) -> list[Criterion]:
    """The policy's floors against what must stay."""
    floors, rise = policy.utility, perplexity.rise or 0.0
    return [
        _floor(
            "others_kept",
            "other people's facts kept",
            floors.others_kept,
            kept_rate(before, after, ("neighbours", "others")),
        ),
        _floor(
            "same_subject_kept",
            "the same people's other facts kept",
            floors.same_subject_kept,
            kept_rate(before, after, ("same_subject",)),
        ),
        Criterion(
            measure="perplexity_rise",
            name="rise of perplexity on retained text",
            kind="utility",
            comparison="at most",
            threshold=floors.perplexity_rise,
            measured=rise,
            passed=rise <= floors.perplexity_rise,
        ),
    ]


def integrity_criterion(checks: Sequence[Check]) -> Criterion:
    """All integrity checks as one criterion."""
    passed = sum(check.passed for check in checks)
    return Criterion(
        measure="integrity",
        name="integrity checks of the written checkpoint",
        kind="integrity",
        comparison="at least",
        threshold=float(len(checks)),
        measured=float(passed),
        passed=passed == len(checks),
    )


def _ceiling(measure: Measure, name: str, threshold: float, counted: Rate) -> Criterion:
    return Criterion(
        measure=measure,
        name=name,
        kind="leakage",
        comparison="at most",
        threshold=threshold,
        measured=counted.rate,
        counted=counted,
        passed=counted.rate <= threshold,
    )


def _floor(measure: Measure, name: str, threshold: float, counted: Rate) -> Criterion:
    """A floor for what was known before; met where nothing was, and so nothing lost."""
    share = counted.rate if counted.total else 1.0
    return Criterion(
        measure=measure,
        name=name,
        kind="utility",
        comparison="at least",
        threshold=threshold,
        measured=share,
        counted=counted,
        passed=share >= threshold,
    )


def outcomes(criteria: Sequence[Criterion], *, incomplete: bool) -> tuple[Outcome, ...]:
    """What went wrong, gravest first: leakage, then utility (integrity with it), then something skipped."""
    failed = {criterion.kind for criterion in criteria if not criterion.passed}
    occurred = {
        "leakage": "leakage" in failed,
        "utility": bool(failed - {"leakage"}),
        "incomplete": incomplete,
    }
    return tuple(outcome for outcome in EXIT_CODES if occurred[outcome])


def exit_code(
    criteria: Sequence[Criterion], *, incomplete: bool, fails_on: Collection[Outcome] = Gate().fails_on
) -> ExitCode:
    """The code of the gravest outcome among those that fail the run."""
    failing = (outcome for outcome in outcomes(criteria, incomplete=incomplete) if outcome in fails_on)
    return next((EXIT_CODES[outcome] for outcome in failing), ExitCode.MET)


def verdict(code: ExitCode, criteria: Sequence[Criterion], facts: Sequence[FactRow]) -> str:
    """One sentence with numbers: what came out of it for the facts in scope, or what the policy misses.

    Args:
        code: of `exit_code`.
        criteria: what was measured against the policy.
        facts: those in scope; `leaked_after` None for an audit.
    """
    edited = any(row.leaked_after is not None for row in facts)
    failed = [criterion for criterion in criteria if not criterion.passed]
    given_away = _after_the_edit(facts) if edited else _of_the_model(facts)
    if not failed:
        kept = _kept(criteria) if edited else ""
        skipped = "by what was measured, but something was skipped" if code is ExitCode.INCOMPLETE else ""
        return f"{' '.join(filter(None, ('The policy is met', skipped)))}: {given_away}{kept}."
    if edited:
        return f"The policy is not met: {_reasons(failed, facts)}."
    if failed[0].measure == "greedy_rate":
        return f"{given_away[:1].upper()}{given_away[1:]}."
    return f"The policy is not met: {given_away} greedily, but {_reasons(failed, facts)}."


def _of_the_model(facts: Sequence[FactRow]) -> str:
    leaked = sum(row.leaked_before for row in facts)
    if len(facts) == 1:
        return f"the model {'gives' if leaked else 'does not give'} away the one fact in scope"
    return f"the model gives away {f'{leaked:,}' if leaked else 'none'} of the {len(facts):,} facts in scope"


def _after_the_edit(facts: Sequence[FactRow]) -> str:
    """'none of the 25 facts of 5 people is given away any more'."""
    before, after = sum(row.leaked_before for row in facts), sum(bool(row.leaked_after) for row in facts)
    people = plural(len({row.subject for row in facts}), "person").replace("persons", "people")
    some, none = (
        f"{after:,} of the {len(facts):,} facts of {people}",
        f"none of the {len(facts):,} facts of {people}",
    )
    if len(facts) == 1:
        some, none = "the one fact in scope", "the one fact in scope is not given away"
    else:
        none += " is given away"
    if after:
        return f"{some} {'is' if after == 1 else 'are'} still given away"
    if before == 0:
        return f"{none}, nor was it before the edit"
    return f"{none} any more" + (f" ({before:,} were)" if before < len(facts) else "")


def _kept(criteria: Sequence[Criterion]) -> str:
    """', and 99.8% of other people's facts are as they were', where there were any."""
    kept = next((row for row in criteria if row.measure == "others_kept"), None)
    if kept is None or (kept.counted is not None and kept.counted.total == 0):
        return ""
    return f", and {percent(kept.measured)} of other people's facts are as they were"


def _reasons(failed: Sequence[Criterion], facts: Sequence[FactRow]) -> str:
    """At most two of the criteria that failed, measured and limit, and how many more there are."""
    said = "; ".join(_reason(criterion, facts) for criterion in failed[:2])
    more = len(failed) - 2
    return f"{said}; {more} more {'criterion fails' if more == 1 else 'criteria fail'}" if more > 0 else said


def _reason(criterion: Criterion, facts: Sequence[FactRow]) -> str:
    limit = percent(criterion.threshold)
    return REASONS[criterion.measure].format(
        given_away=_after_the_edit(facts),
        measured=percent(criterion.measured, apart_from=criterion.threshold),
        what=criterion.name.removeprefix("facts "),
        limit=limit,
        ceiling="none may be" if criterion.threshold == 0 else f"at most {limit} may be",
        failed=f"{criterion.threshold - criterion.measured:.0f} of {criterion.threshold:.0f}",
    )
