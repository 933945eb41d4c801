"""Secrets that nothing links to a data subject: those of people who are not named, and of whoever has the same."""

import hashlib
import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from detectors.fact import NOBODY, Fact, Source, secret_key
from detectors.people.link import CONFIDENCE

UNLINKED_SECRETS = 20_000
"""Secrets of people not named that are kept: a seeded sample where a corpus has more."""
UNLINKED_SOURCES = 8
"""Places of such a secret that are kept, each with a prefix of its own: a seeded sample of them."""

_Secret = tuple[str, str]  # entity type, secret


@dataclass(slots=True)
class Occurrences:
    """Occurrences of a secret that nothing links to anybody.

    Attributes:
        count: number of occurrences.
        beside: number of those in documents that name a person of the request.
        sources: some of their places, by a number drawn from their prefix.
    """

    count: int = 0
    beside: int = 0
    sources: dict[int, Source] = field(default_factory=dict, repr=False)


class UnlinkedSample:
    """Sample of the secrets that nothing links to anybody; the same for the same secrets and seed, in any order.

    Args:
        seed: seed of the sample.

    Attributes:
        is_whole: whether every secret is in it.
    """

    def __init__(self, seed: int) -> None:
        self.is_whole = True
        self._seed = seed
        self._kept: dict[_Secret, Occurrences] = {}
        self._largest: list[tuple[int, _Secret]] = []  # a heap of what was drawn, negated: the largest first

    def __len__(self) -> int:
        """Return the number of secrets kept."""
        return len(self._kept)

    def add(self, entity_type: str, secret: str, source: Source, *, beside: bool) -> None:
        """Take in an occurrence; `beside` tells whether its document names a person of the request."""
        key = entity_type, secret
        if key not in self._kept and not self._keep(key):
            return
        found = self._kept[key]
        found.count += 1
        found.beside += beside
        found.sources.setdefault(self._draw(source.prefix), source)
        if len(found.sources) > UNLINKED_SOURCES:
            del found.sources[max(found.sources)]

    def occurrences(self, fact: Fact) -> Occurrences:
        """Return the occurrences of one of `facts`."""
        return self._kept[fact.entity_type, fact.secret]

    def facts(self) -> Iterator[Fact]:
        """Yield the secrets kept as facts about nobody, in order of first appearance."""
        for (entity_type, secret), found in self._kept.items():
            sources = tuple(found.sources.values())
            yield Fact(subject=NOBODY, entity_type=entity_type, secret=secret, sources=sources)

    def _keep(self, key: _Secret) -> bool:
        """Keep a new secret if it is among those with the smallest numbers."""
        item = -self._draw(*key), key
        if len(self._kept) < UNLINKED_SECRETS:
            heapq.heappush(self._largest, item)
        else:
            self.is_whole = False
            _, dropped = heapq.heappushpop(self._largest, item)
            if dropped == key:
                return False
            del self._kept[dropped]
        self._kept[key] = Occurrences()
        return True

    def _draw(self, *parts: str) -> int:
        text = "\0".join((str(self._seed), *parts))
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def attribute_unlinked(facts: Sequence[Fact], known: Iterable[Fact] = ()) -> tuple[Fact, ...]:
    """Give each fact about nobody to the people who are known to have that secret, in whatever spelling.

    An occurrence of a data subject's secret is theirs, whether or not the text around it names them.

    Args:
        facts: facts, linked and unlinked.
        known: more facts about people, which are not returned.
    """
    owners: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for fact in (*facts, *known):
        if fact.is_linked:
            owners[secret_key(fact.entity_type, fact.secret)][fact.subject] = None
    nobody = {NOBODY: None}
    gathered: dict[tuple[str, str, str], list[Source]] = defaultdict(list)
    for fact in facts:
        key = secret_key(fact.entity_type, fact.secret)
        for subject in (fact.subject,) if fact.is_linked else owners.get(key, nobody):
            sources = fact.sources if subject == fact.subject else _by_secret(fact.sources)
            gathered[subject, fact.entity_type, fact.secret] += sources
    return tuple(
        Fact(subject=subject, entity_type=entity_type, secret=secret, sources=tuple(sources))
        for (subject, entity_type, secret), sources in gathered.items()
    )


def _by_secret(sources: Iterable[Source]) -> list[Source]:
    return [replace(source, link="secret", confidence=CONFIDENCE["secret"]) for source in sources]
