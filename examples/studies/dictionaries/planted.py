"""Planted binary mixtures, whose entropy is known (after the synthetic study of Cho et al. 2025).

x = h A + noise. The r rows of A are random directions of norm 1, h are r sources that are 0 or 1, and the noise is
Gaussian in every coordinate, its standard deviation a share of the signal's root mean square in a coordinate.
"""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

Sources = Literal["fair", "skewed", "paired"]
FLIP = 0.1
"""The second source of a pair is the first, flipped so often."""


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """What is planted.

    Attributes:
        rank: r, how many sources; even where they are paired.
        noise: standard deviation over that of the signal.
        sources: `fair` are independent and on half of the time; `skewed` are independent and on with
            probabilities drawn from 0.1 to 0.5; `paired` are fair, and each second one copies the one before in
            nine of ten rows.
        width: d.
    """

    rank: int
    noise: float
    sources: Sources = "fair"
    width: int = 32


class Planted(NamedTuple):
    """Rows of a mixture.

    Attributes:
        rows: to train on.
        judged: to report on.
        bits: the sources of the judged rows.
        entropy: of one row's sources, in bits; what the noise adds is not in it.
        marginal_entropy: the sum of the sources' own entropies: what a sum over bits can at best give.
        ceiling: the share of variance that the sources explain.
    """

    rows: Float[Tensor, "n d"]
    judged: Float[Tensor, "m d"]
    bits: Float[Tensor, "m r"]
    entropy: float
    marginal_entropy: float
    ceiling: float


def plant(mixture: Mixture, rows: int, judged: int, seed: int) -> Planted:
    """Draw directions, probabilities, sources and noise; the same arguments give the same rows."""
    generator = torch.Generator().manual_seed(seed)
    rank = mixture.rank
    directions = torch.nn.functional.normalize(torch.randn(rank, mixture.width, generator=generator), dim=1)
    chances = torch.full((rank,), 0.5)
    if mixture.sources == "skewed":
        chances = 0.1 + 0.4 * torch.rand(rank, generator=generator)
    bits = (torch.rand(rows + judged, rank, generator=generator) < chances).float()
    if mixture.sources == "paired":
        flips = (torch.rand(len(bits), rank // 2, generator=generator) < FLIP).float()
        bits[:, 1::2] = (bits[:, 0::2] - flips).abs()
    signal = bits @ directions
    spread = mixture.noise * math.sqrt(float(signal.var(dim=0).mean()))
    x = signal + spread * torch.randn(signal.shape, generator=generator)
    training, last = x.split([rows, judged])
    return Planted(
        rows=training,
        judged=last,
        bits=bits[rows:],
        entropy=_entropy(chances, mixture.sources),
        marginal_entropy=_entropy(chances, "fair"),
        ceiling=1 / (1 + mixture.noise**2),
    )


def binary_entropy(p: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """-p log₂ p - (1 - p) log₂(1 - p)."""
    return -(torch.xlogy(p, p) + torch.xlogy(1 - p, 1 - p)) / math.log(2)


def _entropy(chances: Float[Tensor, "r"], sources: Sources) -> float:
    each = binary_entropy(chances.double())
    if sources == "paired":
        return float(each[0::2].sum() + len(each[1::2]) * binary_entropy(torch.tensor(FLIP).double()))
    return float(each.sum())
