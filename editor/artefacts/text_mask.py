"""Mask over what is known to be personal in a text, for pages that quote the corpus.

Masked are the spans where facts were found, every known secret and full name wherever it stands, the parts of known
names, every digit and e-mail address. What the case does not know, such as the name of a person about whom there is
no fact, stays: a quotation is no more anonymous than detection is complete.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from detectors.reading import readings
from dictionaries.evaluation.interpret import MASK, mask_text
from editor.case import Case
from editor.questions.retained import erased_spans

_WORD = re.compile(r"\w+")
_HIDDEN_RUN = re.compile(f"{MASK}+")
SHORTEST_NAME_PART = 2
"""Characters from which on a part of a name is masked by itself."""


class TextMask:
    """Mask for texts of one case that keeps their length.

    Args:
        names: names of data subjects, aliases included; their parts are masked too.
        secrets: secrets that must not be shown.
        spans: the (start, end) where facts were found, by document id.
    """

    def __init__(
        self,
        names: Iterable[str],
        secrets: Iterable[str],
        spans: Mapping[str, Sequence[tuple[int, int]]] | None = None,
    ) -> None:
        self._spans = spans or {}
        self._parts: set[str] = set()
        self._phrases: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for name in names:
            words = [word.casefold() for word in _WORD.findall(name)]
            self._parts.update(word for word in words if len(word) >= SHORTEST_NAME_PART)
        for secret in dict.fromkeys(secrets):
            first = _WORD.search(secret)
            if first is not None:
                self._phrases[first.group().casefold()].append((first.start(), secret.casefold()))

    @classmethod
    def of(cls, case: Case) -> "TextMask":
        """Build a mask over everything that the case knows."""
        facts = case.all_facts()
        subjects = case.request.subjects if case.request else ()
        names = {fact.subject for fact in facts} | {n for s in subjects for n in (s.name, *s.aliases)}
        names |= {probe.target.subject for probe in case.probes}
        return cls(sorted(names), [fact.secret for fact in facts], erased_spans(case.facts))

    def mask(self, text: str, document: str | None = None) -> str:
        """Return the text with everything known replaced by dots, of the same length."""
        hidden = list(mask_text(text))
        for start, end in self._spans.get(document, ()) if document is not None else ():
            _hide(hidden, start, end)
        for reading in readings(text):
            for start, end in self._known(reading.text):
                _hide(hidden, *reading.place(start, end))
        return "".join(hidden)

    def _known(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield where known secrets and parts of known names stand."""
        folded = text.casefold() if len(text.casefold()) == len(text) else text.lower()
        for word in _WORD.finditer(text):
            plain = word.group().casefold()
            if plain in self._parts and word.group()[0].isupper():
                yield word.span()
            for offset, phrase in self._phrases.get(plain, ()):
                start = word.start() - offset
                if start >= 0 and folded.startswith(phrase, start):
                    yield start, start + len(phrase)

    def token(self, text: str) -> str:
        """Return an output token, masked: a part of a known name is hidden as a whole word is."""
        return shortened(self.mask(text))


def shortened(masked: str) -> str:
    """Return masked text without the lengths of what is masked."""
    return _HIDDEN_RUN.sub(MASK, masked)


def _hide(characters: list[str], start: int, end: int) -> None:
    """Hide letters and digits alone: what is between them says which format a secret has, and no more."""
    for place in range(max(0, start), min(end, len(characters))):
        if characters[place].isalnum():
            characters[place] = MASK
