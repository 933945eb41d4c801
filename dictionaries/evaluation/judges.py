"""Judges: they name what passages share, and tell by the name whether others share it too."""

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from typing import Protocol

from dictionaries.evaluation.passages import Passage
from dictionaries.evaluation.traits import traits

AND = " and "
MOST_PAIRED = 16
LEAST_LIFT = 0.3
"""Least difference between a name's share among the shown passages and among random ones."""
PAIR_GAIN = 0.05
"""Least gain in that difference by which two traits together replace a single one."""


class Judge(Protocol):
    """A plug-in of `comsem`: a person, a rule or a language model."""

    def name(self, shown: Sequence[Passage], others: Sequence[Passage]) -> str | None:
        """Name what the shown passages' tokens have in common; return None where it is nothing.

        Args:
            shown: passages where a feature is most salient.
            others: random passages, to see what is common everywhere; the same ones for every feature.
        """
        ...

    def judge(self, name: str, passages: Sequence[Passage]) -> list[bool]:
        """Return whether each passage's token has what the name says."""
        ...


class TraitJudge:
    """The built-in judge, which names the trait, or two together, that shown passages have and random ones lack.

    Traits (`dictionaries.evaluation.traits`) are about the token, the word and its stem, its class (numerals by
    length, place and magnitude), the entity it is in by shape, what is before and after it, and where it stands. It
    sees no meaning beyond them: what it counts as interpretable is a lower bound.
    """

    def __init__(self) -> None:
        self._read: Sequence[Passage] = ()
        self._having: dict[str, set[int]] = {}

    def name(self, shown: Sequence[Passage], others: Sequence[Passage]) -> str | None:
        """Name what the shown passages have in common and others lack; see `Judge`."""
        self._learn(others)
        of_shown = [traits(passage) for passage in shown]
        counts = Counter(trait for one in of_shown for trait in one)
        lifts = {trait: self._lift({trait}, count / len(shown)) for trait, count in counts.items()}
        ranked = sorted(lifts, key=lambda trait: (-lifts[trait], len(trait), trait))[:MOST_PAIRED]
        if not ranked:
            return None
        best: tuple[str, ...] = (ranked[0],)
        lift = lifts[ranked[0]]
        for pair in combinations(ranked, 2):
            share = sum(one >= set(pair) for one in of_shown) / len(shown)
            together = self._lift(set(pair), share)
            if together > lift + (PAIR_GAIN if len(best) == 1 else 0.0):
                best, lift = pair, together
        return AND.join(best) if lift >= LEAST_LIFT else None

    def judge(self, name: str, passages: Sequence[Passage]) -> list[bool]:
        """Return whether each passage has every trait of the name; see `Judge`."""
        wanted = set(name.split(AND))
        return [wanted <= traits(passage) for passage in passages]

    def _learn(self, others: Sequence[Passage]) -> None:
        if others is self._read:
            return
        self._read, self._having = others, {}
        for index, passage in enumerate(others):
            for trait in traits(passage):
                self._having.setdefault(trait, set()).add(index)

    def _lift(self, wanted: set[str], share: float) -> float:
        """Return how much larger a share is than that of passages with all these traits among random ones."""
        having = set.intersection(*(self._having.get(trait, set()) for trait in wanted))
        return share - len(having) / max(1, len(self._read))
