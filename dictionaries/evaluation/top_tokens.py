"""Where each of many features is most salient, and tokens drawn at random, from one pass over a corpus.

A feature's salience is how far its value departs from what it says nothing by, |f - f̄|. For bits that orders tokens
as log₂(|h - p| + 1e-6) does: a bit that is off although p > 0.5 is salient. The commoner of a bit's two values
is not salient at all, nor is 0 elsewhere.
"""

from collections.abc import Hashable, Iterable, Mapping
from typing import Generic, NamedTuple, TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from dictionaries.dictionary import Dictionary
from dictionaries.evaluation.passages import Row
from dictionaries.model.tokens import TokenBatch

Key = TypeVar("Key", bound=Hashable)
TIE = 1e-3
"""Relative difference below which saliences are a tie, decided by a draw: bits have but one salience."""
PRUNE_EVERY = 16  # token batches


class Salience(NamedTuple):
    """The salience of some features of a dictionary: |f - f̄|, where that is above a floor.

    Attributes:
        features: (f) indices of the features.
        baseline: (f) f̄, the features' values when they say nothing.
        floor: (f) largest departure that says nothing: for bits, the smaller of the two.
    """

    features: Int[Tensor, "f"]
    baseline: Float[Tensor, "f"]
    floor: Float[Tensor, "f"]

    @classmethod
    def of(cls, dictionary: Dictionary, features: Iterable[int]) -> "Salience":
        """Return the salience of some features of a dictionary."""
        chosen = torch.tensor(sorted(features), dtype=torch.long, device=dictionary.W_enc.device)
        baseline = dictionary.baseline[chosen].detach().float()
        return cls(chosen, baseline, torch.minimum(baseline, 1 - baseline))

    def departures(self, codes: Float[Tensor, "n F"]) -> Float[Tensor, "n f"]:
        """Return |f - f̄| of the features looked at, and 0 where it says nothing; `codes` are of all features."""
        return self.departure(codes[:, self.features])

    def departure(self, codes: Float[Tensor, "n f"]) -> Float[Tensor, "n f"]:
        """Return |f - f̄|, and 0 where it says nothing; `codes` are of the features looked at alone."""
        departure = (codes.float() - self.baseline).abs()  # |f - f̄|
        return torch.where(departure > self.floor, departure, 0.0)


class _Places(NamedTuple):
    """The best places so far, best first, one in a row of the corpus; `value` 0 where there is none."""

    value: Float[Tensor, "count f"]
    row: Int[Tensor, "count f"]
    position: Int[Tensor, "count f"]

    @classmethod
    def none(cls, count: int, features: int, device: torch.device) -> "_Places":
        row = torch.full((count, features), -1, dtype=torch.long, device=device)
        return cls(torch.zeros(count, features, device=device), row, torch.zeros_like(row))

    def merge(self, other: "_Places") -> "_Places":
        value, chosen = torch.cat([self.value, other.value]).topk(len(self.value), dim=0)
        row = torch.cat([self.row, other.row]).gather(0, chosen)
        return _Places(value, row, torch.cat([self.position, other.position]).gather(0, chosen))


