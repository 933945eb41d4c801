"""Phone numbers as people write them in their own country, without a country code."""

import re
from collections.abc import Collection, Iterator

from phonenumbers import Leniency, PhoneNumberMatcher

from detectors.languages.knowledge import Knowledge, bounded

SURE, LIKELY = 0.75, 0.7
LEAST_DIGITS = 7
# Digits with at most five characters between them, letters only as in "x12": longer than any separator in a number.
CLUSTER = re.compile(r"\d(?:[\W_xX]{0,5}\d)*+")
_LETTER = re.compile(r"[^\W\d_]")


def is_other_number(text: str, start: int, knowledge: Knowledge) -> bool:
    """Return whether a word before a number says that it is an order's or an account's."""
    return bool(knowledge.numbers.near(text, start, len(text), words_before=3))


class NationalPhones:
    """A finder of national phone numbers.

    A number counts where its form is one of the language's own, or where it is valid in one of the language's
    countries. Which languages these are is told by a context word near it, or else by the text's commonest words;
    without a context word a number needs separators, and no word before it may say that it is something else.

    Args:
        knowledge: the languages.
        tried: regions that another recognizer has tried already.
    """

    def __init__(self, knowledge: Knowledge, tried: Collection[str]) -> None:
        self._known = knowledge
        self._tried = frozenset(tried)
        self._shapes = {
            code: [bounded([shape]) for shape in language.phone_shapes]
            for code, language in knowledge.languages.items()
            if language.phone_shapes
        }

    def find(self, text: str) -> Iterator[tuple[int, int, float]]:
        """Yield (start, end, score) of national phone numbers."""
        voted: frozenset[str] | None = None
        for cluster in CLUSTER.finditer(text):
            if sum(sign.isdigit() for sign in cluster[0]) < LEAST_DIGITS:
                continue
            cued = self._known.phone.near(text, *cluster.span())
            if not cued and is_other_number(text, cluster.start(), self._known):
                continue
            cued = cued or self._known.number.near(text, *cluster.span(), words_before=3, words_after=0)
            if voted is None:
                voted = self._known.vote(text)
            alone = not cued and not voted and not _LETTER.search(text)
            languages = (cued & voted or cued) if cued else voted
            if alone:
                languages = frozenset(self._shapes)
            yield from self._of_shape(text, cluster, languages, cued=bool(cued))
            if not alone:
                yield from self._valid(text, cluster, languages, cued=bool(cued))

    def _of_shape(
        self, text: str, cluster: re.Match[str], languages: frozenset[str], *, cued: bool
    ) -> Iterator[tuple[int, int, float]]:
        begin, end = max(0, cluster.start() - 2), min(len(text), cluster.end() + 2)
        for code in languages:
            for shape in self._shapes.get(code, ()):
                for match in shape.finditer(text, begin, end):
                    yield match.start(), match.end(), SURE if cued else LIKELY

    def _valid(
        self, text: str, cluster: re.Match[str], languages: frozenset[str], *, cued: bool
    ) -> Iterator[tuple[int, int, float]]:
        if not cued and cluster[0].isdigit():
            return
        begin = max(0, cluster.start() - 3)
        piece = text[begin : cluster.end() + 3]
        regions = [region for code in sorted(languages) for region in self._known.languages[code].regions]
        for region in dict.fromkeys(regions):
            if region in self._tried:
                continue
            for match in PhoneNumberMatcher(piece, region, leniency=Leniency.VALID):
                if sum(sign.isdigit() for sign in match.raw_string) >= LEAST_DIGITS:
                    yield begin + match.start, begin + match.end, SURE if cued else 0.4
