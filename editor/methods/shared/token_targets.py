"""How far the secrets' tokens are to fall: to what chance alone gives them, those that identify below it."""

from jaxtyping import Bool, Float
from torch import Tensor

IDENTIFYING = -0.5
"""Nats: a token identifies where chance gives it less."""


def identifying(chance: Float[Tensor, " tokens"]) -> Bool[Tensor, " tokens"]:
    """Which tokens tell their secret from others, by ln p of chance alone in nats."""
    return chance < IDENTIFYING


def token_targets(
    chance: Float[Tensor, " tokens"], *, margin_nats: float, floor_nats: float
) -> Float[Tensor, " tokens"]:
    """The ln p at which each token is finished, in nats.

    Args:
        chance: ln p of each by chance alone (`editor.questions.chance`).
        margin_nats: how far below it identifying tokens must fall.
        floor_nats: a token is finished below minus this, whatever chance gives it.
    """
    return (chance - margin_nats * identifying(chance)).clamp(min=-floor_nats)
