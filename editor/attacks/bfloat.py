"""Rounding to bfloat16, the format that most checkpoints are deployed in."""

from dataclasses import dataclass

import torch

from editor.attacks.attack import Attacked, Level, Levels, PreparedAttack
from editor.attacks.ground import Ground
from editor.attacks.weight_levels import projection_levels


@dataclass(frozen=True, kw_only=True)
class Bfloat16:
    """Rounding of every projection of the decoder to bfloat16, which changes nothing where they are stored in it."""

    @property
    def title(self) -> str:
        """The attack in words."""
        return "bfloat16 weights"

    def prepare(self, name: str, ground: Ground) -> PreparedAttack:
        """Ask everything about the facts in scope."""
        return PreparedAttack(attack=name, title=self.title, asked=ground.erased, levels=self.levels)

    def levels(self, attacked: Attacked) -> Levels:
        """Yield with rounded weights."""
        rounded = Level(name="bfloat16")
        yield from projection_levels(
            attacked.model, [(rounded, lambda weight: weight.to(torch.bfloat16).to(weight.dtype))]
        )
