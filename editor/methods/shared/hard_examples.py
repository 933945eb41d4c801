"""Examples drawn again by what they lost when they were last seen, as in online batch selection.

Loshchilov & Hutter 2015 (arXiv:1511.06343) draw by the rank of the loss; here the loss itself is the weight.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

LEAST = 1e-5
"""Nats: an example counts as losing this at least, so that each may be drawn."""


class HardExamples:
    """Losses of some examples by their place, in nats/token, as they were last seen.

    Args:
        count: number of examples.
        generator: of the draws.
        unseen: what an example counts as losing before it was seen, in nats/token.
    """

    def __init__(self, count: int, generator: torch.Generator, unseen: float = LEAST) -> None:
        self._losses = torch.full((count,), unseen)
        self._generator = generator
        self._seen: list[tuple[list[int], Tensor, Tensor]] = []

    def see(
        self, places: Sequence[int], losses: Float[Tensor, " tokens"], rows: Int[Tensor, " tokens"]
    ) -> None:
        """Note what some examples lose.

        Args:
            places: the examples.
            losses: of their tokens, in nats.
            rows: for each token, which of `places` it belongs to.
        """
        self._seen.append((list(places), losses.detach(), rows))

    def draw(self, count: int, among: Int[Tensor, " places"] | None = None) -> list[int]:
        """Draw places with replacement, each the likelier the more it loses; of all examples, or of some."""
        self._update()
        losses = self._losses if among is None else self._losses[among]
        if not count or not len(losses):
            return []
        chosen = torch.multinomial(losses, count, replacement=True, generator=self._generator)
        return [int(place) for place in (chosen if among is None else among[chosen])]

    def _update(self) -> None:
        """Take the means of what was seen; read from a device no more often than examples are drawn."""
        for places, losses, rows in self._seen:
            counts = torch.bincount(rows, minlength=len(places)).clamp(min=1)
            sums = torch.zeros(len(places), device=losses.device).index_add_(0, rows, losses.float())
            self._losses[torch.tensor(places)] = (sums / counts).clamp(min=LEAST).cpu()
        self._seen.clear()
