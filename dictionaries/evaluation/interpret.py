"""Views of a feature: the contexts where it fires most, and the output tokens it promotes.

Contexts are corpus text and may hold personal data: digits and e-mail addresses are masked unless asked otherwise.
Names are not.
"""

import heapq
import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from dictionaries.dictionary import Dictionary
from dictionaries.evaluation.passages import Piece, read_pieces
from dictionaries.evaluation.top_tokens import Salience
from dictionaries.model.activations import harvest
from dictionaries.model.sites import Site, resolve
from dictionaries.model.tokens import TokenBatch
from policies.errors import DictionaryError, ModelError

_EMAIL = re.compile(r"[^\s<>()]+\s*@\s*[^\s<>()]*")
_DIGIT = re.compile(r"\d")
MASK = "•"
BINS = 12


class Context(NamedTuple):
    """One place where a feature fires.

    Attributes:
        document: index of the text, in the order read.
        value: value of the feature there.
        pieces: the tokens around the place as text, each with the feature's value; at special tokens the text is
            empty.
        peak: index of the piece that is the token.
    """

    document: int
    value: float
    pieces: tuple[Piece, ...]
    peak: int

    @property
    def before(self) -> str:
        """The text to the left of the token."""
        return "".join(piece.text for piece in self.pieces[: self.peak])

    @property
    def token(self) -> str:
        """The token on which the feature fires."""
        return self.pieces[self.peak].text

    @property
    def after(self) -> str:
        """The text to the right of the token."""
        return "".join(piece.text for piece in self.pieces[self.peak + 1 :])


class Bin(NamedTuple):
    """The number of tokens that have a feature on with a value above `low`, up to `high`."""

    low: float
    high: float
    tokens: int


class Promotion(NamedTuple):
    """An output token and what a unit of the feature adds to its logit, relative to the mean token."""

    token: str
    logit: float


class FeatureView(NamedTuple):
    """A description of one feature.

    Attributes:
        feature: index of the feature.
        density: share of tokens on which the feature is on.
        tokens: number of tokens looked at.
        largest: largest value of the feature.
        baseline: value of the feature when it says nothing.
        contexts: places where the feature is largest, one for each distinct text around it, largest first.
        promoted: output tokens, most promoted first.
        suppressed: output tokens, most suppressed first.
        histogram: values of the feature where it is on, in equal bins from 0 to the largest; one bin where it has
            but one value.
    """

    feature: int
    density: float
    tokens: int
    largest: float
    baseline: float
    contexts: tuple[Context, ...]
    promoted: tuple[Promotion, ...]
    suppressed: tuple[Promotion, ...]
    histogram: tuple[Bin, ...]

    def strength(self, value: float) -> float:
        """Return how far a value departs from the baseline, as a share of the largest departure shown: 0 to 1.

        The commoner value of a bit is 0, as a value of 0 is where the baseline is 0.
        """
        departure = abs(value - self.baseline)
        if departure <= min(self.baseline, 1 - self.baseline):
            return 0.0
        largest = max((abs(one.value - self.baseline) for one in self.contexts), default=departure)
        return min(1.0, departure / largest) if largest else 0.0


class _Occurrence(NamedTuple):
    salience: float
    order: int  # breaks ties, so that tensors are never compared
    document: int
    row: Int[Tensor, "sequence"]
    values: Float[Tensor, "sequence"]
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
    mask: Callable[[str], str] | None = None,
) -> FeatureView:
    """Describe one feature from a corpus and from the model's output embedding.

    Args:
        model: a causal language model in evaluation mode.
        tokenizer: the model's tokenizer.
        batches: token batches of a corpus.
        dictionary: the feature's dictionary, on the model's device.
        feature: index of the feature, from 0.
        contexts: number of contexts to keep.
        reach: number of tokens shown on either side.
        promoted: number of output tokens on either end.
        unmask: whether to show the corpus as it stands.
        mask: masks text otherwise, and keeps its length; None masks digits and e-mail addresses.

    Raises:
        DictionaryError: there is no such feature.
        ModelError: the model has no output embedding of the dictionary's width.
    """
    if not 0 <= feature < dictionary.config.features:
        raise DictionaryError(
            f"Feature {feature} does not exist in a dictionary of {dictionary.config.features}",
            f"Use 0 to {dictionary.config.features - 1}",
        )
    on, tokens, found = _scan(model, batches, dictionary, feature, contexts)
    masked = str if unmask else mask or mask_text
    shown = [_context(tokenizer, one, reach, masked) for one in sorted(found, reverse=True)]
    ends = output_tokens(model, tokenizer, dictionary, feature, promoted)
    high, low = (tuple(one._replace(token=masked(one.token)) for one in end) for end in ends)
    return FeatureView(
        feature=feature,
        density=len(on) / tokens if tokens else 0.0,
        tokens=tokens,
        largest=float(on.max()) if len(on) else 0.0,
        baseline=float(dictionary.baseline[feature]),
        contexts=tuple(shown),
        promoted=high,
        suppressed=low,
        histogram=value_histogram(on),
    )


