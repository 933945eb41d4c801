"""Activations of many sites from one model pass, filtered and shuffled.

Which tokens count: special tokens and padding never do. Neither do activation sinks, tokens whose activation
at any wanted site is more than 10 times the batch's median norm there; how many were dropped is reported by
site. A dropped token is dropped at every site, so that rows of different sites stay aligned.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from dictionaries.sites import Site, capture, input_device, resolve
from dictionaries.tokens import TokenBatch
from policies.errors import DictionaryError

SINK_RATIO = 10.0
DEFAULT_BUDGET_BYTES = 2 << 30
STATISTICS_ROWS = 1 << 16


@dataclass
class Tally:
    """What was read so far.

    Attributes:
        tokens: tokens kept.
        sinks: tokens whose norm was too large, by site.
    """

    tokens: int = 0
    sinks: Counter[Site] = field(default_factory=Counter)


class Harvest(NamedTuple):
    """Activations of one token batch.

    Attributes:
        activations: (tokens, d) in float32 by site, rows aligned over sites.
        kept: (batch, sequence), True where a row came from.
        batch: the batch itself, on the model's device.
    """

    activations: dict[Site, Float[Tensor, "tokens d"]]
    kept: Bool[Tensor, "batch sequence"]
    batch: TokenBatch


class Statistics(NamedTuple):
    """First moments of one site's activations.

    Attributes:
        mean: (d), in float32.
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
    """Run the model up to the deepest site and yield what counts, batch by batch.

    Args:
        model: in evaluation mode.
        batches: token batches, on any device.
        sites: which to read.
        tally: where kept tokens and sinks are counted.
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
    """True for tokens whose norm is at most 10 times the median norm at every site."""
    kept: Tensor | None = None
    for site, x in rows.items():
        norms = torch.linalg.vector_norm(x, dim=1)
        sink = norms > SINK_RATIO * norms.median() if len(norms) else norms > 0
        tally.sinks[site] += int(sink.sum())
        kept = ~sink if kept is None else kept & ~sink
    if kept is None:
        raise DictionaryError("No site was given", "Name at least one site")
    return kept


class ActivationStore:
    """Shuffled activations of several sites, drawn without replacement within an epoch.

    One preallocated tensor (sites, capacity, d) holds as many rows as the byte budget allows. If the corpus
    fits, one model pass fills it for good; if not, it is a shuffle buffer: half of it is served in random
    order, then refilled from the running pass, and passes start over when the corpus ends.

    Args:
        model: in evaluation mode.
        batches: token batches; iterated again for every pass. A one-shot iterator is listed first.
        sites: which to read.
        generator: of the order. On the CPU.
        budget_bytes: of the buffer.
        progress: called after each model batch of the first filling with (rows held, capacity).

    Raises:
        DictionaryError: no token counts, or not one row of every site fits the budget.
    """

    def __init__(
        self,
        model: nn.Module,
        batches: Iterable[TokenBatch],
        sites: Sequence[Site],
        *,
        generator: torch.Generator,
        budget_bytes: int = DEFAULT_BUDGET_BYTES,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self.sites = tuple(sites)
        self.tally = Tally()
        self._model, self._generator = model, generator
        self._batches = list(batches) if isinstance(batches, Iterator) else batches
        width = resolve(model, self.sites[0]).width
        capacity = budget_bytes // (4 * width * len(self.sites))
        if isinstance(self._batches, Sequence):
            capacity = min(capacity, sum(int(batch.counted.sum()) for batch in self._batches))
        if capacity < 1:
            raise DictionaryError(
                "There is not one token to train on", "Give a corpus with text, or a larger memory budget"
            )
        device = input_device(model)
        self._buffer = torch.empty(len(self.sites), capacity, width, device=device)
        self._stream = self._endless()
        self._pending: dict[Site, Tensor] | None = None
        self.rows = 0
        self.resident = self._fill(one_pass=True, progress=progress)
        self._order = torch.empty(0, dtype=torch.long)
        self._next = 0

    def statistics(self) -> dict[Site, Statistics]:
        """Mean and variance by site, over the rows held now, accumulated in float64."""
        result = {}
        for index, site in enumerate(self.sites):
            total = torch.zeros(self._buffer.shape[2], dtype=torch.float64, device=self._buffer.device)
            square = 0.0
            for start in range(0, self.rows, STATISTICS_ROWS):
                chunk = self._buffer[index, start : min(start + STATISTICS_ROWS, self.rows)]
                total += chunk.sum(dim=0, dtype=torch.float64)
                square += float(chunk.square().sum(dtype=torch.float64))
            mean = total / self.rows
            mean_square = square / self.rows
            variance = mean_square - float(mean.square().sum())
            result[site] = Statistics(mean.float(), mean_square, variance)
        return result

    def batch(self, size: int) -> dict[Site, Float[Tensor, "size d"]]:
        """The next `size` rows of every site, the same tokens at each; fewer where the store is smaller.

        What is left of an epoch when it is too short for a batch is not served.
        """
        if self._next + size > self._served_before_refill():
            self._reshuffle()
        size = min(size, self.rows)
        chosen = self._order[self._next : self._next + size].to(self._buffer.device)
        self._next += size
        return {site: self._buffer[index].index_select(0, chosen) for index, site in enumerate(self.sites)}

    def held(self, size: int) -> Iterator[dict[Site, Float[Tensor, "size d"]]]:
        """All rows held now, in order, in pieces of at most `size`."""
        for start in range(0, self.rows, size):
            stop = min(start + size, self.rows)
            yield {site: self._buffer[index, start:stop] for index, site in enumerate(self.sites)}

    def _served_before_refill(self) -> int:
        return len(self._order) if self.resident else len(self._order) // 2

    def _reshuffle(self) -> None:
        if not self.resident and self._next:
            self._drop(self._order[: self._next])
            self._fill(one_pass=False)
        self._order = torch.randperm(self.rows, generator=self._generator)
        self._next = 0

    def _drop(self, served: Tensor) -> None:
        """Move the rows that were not served to the front."""
        left = torch.ones(self.rows, dtype=torch.bool)
        left[served] = False
        rows = left.nonzero().squeeze(1).to(self._buffer.device)
        self.rows = len(rows)
        for site in range(len(self.sites)):
            self._buffer[site, : self.rows] = self._buffer[site].index_select(0, rows)

    def _fill(self, *, one_pass: bool, progress: Callable[[int, int], None] | None = None) -> bool:
        """Append rows until the buffer is full; with `one_pass`, say whether the pass ended before that."""
        capacity = self._buffer.shape[1]
        while True:
            piece = self._pending if self._pending is not None else next(self._stream)
            self._pending = None
            if piece is None:
                if one_pass:
                    return True
            elif self.rows == capacity:
                self._pending = piece
                return False
            else:
                self._append(piece)
                if progress is not None:
                    progress(self.rows, capacity)

    def _append(self, piece: dict[Site, Tensor]) -> None:
        """Copy what fits and keep the rest for later."""
        given = len(piece[self.sites[0]])
        count = min(given, self._buffer.shape[1] - self.rows)
        for index, site in enumerate(self.sites):
            self._buffer[index, self.rows : self.rows + count] = piece[site][:count]
        self.rows += count
        if count < given:
            self._pending = {site: x[count:] for site, x in piece.items()}

    def _endless(self) -> Iterator[dict[Site, Tensor] | None]:
        """Activations pass after pass, with None at the end of each."""
        while True:
            found = False
            for piece in harvest(self._model, self._batches, self.sites, self.tally):
                if bool(piece.kept.any()):
                    found = True
                    yield piece.activations
            if not found:
                raise DictionaryError(
                    "A pass over the corpus gave not one token",
                    "Give text, as something that can be read again",
                )
            yield None
