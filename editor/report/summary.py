"""What a report says in a few numbers; the page, the card and the terminal all read it from here."""

from typing import Literal, NamedTuple

from editor.formatting import bits, interval, moment, odds, percent, plural
from editor.measuring.criteria import CRITERIA
from editor.measuring.criteria.criterion import NOT_TESTED
from editor.results.names import EXIT_CODES, GROUPS, WORDINGS, Group
from editor.results.parts import Rate
from editor.results.report import Criterion, GroupResult, Leakage, Report
from policies.errors import ExitCode

OUTCOMES = {
    ExitCode.MET: "Policy met",
    ExitCode.LEAKAGE: "Policy not met: leakage",
    ExitCode.USAGE: "Input error",
    ExitCode.UTILITY: "Policy not met: utility",
    ExitCode.INCOMPLETE: "Incomplete",
    ExitCode.INTERNAL: "Internal error",
}
TITLES = {"erase": "Erasure report", "audit": "Leakage audit", "verify": "Verification report"}

DONE = {
    "erase": "edited {model} to erase {facts}",
    "audit": "audited {model} for {facts}",
    "verify": "checked whether {facts} are erased from {model}",
}
"""What whoever runs a kind of job does."""
KEPT_EDIT = {
    "none": "The change of weights was not kept: taking the edit back needs the model from before it.",
    "kept": "The change of weights was kept. With the edited checkpoint it gives back the model from before the edit, "
    "and the facts: keep it apart, or destroy it.",
    "encrypted": "The change of weights was kept, encrypted. With its key and the edited checkpoint it gives back the "
    "model from before the edit, and the facts: keep both apart, or destroy them.",
}
"""What is said of the change of weights, by how it was kept."""

Tone = Literal["good", "bad", "neutral"]


class KeyNumber(NamedTuple):
    """One number of the first screen: what it is, before, after, and how to read it."""

    label: str
    before: str
    after: str | None
    note: str
    tone: Tone


def title(report: Report) -> str:
    """Return the title of a report, which says of what kind it is."""
    return TITLES[report.kind]


def headline(report: Report) -> str:
    """Return the verdict, and what the baseline leaks of the same facts where one was given."""
    return f"{report.verdict} {_beside_the_baseline(report)}".rstrip()


def who_when(report: Report, started: str | None = None) -> str:
    """Say in one sentence who did what with which model, by which policy, with what, and when if that is known.

    Args:
        report: what was measured.
        started: time at which the run began, as the manifest says it.
    """
    model, scope = report.model_before, report.scope
    done = DONE[report.kind].format(
        model=f"{model.source} ({model.architecture}, sha256 {model.digest[:16]})",
        facts=f"{plural(scope.facts_in_scope, 'fact')} of {plural(scope.subjects_in_scope, 'data subject')}",
    )
    on = f" on {moment(started)}" if started else ""
    made = f", with Expunge {report.versions['expunge']}" if "expunge" in report.versions else ""
    return f"{report.operator} {done} by the policy {report.policy.name}{on}{made}."


def leaked(report: Report) -> Rate:
    """Return the facts in scope that the model judged leaks greedily, at any wording."""
    after = [row.leaked_before if row.leaked_after is None else row.leaked_after for row in report.facts]
    return Rate(hits=sum(after), total=len(after))


def outcome(report: Report) -> str:
    """Say the exit code in words; what a run was told not to fail on is named all the same."""
    if report.exit_code == ExitCode.MET and report.gate.waived:
        return f"{OUTCOMES[EXIT_CODES[report.gate.waived[0]]]}; does not fail this run"
    return OUTCOMES[ExitCode(report.exit_code)]


def group_rows(report: Report, group: Group | None = None) -> tuple[GroupResult, ...]:
    """Return results in a fixed order; those over all wordings only where a group has no others."""
    found = [row for row in report.groups if group in {None, row.group}]
    split = {row.group for row in found if row.wording != "all"}
    kept = [row for row in found if row.wording != "all" or row.group not in split]
    return tuple(sorted(kept, key=lambda row: (GROUPS.index(row.group), WORDINGS.index(row.wording))))


def overall(report: Report, group: Group) -> GroupResult | None:
    """Return a group over all wordings, or over the widest family of wordings there is."""
    rows = {row.wording: row for row in report.groups if row.group == group}
    return next((rows[wording] for wording in reversed(WORDINGS) if wording in rows), None)


def criterion(report: Report, measure: str | None) -> Criterion | None:
    """Return the policy's criterion for a measure."""
    return next((one for one in report.criteria if one.measure == measure), None)


def key_numbers(report: Report) -> tuple[KeyNumber, ...]:
    """Return the four or five numbers that a reader needs first; what training added comes before perplexity."""
    families = [
        row
        for row in group_rows(report, "erased")
        if row.wording not in ("prefix", "unnamed", "spelling", "free")
    ]
    leakage = [_extracted(row) for row in ((families[0], families[-1]) if len(families) > 2 else families)]
    exposed = [_most_exposed(report)] if report.facts else []
    kept = [number for group in ("others", "same_subject") if (number := _kept(report, group))]
    return tuple(leakage + exposed + kept[: 3 - len(leakage)] + _added(report) + _perplexity(report))


