"""The buffer that training draws from: activations of several sites, shuffled, in bounded memory."""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dictionaries.model.activations import ModelSource, Source, Statistics, Tally
from dictionaries.model.sites import Site, input_device, resolve
from dictionaries.model.tokens import TokenBatch
from dictionaries.training.activation_cache import CachedSource
from dictionaries.training.fingerprint import activations_key
from policies.errors import DictionaryError

DEFAULT_BUDGET_BYTES = 2 << 30
STATISTICS_ROWS = 1 << 16


class ActivationStore:
    """A store of shuffled activations of several sites, drawn without replacement within an epoch.

    One preallocated tensor (sites, capacity, d) holds as many rows as the byte budget allows. If the corpus
    fits, one model pass fills it for good; if not, it is a shuffle buffer: half of it is served in random
    order, then refilled from the running pass, and passes start over when the corpus ends.

    Args:
        model: a causal language model in evaluation mode.
        batches: token batches; iterated again for every pass. A one-shot iterator is listed first.
        sites: the sites to read.
        generator: generator of the order, on the CPU.
        budget_bytes: largest size of the buffer, in bytes.
        cache: a folder where activations are kept for later runs, see `dictionaries.training.activation_cache`.
        state: `state()` of a store over the same activations; the new one resumes where that one stood. Its
            generator is the caller's to restore.
        progress: callback after each model batch of the first filling, with (rows held, capacity).

    Attributes:
        sites: the sites read.
        tally: tokens kept and sinks dropped so far.
        rows: number of rows held now.
        resident: whether the whole corpus fits the buffer.

    Raises:
        DictionaryError: no token counts, not one row of every site fits the budget, or the state is of another
            corpus.
        OutputError: the cache cannot be written or is damaged.
    """

    def __init__(
        self,
        model: nn.Module,
        batches: Iterable[TokenBatch],
        sites: Sequence[Site],
        *,
        generator: torch.Generator,
        budget_bytes: int = DEFAULT_BUDGET_BYTES,
        cache: Path | None = None,
        state: Mapping[str, Any] | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self.sites = tuple(sites)
        self.tally = Tally()
        self._generator = generator
        batches = list(batches) if isinstance(batches, Iterator) else batches
        self._source: Source = ModelSource(model, batches, self.sites)
        if cache is not None:
            key = activations_key(model, batches, self.sites)
            self._source = CachedSource(self._source, cache, key, self.sites)
        width = _common_width(model, self.sites)
        capacity = budget_bytes // (4 * width * len(self.sites))
        if isinstance(batches, Sequence):
            capacity = min(capacity, sum(int(batch.counted.sum()) for batch in batches))
        if capacity < 1:
            raise DictionaryError(
                "There is not one token to train on", "Give a corpus with text, or a larger memory budget"
            )
        self._buffer = torch.empty(len(self.sites), capacity, width, device=input_device(model))
        # Where each row stands in a pass: enough to read it again.
        self._ordinals = torch.empty(capacity, dtype=torch.long)
        self._ordinal = self._batch = self.rows = self._next = 0
        self._pending: dict[Site, Tensor] | None = None
        self._order = torch.empty(0, dtype=torch.long)
        self._stream = self._endless()
        if state is not None and not state["resident"]:
            self.resident = False
            self._read_again(state, progress)
        else:
            self.resident = self._fill(one_pass=True, progress=progress)
        if state is not None:
            self._restore(state)

    def statistics(self) -> dict[Site, Statistics]:
        """Return mean and variance by site, over the rows held now, accumulated in float64."""
        result = {}
        for index, site in enumerate(self.sites):
            total = torch.zeros(self._buffer.shape[2], dtype=torch.float64, device=self._buffer.device)
            square = 0.0
            for start in range(0, self.rows, STATISTICS_ROWS):
                chunk = self._buffer[index, start : min(start + STATISTICS_ROWS, self.rows)]
                total += chunk.sum(dim=0, dtype=torch.float64)
                square += float(chunk.square().sum(dtype=torch.float64))
            mean = total / self.rows  # E x
            mean_square = square / self.rows  # E‖x‖²
            variance = mean_square - float(mean.square().sum())  # E‖x - E x‖²
            result[site] = Statistics(mean.float(), mean_square, variance)
        return result

    def batch(self, size: int) -> dict[Site, Float[Tensor, "size d"]]:
        """Return the next `size` rows of every site, the same tokens at each; fewer where the store is smaller.

        What is left of an epoch when it is too short for a batch is not served.
        """
        if self._next + size > self._served_before_refill():
            self._reshuffle()
        size = min(size, self.rows)
        chosen = self._order[self._next : self._next + size].to(self._buffer.device)
        self._next += size
        return {site: self._buffer[index].index_select(0, chosen) for index, site in enumerate(self.sites)}

    def held(self, size: int) -> Iterator[dict[Site, Float[Tensor, "size d"]]]:
        """Yield all rows held now, in order, in pieces of at most `size`."""
        for start in range(0, self.rows, size):
            stop = min(start + size, self.rows)
            yield {site: self._buffer[index, start:stop] for index, site in enumerate(self.sites)}

    def state(self) -> dict[str, Any]:
        """Return tensors and plain values from which a store over the same activations resumes exactly here.

        Activations themselves are not in it: it says where each row stands in a pass.
        """
        left = len(self._pending[self.sites[0]]) if self._pending is not None else None
        return {
            "resident": self.resident,
            "rows": self.rows,
            "next": self._next,
            "batch": self._batch,
            "pending": left,
            "ordinal": self._ordinal,
            "tokens": self.tally.tokens,
            "sinks": {str(site): self.tally.sinks[site] for site in self.sites},
            "order": self._order,
            "ordinals": self._ordinals[: self.rows],
        }

    def _restore(self, state: Mapping[str, Any]) -> None:
        """Restore what is the same for both kinds of store; the rows are there."""
        if self.rows != state["rows"]:
            raise DictionaryError(
                f"The corpus gives {self.rows} activations, the checkpoint's gave {state['rows']}",
                "Resume with the model and corpus that the checkpoint was made with",
            )
        self._order, self._next = state["order"].clone(), state["next"]
        self.tally.tokens = state["tokens"]
        self.tally.sinks.update(
            {site: state["sinks"][str(site)] - self.tally.sinks[site] for site in self.sites}
        )

    def _read_again(self, state: Mapping[str, Any], progress: Callable[[int, int], None] | None) -> None:
        """Fill a shuffle buffer as the state says, by one pass, and resume the running pass where it stood."""
        wanted = state["ordinals"]
        by_ordinal = torch.sort(wanted, stable=True)
        first = 0
        for piece in self._source.pieces(0, Tally()):
            last = first + len(piece[self.sites[0]])
            begin, end = torch.searchsorted(by_ordinal.values, torch.tensor([first, last])).tolist()
            slots = by_ordinal.indices[begin:end].to(self._buffer.device)
            taken = (by_ordinal.values[begin:end] - first).to(self._buffer.device)
            for index, site in enumerate(self.sites):
                self._buffer[index, slots] = piece[site].to(self._buffer.device)[taken]
            self.rows += len(slots)
            first = last
            if progress is not None:
                progress(self.rows, self._buffer.shape[1])
            if end == len(wanted):
                break
        self._ordinals[: len(wanted)] = wanted
        left = state["pending"]
        self._stream = self._endless(state["batch"] + (left is None))
        if left is not None:
            again = next(self._stream) or {}
            self._pending = {site: x[len(x) - left :] for site, x in again.items()}
        self._batch, self._ordinal = state["batch"], state["ordinal"]

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
        rows = left.nonzero().squeeze(1)
        self.rows = len(rows)
        self._ordinals[: self.rows] = self._ordinals.index_select(0, rows)
        rows = rows.to(self._buffer.device)
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
        stop = self.rows + count
        for index, site in enumerate(self.sites):
            self._buffer[index, self.rows : stop] = piece[site][:count]
        self._ordinals[self.rows : stop] = torch.arange(self._ordinal, self._ordinal + count)
        self.rows, self._ordinal = stop, self._ordinal + count
        if count < given:
            self._pending = {site: x[count:] for site, x in piece.items()}

    def _endless(self, first: int = 0) -> Generator[dict[Site, Tensor] | None, None, None]:
        """Yield activations pass after pass, with None at the end of each; the first from batch `first` on."""
        while True:
            found = first > 0
            for batch, piece in enumerate(self._source.pieces(first, self.tally), start=first):
                self._batch = batch
                if len(piece[self.sites[0]]):
                    found = True
                    yield piece
            if not found:
                raise DictionaryError(
                    "A pass over the corpus gave not one token",
                    "Give text, as something that can be read again",
                )
            first = self._ordinal = 0
            yield None


def _common_width(model: nn.Module, sites: Sequence[Site]) -> int:
    widths = {site: resolve(model, site).width for site in sites}
    if len(set(widths.values())) > 1:
        found = ", ".join(f"{site} {width}" for site, width in widths.items())
        raise DictionaryError(f"The sites have different widths ({found})", "Train each stream by itself")
    return next(iter(widths.values()))
