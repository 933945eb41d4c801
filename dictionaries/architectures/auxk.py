"""AuxK: silent features learn what the living ones leave (Gao et al. 2024, arXiv 2406.04093, section A.2)."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

WEIGHT = 1 / 32
"""α, the weight of the auxiliary loss."""
SILENT_TOKENS = 1 << 14
"""A feature that was off for so many tokens counts as dead. (The paper's 10 million are for far longer runs.)"""


def auxiliary_loss(
    error: Float[Tensor, "tokens d"],
    features: Float[Tensor, "tokens F"],
    dead: Bool[Tensor, "F"],
    weight: Float[Tensor, "F d"],
) -> Float[Tensor, ""]:
    """Return ‖e - ê‖², mean over tokens: ê decodes each token's k_aux = d/2 largest dead features, without bias.

    Args:
        error: e = x - x̂, detached, in scaled units.
        features: relu of the pre-activations of all features.
        dead: mask of the silent features.
        weight: W_dec, with a row per feature.
    """
    count = int(dead.sum())
    if not count:
        return error.new_zeros(())
    largest = features[:, dead].topk(min(count, max(1, error.shape[1] // 2)), dim=1)  # k_aux = d/2
    codes = torch.zeros_like(features[:, dead]).scatter(1, largest.indices, largest.values)
    return (error - codes @ weight[dead]).square().sum() / len(error)  # ‖e - ê‖², ê = codes W_dec[dead]


@torch.no_grad()
def count_silence(silent: Int[Tensor, "F"], codes: Float[Tensor, "tokens F"]) -> None:
    """Update, in place, the number of tokens for which each feature has been off."""
    silent.add_(len(codes))
    silent.masked_fill_((codes > 0).any(dim=0), 0)
