"""Token batches of texts: each sequence with the tokens of interest (an answer, a text) marked."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from dictionaries import decoder_layers
from editor.model.mapping import is_mapped
from editor.model.passes import ALL_RIGHT, Passes
from policies.errors import ModelError

if TYPE_CHECKING:
    from editor.model.loading import LoadedModel

BATCH_TOKENS = 16_384
"""Most padded tokens in one batch: enough to keep two cores or a GPU busy on small models, flat in memory."""
GRADIENT_TOKENS = 4_096
"""Most padded tokens in a batch whose backward pass is kept."""
LEAST_TOKENS = 256
"""Padded tokens that a batch may have whatever memory they take."""
BATCH_BYTES = 2**27
"""Memory for a batch's activations, keys and values: 128 MiB, or a quarter of the weights' where that is more."""
GRADIENT_BYTES = 5 * 2**26
"""Memory for the activations of a batch whose backward pass is kept: 320 MiB, or half of the weights'."""
ENOUGH_TOKENS = 2_048
"""Padded tokens that already keep a processor busy: a batch of that many takes no longer sequence."""


@dataclass(frozen=True, kw_only=True)
class TokenSequence:
    """Token ids with a mark on those that are to be predicted.

    Attributes:
        ids: the tokens, the tokenizer's own special tokens included.
        marked: whether each token belongs to the answer; never true for the first.
        index: the sequence's place in its caller's list.
    """

    ids: tuple[int, ...] = field(repr=False)
    marked: tuple[bool, ...] = field(repr=False)
    index: int


@dataclass(frozen=True, kw_only=True)
class MarkedBatch:
    """Right-padded sequences on a device.

    Attributes:
        inputs: keyword arguments of the model's forward: `input_ids` and `attention_mask`, both
            (batch, positions).
        predicting: positions whose next token is marked, (batch, positions).
        targets: the marked tokens in row-major order of `predicting`, (marked,).
        rows: the batch row of each marked token, (marked,).
        indices: the caller's index of each row.
    """

    inputs: dict[str, Int[Tensor, "batch positions"]]
    predicting: Bool[Tensor, "batch positions"]
    targets: Int[Tensor, " marked"]
    rows: Int[Tensor, " marked"]
    indices: tuple[int, ...]

    def rows_of(self, start: int, stop: int) -> "MarkedBatch":
        """Return some rows, as long as they are here."""
        inside = (self.rows >= start) & (self.rows < stop)
        return MarkedBatch(
            inputs={name: values[start:stop] for name, values in self.inputs.items()},
            predicting=self.predicting[start:stop],
            targets=self.targets[inside],
            rows=self.rows[inside] - start,
            indices=self.indices[start:stop],
        )

    def halves(self) -> list["MarkedBatch"]:
        """Return both halves of the rows; itself alone where it has one."""
        return [self.rows_of(start, stop) for start, stop in half_rows(len(self.indices))]


def half_rows(count: int) -> list[tuple[int, int]]:
    """Return first and last place of both halves of so many rows; of one row, of all."""
    middle = (count + 1) // 2
    return [(0, middle), (middle, count)] if count > 1 else [(0, count)]


_LIMIT = "most_batch_tokens"
"""Attribute of a model with the most padded tokens in a batch that somebody asked for."""


def limit_batches(model: Any, tokens: int | None) -> None:
    """Let a model have no more padded tokens in a batch than `tokens`, whatever memory there is; None sets no limit."""
    setattr(model, _LIMIT, tokens)


def batch_limit(model: Any) -> int | None:
    """Return the limit that was set."""
    limit: int | None = getattr(model, _LIMIT, None)
    return limit


def _limited(model: Any, most: int) -> int:
    return min(most, batch_limit(model) or most)


