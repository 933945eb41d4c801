"""Retained text: what the model must keep knowing, without the secrets that are to go.

Documents are split once, by a seeded hash of their ids: an edit and its strength search see the fitting part,
verification judges on the part held out.
"""

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from detectors import Document, Register
from detectors.fact import Fact
from detectors.people.sentences import split_sentences
from editor.model.forward import logit_blocks, marked_hidden
from editor.model.loading import LoadedModel
from editor.model.tokens import (
    LEAST_TOKENS,
    MarkedBatch,
    TokenSequence,
    batches,
    gradient_budget,
    padded_tokens,
    token_budget,
)
from editor.processes import group
from editor.questions.rendering import as_taught

HELD_OUT_SHARE = 0.2
"""Share of the documents that verification judges on."""
LOGIT_ELEMENTS = 2**26
"""Most logits held at once when every position of a text counts: 256 MiB in float32."""


@dataclass(frozen=True, kw_only=True)
class TextComparison:
    """Comparison of two models on the same text.

    Attributes:
        tokens: number of predicted tokens.
        perplexity_before: exp of the mean negative log-likelihood in nats/token, under the first model.
        perplexity_after: the same under the second model.
        divergence: mean KL(before || after) in nats/token.
    """

    tokens: int
    perplexity_before: float
    perplexity_after: float
    divergence: float


def erased_spans(
    facts: Iterable[Fact], documents: Iterable[Document] = ()
) -> dict[str, list[tuple[int, int]]]:
    """Map a document's id to the (start, end) of the erased secrets in it.

    That is where they were found, and wherever else they stand in `documents`.
    """
    spans: dict[str, list[tuple[int, int]]] = defaultdict(list)
    secrets = Register()
    for fact in facts:
        secrets.add(fact.secret)
        for source in fact.sources:
            spans[source.document].append((source.start, source.end))
    for document in documents:
        spans[document.id] += [(found.start, found.end) for found in secrets.find_read(document.text)]
    return dict(spans)


def split_documents(documents: Sequence[Document], seed: int) -> tuple[list[Document], list[Document]]:
    """Split documents into the part an edit may use and the part held out for verification (a fifth)."""
    held_out = [_draw(document.id, seed) < HELD_OUT_SHARE for document in documents]
    fitting = [d for d, held in zip(documents, held_out, strict=True) if not held]
    return fitting, [d for d, held in zip(documents, held_out, strict=True) if held]


def sentences_naming(
    names: Iterable[str], documents: Iterable[Document], spans: Mapping[str, Sequence[tuple[int, int]]]
) -> tuple[list[Document], dict[str, list[tuple[int, int]]]]:
    """Return each sentence that names one of some people as a document of its own, and the spans in it.

    Args:
        names: the people's names.
        documents: texts with ids.
        spans: (start, end) of parts of the documents, by their id.
    """
    register = Register()
    for name in names:
        register.add_person(name)
    sentences: list[Document] = []
    inside: dict[str, list[tuple[int, int]]] = {}
    for document in documents:
        split = split_sentences(document.text)
        named = {split.index(mention.start) for mention in register.find(document.text)}
        for start, end in map(split.bounds, sorted(named)):
            identifier = f"{document.id}#{start}"
            sentences.append(Document(id=identifier, text=document.text[start:end].rstrip(), subjects=()))
            inside[identifier] = [
                (begin - start, stop - start)
                for begin, stop in spans.get(document.id, ())
                if begin < end and stop > start
            ]
    return sentences, inside


def _draw(identifier: str, seed: int) -> float:
    digest = hashlib.blake2b(f"{seed}\0{identifier}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def encode_documents(
    loaded: LoadedModel,
    documents: Iterable[Document],
    erased: Mapping[str, Sequence[tuple[int, int]]],
    limit: int,
) -> list[TokenSequence]:
    """Tokenise documents into windows of at most `limit` tokens, all tokens but erased secrets marked.

    Of a chat in a model's template, what is said is marked and the template is not.

    Args:
        loaded: the model that was taught them.
        documents: texts with ids.
        erased: the (start, end) of erased secrets by document id, as `erased_spans` gives them.
        limit: the most tokens in a window.

    Returns:
        The windows that have a marked token, in order; the first token of a window is never marked.
    """
    sequences: list[TokenSequence] = []
    for document in documents:
        rendered = as_taught(loaded, document)
        encoded = loaded.tokenizer(
            rendered.text, return_offsets_mapping=True, add_special_tokens=not rendered.framed
        )
        ids, offsets = encoded["input_ids"], encoded["offset_mapping"]
        said = rendered.placed([(0, len(document.text))])
        spans = rendered.placed(erased.get(document.id, ()))
        keep = [
            end > start
            and any(start < stop and end > begin for begin, stop in said)
            and not any(start < stop and end > begin for begin, stop in spans)
            for start, end in offsets
        ]
        for begin in range(0, len(ids), limit):
            marked = [False, *keep[begin + 1 : begin + limit]]
            if any(marked):
                sequences.append(
                    TokenSequence(
                        ids=tuple(ids[begin : begin + limit]), marked=tuple(marked), index=len(sequences)
                    )
                )
    return sequences


