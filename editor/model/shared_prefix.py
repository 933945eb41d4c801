"""Forward passes over answers, a prompt that several answers share being run once.

A fact is asked for with its own secret and with decoys behind the same words, and a secret in several spellings. The
tokens before the answers are then the same, so their keys and values are computed once and kept (the model's own
cache), and only the answers are run behind them.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from editor.model.forward import keeping, marked_logits, output_logits
from editor.model.loading import LoadedModel
from editor.model.tokens import BATCH_TOKENS, MarkedBatch, TokenSequence, batches, collate, is_full

Prefix = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class SharedBatch:
    """Prefixes of one length, and the answers behind them.

    Attributes:
        prefixes: what is run once, (prefixes, prefix positions).
        prefix_of: the prefix of each row of `answers`, (rows,).
        answers: the last token of the prompt and the answer; positions count from the end of the prefix.
    """

    prefixes: Int[Tensor, "prefixes positions"]
    prefix_of: Int[Tensor, " rows"]
    answers: MarkedBatch


def answer_passes(
    loaded: LoadedModel, sequences: Sequence[TokenSequence], *, budget: int = BATCH_TOKENS
) -> Iterator[tuple[MarkedBatch, Float[Tensor, "marked vocabulary"]]]:
    """Yield batches of all sequences, each with the logits that predict its marked tokens.

    Args:
        loaded: the model.
        sequences: prompts with marked answers.
        budget: padded tokens a pass, kept ones included.
    """
    pad, device = loaded.tokenizer.pad_token_id or 0, loaded.device
    shared, alone = _by_prefix(sequences)
    for batch in batches(alone, pad=pad, device=device, budget=budget):
        yield batch, marked_logits(loaded.model, batch)
    for group in _shared_batches(shared, pad=pad, device=device, budget=budget):
        yield group.answers, shared_logits(loaded, group)


@torch.no_grad()
def shared_logits(loaded: LoadedModel, batch: SharedBatch) -> Float[Tensor, "marked vocabulary"]:
    """Return the logits that predict the marked tokens: the prefixes in one pass, the answers in a second."""
    from transformers import DynamicCache

    model = loaded.model
    cache = DynamicCache(config=model.config)
    model.base_model(input_ids=batch.prefixes, **keeping(model, cache))
    cache.batch_select_indices(batch.prefix_of)
    behind = batch.answers.inputs
    known = torch.ones(
        len(batch.prefix_of), batch.prefixes.shape[1], dtype=torch.long, device=batch.prefixes.device
    )
    hidden = model.base_model(
        input_ids=behind["input_ids"],
        attention_mask=torch.cat([known, behind["attention_mask"]], dim=1),
        **keeping(model, cache),
    ).last_hidden_state
    return output_logits(model, hidden[batch.answers.predicting])


def _by_prefix(
    sequences: Sequence[TokenSequence],
) -> tuple[dict[Prefix, list[TokenSequence]], list[TokenSequence]]:
    """Sequences by what stands before the last token of their prompt, and those that share it with no other."""
    groups: dict[Prefix, list[TokenSequence]] = defaultdict(list)
    for sequence in sequences:
        first = sequence.marked.index(True) if True in sequence.marked else 0
        groups[sequence.ids[: max(0, first - 1)]].append(sequence)
    shared = {prefix: group for prefix, group in groups.items() if prefix and len(group) > 1}
    return shared, [s for prefix, group in groups.items() if prefix not in shared for s in group]


def _shared_batches(
    groups: dict[Prefix, list[TokenSequence]], *, pad: int, device: torch.device, budget: int
) -> Iterator[SharedBatch]:
    """Batches of prefixes of the same length: no prefix is padded, so positions are right for every model.

    A prefix is run once, however many lengths its answers have, unless they do not fit into one batch.
    """
    lengths = {prefix: max(len(sequence.ids) for sequence in group) for prefix, group in groups.items()}
    chosen: list[tuple[Prefix, TokenSequence]] = []
    before: Prefix = ()
    for prefix in sorted(groups, key=lambda prefix: (len(prefix), lengths[prefix], prefix)):
        group, longest = groups[prefix], lengths[prefix]
        fits = len(prefix) == len(before) and (len(chosen) + len(group)) * longest <= budget
        if chosen and (not fits or is_full(len(chosen), lengths[before], longest, budget)):
            yield _collate(chosen, pad=pad, device=device)
            chosen = []
        for sequence in sorted(group, key=lambda sequence: (len(sequence.ids), sequence.index)):
            if (len(chosen) + 1) * longest > budget and chosen:
                yield _collate(chosen, pad=pad, device=device)
                chosen = []
            chosen.append((prefix, sequence))
        before = prefix
    if chosen:
        yield _collate(chosen, pad=pad, device=device)


def _collate(
    chosen: Sequence[tuple[Prefix, TokenSequence]], *, pad: int, device: torch.device
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
        prefix_of=torch.tensor([places[prefix] for prefix, _ in chosen], device=device),
        answers=collate(answers, pad=pad, device=device),
    )