def value_histogram(values: Float[Tensor, "on"], bins: int = BINS) -> tuple[Bin, ...]:
    """Count values above 0 in equal bins from 0 to the largest; one bin where there is but one value."""
    if not len(values):
        return ()
    largest = float(values.max())
    if float(values.min()) == largest:
        return (Bin(largest, largest, len(values)),)
    places = (values / largest * bins).ceil().long().clamp(1, bins) - 1
    counts = torch.bincount(places, minlength=bins).tolist()
    return tuple(Bin(largest * n / bins, largest * (n + 1) / bins, count) for n, count in enumerate(counts))


@torch.no_grad()
def output_tokens(
    model: nn.Module, tokenizer: Any, dictionary: Dictionary, feature: int, count: int
) -> tuple[tuple[Promotion, ...], tuple[Promotion, ...]]:
    """Return the output tokens that a feature promotes and suppresses most, by the logit lens.

    Its direction times the output embedding, less the mean over the vocabulary; a feature of heads or of neurons
    goes through their output projection first. The layers in between and norms are left out: this is a reading
    aid, not a measurement.

    Raises:
        ModelError: the model has no output embedding of the dictionary's width.
    """
    head: Any = getattr(model, "get_output_embeddings", lambda: None)()
    direction = _project_to_stream(model, dictionary, feature)
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


def _project_to_stream(model: nn.Module, dictionary: Dictionary, feature: int) -> Float[Tensor, "d"]:
    """Return what a unit of the feature adds to the residual stream, norms left out."""
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
) -> tuple[Float[Tensor, "on"], int, list[_Occurrence]]:
    """Return (values where the feature is on, tokens, most salient occurrences), at most one occurrence per row."""
    site, salience = dictionary.config.site, Salience.of(dictionary, [feature])
    heap: list[_Occurrence] = []
    seen: set[tuple[int, ...]] = set()
    on: list[Tensor] = []
    tokens = 0
    for piece in harvest(model, batches, [site]):
        codes = dictionary.encode(piece.activations[site])
        values, grid = (torch.zeros(piece.kept.shape, device=piece.kept.device) for _ in range(2))
        values[piece.kept], grid[piece.kept] = codes[:, feature].float(), salience.departures(codes)[:, 0]
        on.append(values[values > 0].cpu())
        tokens += int(piece.kept.sum())
        if not contexts:
            continue
        for row, (found, position) in enumerate(zip(*(x.tolist() for x in grid.max(dim=1)), strict=True)):
            if found <= (heap[0].salience if len(heap) == contexts else 0.0):
                continue
            real = piece.batch.attention[row]
            ids = piece.batch.tokens[row][real].cpu()
            if (key := tuple(ids[: position + 1].tolist())) in seen:
                continue
            seen.add(key)
            document = int(piece.batch.documents[row])
            one = _Occurrence(found, -len(seen), document, ids, values[row][real].cpu(), position)
            if len(heap) < contexts:
                heapq.heappush(heap, one)
            else:
                heapq.heapreplace(heap, one)
    return torch.cat(on) if on else torch.empty(0), tokens, heap


def _context(tokenizer: Any, found: _Occurrence, reach: int, mask: Callable[[str], str]) -> Context:
    values = found.values.tolist()
    first = max(0, found.position - reach)
    place = range(first, min(len(values), found.position + 1 + reach))
    pieces = read_pieces(tokenizer, found.row.tolist(), values, place, mask)
    return Context(found.document, values[found.position], pieces, found.position - first)
