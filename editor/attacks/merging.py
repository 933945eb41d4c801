"""Merging with the original: whoever holds it can average it into the edited model, as model merging does."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from editor.attacks.attack import Attacked, Level, Levels, PreparedAttack
from editor.attacks.ground import Ground
from editor.attacks.weight_levels import edited_names, weight_levels


@dataclass(frozen=True, kw_only=True)
class Merging:
    """Interpolation of every weight towards the original: edited + share · (original - edited).

    Attributes:
        shares: Shares of the original, each 0 to 1.
    """

    shares: tuple[float, ...] = (0.1, 0.25, 0.5)

    @property
    def title(self) -> str:
        """The attack in words."""
        return "merging with the original model"

    def prepare(self, name: str, ground: Ground) -> PreparedAttack:
        """Ask everything about the facts in scope."""
        return PreparedAttack(
            attack=name, title=self.title, asked=ground.erased, levels=self.levels, count=len(self.shares)
        )

    def levels(self, attacked: Attacked) -> Levels:
        """Yield at each share.

        Raises:
            UntestedError: the original's weights are not at hand, or they are of another shape.
        """
        changed, original = edited_names(attacked), attacked.original
        assert original is not None  # what `edited_names` refuses
        yield from weight_levels(
            attacked.model,
            changed,
            (
                (
                    Level(name=f"{share:.0%} of the original", amount=share),
                    partial(_mixed, original=original, share=share),
                )
                for share in self.shares
            ),
        )


def _mixed(name: str, weight: Tensor, *, original: Callable[[str], Tensor], share: float) -> Tensor:
    return torch.lerp(weight, original(name).to(weight), share)
