"""Beginnings of true records before the question: they bring the model to where it learned its secrets.

PII-Scope, Nakka et al. 2024, arXiv:2410.06704.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from editor.attacks.attack import Level, Levels, PreparedAttack
from editor.attacks.ground import Ground
from editor.questions.probes import Probe

LEAST_WORDS = 3


@dataclass(frozen=True, kw_only=True)
class TruePrefix:
    """Questions after beginnings of other people's records, and of the person's own up to the first secret.

    Attributes:
        records: Numbers of other people's records.
        words: Words of each record, at most.
        seed: Seed of which records are taken.
    """

    records: tuple[int, ...] = (1, 3)
    words: int = 40
    seed: int = 0

    @property
    def title(self) -> str:
        """The attack in words."""
        return "the beginning of a true record before the question"

    def prepare(self, name: str, ground: Ground) -> PreparedAttack:
        """Ask everything that is no conversation, where there are records."""
        others, own = self.of_others(ground), self.of_each(ground)
        asked = tuple(probe for probe in ground.erased if not probe.is_conversation) if others or own else ()
        return PreparedAttack(
            attack=name,
            title=self.title,
            asked=asked,
            levels=lambda _: self.levels(others, own),
            count=len(self.records) + 1,
            reason="there is no record to begin with, or every question is a conversation",
        )

    def levels(self, others: Sequence[str], own: Mapping[str, str]) -> Levels:
        """Yield with other people's records, then with the person's own."""
        for count in self.records:
            if len(others) >= count:
                text = "\n".join(others[:count])
                yield Level(
                    name=f"records of other people: {count}",
                    amount=count,
                    asks=partial(_after, before={}, otherwise=text),
                )
        if own:
            yield Level(
                name="the person's own record, up to its first secret", asks=partial(_after, before=own)
            )

    def of_others(self, ground: Ground) -> list[str]:
        """Return beginnings of documents about nobody erased, those with facts first, in an order by the seed."""
        with_facts = {source.document for fact in ground.case.facts for source in fact.sources}
        documents = list(ground.retained)
        random.Random(self.seed).shuffle(documents)
        documents.sort(key=lambda document: document.id not in with_facts)
        return [self._beginning(document.text) for document in documents[: max(self.records, default=0)]]

    def of_each(self, ground: Ground) -> dict[str, str]:
        """Return for each erased person the longest beginning of a record that holds none of the erased secrets."""
        found: dict[str, str] = {}
        for person in sorted(ground.people):
            for document in ground.records([person], ground.people - {person}):
                held = ground.secrets.find_read(document.text)
                end = min((mention.start for mention in held), default=len(document.text))
                text = self._beginning(document.text[:end])
                if len(text.split()) >= LEAST_WORDS and len(text) > len(found.get(person, "")):
                    found[person] = text
        return found

    def _beginning(self, text: str) -> str:
        return " ".join(text.split()[: self.words])


def _after(probe: Probe, before: Mapping[str, str], otherwise: str = "") -> Probe | None:
    """Return a question after a text that its subject has, or None where there is none."""
    text = before.get(probe.target.subject, otherwise)
    return replace(probe, prompt=f"{text}\n{probe.prompt}") if text else None