def text_batches(
    loaded: LoadedModel, sequences: Sequence[TokenSequence], *, backward: bool = False
) -> Iterable[MarkedBatch]:
    """Batch sequences in which most positions count, so that their logits stay within `LOGIT_ELEMENTS`.

    Args:
        loaded: the model.
        sequences: texts.
        backward: whether a backward pass is kept.
    """
    most = gradient_budget(loaded.model) if backward else token_budget(loaded.model)
    budget = max(LEAST_TOKENS, min(most, LOGIT_ELEMENTS // loaded.vocabulary))
    return batches(sequences, pad=loaded.pad_id, device=loaded.device, budget=budget, passes=loaded.passes)


@torch.no_grad()
def text_log_p(loaded: LoadedModel, sequences: Sequence[TokenSequence]) -> Float[Tensor, " texts"]:
    """Return the sum of ln p of each text's marked tokens, in nats."""
    placed = [replace(sequence, index=place) for place, sequence in enumerate(sequences)]
    sums = torch.zeros(len(placed), device=loaded.device)

    def read(batch: MarkedBatch) -> Tensor:
        return log_p_of(loaded, batch, marked_hidden(loaded, batch))

    listed = list(text_batches(loaded, placed))
    for batch, log_p in zip(listed, group().each("texts", listed, read, cost=padded_tokens), strict=True):
        add_log_p(sums, batch, log_p)
    return sums


def log_p_of(
    loaded: LoadedModel, batch: MarkedBatch, hidden: Float[Tensor, "marked width"]
) -> Float[Tensor, " marked"]:
    """Return ln p of the marked tokens, in nats, from the final hidden states that predict them."""
    parts = [
        logits.log_softmax(1).gather(1, batch.targets[place, None])[:, 0]
        for place, logits in logit_blocks(loaded, hidden)
    ]
    return torch.cat(parts) if parts else hidden.new_zeros(0)


def add_log_p(sums: Float[Tensor, " texts"], batch: MarkedBatch, log_p: Float[Tensor, " marked"]) -> None:
    """Add the marked tokens' ln p to the sums of their texts, in place."""
    places = torch.tensor(batch.indices, device=log_p.device)[batch.rows]
    sums.index_add_(0, places.to(sums.device), log_p.to(sums.device))


def perplexity(loaded: LoadedModel, sequences: Sequence[TokenSequence]) -> tuple[int, float]:
    """Return the number of marked tokens and exp of their mean negative log-likelihood in nats/token."""
    total, tokens = 0.0, 0

    def read(batch: MarkedBatch) -> tuple[float, int]:
        log_p = log_p_of(loaded, batch, marked_hidden(loaded, batch))
        return float(log_p.double().sum()), len(batch.targets)

    batches_of_text = text_batches(loaded, sequences)
    for log_p, count in group().each("perplexity", batches_of_text, read, cost=padded_tokens):
        total -= log_p
        tokens += count
    return tokens, math.exp(total / max(1, tokens))


def compare_text(
    before: LoadedModel, after: LoadedModel, sequences: Sequence[TokenSequence]
) -> TextComparison:
    """Compare two models' predictions of the marked tokens of the same text, batch by batch."""
    sums = torch.zeros(3, dtype=torch.float64)
    tokens = 0

    def read(batch: MarkedBatch) -> tuple[list[Tensor], int]:
        found = []
        blocks = zip(
            logit_blocks(before, marked_hidden(before, batch)),
            logit_blocks(after, marked_hidden(after, batch)),
            strict=True,
        )
        for (place, first), (_, second) in blocks:
            p, q = first.log_softmax(1), second.log_softmax(1).to(first.device)  # ln p, ln q
            own = batch.targets[place, None]
            divergence = (p.exp() * (p - q)).sum()
            found.append(torch.stack([-p.gather(1, own).sum(), -q.gather(1, own).sum(), divergence]))
        return [one.double().cpu() for one in found], len(batch.targets)

    for blocks, count in group().each("texts", text_batches(before, sequences), read, cost=padded_tokens):
        for block in blocks:
            sums += block
        tokens += count
    mean = (sums / max(1, tokens)).tolist()
    return TextComparison(
        tokens=tokens,
        perplexity_before=math.exp(mean[0]),
        perplexity_after=math.exp(mean[1]),
        divergence=mean[2],
    )
