"""Rounding to few bits, as deployments do: what an edit only pushed below a rounding step comes back."""

from dataclasses import dataclass
from functools import partial

from jaxtyping import Float
from torch import Tensor

from editor.attacks.attack import Attacked, Level, Levels, PreparedAttack
from editor.attacks.ground import Ground
from editor.attacks.weight_levels import projection_levels, projection_names

GROUPS = (64, 128, 0)
"""Weights of one output that share a scale; 0 for all of them."""


@dataclass(frozen=True, kw_only=True)
class Quantising:
    """Rounding of every projection of the decoder: to nearest, symmetric, scaled by the largest of a group.

    Attributes:
        bits: Number of bits of a weight.
        groups: Numbers of weights of one output, along its inputs, that share a scale; 0 for all of them.
    """

    bits: int
    groups: tuple[int, ...] = GROUPS

    @property
    def title(self) -> str:
        """The attack in words."""
        return f"{self.bits}-bit weights (round to nearest)"

    def prepare(self, name: str, ground: Ground) -> PreparedAttack:
        """Ask everything about the facts in scope."""
        return PreparedAttack(
            attack=name, title=self.title, asked=ground.erased, levels=self.levels, count=len(self.groups)
        )

    def levels(self, attacked: Attacked) -> Levels:
        """Yield at each size of groups; one that divides no projection's inputs is left out."""
        model = attacked.model
        sizes = {size for name in projection_names(model) for size in model.get_parameter(name).shape}
        yield from projection_levels(
            model,
            (
                (
                    Level(name=f"groups of {group}" if group else "one scale an output"),
                    partial(round_to_nearest, bits=self.bits, group=group),
                )
                for group in self.groups
                if not group or any(size % group == 0 for size in sizes)
            ),
        )


def round_to_nearest(
    weight: Float[Tensor, "out into"], bits: int, group: int = GROUPS[0]
) -> Float[Tensor, "out into"]:
    """Quantise and dequantise with levels -(2^(bits-1)-1) … 2^(bits-1)-1 times a group's scale.

    Where `group` is 0 or does not divide the inputs, all weights of an output share one scale.
    """
    out, into = weight.shape
    size = group if group and into % group == 0 else into
    grouped = weight.float().reshape(out, into // size, size)
    top = 2 ** (bits - 1) - 1
    scale = grouped.abs().amax(-1, keepdim=True).clamp(min=1e-12) / top
    rounded: Tensor = (grouped / scale).round().clamp(-top, top) * scale
    return rounded.reshape(out, into).to(weight.dtype)
