"""Order in which a fit sees its sequences: in rounds, each sequence once a round."""

from collections.abc import Iterator, Sequence

import torch

from editor.model.tokens import TokenSequence

POOL = 4
"""Number of steps whose sequences are sorted by length together, so that little is padded."""


def epochs(count: int, size: int, generator: torch.Generator) -> Iterator[list[int]]:
    """Yield places below `count` in parts of `size`, without end, reshuffled each round."""
    while True:
        order = torch.randperm(count, generator=generator).tolist()
        for first in range(0, max(1, count), size):
            yield order[first : first + size]


def epochs_by_length(
    sequences: Sequence[TokenSequence], size: int, generator: torch.Generator
) -> Iterator[list[int]]:
    """Yield places of sequences in parts of `size` and similar length, without end, reshuffled each round."""
    while True:
        order = torch.randperm(len(sequences), generator=generator).tolist()
        for start in range(0, len(order), POOL * size):
            pool = sorted(order[start : start + POOL * size], key=lambda place: len(sequences[place].ids))
            parts = [pool[i : i + size] for i in range(0, len(pool), size)]
            for number in torch.randperm(len(parts), generator=generator).tolist():
                yield parts[number]
