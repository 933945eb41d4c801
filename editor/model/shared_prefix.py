"""Forward passes over answers, what several sequences begin with being run once.

A fact is asked for with its own secret and with decoys after the same words, and a secret in several spellings. The
tokens before the answers are then the same. Their keys and values are computed once and kept in the model's own cache;
only the answers are run after them. Many prompts begin alike in turn, in a chat template above all: that beginning,
the root, is run once a batch. The last token of an answer predicts nothing, and is not run.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from editor.model.forward import (
    LOGITS_AT_A_TIME,
    backbone,
    keeping,
    marked_hidden,
)
from editor.model.halving import in_halves
from editor.model.loading import LoadedModel
from editor.model.tokens import (
    LEAST_TOKENS,
    MarkedBatch,
    TokenSequence,
    batches,
    collate,
    gradient_budget,
    half_rows,
    is_full,
    token_budget,
)

ROOT_TOKENS = 16
"""Fewest tokens of a root."""
ROOT_PROMPTS = 16
"""Fewest prompts that a root pays off for."""
ENOUGH_ANSWERS = 128
"""Padded tokens of answers after which a batch with a root takes no longer one."""
PROMPTED = 3
"""Tokens of a prompt and its answer for each whose activations a backward pass keeps."""

Prefix = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class SharedBatch:
    """Prefixes of one length, and the answers that follow them.

    Attributes:
        prefixes: token ids that are run once, (prefixes, positions).
        root: number of tokens that all prefixes begin with, which are run once for all.
        prefix_of: the row of `prefixes` that each row of `answers` follows, (rows,).
        answers: the last token of the prompt and the answer; positions count from the end of the prefix.
    """

    prefixes: Int[Tensor, "prefixes positions"]
    root: int
    prefix_of: Int[Tensor, " rows"]
    answers: MarkedBatch

    def halves(self) -> list["SharedBatch"]:
        """Return both halves of the answers, each with the prefixes that stand before it."""
        found = []
        for start, stop in half_rows(len(self.answers.indices)):
            own: Any = self.prefix_of[start:stop]
            used, prefix_of = own.unique(return_inverse=True)
            answers = self.answers.rows_of(start, stop)
            found.append(replace(self, prefixes=self.prefixes[used], prefix_of=prefix_of, answers=answers))
        return found


@dataclass(frozen=True, kw_only=True)
class AnswerPass:
    """A forward pass that is still to be made.

    Attributes:
        batch: what is run, or what is run after shared prefixes.
        shared: the prefixes; None for whole sequences.
    """

    batch: MarkedBatch
    shared: SharedBatch | None = None

    @property
    def tokens(self) -> int:
        """Padded tokens that are run."""
        own = self.batch.inputs["input_ids"].numel()
        return own + (self.shared.prefixes.numel() if self.shared else 0)

    def run(self, loaded: LoadedModel) -> Float[Tensor, "marked width"]:
        """Return the final hidden states that predict the marked tokens."""
        if self.shared is None:
            return marked_hidden(loaded, cut_last(self.batch))
        return shared_hidden(loaded, self.shared)


def answer_passes(
    loaded: LoadedModel,
    sequences: Sequence[TokenSequence],
    *,
    budget: int | None = None,
    roots: Sequence[Prefix] | None = None,
) -> Iterator[tuple[MarkedBatch, Float[Tensor, "marked width"]]]:
    """Yield batches of all sequences, each with the final hidden states that predict its marked tokens.

    `editor.model.forward.logit_blocks` makes logits of them, some rows at a time.

    Args:
        loaded: the model.
        sequences: prompts with marked answers.
        budget: the most padded tokens in one pass, those of the kept prefixes included; None for as many as the
            model's memory is meant for.
        roots: what prompts begin with that is run once a batch; None for what many begin with.
    """
    for one in planned_passes(loaded, sequences, budget=budget, roots=roots):
        yield one.batch, one.run(loaded)


def pass_batches(
    loaded: LoadedModel,
    sequences: Sequence[TokenSequence],
    *,
    budget: int | None = None,
    roots: Sequence[Prefix] | None = None,
) -> Iterator[MarkedBatch | SharedBatch]:
    """Yield the batches that `answer_passes` runs, in its order: whole sequences, or answers after shared prefixes."""
    for one in planned_passes(loaded, sequences, budget=budget, roots=roots):
        yield one.batch if one.shared is None else one.shared


def planned_passes(
    loaded: LoadedModel,
    sequences: Sequence[TokenSequence],
    *,
    budget: int | None = None,
    roots: Sequence[Prefix] | None = None,
) -> Iterator[AnswerPass]:
    """Yield the passes that `answer_passes` makes of the same arguments."""
    pad, device, passes = loaded.pad_id, loaded.device, loaded.passes
    most = token_budget(loaded.model) if budget is None else budget
    if not passes.head:  # what is kept of a pass are logits
        most = min(most, max(LEAST_TOKENS, LOGITS_AT_A_TIME // loaded.vocabulary))
    if not passes.shared:
        for batch in batches(sequences, pad=pad, device=device, budget=most, passes=passes):
            yield AnswerPass(batch=batch)
        return
    shared, alone = _by_prefix(sequences)
    if roots is None:
        roots = find_roots([*shared, *(before_answer(sequence) for sequence in alone)])
    rootless = []
    for sequence in alone:
        root = root_of(before_answer(sequence), roots)
        if root:
            shared.setdefault(root, []).append(sequence)
        else:
            rootless.append(sequence)
    for batch in batches(rootless, pad=pad, device=device, budget=most, passes=passes):
        yield AnswerPass(batch=batch)
    for group in _shared_batches(shared, roots, pad=pad, device=device, budget=most):
        yield AnswerPass(batch=group.answers, shared=group)


@dataclass(frozen=True, kw_only=True)
class AnswerBatch:
    """A batch whose backward pass ends where the answers begin.

    Attributes:
        answers: what is run with gradients: the answers, or whole sequences.
        shared: what is run before them without; None for whole sequences.
    """

    answers: MarkedBatch
    shared: SharedBatch | None = None

    def read_before(self, model: Any) -> Any:
        """Run what stands before the answers, as the model is now; the cache, None for whole sequences."""
        return None if self.shared is None else _read_prefixes(model, self.shared)

    def hidden(self, model: Any, cache: Any) -> Float[Tensor, "rows positions width"]:
        """Return final hidden states of `answers`, with gradients where they are enabled.

        Args:
            model: the model.
            cache: what `read_before` returned. It is used up.
        """
        if self.shared is None:
            whole: Tensor = backbone(model)(**self.answers.inputs, use_cache=False).last_hidden_state
            return whole
        return after_prefixes(model, self.shared, self.answers, cache)


def answer_batches(loaded: LoadedModel, sequences: Sequence[TokenSequence]) -> list[AnswerBatch]:
    """Batch sequences for backward passes that end where the answers begin.

    Where prompts have a root, it and they are run without gradients, which takes a third of the time. What happens at
    their tokens is then a constant: right for gradients at the answers' places, and at no others.
    """
    pad, device, budget = loaded.pad_id, loaded.device, gradient_budget(loaded.model)
    # Prompts are longer than their answers, and only the answers' activations are kept.
    prompted = min(token_budget(loaded.model), PROMPTED * budget)
    roots = find_roots([before_answer(sequence) for sequence in sequences])
    groups: dict[Prefix, list[TokenSequence]] = defaultdict(list)
    whole = []
    for sequence in sequences:
        before = before_answer(sequence)
        if root_of(before, roots):
            groups[before].append(sequence)
        else:
            whole.append(sequence)
    return [
        *(AnswerBatch(answers=batch) for batch in batches(whole, pad=pad, device=device, budget=budget)),
        *(
            AnswerBatch(answers=cut_last(shared.answers), shared=shared)
            for shared in _shared_batches(groups, roots, pad=pad, device=device, budget=prompted)
        ),
    ]


def shared_hidden(loaded: LoadedModel, batch: SharedBatch) -> Float[Tensor, "marked width"]:
    """Return the hidden states that predict the marked tokens: root, prefixes and answers in a pass each.

    Where memory runs out, the batch is run in halves.
    """
    return in_halves(lambda part: _shared_hidden(loaded, part), batch, torch.cat)


@torch.no_grad()
def _shared_hidden(loaded: LoadedModel, batch: SharedBatch) -> Float[Tensor, "marked width"]:
    answers = cut_last(batch.answers)
    hidden = after_prefixes(loaded.model, batch, answers, _read_prefixes(loaded.model, batch))
    return hidden[answers.predicting]


@torch.no_grad()
def _read_prefixes(model: Any, batch: SharedBatch) -> Any:
    """Return the same as `keys_and_values`, without gradients."""
    return keys_and_values(model, batch)


def keys_and_values(model: Any, batch: SharedBatch) -> Any:
    """Return keys and values of the prefix before each row of the answers."""
    from transformers import DynamicCache

    cache, device = DynamicCache(config=model.config), batch.prefixes.device
    if batch.root:
        backbone(model)(input_ids=batch.prefixes[:1, : batch.root], **keeping(model, cache))
        cache.batch_select_indices(torch.zeros(len(batch.prefixes), dtype=torch.long, device=device))
    if batch.root < batch.prefixes.shape[1]:
        backbone(model)(input_ids=batch.prefixes[:, batch.root :], **keeping(model, cache))
    cache.batch_select_indices(batch.prefix_of)
    return cache


def after_prefixes(
    model: Any, batch: SharedBatch, answers: MarkedBatch, cache: Any
) -> Float[Tensor, "rows positions width"]:
    """Return final hidden states of answers, run after prefixes whose keys and values are in a cache; it is used up."""
    known = torch.ones(
        len(batch.prefix_of), batch.prefixes.shape[1], dtype=torch.long, device=batch.prefixes.device
    )
    inputs = answers.inputs
    hidden: Tensor = backbone(model)(
        input_ids=inputs["input_ids"],
        attention_mask=torch.cat([known, inputs["attention_mask"]], dim=1),
        **keeping(model, cache),
    ).last_hidden_state
    return hidden


def cut_last(batch: MarkedBatch) -> MarkedBatch:
    """Return the batch without its last position, which predicts nothing."""
    if batch.predicting.shape[1] < 2:
        return batch
    inputs = {name: values[:, :-1] for name, values in batch.inputs.items()}
    return replace(batch, inputs=inputs, predicting=batch.predicting[:, :-1])


def before_answer(sequence: TokenSequence) -> Prefix:
    """Return what stands before the last token of the prompt."""
    first = sequence.marked.index(True) if True in sequence.marked else 0
    return sequence.ids[: max(0, first - 1)]


def _by_prefix(
    sequences: Sequence[TokenSequence],
) -> tuple[dict[Prefix, list[TokenSequence]], list[TokenSequence]]:
    """Group sequences by what stands before the last token of their prompt; list those that share it with no other."""
    groups: dict[Prefix, list[TokenSequence]] = defaultdict(list)
    for sequence in sequences:
        groups[before_answer(sequence)].append(sequence)
    shared = {prefix: group for prefix, group in groups.items() if prefix and len(group) > 1}
    return shared, [s for prefix, group in groups.items() if prefix not in shared for s in group]


def find_roots(prefixes: Sequence[Prefix], fewest: int = ROOT_PROMPTS) -> list[Prefix]:
    """Return what many prefixes begin with, as far as they agree: longest first, none the beginning of another.

    Args:
        prefixes: tokens of prompts.
        fewest: fewest different ones that a root pays off for.
    """
    long = sorted({prefix for prefix in prefixes if len(prefix) >= ROOT_TOKENS})
    roots = []
    for _, group in groupby(long, key=lambda prefix: prefix[:ROOT_TOKENS]):
        alike = list(group)
        if len(alike) >= fewest:
            first, last = alike[0], alike[-1]  # in order, so what these two share all share
            length = next(
                (i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first)
            )
            roots.append(first[:length])
    return roots


def root_of(prefix: Prefix, roots: Sequence[Prefix]) -> Prefix:
    """Return the root that a prefix begins with; empty for none."""
    return next((root for root in roots if prefix[: len(root)] == root), ())


def _shared_batches(
    groups: dict[Prefix, list[TokenSequence]],
    roots: Sequence[Prefix] = (),
    *,
    pad: int,
    device: torch.device,
    budget: int,
) -> Iterator[SharedBatch]:
    """Yield batches of prefixes of the same length: none is padded, so positions are right for every model.

    A prefix is run once, however many lengths its answers have, unless they do not fit into one batch.
    """
    lengths = {prefix: max(len(sequence.ids) for sequence in group) for prefix, group in groups.items()}
    rooted = {prefix: root_of(prefix, roots) for prefix in groups}
    chosen: list[tuple[Prefix, TokenSequence]] = []
    before: Prefix = ()

    def full() -> SharedBatch:
        return _collate(chosen, root=len(rooted[before]), pad=pad, device=device)

    for prefix in sorted(
        groups,
        key=lambda prefix: (len(prefix), len(rooted[prefix]), rooted[prefix], lengths[prefix], prefix),
    ):
        group, longest = groups[prefix], lengths[prefix]
        alike = len(prefix) == len(before) and rooted[prefix] == rooted.get(before)
        fits = alike and (len(chosen) + len(group)) * longest <= budget
        # After a root, passes hold little but answers: a longer one would pad all others.
        answers = len(chosen) * (lengths.get(before, 0) - len(before))
        padding = bool(rooted[prefix]) and answers >= ENOUGH_ANSWERS and longest > lengths.get(before, 0)
        if chosen and (not fits or padding or is_full(len(chosen), lengths[before], longest, budget)):
            yield full()
            chosen = []
        before = prefix
        for sequence in sorted(group, key=lambda sequence: (len(sequence.ids), sequence.index)):
            if (len(chosen) + 1) * longest > budget and chosen:
                yield full()
                chosen = []
            chosen.append((prefix, sequence))
    if chosen:
        yield full()


def _collate(
    chosen: Sequence[tuple[Prefix, TokenSequence]], *, root: int, pad: int, device: torch.device
) -> SharedBatch:
    places: dict[Prefix, int] = {}
    for prefix, _ in chosen:
        places.setdefault(prefix, len(places))
    answers = [
        TokenSequence(
            ids=sequence.ids[len(prefix) :], marked=sequence.marked[len(prefix) :], index=sequence.index
        )
        for prefix, sequence in chosen
    ]
    return SharedBatch(
        prefixes=torch.tensor(list(places), device=device),
        root=root,
        prefix_of=torch.tensor([places[prefix] for prefix, _ in chosen], device=device),
        answers=collate(answers, pad=pad, device=device),
    )
