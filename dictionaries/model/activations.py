"""Activations of many sites from one model pass, filtered and shuffled.

Which tokens count: special tokens and padding never do. Neither do activation sinks, tokens whose activation
at any wanted site is more than 10 times the batch's median norm there; how many were dropped is reported by
site. A dropped token is dropped at every site, so that rows of different sites stay aligned.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple, Protocol

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from dictionaries.model.sites import Site, capture, input_device
from dictionaries.model.tokens import TokenBatch
from policies.errors import DictionaryError

SINK_RATIO = 10.0


@dataclass
class Tally:
    """Counts of what was read so far.

    Attributes:
        tokens: number of tokens kept.
        sinks: number of tokens whose norm was too large, by site.
    """

    tokens: int = 0
    sinks: Counter[Site] = field(default_factory=Counter)


class Harvest(NamedTuple):
    """Activations of one token batch.

    Attributes:
        activations: (tokens, d) activations in float32 by site, rows aligned over sites.
        kept: (batch, sequence) mask, True where a row came from.
        batch: the token batch itself, on the model's device.
    """

    activations: dict[Site, Float[Tensor, "tokens d"]]
    kept: Bool[Tensor, "batch sequence"]
    batch: TokenBatch


class Statistics(NamedTuple):
    """First and second moments of one site's activations.

    Attributes:
        mean: (d) E x, in float32.
        mean_square: E‖x‖².
        variance: E‖x - E x‖².
    """

    mean: Float[Tensor, "d"]
    mean_square: float
    variance: float


@torch.no_grad()
def harvest(
    model: nn.Module, batches: Iterable[TokenBatch], sites: Sequence[Site], tally: Tally | None = None
) -> Iterator[Harvest]:
    """Run the model up to the deepest site and yield the activations that count, batch by batch.

    Args:
        model: a causal language model in evaluation mode.
        batches: token batches, on any device.
        sites: the sites to read.
        tally: counts to which kept tokens and sinks are added.

    Raises:
        DictionaryError: no site is given, or the model has no such layer.
        ModelError: the model's structure is not understood.
    """
    device = input_device(model)
    tally = tally if tally is not None else Tally()
    for moved in (batch.to(device) for batch in batches):
        with capture(model, sites, keys=False, stop_early=True) as taken:
            model(input_ids=moved.tokens, attention_mask=moved.attention.long(), use_cache=False)
        # A model may be spread over devices; its activations come together on the first.
        rows = {site: taken.outputs[site].to(device)[moved.counted].float() for site in sites}
        kept = without_sinks(rows, tally)
        mask = moved.counted.clone()
        mask[moved.counted] = kept
        activations = rows if bool(kept.all()) else {site: x[kept] for site, x in rows.items()}
        tally.tokens += int(kept.sum())
        yield Harvest(activations, mask, moved)


def without_sinks(rows: dict[Site, Float[Tensor, "tokens d"]], tally: Tally) -> Bool[Tensor, "tokens"]:
    """Return a mask of the tokens whose norm is at most 10 times the median norm at every site.

    Raises:
        DictionaryError: no site is given.
    """
    kept: Tensor | None = None
    for site, x in rows.items():
        norms = torch.linalg.vector_norm(x, dim=1)
        sink = norms > SINK_RATIO * norms.median() if len(norms) else norms > 0
        tally.sinks[site] += int(sink.sum())
        kept = ~sink if kept is None else kept & ~sink
    if kept is None:
        raise DictionaryError("No site was given", "Name at least one site")
    return kept


Pieces = Iterator[dict[Site, Float[Tensor, "tokens d"]]]
"""Activations of one token batch after another, rows aligned over sites; a piece may be empty."""


class Source(Protocol):
    """A source of activations that gives the same ones on every pass."""

    def pieces(self, first: int, tally: Tally) -> Pieces:
        """Yield one pass over the corpus from token batch `first` on; what is read is counted in `tally`."""
        ...


class ModelSource:
    """A source that reads activations straight from the model.

    Args:
        model: a causal language model in evaluation mode.
        batches: token batches that can be iterated again.
        sites: the sites to read.
    """

    def __init__(self, model: nn.Module, batches: Iterable[TokenBatch], sites: Sequence[Site]) -> None:
        self._model, self._batches, self._sites = model, batches, sites

    def pieces(self, first: int, tally: Tally) -> Pieces:
        """Yield one pass from token batch `first` on; see `Source`."""
        rest = islice(self._batches, first, None)
        for piece in harvest(self._model, rest, self._sites, tally):
            yield piece.activations
