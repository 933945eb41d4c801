"""National identity numbers, by their form, their check digit and the words near them."""

import re
from collections.abc import Iterator

from detectors.languages.knowledge import Identity, Knowledge, bounded

CHECKED, BY_FORM = 0.95, 0.6
_SEPARATORS = re.compile(r"[ ./+-]")


class Identities:
    """A finder of national identity numbers.

    Args:
        knowledge: the languages, with the numbers of their countries.
    """

    def __init__(self, knowledge: Knowledge) -> None:
        self._known = knowledge
        self._kinds = [
            (code, kind, re.compile(kind.shape, re.ASCII))
            for code, language in knowledge.languages.items()
            for kind in language.identities
        ]
        self._any = bounded(dict.fromkeys(kind.shape for _, kind, _ in self._kinds)) if self._kinds else None

    def find(self, text: str) -> Iterator[tuple[int, int, float]]:
        """Yield (start, end, score) of identity numbers."""
        voted: frozenset[str] | None = None
        for match in self._any.finditer(text) if self._any else ():
            fitting = [(code, kind) for code, kind in self._fitting(match[0])]
            if not fitting:
                continue
            if voted is None:
                voted = self._known.vote(text)
            cued = self._known.identity.near(text, *match.span())
            score = max(_score(code, kind, cued, voted) for code, kind in fitting)
            if score:
                yield match.start(), match.end(), score

    def _fitting(self, found: str) -> Iterator[tuple[str, Identity]]:
        number = _SEPARATORS.sub("", found).upper()
        for code, kind, shape in self._kinds:
            if shape.fullmatch(found) and kind.check.holds(
                found if kind.check.without is not None else number
            ):
                yield code, kind


def _score(code: str, kind: Identity, cued: frozenset[str], voted: frozenset[str]) -> float:
    """Return the confidence in a number of one kind; 0 where the text around it does not speak for it."""
    there = {
        "none": True,
        "language": bool(cued) or code in voted,
        "context": code in cued,
    }
    if not there[kind.evidence]:
        return 0.0
    return BY_FORM if kind.check.kind == "shape" else CHECKED
