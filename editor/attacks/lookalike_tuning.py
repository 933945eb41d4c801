"""Fine-tuning on look-alike text: records of the same syntax, about people who do not exist.

Similar syntax is enough to relearn (arXiv:2602.03379).
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from detectors import NOBODY, Document, Register
from editor.attacks.attack import Attacked, Levels, PreparedAttack
from editor.attacks.ground import Ground
from editor.attacks.invented_names import InventedNames
from editor.attacks.training import Training
from editor.measuring.evaluation_data import decoy_maker
from editor.questions.retained import encode_documents

if TYPE_CHECKING:
    from editor.questions.decoys import DecoyMaker


@dataclass(frozen=True, kw_only=True)
class LookalikeTuning(Training):
    """Training of an edited model on the corpus's records, with other names and other secrets in them.

    Attributes:
        documents: number of records, at most.
        seed: seed of which records are taken and of the names too.
    """

    documents: int = 200

    @property
    def title(self) -> str:
        """The attack in words."""
        return f"look-alike fine-tuning (up to {self.steps} steps on records of invented people)"

    def prepare(self, name: str, ground: Ground) -> PreparedAttack:
        """Ask everything about the facts in scope, where records can be made."""
        records = self.invented(ground) if ground.erased else []
        return PreparedAttack(
            attack=name,
            title=self.title,
            asked=ground.erased if records else (),
            levels=lambda attacked: self.levels(attacked, records),
            count=self.count,
            reason="no record could be made of the corpus's with other names and other secrets",
        )

    def levels(self, attacked: Attacked, records: Sequence[Document]) -> Levels:
        """Yield while trained on the records; afterwards the weights are what they were, bit for bit."""
        loaded = attacked.loaded
        yield from self.train(loaded, encode_documents(loaded, records, {}, loaded.context_length))

    def invented(self, ground: Ground) -> list[Document]:
        """Return records whose people and secrets are all replaced; none of an erased person is left in one."""
        writer = _Writer(ground, InventedNames(self.seed))
        documents = list(ground.case.documents)
        random.Random(self.seed).shuffle(documents)
        made: list[Document] = []
        for document in documents:
            if len(made) == self.documents:
                break
            text = writer.rewritten(document.text)
            if text and not ground.register.find(text) and not ground.secrets.find_read(text):
                made.append(Document(id=document.id, text=text, subjects=()))
        return made


class _Writer:
    """Writer of records about invented people.

    Args:
        ground: case with the facts.
        invented: names for them.
    """

    def __init__(self, ground: Ground, invented: InventedNames) -> None:
        self.invented = invented
        self.people, self.secrets = Register(), Register()
        self.types: dict[str, str] = {}
        self.maker: DecoyMaker = decoy_maker(ground.case)
        for subject in ground.case.request.subjects if ground.case.request else ():
            self.people.add_person(subject.name, subject.aliases)
        for fact in ground.case.facts:
            if fact.subject != NOBODY and self.people.canonical(fact.subject) is None:
                self.people.add_person(fact.subject)
            self.secrets.add(fact.secret)
            self.types[self.secrets.canonical(fact.secret) or fact.secret] = fact.entity_type

    def rewritten(self, text: str) -> str | None:
        """Return a text with other names and secrets; None where it names nobody or a secret has no decoy."""
        names: dict[str, str] = {}
        changes: list[tuple[int, int, str]] = []
        for secret in self.secrets.find_read(text):
            made = self.maker.make(self.types.get(secret.subject, ""), text[secret.start : secret.end], 1)
            if not made:
                return None
            changes.append((secret.start, secret.end, made[0]))
        for person in self.people.find(text):
            if person.subject not in names:
                names[person.subject] = self.invented.draw()
            changes.append((person.start, person.end, names[person.subject]))
        return "".join(_spliced(text, changes)) if names else None


def _spliced(text: str, changes: Sequence[tuple[int, int, str]]) -> Iterator[str]:
    """Yield a text's parts with changes in them; of two that overlap the first is made."""
    done = 0
    for start, end, new in sorted(changes):
        if start >= done:
            yield text[done:start]
            yield new
            done = end
    yield text[done:]