class TopTokens(Generic[Key]):
    """A collection made batch by batch: memory grows with features times places, not with the corpus.

    Args:
        salience: salience of the features looked at, by the name of their dictionary.
        places: number of places of each feature to keep.
        random: number of tokens to draw at random.
        seed: seed of the draws.

    Attributes:
        tokens: number of tokens that counted.
        fired: (f) number of tokens on which each feature is salient, by dictionary.
        rows: rows of the corpus that hold a kept place, by number.
    """

    def __init__(self, salience: Mapping[Key, Salience], *, places: int, random: int, seed: int) -> None:
        self._salience, self._random = salience, random
        self._generator = torch.Generator().manual_seed(seed)
        self._best: dict[Key, _Places] = {}
        self.fired: dict[Key, Tensor] = {}
        self.rows: dict[int, Row] = {}
        self.tokens = self._read = self._batches = 0
        device = next(iter(salience.values())).features.device
        for key, one in salience.items():
            self._best[key] = _Places.none(places, len(one.features), device)
            self.fired[key] = torch.zeros(len(one.features), dtype=torch.long, device=device)
        self._priority = torch.empty(0, device=device)
        self._drawn = torch.empty(0, 2, dtype=torch.long, device=device)
        self._salient = {
            k: torch.empty(0, len(s.features), dtype=torch.bool, device=device) for k, s in salience.items()
        }

    def add(
        self,
        batch: TokenBatch,
        kept: Bool[Tensor, "batch sequence"],
        codes: Mapping[Key, Float[Tensor, "n F"]],
    ) -> None:
        """Take in a batch, with the codes of its kept tokens by dictionary."""
        first, self._read = self._read, self._read + len(kept)
        count = int(kept.sum())
        self.tokens, self._batches = self.tokens + count, self._batches + 1
        departures = {key: one.departures(codes[key]) for key, one in self._salience.items()}
        for key, departure in departures.items():
            self.fired[key] += torch.count_nonzero(departure, dim=0)
            self._best[key] = self._best[key].merge(self._in_rows(departure, kept, first))
        self._draw(departures, kept, first)
        used = self._list_used()
        for row in used[used >= first].tolist():
            tokens = batch.tokens[row - first][batch.attention[row - first]]
            start = int(batch.counted[row - first].long().argmax())
            self.rows[row] = Row(int(batch.documents[row - first]), tokens.int().cpu(), start)
        if self._batches % PRUNE_EVERY == 0:
            self.rows = {row: self.rows[row] for row in used.tolist()}

    def best(self, key: Key, index: int) -> list[tuple[int, int]]:
        """Return rows and positions where a feature is most salient, best first; `index` counts those looked at."""
        places = self._best[key]
        found = int(torch.count_nonzero(places.value[:, index]))
        return list(
            zip(places.row[:found, index].tolist(), places.position[:found, index].tolist(), strict=True)
        )

    def drawn(self) -> list[tuple[int, int]]:
        """Return rows and positions of the tokens drawn at random, in random order."""
        return [(row, position) for row, position in self._drawn.tolist()]

    def salient(self, key: Key) -> Bool[Tensor, "drawn f"]:
        """Return whether each feature is salient on each of the tokens drawn at random."""
        return self._salient[key].cpu()

    def _in_rows(
        self, departure: Float[Tensor, "n f"], kept: Bool[Tensor, "batch sequence"], first: int
    ) -> _Places:
        """Return the most salient token of each row."""
        jitter = torch.rand(departure.shape, generator=self._generator).to(departure.device)
        grid = departure.new_zeros(*kept.shape, departure.shape[1])
        grid[kept] = departure * (1 + TIE * jitter)
        value, position = grid.max(dim=1)
        row = torch.arange(first, first + len(kept), device=kept.device)[:, None].expand_as(position)
        return _Places(value, row, position)

    def _draw(
        self,
        departures: Mapping[Key, Float[Tensor, "n f"]],
        kept: Bool[Tensor, "batch sequence"],
        first: int,
    ) -> None:
        """Keep the tokens with the largest of random priorities."""
        places = kept.nonzero()
        priority = torch.rand(len(places), generator=self._generator).to(places.device)
        priority, chosen = torch.cat([self._priority, priority]).sort(descending=True)
        chosen = chosen[: self._random]
        self._priority = priority[: self._random]
        places[:, 0] += first
        self._drawn = torch.cat([self._drawn, places])[chosen]
        for key, departure in departures.items():
            self._salient[key] = self._pick(self._salient[key], departure, chosen)

    @staticmethod
    def _pick(
        old: Bool[Tensor, "kept f"], departure: Float[Tensor, "n f"], chosen: Int[Tensor, "drawn"]
    ) -> Bool[Tensor, "drawn f"]:
        """Pick rows by their number in the old ones followed by the new, without concatenating the two."""
        picked = old.new_empty(len(chosen), old.shape[1])
        known = chosen < len(old)
        picked[known] = old[chosen[known]]
        picked[~known] = departure[chosen[~known] - len(old)] > 0
        return picked

    def _list_used(self) -> Int[Tensor, "rows"]:
        rows = [places.row.flatten() for places in self._best.values()] + [self._drawn[:, 0]]
        used: Tensor = torch.unique(torch.cat(rows))
        return used[used >= 0]
