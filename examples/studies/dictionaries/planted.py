"""Planted binary mixtures, whose entropy is known (after the synthetic study of Cho et al. 2025).

x = h A + noise. The r rows of A are random directions of norm 1, h are r sources that are 0 or 1, and the noise is
Gaussian in every coordinate, its standard deviation a share of the signal's: the root of its variance in a coordinate,
a mean over coordinates.
"""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

Sources = Literal["fair", "skewed", "paired"]
FLIP = 0.1
"""Share of rows in which the second source of a pair is not what the first is."""


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """A planted mixture.

    Attributes:
        rank: r, the number of sources; even where they are paired.
        noise: standard deviation of the noise over that of the signal.
        sources: `fair` are independent and on half of the time; `skewed` are independent and on with
            probabilities drawn from 0.1 to 0.5; `paired` are fair, and each second one copies the one before in
            nine of ten rows.
        width: d, the number of coordinates.
    """

    rank: int
    noise: float
    sources: Sources = "fair"
    width: int = 32


class Planted(NamedTuple):
    """Rows of a mixture.

    Attributes:
        rows: rows to train on.
        judged: rows to report on.
        bits: sources h of the judged rows.
        entropy: joint entropy of one row's sources, in bits; what the noise adds is not in it.
        marginal_entropy: sum of the sources' own entropies, in bits: what a sum over bits can at best give.
        ceiling: share of the variance that the sources explain.
    """

    rows: Float[Tensor, "n d"]
    judged: Float[Tensor, "m d"]
    bits: Float[Tensor, "m r"]
    entropy: float
    marginal_entropy: float
    ceiling: float


def plant(mixture: Mixture, rows: int, judged: int, seed: int) -> Planted:
    """Draw directions, probabilities, sources and noise; the same arguments give the same rows.

    Args:
        mixture: what is planted.
        rows: number of rows to train on.
        judged: number of rows to report on.
        seed: seed of all draws.
    """
    generator = torch.Generator().manual_seed(seed)
    rank = mixture.rank
    # A, (r, d).
    directions = torch.nn.functional.normalize(torch.randn(rank, mixture.width, generator=generator), dim=1)
    chances = torch.full((rank,), 0.5)
    if mixture.sources == "skewed":
        chances = 0.1 + 0.4 * torch.rand(rank, generator=generator)
    # h, (rows, r).
    bits = (torch.rand(rows + judged, rank, generator=generator) < chances).float()
    if mixture.sources == "paired":
        flips = (torch.rand(len(bits), rank // 2, generator=generator) < FLIP).float()
        # |h - 1| is 1 - h: flipped.
        bits[:, 1::2] = (bits[:, 0::2] - flips).abs()
    signal = bits @ directions  # h A
    # The noise's standard deviation in a coordinate.
    spread = mixture.noise * math.sqrt(float(signal.var(dim=0).mean()))
    x = signal + spread * torch.randn(signal.shape, generator=generator)
    training, last = x.split([rows, judged])
    return Planted(
        rows=training,
        judged=last,
        bits=bits[rows:],
        entropy=_entropy(chances, mixture.sources),
        marginal_entropy=_entropy(chances, "fair"),  # as if they were independent
        # Signal's variance over that of signal and noise.
        ceiling=1 / (1 + mixture.noise**2),
    )


def binary_entropy(p: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """Return -p log₂ p - (1 - p) log₂(1 - p), in bits; 0 at p = 0 and 1."""
    return -(torch.xlogy(p, p) + torch.xlogy(1 - p, 1 - p)) / math.log(2)


def _entropy(chances: Float[Tensor, "r"], sources: Sources) -> float:
    """Return the joint entropy of sources in bits."""
    each = binary_entropy(chances.double())
    if sources == "paired":
        # H(first) + H(second | first), the latter that of the flip.
        return float(each[0::2].sum() + len(each[1::2]) * binary_entropy(torch.tensor(FLIP).double()))
    return float(each.sum())
