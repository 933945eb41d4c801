"""Removal of a binary autoencoder's bits that do not pay for themselves.

Gradients do not remove a copy of a bit that is on half of the time: the slope of its entropy is 0 there, and what it
says of the reconstruction moves freely between the two. The step that gradients miss is taken at once: the loss
MSE + α_e H + α_c C is worked out for each bit gone, the decoder fitted again by least squares without it, and the bit
whose absence lowers the loss most goes, until none does. A fit without one bit costs O(F²) from the inverse of the
bits' covariance (as in Hassibi and Stork 1993, who remove weights).
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from dictionaries.architectures.binary import BinaryAutoencoder

RIDGE = 1e-8
"""Added to the bits' variances: copies make their covariance singular."""
OFF = -1.0


class BitMoments:
    """First and second moments of bits h (n, F) and of the scaled activations x (n, d) that they encode, in float64.

    Args:
        features: F, the number of bits; F² + F·d numbers are held.
        width: d, the width of the activations.
        device: device of the activations.
    """

    def __init__(self, features: int, width: int, device: torch.device) -> None:
        def zeros(*shape: int) -> Tensor:
            return torch.zeros(*shape, dtype=torch.float64, device=device)

        self.rows = zeros(1)
        self.h, self.x = zeros(features), zeros(width)
        self.hh, self.hx = zeros(features, features), zeros(features, width)

    def add(self, h: Float[Tensor, "n F"], x: Float[Tensor, "n d"]) -> None:
        """Add rows of bits h (n, F) and of scaled activations x (n, d)."""
        self.rows += len(h)
        self.h += h.sum(dim=0)
        self.x += x.sum(dim=0, dtype=torch.float64)
        self.hh += h.T @ h  # whole numbers, exact in float32
        self.hx += h.T @ x

    def gather(self, total: Callable[[Tensor], Tensor]) -> None:
        """Add up what several processes added; `total` returns a tensor's sum over them."""
        for name in ("rows", "h", "x", "hh", "hx"):
            setattr(self, name, total(getattr(self, name)))


class Remaining(NamedTuple):
    """The bits that stay, and the decoder that fits them best; rows of bits that go are 0."""

    kept: Bool[Tensor, "F"]
    W_dec: Float[Tensor, "F d"]
    b_dec: Float[Tensor, "d"]


def remaining(moments: BitMoments, price: float, covariance_weight: float) -> Remaining:
    """Remove bits one by one while that lowers MSE + α_e H + α_c C; bits that never change go first.

    Args:
        moments: moments of bits and scaled activations.
        price: α_e, the loss per bit of entropy.
        covariance_weight: α_c, the weight of C.
    """
    p, mean = moments.h / moments.rows, moments.x / moments.rows  # E h, E x
    kept = (p > 0) & (p < 1)
    places = kept.nonzero().flatten()
    W_dec = torch.zeros_like(moments.hx)
    if len(places):
        q = p[places]
        covariance = moments.hh[places][:, places] / moments.rows - torch.outer(q, q)  # Cov(h)
        crossed = moments.hx[places] / moments.rows - torch.outer(q, mean)  # Cov(h, x)
        stays, rows = _eliminate(covariance, crossed, price * _entropies(q), covariance_weight)
        kept[places[~stays]] = False
        W_dec[places] = rows
    return Remaining(kept, W_dec, mean - p @ W_dec)  # b_dec = E x - E h W_dec


def remove_unpaid(
    dictionary: BinaryAutoencoder, moments: BitMoments, price: float, covariance_weight: float
) -> Bool[Tensor, "F"]:
    """Switch off the bits that do not stay, fit the decoder, and return which bits are off now.

    A bit that is off has no gradient and stays off, unless it is revived.
    """
    found = remaining(moments, price, covariance_weight)
    with torch.no_grad():
        dictionary.W_enc[:, ~found.kept] = 0.0
        dictionary.b_enc[~found.kept] = OFF
        dictionary.W_dec.copy_(found.W_dec)
        dictionary.b_dec.copy_(found.b_dec)
    return ~found.kept


def _eliminate(
    covariance: Float[Tensor, "B B"],
    crossed: Float[Tensor, "B d"],
    prices: Float[Tensor, "B"],
    covariance_weight: float,
) -> tuple[Bool[Tensor, "B"], Float[Tensor, "B d"]]:
    count, width = crossed.shape
    inverse = torch.linalg.inv(covariance + RIDGE * torch.eye(count).to(covariance))
    rows = inverse @ crossed  # the decoder by least squares: Cov(h)⁻¹ Cov(h, x)
    between = covariance.abs().fill_diagonal_(0.0)
    shared = 2 * covariance_weight * between.sum(dim=1)  # each bit's part of α_c C
    stays = torch.ones(count, dtype=torch.bool, device=covariance.device)
    while True:
        rise = rows.square().sum(dim=1) / inverse.diagonal() / width  # of MSE, without the bit
        gain = (prices + shared - rise).masked_fill(~stays, 0.0)
        worst = int(gain.argmax())
        if not gain[worst] > 0:
            return stays, rows
        column = inverse[:, worst] / inverse[worst, worst]
        rows = rows - torch.outer(column, rows[worst])
        inverse = inverse - torch.outer(column, inverse[worst])
        inverse[worst, worst] = 1.0  # its row and column are 0 now: the division above stays defined
        rows[worst] = 0.0
        shared -= 2 * covariance_weight * between[worst]
        stays[worst] = False


def _entropies(p: Float[Tensor, "B"]) -> Float[Tensor, "B"]:
    # H of each bit: -[p log₂ p + (1 - p) log₂(1 - p)]
    bits: Tensor = -(torch.xlogy(p, p) + torch.xlogy(1 - p, 1 - p)) / torch.log(torch.tensor(2.0).to(p))
    return bits
