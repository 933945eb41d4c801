"""Relearning from paraphrases: half of each person's facts in words that the model was never asked in.

Whoever relearns need not have the original records; what an edit erased in some words may come back from others
(arXiv:2602.03379).
"""

from collections.abc import Collection
from dataclasses import dataclass

from editor.attacks.ground import Ground
from editor.attacks.half_relearning import HalfRelearning
from editor.questions.probes import Probe, Target
from editor.questions.rephrasing import corpus_wordings, plain_wordings, rephrased


@dataclass(frozen=True, kw_only=True)
class ParaphraseRelearning(HalfRelearning):
    """Training of an edited model on half of each person's facts, in what is said of others and in plain words.

    Attributes:
        wordings: number of wordings of each fact, at most.
    """

    wordings: int = 8

    @property
    def title(self) -> str:
        """The attack in words."""
        return f"relearning (up to {self.steps} steps on paraphrases of half of each person's facts)"

    @property
    def reason(self) -> str:
        """Why nothing is asked, where nothing is."""
        return "no erased person has two facts, one of which can be put in other words"

    def lessons(self, ground: Ground, taught: Collection[Target]) -> list[Probe]:
        """Return questions about the facts to train on in wordings that none of their own questions has."""
        own = [probe for probe in ground.erased if probe.target in taught]
        of_others, plain = corpus_wordings(ground.case.probes), plain_wordings(ground.case.policy)
        wordings = {
            relation: [*dict.fromkeys((*of_others.get(relation, ()), *plain.get(relation, ())))]
            for relation in {probe.target.relation for probe in own}
        }
        return rephrased(own, wordings, self.wordings, self.seed)
