"""What a feature stands for: where it fires most, and which output tokens it promotes.

Contexts are corpus text and may hold personal data: digits and e-mail addresses are masked unless asked otherwise.
Names are not.
"""

import heapq
import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from dictionaries.dictionary import Dictionary
from dictionaries.model.activations import harvest
from dictionaries.model.sites import Site, resolve
from dictionaries.model.tokens import TokenBatch
from policies.errors import DictionaryError, ModelError

_EMAIL = re.compile(r"[^\s<>()]+\s*@\s*[^\s<>()]*")
_DIGIT = re.compile(r"\d")
MASK = "•"


class Context(NamedTuple):
    """One place where a feature fires.

    Attributes:
        document: index of the text, in the order read.
        value: the feature there.
        before: text to the left.
        token: the token on which it fires.
        after: text to the right.
    """

    document: int
    value: float
    before: str
    token: str
    after: str


class Promotion(NamedTuple):
    """An output token and what a unit of the feature adds to its logit, relative to the mean token."""

    token: str
    logit: float


class FeatureView(NamedTuple):
    """One feature.

    Attributes:
        feature: its index.
        density: share of tokens on which it is on.
        tokens: tokens looked at.
        largest: its largest value.
        baseline: its value when it says nothing.
        contexts: where it is largest, one for each distinct text around it, largest first.
        promoted: output tokens, most promoted first.
        suppressed: output tokens, most suppressed first.
    """

    feature: int
    density: float
    tokens: int
    largest: float
    baseline: float
    contexts: tuple[Context, ...]
    promoted: tuple[Promotion, ...]
    suppressed: tuple[Promotion, ...]


class _Occurrence(NamedTuple):
    value: float
    order: int  # breaks ties, so that tensors are never compared
    document: int
    row: Int[Tensor, "sequence"]
    position: int


def view_feature(
    model: nn.Module,
    tokenizer: Any,
    batches: Iterable[TokenBatch],
    dictionary: Dictionary,
    feature: int,
    *,
    contexts: int = 10,
    reach: int = 12,
    promoted: int = 10,
    unmask: bool = False,
) -> FeatureView:
    """Describe one feature from a corpus and from the model's output embedding.

    Args:
        model: in evaluation mode.
        tokenizer: the model's.
        batches: token batches of a corpus.
        dictionary: whose feature; on the model's device.
        feature: j, from 0.
        contexts: how many contexts to keep.
        reach: tokens shown on either side.
        promoted: how many output tokens on either end.
        unmask: show digits and e-mail addresses as they stand in the corpus.

    Raises:
        DictionaryError: there is no such feature.
    """
    if not 0 <= feature < dictionary.config.features:
        raise DictionaryError(
            f"Feature {feature} does not exist in a dictionary of {dictionary.config.features}",
            f"Use 0 to {dictionary.config.features - 1}",
        )
    on, tokens, found = _scan(model, batches, dictionary, feature, contexts)
    shown = [_context(tokenizer, one, reach, unmask=unmask) for one in sorted(found, reverse=True)]
    high, low = output_tokens(model, tokenizer, dictionary, feature, promoted)
    return FeatureView(
        feature=feature,
        density=on / tokens if tokens else 0.0,
        tokens=tokens,
        largest=shown[0].value if shown else 0.0,
        baseline=float(dictionary.baseline[feature]),
        contexts=tuple(shown),
        promoted=high,
        suppressed=low,
    )


@torch.no_grad()
def output_tokens(
    model: nn.Module, tokenizer: Any, dictionary: Dictionary, feature: int, count: int
) -> tuple[tuple[Promotion, ...], tuple[Promotion, ...]]:
    """The output tokens that a feature promotes and suppresses most, by the logit lens.

    Its direction times the output embedding, less the mean over the vocabulary; a feature of heads or of neurons
    goes through their output projection first. The layers in between and norms are left out: this is a reading
    aid, not a measurement.

    Raises:
        ModelError: the model has no output embedding of the dictionary's width.
    """
    head: Any = getattr(model, "get_output_embeddings", lambda: None)()
    direction = _written(model, dictionary, feature)
    if head is None or head.weight.shape[1] != len(direction):
        raise ModelError(
            f"{type(model).__name__} has no output embedding for the residual stream",
            "Use a causal language model of transformers",
        )
    logits = (head.weight @ direction.to(head.weight)).float()
    logits = logits - logits.mean()

    def read(scores: Tensor) -> tuple[Promotion, ...]:
        order = scores.topk(min(count, len(scores))).indices.tolist()
        return tuple(Promotion(tokenizer.decode([token]), float(logits[token])) for token in order)

    return read(logits), read(-logits)


def _written(model: nn.Module, dictionary: Dictionary, feature: int) -> Float[Tensor, "d"]:
    """What a unit of the feature adds to the residual stream, norms left out."""
    direction = dictionary.directions[feature]
    site = dictionary.config.site
    if site.stream not in {"attn_heads", "mlp_hidden"}:
        return direction
    found = resolve(model, Site(site.layer, "attn_out" if site.stream == "attn_heads" else "mlp_out"))
    weight: Tensor = found.projection.weight  # type: ignore[assignment]
    direction = direction.to(weight)
    return direction @ weight if found.transposed else weight @ direction


def mask_text(text: str) -> str:
    """Replace the characters of e-mail addresses and every digit by dots, keeping the length."""
    text = _EMAIL.sub(lambda match: re.sub(r"\S", MASK, match.group()), text)
    return _DIGIT.sub(MASK, text)


def _scan(
    model: nn.Module,
    batches: Iterable[TokenBatch],
    dictionary: Dictionary,
    feature: int,
    contexts: int,
) -> tuple[int, int, list[_Occurrence]]:
    """(tokens on, tokens, strongest occurrences): the strongest place of each row, the strongest rows of all."""
    site = dictionary.config.site
    heap: list[_Occurrence] = []
    seen: set[tuple[int, ...]] = set()
    on = tokens = 0
    for piece in harvest(model, batches, [site]):
        values = torch.zeros(piece.kept.shape, device=piece.kept.device)
        values[piece.kept] = dictionary.encode(piece.activations[site])[:, feature]
        on, tokens = on + int(torch.count_nonzero(values)), tokens + int(piece.kept.sum())
        if not contexts:
            continue
        for row, (value, position) in enumerate(zip(*(x.tolist() for x in values.max(dim=1)), strict=True)):
            if value <= (heap[0].value if len(heap) == contexts else 0.0):
                continue
            ids = piece.batch.tokens[row][piece.batch.attention[row]].cpu()
            if (key := tuple(ids[: position + 1].tolist())) in seen:
                continue
            seen.add(key)
            found = _Occurrence(value, -len(seen), int(piece.batch.documents[row]), ids, position)
            if len(heap) < contexts:
                heapq.heappush(heap, found)
            else:
                heapq.heapreplace(heap, found)
    return on, tokens, heap


def _context(tokenizer: Any, found: _Occurrence, reach: int, *, unmask: bool) -> Context:
    ids, position = found.row.tolist(), found.position
    # The whole row is decoded and masked before it is cut: an address that the cut divides is masked too.
    # Lengths of decoded prefixes say where to cut; single tokens may decode differently (leading spaces).
    text, *prefixes = (
        tokenizer.decode(ids[:stop], skip_special_tokens=True, clean_up_tokenization_spaces=False)
        for stop in (len(ids), max(0, position - reach), position, position + 1, position + 1 + reach)
    )
    text = text if unmask else mask_text(text)
    before, token, after = (text[len(a) : len(b)] for a, b in pairwise(prefixes))
    return Context(found.document, found.value, before, token, after)
