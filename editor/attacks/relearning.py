"""Relearning: train an edited model again on some erased people's records, and ask for the others'.

What comes back for people whose records were not trained on was hidden, not gone (Deeb & Roger 2024, arXiv:2410.08827).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from detectors import Document
from editor.attacks.attack import Attacked, Levels, PreparedAttack
from editor.attacks.ground import Ground
from editor.attacks.training import Training
from editor.questions.retained import encode_documents

ONE_PERSON = "it takes two erased people at least, one to train on and one to ask for"
NO_RECORDS = "no record names some of the erased people without the others"


@dataclass(frozen=True, kw_only=True)
class Relearning(Training):
    """Training of an edited model again, on records of some erased people; a short run by default.

    Attributes:
        people: share of the erased people whose records are trained on; at least one person, and one is left over.
        seed: seed of who is chosen too.
    """

    rates: tuple[float, ...] = (5e-4,)
    marks: tuple[int, ...] = (10,)
    ranks: tuple[int, ...] = (0,)
    people: float = 0.4

    @property
    def title(self) -> str:
        """The attack in words."""
        steps = f"{'up to ' if self.count > 1 else ''}{self.steps} steps"
        return f"relearning ({steps} on the records of {self.people:.0%} of the erased people)"

    def prepare(self, name: str, ground: Ground) -> PreparedAttack:
        """Ask about the people whose records are not trained on; about nobody where there are no such records."""
        again = self.chosen(sorted(ground.people))
        others = ground.people - set(again)
        records = ground.records(again, others) if again else []
        return PreparedAttack(
            attack=name,
            title=self.title,
            asked=tuple(probe for probe in ground.erased if probe.target.subject in others)
            if records
            else (),
            levels=lambda attacked: self.levels(attacked, records),
            count=self.count,
            reason=NO_RECORDS if again else ONE_PERSON,
        )

    def chosen(self, people: Sequence[str]) -> list[str]:
        """Choose who is trained on again; nobody where fewer than two were erased."""
        names = sorted(set(people))
        if len(names) < 2:
            return []
        order = torch.randperm(len(names), generator=torch.Generator().manual_seed(self.seed)).tolist()
        count = min(len(names) - 1, max(1, round(self.people * len(names))))
        return sorted(names[place] for place in order[:count])

    def levels(self, attacked: Attacked, records: Sequence[Document]) -> Levels:
        """Yield while trained on the records; afterwards the weights are what they were, bit for bit."""
        loaded = attacked.loaded
        yield from self.train(loaded, encode_documents(loaded, records, {}, loaded.context_length))
