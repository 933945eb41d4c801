"""Sequences in parts for passes whose backward pass is kept: what many begin with is run once a part."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from editor.model.below import Below
from editor.model.forward import output_logits, traced_logits
from editor.model.loading import LoadedModel
from editor.model.precision import quick_precision
from editor.model.shared_prefix import (
    Prefix,
    SharedBatch,
    after_prefixes,
    before_answer,
    find_roots,
    keys_and_values,
    root_of,
)
from editor.model.tokens import (
    LEAST_TOKENS,
    MarkedBatch,
    TokenSequence,
    gradient_budget,
    half_rows,
    one_batch,
)

TRACED_PROMPTS = 4
"""Fewest prompts that a root pays off for: a part costs a pass over the root forth and back."""
SAME_NATS = 0.1
"""Most that ln p of a token may differ on average, in nats, between passes in bfloat16 that are to be the same."""


@dataclass(frozen=True, kw_only=True)
class TracedPart:
    """Some of several sequences, to be run with gradients where they are enabled.

    Attributes:
        places: which of the sequences these are; a row each.
        batch: the sequences, without their root.
        whole: the sequences, whole.
        root: what all of them begin with, which is run once; empty for nothing.
    """

    places: list[int]
    batch: MarkedBatch
    whole: list[TokenSequence] = field(repr=False)
    root: Prefix = field(default=(), repr=False)

    @property
    def tokens(self) -> int:
        """Padded tokens whose activations a backward pass keeps."""
        return len(self.root) + self.batch.inputs["input_ids"].numel()

    def read_root(self, loaded: LoadedModel) -> Any:
        """Run the root by the model as it is now; return its cache, for one call of `logits`. None for no root."""
        return keys_and_values(loaded.model, self._shared(loaded)) if self.root else None

    def logits(self, loaded: LoadedModel, cache: Any = None) -> Float[Tensor, "marked vocabulary"]:
        """Return the logits that predict the marked tokens, by the model as it is now.

        Args:
            loaded: the model.
            cache: what `read_root` returned; None to run the root too.
        """
        if not self.root:
            return traced_logits(loaded.model, self.batch)
        cache = self.read_root(loaded) if cache is None else cache
        hidden = after_prefixes(loaded.model, self._shared(loaded), self.batch, cache)
        return output_logits(loaded.model, hidden[self.batch.predicting])

    def logits_above(self, loaded: LoadedModel, below: Below) -> Float[Tensor, "marked vocabulary"]:
        """Return the same as `logits`, from the lowest layer that changes on; what is below was run once."""
        below.read(self.whole)
        root, length = len(self.root), self.batch.inputs["input_ids"].shape[1]
        cache = None
        if root:
            with below.entering(self.whole[:1], 0, root):
                cache = self.read_root(loaded)
        with below.entering(self.whole, root, length):
            return self.logits(loaded, cache)

    def halves(self) -> list["TracedPart"]:
        """Return both halves of the sequences; itself alone where it is one."""
        return [
            TracedPart(
                places=self.places[start:stop],
                batch=self.batch.rows_of(start, stop),
                whole=self.whole[start:stop],
                root=self.root,
            )
            for start, stop in half_rows(len(self.places))
        ]

    def _shared(self, loaded: LoadedModel) -> SharedBatch:
        row = torch.tensor([self.root], device=loaded.device)
        prefix_of = row.new_zeros(len(self.places))
        return SharedBatch(prefixes=row, root=len(self.root), prefix_of=prefix_of, answers=self.batch)


def traced_parts(loaded: LoadedModel, sequences: Sequence[TokenSequence]) -> list[TracedPart]:
    """Part sequences for passes whose backward pass is kept, within the memory that is meant for one.

    What many begin with is run once a part, its gradients kept too. Of a chat model's prompts that beginning, the
    template's, is most. The result is that of whole sequences.
    """
    prompts = [before_answer(sequence) for sequence in sequences]
    roots = find_roots(prompts, fewest=TRACED_PROMPTS)
    by_root: dict[Prefix, list[int]] = defaultdict(list)
    for place, prompt in enumerate(prompts):
        by_root[root_of(prompt, roots)].append(place)
    return [
        TracedPart(
            places=chosen,
            batch=one_batch(loaded, [_without(sequences[p], root) for p in chosen]),
            whole=[sequences[p] for p in chosen],
            root=root,
        )
        for root, places in by_root.items()
        for chosen in _within_memory(loaded, sequences, places, len(root))
    ]


def _without(sequence: TokenSequence, root: Prefix) -> TokenSequence:
    return TokenSequence(
        ids=sequence.ids[len(root) :], marked=sequence.marked[len(root) :], index=sequence.index
    )


def _within_memory(
    loaded: LoadedModel, sequences: Sequence[TokenSequence], places: Sequence[int], root: int
) -> Iterator[list[int]]:
    """Yield places of sequences in parts of as many padded tokens as a backward pass may keep: all, where they fit."""
    most = gradient_budget(loaded.model)
    budget = max(min(LEAST_TOKENS, most), most - root)
    lengths = {place: len(sequences[place].ids) - root for place in places}
    if max(lengths.values()) * len(places) <= budget:
        yield list(places)
        return
    part: list[int] = []
    for place in sorted(places, key=lambda place: (lengths[place], place)):
        if part and (len(part) + 1) * lengths[place] > budget:
            yield part
            part = []
        part.append(place)
    yield part


def agreeing(loaded: LoadedModel, below: Below | None, sequences: Sequence[TokenSequence]) -> Below | None:
    """Return `below` if passes that begin at its layer give what whole ones give on some sequences, else None.

    A family may hand its layers more than hidden states and what is alike for all; that shows here.
    """
    if below is None or not sequences:
        return None
    try:
        with torch.no_grad(), quick_precision(loaded):
            differences = torch.cat([_difference(loaded, below, p) for p in traced_parts(loaded, sequences)])
    except torch.OutOfMemoryError:
        raise
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError):
        return None  # a family's own code takes no other hidden states
    return below if float(differences.mean()) <= SAME_NATS else None


def _difference(loaded: LoadedModel, below: Below, part: TracedPart) -> Float[Tensor, " marked"]:
    """Return how far ln p of each marked token is from that of a whole pass, in nats."""
    targets = part.batch.targets[:, None]
    whole = part.logits(loaded).log_softmax(1).gather(1, targets)
    above = part.logits_above(loaded, below).log_softmax(1).gather(1, targets)
    return (whole - above).abs()[:, 0]