def token_budget(model: Any) -> int:
    """Return the most padded tokens in one batch of a model: as many as its memory is meant for, or as were asked for.

    A token's keys and values are kept in every layer where a prompt is shared, and two layers' activations beside.
    """
    sizes = Sizes.of(model)
    kept = sizes.layers * sizes.keys_values + 2 * (sizes.width + sizes.hidden)
    most = _tokens_within(max(BATCH_BYTES, sizes.weights // 4), kept * sizes.item, BATCH_TOKENS)
    return _limited(model, most)


def gradient_budget(model: Any) -> int:
    """Return the same for a batch whose backward pass is kept: activations of the lowest layer that changes, and on."""
    sizes = Sizes.of(model)
    layers = max(1, sizes.layers - lowest_that_changes(model))
    kept = layers * (8 * sizes.width + 4 * sizes.hidden)
    most = _tokens_within(max(GRADIENT_BYTES, sizes.weights // 2), kept * sizes.item, GRADIENT_TOKENS)
    return _limited(model, most)


def lowest_that_changes(model: Any) -> int:
    """Return the lowest layer with a weight that wants gradients; 0 where none does, or one below the layers does."""
    changing = {id(weight) for weight in model.parameters() if weight.requires_grad}
    if not changing:
        return 0
    try:
        layers = decoder_layers(model)
    except ModelError:
        return 0
    owners = [changing & {id(weight) for weight in layer.parameters()} for layer in layers]
    if changing - set().union(*owners):
        return 0
    return next(number for number, mine in enumerate(owners) if mine)


def _tokens_within(memory: int, each: int, most: int) -> int:
    return max(LEAST_TOKENS, min(most, memory // max(1, each)))


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Sizes that decide a token's memory.

    Attributes:
        layers: number of layers.
        width: d, the width of the residual stream.
        hidden: m, the width inside an MLP.
        keys_values: width of a layer's keys and values together.
        queries: width of a layer's queries.
        item: bytes of a number.
        weights: bytes of all weights; none where they lie on the disk, and memory is meant for little else.
    """

    layers: int
    width: int
    hidden: int
    keys_values: int
    queries: int
    item: int
    weights: int

    @classmethod
    def of(cls, model: Any) -> "Sizes":
        """Read a model's configuration, and count its weights."""
        config = model.config.get_text_config(decoder=True)
        width = _size(config, "hidden_size", 0) or int(model.get_input_embeddings().weight.shape[1])
        heads = _size(config, "num_attention_heads", 1)
        head = _size(config, "head_dim", width // heads)
        hidden = _size(config, "intermediate_size", _size(config, "n_inner", 4 * width))
        item = int(model.dtype.itemsize)
        return cls(
            layers=_size(config, "num_hidden_layers", 1),
            width=width,
            hidden=hidden,
            keys_values=2 * head * _size(config, "num_key_value_heads", heads),
            queries=head * heads,
            item=item,
            weights=0 if is_mapped(model) else item * sum(weight.numel() for weight in model.parameters()),
        )


def _size(config: Any, name: str, otherwise: int) -> int:
    """Return a size that a configuration gives: the largest of its layers' where they differ, or another."""
    try:
        size = getattr(config, name, None)
    except AttributeError:  # some say so where layers differ
        size = None
    sizes = size if isinstance(size, list | tuple) else [size]
    return max((int(one) for one in sizes if isinstance(one, int) and one > 0), default=otherwise)


def encode_answer(tokenizer: Any, prompt: str, answer: str, index: int, limit: int) -> TokenSequence:
    """Tokenise one prompt and answer, as `encode_answers` does."""
    (sequence,) = encode_answers(tokenizer, [(prompt, answer)], limit)
    return TokenSequence(ids=sequence.ids, marked=sequence.marked, index=index)


def encode_answers(
    tokenizer: Any,
    pairs: Sequence[tuple[str, str]],
    limit: int,
    *,
    special: bool = True,
    join: bool = True,
) -> list[TokenSequence]:
    """Tokenise prompts and answers jointly, as the model saw them in training, and mark the answers' tokens.

    A space is put between the two unless the prompt ends where a word cannot (`joiner`), or `join` is false. A token
    that straddles the border counts as the answer's.

    Args:
        tokenizer: a fast tokenizer.
        pairs: prompts and their answers.
        limit: the most tokens in a sequence; longer prompts lose their beginning, never the answer.
        special: whether the tokenizer adds its own special tokens; a chat template has brought them already.
        join: whether a space is put where one is needed; else the prompts hold all that stands before the answers.

    Returns:
        One sequence for each pair, `index` being its place.
    """
    found = _encode_together(tokenizer, pairs, special=special, join=join)
    return [_mark(ids, offsets, index, limit) for index, (ids, offsets) in enumerate(found)]


def _mark(ids: list[int], offsets: list[tuple[int, int]], index: int, limit: int) -> TokenSequence:
    marked = [end > 0 for _, end in offsets]
    marked[0] = False
    excess = max(0, len(ids) - limit)
    special = 1 if offsets and offsets[0][0] == offsets[0][1] else 0
    keep = [*range(special), *range(special + excess, len(ids))]
    return TokenSequence(ids=tuple(ids[i] for i in keep), marked=tuple(marked[i] for i in keep), index=index)


def answer_spans(tokenizer: Any, prompt: str, answer: str, *, join: bool = True) -> list[tuple[int, int]]:
    """Return the (start, end) in the answer of each of its tokens, as `encode_answers` marks them."""
    ((_, offsets),) = _encode_together(tokenizer, [(prompt, answer)], join=join)
    return [(max(0, start), end) for start, end in offsets[1:] if end > 0]


def _encode_together(
    tokenizer: Any, pairs: Sequence[tuple[str, str]], *, special: bool = True, join: bool = True
) -> list[tuple[list[int], list[tuple[int, int]]]]:
    """Return token ids of prompts and answers together, and each token's start and end from the answer's start."""
    if not pairs:
        return []
    texts = [f"{prompt}{joiner(prompt) if join else ''}{answer}" for prompt, answer in pairs]
    # Not verbose: what is longer than the model takes is cut here, and needs no warning.
    encoded = tokenizer(texts, return_offsets_mapping=True, add_special_tokens=special, verbose=False)
    borders = [len(text) - len(answer) for text, (_, answer) in zip(texts, pairs, strict=True)]
    return [
        (ids, [(start - border, end - border) for start, end in offsets])
        for ids, offsets, border in zip(encoded["input_ids"], encoded["offset_mapping"], borders, strict=True)
    ]


def joiner(prompt: str) -> str:
    """Return what stands between a prompt and its answer: a space, unless the prompt ends where a word cannot."""
    return "" if not prompt or prompt[-1].isspace() or prompt[-1] in "(<\"'@#/=" else " "


def batches(
    sequences: Sequence[TokenSequence],
    *,
    pad: int,
    device: torch.device,
    budget: int = BATCH_TOKENS,
    passes: Passes = ALL_RIGHT,
) -> Iterator[MarkedBatch]:
    """Yield batches of sequences of similar length, at most `budget` padded tokens each.

    Where `passes` says that padding is not right for the model they have equal length, or one sequence each.
    """
    ordered = sorted(sequences, key=lambda sequence: (len(sequence.ids), sequence.index))
    group: list[TokenSequence] = []
    for sequence in ordered:
        length, longest = len(sequence.ids), len(group[-1].ids) if group else 0
        apart = not passes.join(longest, length) or is_full(len(group), longest, length, budget)
        if group and apart:
            yield collate(group, pad=pad, device=device)
            group = []
        group.append(sequence)
    if group:
        yield collate(group, pad=pad, device=device)


def padded_tokens(batch: MarkedBatch) -> int:
    """Return the number of tokens of a batch, padding included."""
    return batch.inputs["input_ids"].numel()


def is_full(rows: int, longest: int, following: int, budget: int) -> bool:
    """Return whether a batch ends before a sequence of `following` tokens, no shorter than its `longest`.

    A batch that is large enough takes no longer sequence, which would pad all others.
    """
    return (rows + 1) * following > budget or (rows * longest >= ENOUGH_TOKENS and following > longest)


def one_batch(loaded: "LoadedModel", sequences: Sequence[TokenSequence]) -> MarkedBatch:
    """Pad sequences into one batch for a model, in the order given."""
    return collate(sequences, pad=loaded.pad_id, device=loaded.device)


def collate(sequences: Sequence[TokenSequence], *, pad: int, device: torch.device) -> MarkedBatch:
    """Pad sequences on the right into one batch."""
    length = max(len(sequence.ids) for sequence in sequences)
    ids = torch.full((len(sequences), length), pad)
    attention = torch.zeros_like(ids)
    marked = torch.zeros_like(ids, dtype=torch.bool)
    for row, sequence in enumerate(sequences):
        size = len(sequence.ids)
        ids[row, :size] = torch.tensor(sequence.ids)
        attention[row, :size] = 1
        marked[row, :size] = torch.tensor(sequence.marked)
    predicting = torch.zeros_like(marked)
    predicting[:, :-1] = marked[:, 1:]
    return MarkedBatch(
        inputs={"input_ids": ids.to(device), "attention_mask": attention.to(device)},
        predicting=predicting.to(device),
        targets=ids[marked].to(device),
        rows=marked.nonzero()[:, 0].to(device),
        indices=tuple(sequence.index for sequence in sequences),
    )
