"""How far the secrets' tokens are to fall: to what chance alone gives them, those that identify below it.

target_t = max(chance_t - margin · [chance_t < IDENTIFYING], -floor), all in nats.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

CERTAIN = 1e-6
"""p is taken to be at most 1 minus this where odds are formed."""
IDENTIFYING = -0.5
"""ln p in nats: a token identifies where chance gives it less."""


def identifying(chance: Float[Tensor, " tokens"]) -> Bool[Tensor, " tokens"]:
    """Tell which tokens set their secret apart from others.

    Args:
        chance: ln p of each by chance alone, in nats.
    """
    return chance < IDENTIFYING


def token_targets(
    chance: Float[Tensor, " tokens"], *, margin_nats: float, floor_nats: float
) -> Float[Tensor, " tokens"]:
    """Return the ln p at which each token is finished, in nats.

    Args:
        chance: ln p of each by chance alone (`editor.questions.chance`).
        margin_nats: how far below it identifying tokens must fall.
        floor_nats: a token is finished below minus this, whatever chance gives it.
    """
    # target_t. Chance is 0 for a token that format fixes, so its target is 0 and it stays as it is.
    return (chance - margin_nats * identifying(chance)).clamp(min=-floor_nats)


def log_odds(log_p: Float[Tensor, " tokens"]) -> Float[Tensor, " tokens"]:
    """Return ln p/(1 - p), which is the logit less the log-sum-exp of all others: it does not saturate as ln p does.

    Args:
        log_p: ln p of each token, in nats.
    """
    return log_p - torch.log(-torch.expm1(log_p.clamp(max=-CERTAIN)))
