"""Benign fine-tuning: what a user who means no harm does, on text with nothing of the erased people in it.

It can bring erased facts back (arXiv:2505.22310).
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from detectors import Document
from editor.attacks.attack import Attacked, Levels, PreparedAttack
from editor.attacks.ground import Ground
from editor.attacks.training import Training
from editor.questions.retained import encode_documents


@dataclass(frozen=True, kw_only=True)
class BenignTuning(Training):
    """Training of an edited model on retained text.

    Attributes:
        documents: number of documents, at most.
        seed: seed of which documents are taken too.
    """

    documents: int = 1_000

    @property
    def title(self) -> str:
        """The attack in words."""
        return f"benign fine-tuning (up to {self.steps} steps on retained text)"

    def prepare(self, name: str, ground: Ground) -> PreparedAttack:
        """Ask everything about the facts in scope, where there is text without the erased people."""
        documents = list(ground.retained)
        random.Random(self.seed).shuffle(documents)
        return PreparedAttack(
            attack=name,
            title=self.title,
            asked=ground.erased if documents else (),
            levels=lambda attacked: self.levels(attacked, documents[: self.documents]),
            count=self.count,
            reason="there is no text without the erased people",
        )

    def levels(self, attacked: Attacked, documents: Sequence[Document]) -> Levels:
        """Yield while trained on the documents; afterwards the weights are what they were, bit for bit."""
        loaded = attacked.loaded
        yield from self.train(loaded, encode_documents(loaded, documents, {}, loaded.context_length))
