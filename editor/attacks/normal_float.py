"""4-bit NormalFloat as bitsandbytes rounds to it: levels at quantiles of a normal distribution, scaled by block.

QLoRA, Dettmers et al. 2023, arXiv:2305.14314.
"""

from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from editor.attacks.attack import Attacked, Level, Levels, PreparedAttack
from editor.attacks.ground import Ground
from editor.attacks.weight_levels import projection_levels

LEVELS = (
    -1.0,
    -0.6961928009986877,
    -0.5250730514526367,
    -0.39491748809814453,
    -0.28444138169288635,
    -0.18477343022823334,
    -0.09105003625154495,
    0.0,
    0.07958029955625534,
    0.16093020141124725,
    0.24611230194568634,
    0.33791524171829224,
    0.44070982933044434,
    0.5626170039176941,
    0.7229568362236023,
    1.0,
)
"""The 16 values of NF4, over a block's largest magnitude."""
BLOCK = 64
"""Weights, in the order of storage, that share a scale."""
SCALE_BLOCK = 256
"""Scales that are rounded together where scales are rounded too."""


@dataclass(frozen=True, kw_only=True)
class NormalFloat:
    """Rounding of every projection of the decoder to NF4, with plain scales and with scales rounded to 8 bits."""

    @property
    def title(self) -> str:
        """The attack in words."""
        return f"NF4 weights (blocks of {BLOCK})"

    def prepare(self, name: str, ground: Ground) -> PreparedAttack:
        """Ask everything about the facts in scope."""
        return PreparedAttack(attack=name, title=self.title, asked=ground.erased, levels=self.levels, count=2)

    def levels(self, attacked: Attacked) -> Levels:
        """Yield with plain scales, then with double quantisation."""
        yield from projection_levels(
            attacked.model,
            (
                (Level(name="double quantisation" if double else "plain scales"), partial(nf4, double=double))
                for double in (False, True)
            ),
        )


def nf4(weight: Float[Tensor, "out into"], *, double: bool = False) -> Float[Tensor, "out into"]:
    """Quantise and dequantise to NF4 in blocks of 64.

    Args:
        weight: weight as a linear layer stores it.
        double: whether the blocks' scales are rounded too, less their mean, to 8 bits.
    """
    flat = weight.float().reshape(-1)
    blocks = pad(flat, (0, -len(flat) % BLOCK)).view(-1, BLOCK)
    scale = blocks.abs().amax(1, keepdim=True)  # absmax, (blocks, 1)
    values = to_nearest(blocks / scale.clamp(min=1e-30), torch.tensor(LEVELS, device=weight.device))
    rounded = values * (round_scales(scale) if double else scale)
    return rounded.view(-1)[: len(flat)].view(weight.shape).to(weight.dtype)


def round_scales(scale: Float[Tensor, "blocks 1"]) -> Float[Tensor, "blocks 1"]:
    """Round scales, less their mean, to bitsandbytes' 8-bit values in blocks of 256."""
    mean = scale.mean()
    rest = (scale - mean).view(-1)
    blocks = pad(rest, (0, -len(rest) % SCALE_BLOCK)).view(-1, SCALE_BLOCK)
    largest = blocks.abs().amax(1, keepdim=True)
    rounded = to_nearest(blocks / largest.clamp(min=1e-30), dynamic_values().to(scale.device)) * largest
    return rounded.view(-1)[: len(rest)].view(scale.shape) + mean


def dynamic_values() -> Float[Tensor, " 256"]:
    """Return bitsandbytes' signed 8-bit values: midpoints of 2^i parts of 0.1 to 1, times 10^(i-6), i from 0 to 6."""
    values = [torch.zeros(1), torch.ones(1)]
    for exponent in range(7):
        edges = torch.linspace(0.1, 1, 2**exponent + 1)
        middle = 10.0 ** (exponent - 6) * (edges[:-1] + edges[1:]) / 2
        values += [middle, -middle]
    return torch.cat(values).sort().values


def to_nearest(values: Tensor, levels: Float[Tensor, " levels"]) -> Tensor:
    """Return the nearest of some ascending levels for each value."""
    return levels[torch.bucketize(values, (levels[1:] + levels[:-1]) / 2)]
