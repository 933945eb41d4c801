"""From judged criteria to an exit code and one sentence."""

from collections.abc import Collection, Sequence

from editor.formatting import percent, plural
from editor.measuring.criteria import CRITERIA
from editor.results.names import EXIT_CODES, Outcome
from editor.results.report import Criterion, FactRow, Gate
from policies.errors import ExitCode


def outcomes(criteria: Sequence[Criterion], *, incomplete: bool) -> tuple[Outcome, ...]:
    """Return what went wrong, gravest first.

    Args:
        criteria: judged criteria; one that the policy asks for and that had nothing to count makes the run incomplete.
        incomplete: whether something was skipped.
    """
    occurred: set[Outcome] = {CRITERIA[row.measure].outcome for row in criteria if row.failed}
    if incomplete or any(row.missing for row in criteria):
        occurred.add("incomplete")
    return tuple(outcome for outcome in EXIT_CODES if outcome in occurred)


def exit_code(
    criteria: Sequence[Criterion], *, incomplete: bool, fails_on: Collection[Outcome] = Gate().fails_on
) -> ExitCode:
    """Return the code of the gravest outcome among those that fail the run."""
    failing = (outcome for outcome in outcomes(criteria, incomplete=incomplete) if outcome in fails_on)
    return next((EXIT_CODES[outcome] for outcome in failing), ExitCode.MET)


def verdict(code: ExitCode, criteria: Sequence[Criterion], facts: Sequence[FactRow]) -> str:
    """Say in one sentence with numbers what came out of it for the facts in scope, or what the policy misses.

    Args:
        code: exit code of the run, as `exit_code` returns it.
        criteria: criteria of the policy, judged.
        facts: facts in scope; `leaked_after` None for an audit.
    """
    edited = any(row.leaked_after is not None for row in facts)
    failed = [criterion for criterion in criteria if criterion.failed]
    leaks = _after_the_edit(facts) if edited else _of_the_model(facts)
    if not failed:
        kept = _kept(criteria) if edited else ""
        return f"{' '.join(('The policy is met', *_reservation(code, criteria)))}: {leaks}{kept}."
    untested = _untested(criteria)
    beside = f"; not tested: {untested}" if untested else ""
    if edited:
        return f"The policy is not met: {_reasons(failed, facts)}{beside}."
    if failed[0].measure == "greedy_rate":
        return f"{leaks[:1].upper()}{leaks[1:]}{beside}."
    return f"The policy is not met: {leaks} greedily, but {_reasons(failed, facts)}{beside}."


def _reservation(code: ExitCode, criteria: Sequence[Criterion]) -> tuple[str, ...]:
    """Say what stands in the way of calling the policy met: what was not tested, and what was not read."""
    untested = _untested(criteria)
    if untested:
        return (f"by what was measured, but not everything was tested ({untested})",)
    return ("by what was measured, but something was skipped",) if code is ExitCode.INCOMPLETE else ()


def _untested(criteria: Sequence[Criterion]) -> str:
    return ", ".join(row.name for row in criteria if not row.tested)


def _of_the_model(facts: Sequence[FactRow]) -> str:
    leaked = sum(row.leaked_before for row in facts)
    if len(facts) == 1:
        return f"the model {'leaks' if leaked else 'does not leak'} the one fact in scope"
    return f"the model leaks {f'{leaked:,}' if leaked else 'none'} of the {len(facts):,} facts in scope"


def _after_the_edit(facts: Sequence[FactRow]) -> str:
    """Say what became of the facts: 'none of the 25 facts of 5 people leaks any more'."""
    before, after = sum(row.leaked_before for row in facts), sum(bool(row.leaked_after) for row in facts)
    people = plural(len({row.subject for row in facts}), "person").replace("persons", "people")
    some = f"{after:,} of the {len(facts):,} facts of {people}"
    none, it = f"none of the {len(facts):,} facts of {people} leaks", "any"
    if len(facts) == 1:
        some, none, it = "the one fact in scope", "the one fact in scope does not leak", "it"
    if after:
        return f"{some} still {'leaks' if after == 1 else 'leak'}"
    if before == 0:
        return f"{none}, nor did {it} before the edit"
    return f"{none} any more" + (f" ({before:,} did)" if before < len(facts) else "")


def _kept(criteria: Sequence[Criterion]) -> str:
    """Say ', and 99.8% of other people's facts are as they were', where there were any."""
    kept = next((row for row in criteria if row.measure == "others_kept"), None)
    if kept is None or kept.measured is None:
        return ""
    return f", and {percent(kept.measured)} of other people's facts are as they were"


def _reasons(failed: Sequence[Criterion], facts: Sequence[FactRow]) -> str:
    """Name at most two of the criteria that failed, measured and limit, and how many more there are."""
    leaks = _after_the_edit(facts)
    said = "; ".join(CRITERIA[row.measure].reason_text(row, leaks) for row in failed[:2])
    more = len(failed) - 2
    return f"{said}; {more} more {'criterion fails' if more == 1 else 'criteria fail'}" if more > 0 else said
