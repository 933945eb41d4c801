"""Relearning: train an edited model again on some erased people's records, and ask for the others'.

What comes back for people whose records were not trained on was hidden, not gone (Deeb & Roger 2024, arXiv:2410.08827).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from detectors import Document
from editor.attacks.attack import Attacked, Level, Levels, PreparedAttack
from editor.attacks.ground import Ground
from editor.attacks.weight_levels import projection_names
from editor.edits.edit import preserved
from editor.model.forward import token_log_p
from editor.model.loading import LoadedModel
from editor.model.passes import ALL_RIGHT, Passes
from editor.model.tokens import TokenSequence, collate, gradient_budget
from editor.questions.retained import LOGIT_ELEMENTS, encode_documents

ONE_PERSON = "it takes two erased people at least, one to train on and one to ask for"
NO_RECORDS = "no record names some of the erased people without the others"


@dataclass(frozen=True, kw_only=True)
class Relearning:
    """Training of an edited model again, on records of some erased people.

    Attributes:
        people: share of the erased people whose records are trained on; at least one person, and one is left over.
        steps: number of AdamW steps on every projection of the decoder.
        learning_rate: constant learning rate.
        texts: number of records in a step.
        seed: seed of who is chosen, and of the records' order.
    """

    people: float = 0.4
    steps: int = 10
    learning_rate: float = 5e-4
    texts: int = 16
    seed: int = 0

    @property
    def title(self) -> str:
        """The attack in words."""
        return f"relearning ({self.steps} steps on the records of {self.people:.0%} of the erased people)"

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
        """Yield once trained on the records; afterwards the weights are what they were, bit for bit."""
        loaded = attacked.loaded
        names = projection_names(loaded.model)
        sequences = encode_documents(loaded, records, {}, loaded.context_length)
        with preserved(loaded.model, names):
            if sequences:
                self._train(loaded, names, sequences)
            yield Level(name=f"{self.steps} steps", amount=self.steps)

    def _train(self, loaded: LoadedModel, names: set[str], sequences: Sequence[TokenSequence]) -> None:
        model = loaded.model
        weights = [model.get_parameter(name) for name in sorted(names)]
        optimiser = torch.optim.AdamW(weights, lr=self.learning_rate, weight_decay=0.0)
        draws = _draws(len(sequences), self.texts, self.steps, self.seed)
        try:
            for weight in weights:
                weight.requires_grad_(True)
            for places in draws:
                chosen = _within([sequences[place] for place in places], loaded.vocabulary)
                parts = [
                    collate(part, pad=loaded.pad_id, device=loaded.device)
                    for part in _parts(chosen, gradient_budget(model), loaded.passes)
                ]
                tokens = sum(len(part.targets) for part in parts)
                optimiser.zero_grad()
                # The mean over all tokens, as many rows at a time as memory is meant for.
                for part in parts:
                    with torch.enable_grad():
                        torch.autograd.backward(-token_log_p(model, part).sum() / tokens)
                optimiser.step()
        finally:
            optimiser.zero_grad()
            for weight in weights:
                weight.requires_grad_(False)


def _draws(count: int, size: int, steps: int, seed: int) -> Iterator[list[int]]:
    """Yield places of `size` records for each step, reshuffled each time all were seen."""
    generator = torch.Generator().manual_seed(seed)
    waiting: list[int] = []
    for _ in range(steps):
        while len(waiting) < size:
            waiting += torch.randperm(count, generator=generator).tolist()
        places, waiting = waiting[:size], waiting[size:]
        yield places


def _within(sequences: Sequence[TokenSequence], vocabulary: int) -> list[TokenSequence]:
    """Return as many of the sequences, one at least, as the room for their logits allows."""
    longest = 0
    chosen: list[TokenSequence] = []
    for sequence in sequences:
        longest = max(longest, len(sequence.ids))
        if chosen and longest * (len(chosen) + 1) * vocabulary > LOGIT_ELEMENTS:
            break
        chosen.append(sequence)
    return chosen


def _parts(
    sequences: Sequence[TokenSequence], budget: int, passes: Passes = ALL_RIGHT
) -> Iterator[list[TokenSequence]]:
    """Cut sequences, in order, into parts of at most `budget` padded tokens each that may be run together."""
    part: list[TokenSequence] = []
    for sequence in sequences:
        longest = max(len(one.ids) for one in (*part, sequence))
        if part and (
            not passes.join(len(part[-1].ids), len(sequence.ids)) or (len(part) + 1) * longest > budget
        ):
            yield part
            part = []
        part.append(sequence)
    if part:
        yield part
