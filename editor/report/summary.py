"""What a report says in a few numbers; the page, the card and the terminal all read it from here."""

from typing import Literal, NamedTuple

from editor.report.formatting import arrow, bits, interval, number, odds, percent, plural
from editor.report.schema import Criterion, Group, GroupResult, Leakage, Report, Wording
from policies.errors import ExitCode

WORDING_ORDER: tuple[Wording, ...] = ("trained", "template", "held_out", "all")
GROUP_ORDER: tuple[Group, ...] = ("erased", "same_subject", "neighbours", "others", "decoys")
OUTCOMES = {
    ExitCode.MET: "Policy met",
    ExitCode.LEAKAGE: "Policy not met: leakage",
    ExitCode.USAGE: "Input error",
    ExitCode.UTILITY: "Policy not met: utility",
    ExitCode.INCOMPLETE: "Incomplete",
    ExitCode.INTERNAL: "Internal error",
}
TITLES = {"erase": "Erasure report", "audit": "Leakage audit", "verify": "Verification report"}

Tone = Literal["good", "bad", "neutral"]


class KeyNumber(NamedTuple):
    """One number of the first screen: what it is, before, after, and how to read it."""

    label: str
    before: str
    after: str | None
    note: str
    tone: Tone


def title(report: Report) -> str:
    """What kind of report it is."""
    return TITLES[report.kind]


def outcome(report: Report) -> str:
    """The exit code in words."""
    return OUTCOMES[ExitCode(report.exit_code)]


def group_rows(report: Report, group: Group | None = None) -> tuple[GroupResult, ...]:
    """Results in a fixed order; those over all wordings only where a group has no others."""
    found = [row for row in report.groups if group in {None, row.group}]
    split = {row.group for row in found if row.wording != "all"}
    kept = [row for row in found if row.wording != "all" or row.group not in split]
    return tuple(
        sorted(kept, key=lambda row: (GROUP_ORDER.index(row.group), WORDING_ORDER.index(row.wording)))
    )


def overall(report: Report, group: Group) -> GroupResult | None:
    """A group over all wordings, or over the widest family of wordings there is."""
    rows = {row.wording: row for row in report.groups if row.group == group}
    return next((rows[wording] for wording in reversed(WORDING_ORDER) if wording in rows), None)


def criterion_about(report: Report, group: Group) -> Criterion | None:
    """The policy's floor for what must stay of a group."""
    words = {"same_subject": ("same",), "others": ("other",), "neighbours": ("neighbour", "neighbor")}.get(
        group, ()
    )
    floors = (one for one in report.criteria if one.kind == "utility" and one.comparison == "at least")
    return next((one for one in floors if any(word in one.name.lower() for word in words)), None)


def perplexity_ceiling(report: Report) -> Criterion | None:
    """The policy's ceiling for the rise of perplexity."""
    found = (one for one in report.criteria if "perplexity" in one.name.lower())
    return next((one for one in found if one.comparison == "at most"), None)


def key_numbers(report: Report) -> tuple[KeyNumber, ...]:
    """The four or five numbers that a reader needs first."""
    leakage = [_extracted(row) for row in group_rows(report, "erased")][:3]
    exposed = [_most_exposed(report)] if report.facts else []
    kept = [number for group in ("others", "same_subject") if (number := _kept(report, group))]
    return tuple((leakage + exposed + kept[: max(1, 3 - len(leakage))] + _perplexity(report))[:5])


def key_sentence(report: Report) -> str:
    """Before and after in plain words, for the terminal and the card."""
    facts, subjects = report.scope.facts_in_scope, report.scope.subjects_in_scope
    leaked = sum(row.leaked_before for row in report.facts)
    start = f"Of {plural(facts, 'fact')} about {plural(subjects, 'person').replace('persons', 'people')},"
    if report.model_after is None:
        return f"{start} the model gives away {leaked:,}."
    after = sum(bool(row.leaked_after) for row in report.facts)
    return f"{start} the model gave away {leaked:,} before and gives away {after:,} now."


def limit_text(criterion: Criterion) -> str:
    """'at most 1%', in the unit of the criterion."""
    return f"{criterion.comparison} {_in_unit(criterion, criterion.threshold)}"


def measured_text(criterion: Criterion) -> str:
    """What was measured, in the unit of the criterion."""
    if "perplexity" in criterion.name.lower():
        return percent(criterion.measured, signed=True)
    return _in_unit(criterion, criterion.measured)


def _in_unit(criterion: Criterion, value: float) -> str:
    """Shares as percentages; counts, bits, percentiles and divergences as they are."""
    plain = ("bits", "divergence", "percentile")
    if criterion.kind == "integrity" or any(word in criterion.name.lower() for word in plain):
        return number(round(value, 3))
    return percent(value)


def kept_share(before: Leakage, after: Leakage) -> float:
    """What the edited model still completes greedily, as a share of what the original completed."""
    return after.greedy_facts.hits / before.greedy_facts.hits if before.greedy_facts.hits else 1.0


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
    result, criterion = overall(report, group), criterion_about(report, group)
    if result is None or result.after is None:
        return None
    share = criterion.measured if criterion else kept_share(result.before, result.after)
    label = "Other people's facts kept" if group == "others" else "Same people's other facts kept"
    return KeyNumber(
        label=label,
        before=percent(1.0),
        after=percent(share),
        note=f"the policy asks for {percent(criterion.threshold)}" if criterion else "of what it knew before",
        tone="neutral" if criterion is None else "good" if criterion.passed else "bad",
    )


def _perplexity(report: Report) -> list[KeyNumber]:
    if not report.perplexities:
        return []
    text = max(report.perplexities, key=lambda row: row.rise or 0.0)
    ceiling = perplexity_ceiling(report)
    rise = None if text.rise is None else f"{percent(text.rise, signed=True)} on {text.text}"
    allowed = f"; at most {percent(ceiling.threshold)} allowed" if ceiling and rise else ""
    return [
        KeyNumber(
            label="Perplexity",
            before=f"{text.before:.3f}",
            after=None if text.after is None else f"{text.after:.3f}",
            note=f"{rise or text.text}{allowed}",
            tone="neutral" if ceiling is None else "good" if ceiling.passed else "bad",
        )
    ]


def before_after(number: KeyNumber) -> str:
    """'25 of 25 → 0 of 25'."""
    return arrow(number.before, number.after)
