"""Forget quality in words: the page, the card and the terminal read it from here."""

from collections.abc import Iterator

from editor.formatting import interval, number, plural
from editor.measuring.criteria.criterion import NOT_TESTED
from editor.results.forgetting import ForgetQuality

WITH = {"reference": "the never-seen reference", "decoys": "decoys in the edited model"}


def p_text(found: ForgetQuality) -> str:
    """Return p, or 'not tested'."""
    return number(found.p) if found.tested and found.p is not None else NOT_TESTED


def sentence(found: ForgetQuality) -> str:
    """Say in one sentence what came out, or why nothing could."""
    if not found.tested or found.statistic is None:
        return f"Forget quality was not tested: {_why(found)}."
    chance = f"chance gives {found.by_chance:,} at most"
    return (
        f"Forget quality against {WITH[found.against]}: p {p_text(found)}, D {number(found.statistic)} over "
        f"{plural(len(found.facts), 'fact')}; outside the spread of never-seen ones: {found.more_likely.hits:,} more "
        f"likely, {found.less_likely.hits:,} less ({chance})."
    )


def note(found: ForgetQuality) -> str:
    """Return what stands beside p in the terminal."""
    if not found.tested or found.statistic is None:
        return _why(found)
    outside = f"{found.outside:,} of {plural(len(found.facts), 'fact')} outside the spread"
    return f"D {number(found.statistic)} against {WITH[found.against]}; {outside}"


def rows(found: ForgetQuality, in_scope: int) -> Iterator[tuple[str, str]]:
    """Yield what the page tells, and its figure.

    Args:
        found: what was measured.
        in_scope: number of facts in scope, some of which may have no decoys.
    """
    yield "Compared with", WITH[found.against]
    if found.reference is not None:
        yield "Reference", f"{found.reference.source}, sha256 {found.reference.digest[:16]}…"
    unscored = f"; {found.unscored:,} have no score" if found.unscored else ""
    facts = f"{len(found.facts):,} of {in_scope:,} in scope"
    yield "Facts", f"{facts}, beside {len(found.never_seen):,} never seen{unscored}"
    yield "KS test, p", p_text(found) if found.tested else f"{NOT_TESTED}: {_why(found)}"
    if found.statistic is not None:
        yield "Largest difference D", number(found.statistic)
    if found.smallest_difference is not None:
        yield (
            f"Smallest D that would have shown (p < {number(found.level)})",
            _smallest(found.smallest_difference),
        )
    if found.spread is not None:
        yield "Spread of ln R, never seen", " to ".join(number(round(end, 3)) for end in found.spread)
        yield (
            "More likely than that",
            f"{found.more_likely.hits:,} (95% interval: {interval(found.more_likely)})",
        )
        yield (
            "Less likely than that",
            f"{found.less_likely.hits:,} (95% interval: {interval(found.less_likely)})",
        )
        yield "Outside by chance, at most", f"{found.by_chance:,} of {len(found.facts):,}, in 19 of 20 models"


def _why(found: ForgetQuality) -> str:
    """Say why the test tells nothing."""
    if found.unscored:
        return f"the edited model gives {plural(found.unscored, 'fact')} no score"
    if found.smallest_difference is None:
        return "there is nothing to compare"
    facts, others = plural(len(found.facts), "fact"), len(found.never_seen)
    shown = (
        "no difference"
        if found.smallest_difference > 1
        else f"none below {number(found.smallest_difference)}"
    )
    return f"{facts} beside {others:,} never seen are too few (they would have shown {shown})"


def _smallest(difference: float) -> str:
    return "none" if difference > 1 else number(difference)
