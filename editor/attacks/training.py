"""Training of an edited model by an adversary or a user: how much comes back after how many steps, at which rate."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

import torch
from torch import nn

from editor.attacks.attack import Level, Levels
from editor.attacks.weight_levels import projection_names
from editor.edits.edit import preserved
from editor.methods.weights.lora_tuning import lora_adapter
from editor.model.forward import token_log_p
from editor.model.loading import LoadedModel
from editor.model.passes import ALL_RIGHT, Passes
from editor.model.tokens import TokenSequence, collate, gradient_budget
from editor.questions.retained import LOGIT_ELEMENTS

RATES = (1e-5, 5e-5, 2e-4, 1e-3, 5e-3)
"""Learning rates of a sweep: the worst of them counts."""
MARKS = (10, 30, 100, 250, 500)
"""Numbers of steps of a sweep after which the model is asked."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """Settings of AdamW on every projection of the decoder, or on LoRA adapters of every linear layer.

    Attributes:
        rates: constant learning rates, one run each.
        marks: numbers of steps after which the model is asked, ascending; 0 for before the first.
        ranks: ranks of adapters, each with all rates; 0 for the weights themselves.
        texts: number of texts in a step.
        seed: seed of the texts' order and of an adapter's first weights.
    """

    rates: tuple[float, ...] = RATES
    marks: tuple[int, ...] = MARKS
    ranks: tuple[int, ...] = (0, 8)
    texts: int = 16
    seed: int = 0

    @property
    def steps(self) -> int:
        """Number of steps of a run."""
        return max(self.marks, default=0)

    @property
    def count(self) -> int:
        """Number of levels."""
        return len(self.rates) * len(self.marks) * len(self.ranks)

    def train(self, loaded: LoadedModel, sequences: Sequence[TokenSequence]) -> Levels:
        """Yield after each mark of each run; afterwards the weights are what they were, bit for bit.

        A run ends where its loss is no number.
        """
        for rank in self.ranks:
            for rate in self.rates:
                series = f"{f'LoRA of rank {rank}' if rank else 'all weights'}, learning rate {rate:g}"
                with _trained(loaded, rank, self.seed) as weights:
                    for step in self._run(loaded, weights, sequences, rate):
                        yield Level(
                            name=f"{step} steps", series=series if self.count > 1 else "", amount=step
                        )

    def _run(
        self,
        loaded: LoadedModel,
        weights: Sequence[nn.Parameter],
        sequences: Sequence[TokenSequence],
        rate: float,
    ) -> Iterator[int]:
        """Yield the number of steps at each mark, with the weights as they then are and no gradients kept."""
        optimiser = torch.optim.AdamW(weights, lr=rate, weight_decay=0.0)
        draws = _draws(len(sequences), self.texts, self.seed)
        done = 0
        for mark in self.marks if sequences else ():
            for places in islice(draws, mark - done):
                if not _step(loaded, optimiser, [sequences[place] for place in places]):
                    return
            done = mark
            yield mark


@contextmanager
def _trained(loaded: LoadedModel, rank: int, seed: int) -> Iterator[list[nn.Parameter]]:
    """Yield the weights to train: an adapter's, or those of the model, which are put back bit for bit."""
    model = loaded.model
    if rank:
        with lora_adapter(model, rank, seed) as layers:
            yield [one for _, layer in layers for one in layer.parameters() if one.requires_grad]
        return
    names = projection_names(model)
    with preserved(model, names):
        yield [model.get_parameter(name) for name in sorted(names)]


def _step(loaded: LoadedModel, optimiser: torch.optim.AdamW, sequences: Sequence[TokenSequence]) -> bool:
    """Take a step on the mean over all tokens; return whether the loss was a number."""
    model = loaded.model
    weights = [weight for group in optimiser.param_groups for weight in group["params"]]
    chosen = _within(sequences, loaded.vocabulary)
    # As many rows at a time as memory is meant for.
    parts = [
        collate(part, pad=loaded.pad_id, device=loaded.device)
        for part in _parts(chosen, gradient_budget(model), loaded.passes)
    ]
    tokens, total = sum(len(part.targets) for part in parts), 0.0
    try:
        for weight in weights:
            weight.requires_grad_(True)
        for part in parts:
            with torch.enable_grad():
                loss = -token_log_p(model, part).sum() / tokens
                torch.autograd.backward(loss)
            total += float(loss.detach())
        sound = math.isfinite(total)
        if sound:
            optimiser.step()
    finally:
        optimiser.zero_grad()
        for weight in weights:
            weight.requires_grad_(False)
    return sound


def _draws(count: int, size: int, seed: int) -> Iterator[list[int]]:
    """Yield places of `size` texts without end, reshuffled each time all were seen."""
    generator = torch.Generator().manual_seed(seed)
    waiting: list[int] = []
    while True:
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