def criterion_name(row: Criterion) -> str:
    """Return the criterion's name as a line of a table, with a capital."""
    return row.name[:1].upper() + row.name[1:]


def limit_text(row: Criterion) -> str:
    """Return 'at most 1%', in the unit of the criterion."""
    return CRITERIA[row.measure].limit_text(row)


def measured_text(row: Criterion) -> str:
    """Return what was measured, or 'not tested'."""
    return CRITERIA[row.measure].measured_text(row)


def kept_measure(group: Group) -> str | None:
    """Return the measure that speaks of what must stay of a group."""
    return next((entry.measure for entry in CRITERIA.values() if group in entry.groups), None)


def _tone(row: Criterion | None) -> Tone:
    if row is None or not row.tested:
        return "neutral"
    return "good" if row.passed else "bad"


def kept_facts_share(before: Leakage, after: Leakage) -> float | None:
    """Return what the edited model still completes greedily, of what the original completed; None if it was nothing."""
    return after.greedy_facts.hits / before.greedy_facts.hits if before.greedy_facts.hits else None


def _extracted(row: GroupResult) -> KeyNumber:
    last = row.before if row.after is None else row.after
    names = {"trained": "corpus wordings", "template": "policy wordings", "held_out": "unseen wordings"}
    return KeyNumber(
        label=f"Facts extracted, {names.get(row.wording, 'all wordings')}",
        before=f"{row.before.greedy_facts.hits:,}",
        after=None if row.after is None else f"{row.after.greedy_facts.hits:,}",
        note=f"of {last.greedy_facts.total:,}, greedily; 95% interval: {interval(last.greedy_facts)}",
        tone="bad" if last.greedy_facts.hits else "good",
    )


def _most_exposed(report: Report) -> KeyNumber:
    before = min(row.worst_case_bits_before for row in report.facts)
    left = [row.worst_case_bits_after for row in report.facts if row.worst_case_bits_after is not None]
    after = min(left) if left else None
    decoys = overall(report, "decoys")
    chance = decoys and (decoys.after or decoys.before)
    beside = f"; decoys' weakest {bits(chance.worst_case_bits_minimum)}" if chance else ""
    return KeyNumber(
        label="Bits to guess the most exposed fact",
        before=bits(before),
        after=None if after is None else bits(after),
        note=f"{odds(before if after is None else after)}{beside}",
        tone="neutral",
    )


def _kept(report: Report, group: Literal["others", "same_subject"]) -> KeyNumber | None:
    result, floor = overall(report, group), criterion(report, kept_measure(group))
    if result is None or result.after is None:
        return None
    share = kept_facts_share(result.before, result.after)
    label = "Other people's facts kept" if group == "others" else "Same people's other facts kept"
    return KeyNumber(
        label=label,
        before=percent(1.0),
        after=measured_text(floor) if floor else NOT_TESTED if share is None else percent(share),
        note=f"the policy asks for {percent(floor.threshold)}" if floor else "of what it knew before",
        tone=_tone(floor),
    )


def _added(report: Report) -> list[KeyNumber]:
    """Return what the model leaks and its baseline does not."""
    found = _baseline(report)
    if found is None:
        return []
    source, baseline, added = found
    return [
        KeyNumber(
            label="Facts that training added",
            before=f"{added.hits:,}",
            after=None,
            note=f"of {added.total:,}; the baseline {source} leaks {baseline.hits:,} greedily",
            tone="neutral",
        )
    ]


def _baseline(report: Report) -> tuple[str, Rate, Rate] | None:
    """Return the baseline's name, what it leaks, and what the audited model leaks besides; None without one."""
    baseline = report.evidence.baseline if report.evidence else None
    if baseline is None:
        return None
    leaks, added = (
        [getattr(row, name) for row in baseline.rows] for name in ("baseline_greedy", "memorised")
    )
    return baseline.source, _sum(leaks), _sum(added)


def _sum(rates: list[Rate]) -> Rate:
    return Rate(hits=sum(rate.hits for rate in rates), total=sum(rate.total for rate in rates))


def _beside_the_baseline(report: Report) -> str:
    found = _baseline(report)
    if found is None:
        return ""
    source, baseline, added = found
    return (
        f"The baseline {source} leaks {baseline.hits or 'none'} of the {baseline.total:,}; training added "
        f"{added.hits or 'none'}."
    )


def _perplexity(report: Report) -> list[KeyNumber]:
    if not report.perplexities:
        return []
    text = max(report.perplexities, key=lambda row: row.rise or 0.0)
    ceiling = criterion(report, "perplexity_rise")
    rise = "on retained text" if text.rise is None else percent(text.rise, signed=True)
    allowed = f"; the policy allows {percent(ceiling.threshold)}" if ceiling else ""
    return [
        KeyNumber(
            label="Perplexity",
            before=f"{text.before:.3f}",
            after=None if text.after is None else f"{text.after:.3f}",
            note=f"{rise}{allowed}",
            tone=_tone(ceiling),
        )
    ]
