"""Format of a relation's secrets, and what it leaks by itself: how often each part stands at its place."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

PARTS = re.compile(r"\d+|[^\W\d_]+|[\W_]")
"""A secret's parts: a number, a word, or one separator."""
PRIOR_WEIGHT = 2.0
"""Number of secrets that the prior below counts as."""
PRIOR_DIGIT = 0.1
PRIOR_WORD = 0.01
LEAST = 0.01
"""Least share: rarer words are no better known for being rarer."""

Place = tuple[str, int, int]
"""Relation, number of the part, offset in it (0 for a word)."""


class SecretFormat:
    """Counts of digits and words by place over all known secrets of each relation.

    Args:
        secrets: the true secrets by relation.
    """

    def __init__(self, secrets: Mapping[str, Iterable[str]]) -> None:
        self.known = {relation: frozenset(values) for relation, values in secrets.items()}
        self._counts: dict[Place, Counter[str]] = defaultdict(Counter)
        self._choices: dict[Place, tuple[str, ...]] = {}
        for relation, values in self.known.items():
            for value in sorted(values):
                for _, place, piece in _pieces(relation, value):
                    self._counts[place][piece] += 1

    def choices(self, relation: str, part: int, offset: int) -> tuple[str, ...]:
        """Return what stands at a place, each as often as it occurs; nothing where nothing is known."""
        place = relation, part, offset
        if place not in self._choices:
            self._choices[place] = tuple(self._counts.get(place, Counter()).elements())
        return self._choices[place]

    def shares(self, relation: str, secret: str) -> list[float]:
        """Return how probable each character of a secret is for one who knows the format and all other secrets.

        That is a digit's or a word's share among the other secrets at its place, smoothed towards 1/10 or 1/100:

            share = (same + w · prior) / (others + w),    w = `PRIOR_WEIGHT`

        A word's share stands at its first character; its other characters, and separators, have 1.
        """
        found = [1.0] * len(secret)
        own = secret in self.known.get(relation, ())
        for start, place, piece in _pieces(relation, secret):
            counts = self._counts.get(place, Counter())
            others, same = counts.total() - own, counts[piece] - own
            prior = PRIOR_DIGIT if piece.isdigit() else PRIOR_WORD
            found[start] = max(LEAST, (same + PRIOR_WEIGHT * prior) / (others + PRIOR_WEIGHT))
        return found


def _pieces(relation: str, secret: str) -> Iterable[tuple[int, Place, str]]:
    """Yield a secret's digits and words with their start and place."""
    for number, match in enumerate(PARTS.finditer(secret)):
        part = match.group()
        if part.isdigit():
            for offset, digit in enumerate(part):
                yield match.start() + offset, (relation, number, offset), digit
        elif part.isalpha():
            yield match.start(), (relation, number, 0), part
