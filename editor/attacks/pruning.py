"""Magnitude pruning, as deployments do to save memory: the smallest weights become zero."""

from dataclasses import dataclass
from functools import partial

from torch import Tensor

from editor.attacks.attack import Attacked, Level, Levels, PreparedAttack
from editor.attacks.ground import Ground
from editor.attacks.weight_levels import projection_levels


@dataclass(frozen=True, kw_only=True)
class Pruning:
    """Setting of the smallest weights of every projection to zero.

    Attributes:
        shares: Shares of a projection's weights that become zero, each 0 to 1.
    """

    shares: tuple[float, ...] = (0.1, 0.3, 0.5)

    @property
    def title(self) -> str:
        """The attack in words."""
        return "pruning (the smallest weights of each projection become zero)"

    def prepare(self, name: str, ground: Ground) -> PreparedAttack:
        """Ask everything about the facts in scope."""
        return PreparedAttack(
            attack=name, title=self.title, asked=ground.erased, levels=self.levels, count=len(self.shares)
        )

    def levels(self, attacked: Attacked) -> Levels:
        """Yield at each share."""
        yield from projection_levels(
            attacked.model,
            (
                (Level(name=f"{share:.0%}", amount=share), partial(pruned, share=share))
                for share in self.shares
            ),
        )


def pruned(weight: Tensor, share: float) -> Tensor:
    """Return a weight with a share of its entries, the smallest, set to zero."""
    size = weight.abs().flatten().float()
    count = int(share * len(size))
    if not count:
        return weight
    return weight.masked_fill(weight.abs() <= size.kthvalue(count).values, 0)
