"""Whose, of the people that a sentence names, each of its secrets is.

The grammar of a sentence tells more than who is named last before a secret: "Ada Quill and Ben Ross have the numbers
555-0101 and 555-0102, respectively", "Ada Quill's number, Ben Ross says, is 555-0101", "Ada Quill's doctor has
555-0101". Where it leaves two people, as "Ada Quill gave Ben Ross the number, 555-0101" does, both are named: a secret
that may be somebody's is better asked for twice than given to the wrong one.
"""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from detectors.fact import NOBODY, Span
from detectors.people.listed import name_lists
from detectors.people.possessives import owns, relative_end
from detectors.people.register import Mention

How = Literal["sentence", "sentence of several", "uncertain"]

_LISTED = re.compile(r"\s*(?:,?\s+(?:and|or|und|et|y|e|en|och|og|i)\b|[,;&/])\s*", re.IGNORECASE)
_OWN = re.compile(r"['’][sS]?\s+(?:is\b|are\b|[(:])|\s+(?:has|have|uses|hat|a|tiene|ha)\b", re.IGNORECASE)
_PRONOUN = re.compile(r"\b(?:his|her|hers|their|theirs|he|she|they|seine?r?|ihre?r?|sa|su)\b", re.IGNORECASE)
_HE = frozenset({"he", "his", "him", "er", "sein", "seine", "seiner"})
_SHE = frozenset({"she", "her", "hers", "sie", "ihr", "ihre", "ihrer"})
_GENDERED = re.compile(rf"\b(?:{'|'.join(sorted(_HE | _SHE))})\b", re.IGNORECASE)
_PASSED = re.compile(
    r"\b(?:gave|gives|give|given|sent|sends|send|told|tells|tell|left|leaves|handed|hands|showed|shows|offered|"
    r"wrote|writes|read|reads|forwarded|met|meets|called|calls|visited|visits|asked|asks)\s*(?:to\s+)?$",
    re.IGNORECASE,
)


class Owners(NamedTuple):
    """The people to whom a secret may belong.

    Attributes:
        mentions: where they are named, by position: one, several where the sentence leaves it open, none where it is
            somebody else's.
        how: how the sentence tells.
    """

    mentions: tuple[Mention, ...]
    how: How


NOBODYS = Owners((), "sentence")


class SentenceOwners:
    """The owners of the secrets of a sentence.

    Args:
        text: text of the document.
        named: where the sentence names people, known or not, by position.
        spans: the sentence's secrets, by position.
    """

    def __init__(self, text: str, named: Sequence[Mention], spans: Sequence[Span]) -> None:
        self._text = text
        self._named = named
        self._spans = spans
        self._several = len({mention.subject for mention in named}) > 1
        self._listed = self._in_turn()

    def of(self, span: Span) -> Owners:
        """Return whose a secret of the sentence is."""
        if span in self._listed:
            return self._listed[span]
        how: How = "sentence of several" if self._several else "sentence"
        before = [mention for mention in self._named if mention.end <= span.start]
        after = [mention for mention in self._named if mention.start >= span.end]
        leads = self._spans[0].start < self._named[0].start
        if after and (leads or not before):
            return Owners((after[0],), how) if not self._is_relatives(after[0], span) else NOBODYS
        since = max((other.end for other in self._spans if other.end <= span.start), default=0)
        nearest = [mention for mention in before if mention.start >= since] or before[-1:]
        owning = [mention for mention in nearest if owns(self._text, mention)]
        chosen = owning[-1] if owning else nearest[-1]
        if self._is_relatives(chosen, span):
            return NOBODYS
        giver = self._giver(nearest, chosen, span) if not owning else None
        return Owners((chosen,), how) if giver is None else Owners((giver, chosen), "uncertain")

    def _giver(self, nearest: Sequence[Mention], chosen: Mention, span: Span) -> Mention | None:
        """Return who does something to the one named last, where the secret may be either's."""
        others = [mention for mention in nearest if mention.subject != chosen.subject]
        if not others or chosen.subject == NOBODY or others[-1].subject == NOBODY:
            return None
        passed = _PASSED.search(self._text[others[-1].end : chosen.start])
        between = self._text[chosen.end : span.start]
        return (
            others[-1] if passed and not _OWN.match(self._text, chosen.end) and not _said(between) else None
        )

    def _is_relatives(self, mention: Mention, span: Span) -> bool:
        """Return whether the secret is of somebody who is told by a person: "Ada Quill's manager"."""
        end = relative_end(self._text, mention)
        if end is None:
            return False
        named = any(end <= other.start < span.start for other in self._named)
        own = end > mention.end and _PRONOUN.search(self._text[end : span.start])
        return not named and not own

    def _in_turn(self) -> dict[Span, Owners]:
        """Return the owners of secrets that are listed in the order in which people are: "A and B have 1 and 2"."""
        found: dict[Span, Owners] = {}
        if not self._several or not self._spans:
            return found
        for kind in dict.fromkeys(span.entity_type for span in self._spans):
            spans = [span for span in self._spans if span.entity_type == kind]
            people = [mention for mention in self._named if mention.end <= spans[0].start]
            row = self._row(people)
            if len(row) < 2 or not self._are_listed(spans):
                continue
            if len(row) == len(spans):
                found |= {
                    span: Owners((one,), "sentence of several") for span, one in zip(spans, row, strict=True)
                }
            elif len(spans) == 1:
                known = tuple(one for one in row if one.subject != NOBODY)
                found[spans[0]] = Owners(known, "uncertain" if len(known) > 1 else "sentence of several")
        return found

    def _row(self, people: Sequence[Mention]) -> list[Mention]:
        """Return the last people before a secret that stand in a row, with nothing but "and" and commas between."""
        row: list[Mention] = []
        for mention in reversed(people):
            if row and not _joins(self._text[mention.end : row[0].start]):
                break
            row.insert(0, mention)
        return row

    def _are_listed(self, spans: Sequence[Span]) -> bool:
        return all(_joins(self._text[one.end : other.start]) for one, other in pairwise(spans))


def _said(text: str) -> bool:
    return bool(re.search(r"\b(?:that|to say|:)\s*$", text))


def _joins(text: str) -> bool:
    """Return whether text between two names or secrets only lists them."""
    return _LISTED.fullmatch(text) is not None


def meant_by_pronoun(text: str, people: Sequence[Mention]) -> tuple[Mention, ...]:
    """Return whom of some people a pronoun before a secret may mean: all of them where it does not tell.

    Given names tell who is he and who is she (`detectors.people.listed`).

    Args:
        text: text of the secret's sentence before the secret.
        people: the people, each named once.
    """
    pronouns = {word.casefold() for word in _GENDERED.findall(text)}
    he, she = bool(pronouns & _HE), bool(pronouns & _SHE)
    if he == she:
        return tuple(people)
    lists = name_lists()
    ours, others = (lists.male, lists.female) if he else (lists.female, lists.male)
    given = {mention: mention.subject.partition(" ")[0].casefold() for mention in people}
    return tuple(one for one in people if given[one] in ours or given[one] not in others)
