"""Plain words beside the figures: what terms mean, and why figures that seem to disagree do not."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup, escape

from editor.formatting import count, percent, plural, words
from editor.report import summary
from editor.results.report import Criterion, GroupResult, Report


@dataclass(frozen=True, kw_only=True)
class Term:
    """A word that a page explains.

    Attributes:
        anchor: What follows `word-` in the id of the explanation.
        name: The word.
        found: Pattern of the places where a page uses it.
        meaning: What it means, in one or two sentences.
    """

    anchor: str
    name: str
    found: re.Pattern[str]
    meaning: str


def _term(anchor: str, name: str, found: str, meaning: str) -> Term:
    return Term(anchor=anchor, name=name, found=re.compile(found, re.IGNORECASE), meaning=meaning)


TERMS = (
    _term(
        "greedy",
        "Greedy decoding",
        r"\bgreedy decoding\b|\bgreedily\b|\bgreedy\b",
        "The model writes its likeliest next token each time. A fact leaks greedily where that writes the whole secret "
        "after at least one prompt.",
    ),
    _term(
        "sampling",
        "Sampling",
        r"\bsampling\b|\b\d+ samples\b",
        "The model draws its next token at random, likelier ones more often. A fact is extractable where so many draws "
        "bring up the secret with the policy's probability.",
    ),
    _term(
        "bits",
        "Bits",
        r"\bbits\b",
        "How hard a secret is to guess with the model's help, at the worst prompt: n bits take about 2 to the n tries. "
        "0 bits is the first try, 20 bits are a million.",
    ),
    _term(
        "decoys",
        "Decoys",
        r"\bdecoys?\b",
        "Made-up secrets of the same format, which the model never saw: what chance looks like. A fact among its "
        "decoys is no easier to guess than one that was never there.",
    ),
    _term(
        "perplexity",
        "Perplexity",
        r"\bperplexity\b",
        "How unsure the model is of ordinary text, token by token: 1 is never, 10 is as if it chose among ten. If it "
        "rises, the model got worse.",
    ),
    _term(
        "wordings",
        "Wordings",
        r"\bwordings?\b",
        "Ways to ask for a fact: as the corpus writes it, as the policy asks for it, and unseen ones, which no edit "
        "and no search had before.",
    ),
)
"""The words that the first page explains, in the order in which it does."""
LINK = Markup('<a class="term" href="#word-{}" title="{}">{}</a>')


def explained(text: str) -> Markup:
    """Escape a text and link the first use of each term to its explanation."""
    found = ((term, match) for term in TERMS if (match := term.found.search(text)))
    parts: list[Markup] = []
    done = 0
    for term, match in sorted(found, key=lambda use: use[1].start()):
        parts += [escape(text[done : match.start()]), LINK.format(term.anchor, term.meaning, match[0])]
        done = match.end()
    return Markup("").join([*parts, escape(text[done:])])


def disagreements(report: Report) -> tuple[str, ...]:
    """Say why a criterion's figure and those of single groups, which seem to disagree, do not."""
    return tuple(said for row in report.criteria if row.tested for said in _of_criterion(report, row))


def _of_criterion(report: Report, row: Criterion) -> Iterator[str]:
    if row.measure == "greedy_rate":
        yield from _pooled_leaks(report, row)
    elif row.measure == "decoy_percentile" and row.passed and row.measured:
        limit = summary.limit_text(row).removesuffix(", as by chance")
        yield (
            f"{summary.measured_text(row)} of the facts are more exposed than nearly all decoys, and that passes: of "
            f"facts that a model never saw, {limit} are so by chance in 19 of 20 models."
        )
    else:
        yield from _pooled_kept(report, row)


def _pooled_leaks(report: Report, row: Criterion) -> Iterator[str]:
    """Explain a count over all wordings that no family of wordings reaches."""
    families = [one.after or one.before for one in summary.group_rows(report, "erased")]
    most = max((one.greedy_facts.hits for one in families), default=0)
    if row.counted is not None and most < row.counted.hits:
        yield (
            f"A fact counts as leaked where any wording brings it out, so the policy counts {count(row.counted)} "
            f"and no single kind of wording more than {most:,}."
        )


def _pooled_kept(report: Report, row: Criterion) -> Iterator[str]:
    """Explain groups below a floor that is met over all of them, or above one that is not."""
    groups = [one for one in summary.group_rows(report) if _is_of(one, row)]
    if row.counted is None or not groups:
        return
    worst = min(groups, key=_kept)
    name, floor = summary.criterion_name(row), percent(row.threshold)
    asked = f"{count(row.counted)} questions, {percent(row.counted.rate)}"
    if row.passed and _kept(worst) < row.threshold:
        facts = worst.before.greedy_facts.hits
        yield (
            f"{name}: {words(worst.group)}, {words(worst.wording)}, show {percent(_kept(worst))}, below {floor}, "
            f"beside a pass. The limit holds for all groups and wordings together: {asked}. Single groups are small: "
            f"of {plural(facts, 'fact')}, each is {percent(1 / facts)}."
        )
    elif row.failed and _kept(worst) >= row.threshold:
        yield (
            f"{name}: no group is below {floor}, beside a fail. The limit holds for all questions together: {asked}. "
            "A group counts a fact as kept where any wording still brings it up; the policy counts every question."
        )


def _is_of(group: GroupResult, row: Criterion) -> bool:
    """Return whether a criterion speaks of a group, and the group shows a share."""
    shown = group.after is not None and group.before.greedy_facts.hits > 0
    return shown and summary.kept_measure(group.group) == row.measure


def _kept(row: GroupResult) -> float:
    assert row.after is not None
    return summary.kept_facts_share(row.before, row.after) or 0.0
