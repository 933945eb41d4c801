"""Token batches: what the model reads, and which positions count."""

from collections.abc import Collection, Iterable, Iterator
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Int
from torch import Tensor

SORTING_WINDOW = 64  # batches whose documents are sorted by length together, to save padding


class TokenBatch(NamedTuple):
    """A batch of right-padded token sequences.

    Attributes:
        tokens: (batch, sequence) token ids.
        attention: (batch, sequence) mask, True at real tokens.
        counted: (batch, sequence) mask, True where activations are taken: real tokens that are not special.
        documents: (batch) index of each row's text in the order given.
    """

    tokens: Int[Tensor, "batch sequence"]
    attention: Bool[Tensor, "batch sequence"]
    counted: Bool[Tensor, "batch sequence"]
    documents: Int[Tensor, "batch"]

    def to(self, device: torch.device) -> "TokenBatch":
        """Return the batch on another device."""
        return TokenBatch(*(tensor.to(device, non_blocking=True) for tensor in self))


def token_batches(
    texts: Iterable[str], tokenizer: Any, *, context: int = 128, batch_size: int = 32
) -> Iterator[TokenBatch]:
    """Tokenise texts lazily into batches of rows of similar length.

    Each text is read by itself, as at inference: special tokens are added as the tokenizer does, and a text
    longer than `context` tokens becomes several rows. Empty texts are left out.

    Args:
        texts: texts, one document each.
        tokenizer: a transformers tokenizer.
        context: largest number of tokens per row; not more than the model was trained on.
        batch_size: number of rows per batch.
    """
    special = set(tokenizer.all_special_ids)
    padding = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
    rows: list[tuple[int, list[int]]] = []
    for document, text in enumerate(texts):
        rows.extend((document, row) for row in _rows(text, tokenizer, context, special))
        if len(rows) >= SORTING_WINDOW * batch_size:
            yield from _batches(rows, special, padding, batch_size)
            rows = []
    yield from _batches(rows, special, padding, batch_size)


def as_batches(
    tokens: Iterable[Int[Tensor, "batch sequence"]], special: Collection[int] = ()
) -> Iterator[TokenBatch]:
    """Yield batches from plain token tensors without padding; ids in `special` do not count."""
    first = 0
    for ids in tokens:
        counted = torch.ones_like(ids, dtype=torch.bool)
        for one in special:
            counted &= ids != one
        documents = torch.arange(first, first + len(ids))
        yield TokenBatch(ids, torch.ones_like(counted), counted, documents)
        first += len(ids)


def _rows(text: str, tokenizer: Any, context: int, special: set[int]) -> Iterator[list[int]]:
    encoded = tokenizer(
        text, truncation=True, max_length=context, return_overflowing_tokens=True, return_attention_mask=False
    )["input_ids"]
    # A slow tokenizer returns one flat list.
    for row in encoded if encoded and isinstance(encoded[0], list) else [encoded]:
        if any(token not in special for token in row):
            yield row


def _batches(
    rows: list[tuple[int, list[int]]], special: set[int], padding: int, batch_size: int
) -> Iterator[TokenBatch]:
    rows.sort(key=lambda row: len(row[1]))
    for start in range(0, len(rows), batch_size):
        chunk = rows[start : start + batch_size]
        length = max(len(row) for _, row in chunk)
        tokens = torch.full((len(chunk), length), padding, dtype=torch.long)
        attention = torch.zeros((len(chunk), length), dtype=torch.bool)
        counted = torch.zeros((len(chunk), length), dtype=torch.bool)
        for index, (_, row) in enumerate(chunk):
            tokens[index, : len(row)] = torch.tensor(row)
            attention[index, : len(row)] = True
            counted[index, : len(row)] = torch.tensor([token not in special for token in row])
        yield TokenBatch(tokens, attention, counted, torch.tensor([document for document, _ in chunk]))
