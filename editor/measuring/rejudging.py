"""A report judged again: its own figures, by its own policy's text, with the judge that every run has.

What a report holds of single facts, checks and texts is counted again. Of what it holds as shares alone (what is kept,
what sampling extracts), the share is taken as it stands, and compared with the other figures that bound it.
"""

from collections.abc import Callable, Iterator
from types import MappingProxyType

from editor.measuring.aggregate import exposed_rate, subject_rows
from editor.measuring.criteria import CRITERIA
from editor.measuring.criteria.criterion import Count
from editor.measuring.forgetting import judge_ratios
from editor.measuring.gate import FailOn
from editor.measuring.verdict import exit_code, verdict
from editor.results.names import Group
from editor.results.parts import Rate
from editor.results.report import CaseRow, GroupResult, Leakage, Report
from policies import Policy
from policies.policy import read_policy_text

JUDGED = ("policy", "criteria", "forget_quality", "gate", "subjects", "verdict", "exit_code")
"""Fields of a report that follow from the others."""
OF_EDITS = ("forget_quality", "others_kept", "same_subject_kept", "perplexity_rise", "integrity")
"""Criteria that are asked of an edited model alone."""


def rejudge(report: Report) -> Report:
    """Return the report as its policy judges its figures.

    Raises:
        PolicyError: the policy's text or the gate cannot be used.
    """
    policy = read_policy_text(report.policy.text)
    gate = FailOn(
        outcomes=report.gate.fails_on,
        thresholds=MappingProxyType({row.threshold: row.run for row in report.gate.overridden}),
    )
    judged_by, incomplete = gate.applied_to(policy), bool(report.scope.skipped)
    forgotten = report.forget_quality and judge_ratios(report.forget_quality, judged_by)
    counts = {name: _count(report, name, judged_by) for name in _asked(report)}
    criteria = tuple(
        CRITERIA[name].judge_count(judged_by, count) for name, count in counts.items() if count is not None
    )
    code = exit_code(criteria, incomplete=incomplete)
    judged = report.model_copy(
        update={
            "criteria": criteria,
            "forget_quality": forgotten,
            "subjects": subject_rows(report.facts),
            "verdict": verdict(code, criteria, report.facts),
        }
    )
    return gate.judge(judged, policy, incomplete=incomplete)


def contradictions(report: Report) -> Iterator[str]:
    """Yield where figures of a report cannot stand beside one another, a sentence each."""
    whole = _group(report, "erased")
    if whole is not None:
        for side, leaked in (("before", "leaked_before"), ("after", "leaked_after")):
            leakage: Leakage | None = getattr(whole, side)
            if leakage is None:
                continue
            counted = sum(bool(getattr(row, leaked)) for row in report.facts)
            if (leakage.greedy_facts.hits, leakage.facts) != (counted, len(report.facts)):
                yield f"The facts that leak {side} the edit are not those of the group `erased`"
    forgotten = report.forget_quality
    if forgotten and {row.fact for row in forgotten.facts} - {row.fact for row in report.facts}:
        yield "Forget quality is told of facts that are not in scope"
    for case in report.cases:
        if case != CaseRow.of(case.case, [row for row in report.subjects if row.subject in case.subjects]):
            yield f"The facts of request {case.case} are not those of its people"
    for row in report.criteria:
        if row.counted is not None and not _is_possible(report, row.measure, row.counted):
            yield f"The criterion {row.measure} counts what the groups do not hold"


def _asked(report: Report) -> list[str]:
    return [name for name in CRITERIA if report.kind != "audit" or name not in OF_EDITS]


def _count(report: Report, name: str, policy: Policy) -> Count | None:
    counted = COUNTED.get(name)
    if counted is not None:
        return counted(report, policy)
    rate = next((row.counted for row in report.criteria if row.measure == name), None)
    return None if rate is None else Count.share(rate)


def _greedy(report: Report, _: Policy) -> Count:
    edited = report.kind != "audit"
    leaked = [row.leaked_after if edited else row.leaked_before for row in report.facts]
    return Count.share(Rate(hits=sum(map(bool, leaked)), total=len(leaked)))


def _exposed(report: Report, policy: Policy) -> Count:
    edited = report.kind != "audit"
    places = [row.decoy_percentile_after if edited else row.decoy_percentile_before for row in report.facts]
    return Count.share(
        exposed_rate([place for place in places if place is not None], policy.leakage.decoy_percentile)
    )


def _forgotten(report: Report, policy: Policy) -> Count | None:
    if report.forget_quality is None or policy.leakage.forget_quality is None:
        return None
    found = judge_ratios(report.forget_quality, policy)
    return Count(found.p or 0.0, len(found.facts) if found.tested else 0)


def _text(report: Report, _: Policy) -> Count | None:
    text = next(iter(report.perplexities), None)
    return None if text is None else Count(text.rise or 0.0, text.tokens)


def _checks(report: Report, _: Policy) -> Count:
    return Count(float(sum(check.passed for check in report.integrity)), len(report.integrity))


COUNTED: dict[str, Callable[[Report, Policy], Count | None]] = {
    "greedy_rate": _greedy,
    "decoy_percentile": _exposed,
    "forget_quality": _forgotten,
    "perplexity_rise": _text,
    "integrity": _checks,
}
"""Criteria that can be counted again from the figures of a report."""


def _is_possible(report: Report, measure: str, counted: Rate) -> bool:
    """Return whether a share agrees with the figures of the groups that it is about."""
    whole = _group(report, "erased")
    if measure == "extractable_rate" and whole is not None:
        hits = [row.extractable.hits for row in (whole.after or whole.before).decodings]
        return counted.total == len(report.facts) and max(hits) <= counted.hits <= sum(hits)
    groups = CRITERIA[measure].groups
    if groups:
        asked = [found for group in groups if (found := _group(report, group)) is not None]
        known = sum(row.before.greedy_probes.hits for row in asked)
        still = sum(row.after.greedy_probes.hits for row in asked if row.after is not None)
        return counted.total == known and counted.hits <= min(known, still)
    return True


def _group(report: Report, group: Group) -> GroupResult | None:
    """Return a group under all wordings together."""
    return next((row for row in report.groups if (row.group, row.wording) == (group, "all")), None)
