"""The choice among several overlapping spans of a piece of text."""

from bisect import bisect_right
from collections.abc import Iterable

from detectors.fact import Span

# What a model or the register finds. A number or a date in the same place is what its pattern says.
NAMED_ENTITIES = ("LOCATION", "NRP", "ORGANIZATION", "PERSON")
# Their recognizers accept many shapes of text; anything more specific in the same place is right instead.
GENERAL_TYPES = frozenset(
    {
        "PHONE_NUMBER",
        "URL",
        "DATE_TIME",
        "US_BANK_NUMBER",
        "US_DRIVER_LICENSE",
        "US_PASSPORT",
        "UUID",
        "CA_POSTAL_CODE",
        *NAMED_ENTITIES,
    }
)
# Types that are looked for, though the policy does not name them, because they explain away a false match of
# the type they are listed under: the policy's phone numbers are not the middle of a card number.
RIVALS: dict[str, tuple[str, ...]] = {
    "PHONE_NUMBER": ("CREDIT_CARD", "US_SSN", "IBAN_CODE", "IP_ADDRESS", "DATE_TIME"),
    "URL": ("EMAIL_ADDRESS",),
    "US_BANK_NUMBER": ("CREDIT_CARD", "US_SSN"),
    "US_DRIVER_LICENSE": ("CREDIT_CARD", "US_SSN", "IBAN_CODE"),
    "US_PASSPORT": ("US_SSN",),
    "US_SSN": ("CREDIT_CARD",),
}
# A rival that is not in the policy counts from this score on.
RIVAL_SCORE = 0.5


def resolve_overlaps(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Keep, wherever spans overlap, the best one; return them in order of position.

    Best is: a specific type whose check held (score 1), then any specific type before a general one, and that
    before a named entity, then the higher score, then the longer span. The order of the input does not matter.
    """
    kept: list[Span] = []  # by position: they do not overlap, so starts and ends ascend together
    for span in sorted(spans, key=_preference):
        index = bisect_right(kept, span.start, key=lambda other: other.end)
        if index == len(kept) or span.end <= kept[index].start:
            kept.insert(index, span)
    return tuple(kept)


def _preference(span: Span) -> tuple[int, float, int, int, str]:
    return (_rank(span), -span.score, span.start - span.end, span.start, span.entity_type)


def _rank(span: Span) -> int:
    if span.entity_type in NAMED_ENTITIES:
        return 3
    if span.entity_type in GENERAL_TYPES:
        return 2
    return int(span.score < 1)
