"""BatchTopK sparse autoencoder (Bussmann et al. 2024, arXiv 2412.06410)."""

import torch
from jaxtyping import Float
from torch import Tensor

from dictionaries.architectures.topk import TopKSAE
from dictionaries.config import DictionaryConfig, TrainingConfig
from dictionaries.dictionary import Losses

THRESHOLD_RATE = 0.01
"""Weight of the newest batch in the running threshold."""


class BatchTopKSAE(TopKSAE):
    """An autoencoder that keeps, in training, a batch's k·n largest features of n tokens: k per token on average.

    Then f = π·1[π > θ] with π = relu((x - b_dec) W_enc + b_enc), so that a token's features do not depend on its
    batch (the paper's equation 6). θ, kept as the scalar buffer `threshold`, is a running mean over training
    batches of the smallest feature that stayed; -1 before the first, which keeps every positive feature.
    """

    architecture = "batchtopk"

    threshold: Tensor

    def __init__(self, config: DictionaryConfig, *, input_scale: float = 1.0) -> None:
        super().__init__(config, input_scale=input_scale)
        self.register_buffer("threshold", torch.tensor(-1.0))

    def encode_scaled(self, x: Float[Tensor, "*tokens d"]) -> Float[Tensor, "*tokens F"]:
        """Return the features f of scaled activations, by the threshold (the paper's equation 6)."""
        features = self.pre_activations(x).relu()  # π
        return features * (features > self.threshold)  # f = π·1[π > θ]

    def keep(self, features: Float[Tensor, "tokens F"]) -> Float[Tensor, "tokens F"]:
        """Return the k·n largest features of a batch of n tokens, and 0 for the others."""
        flat = features.flatten()
        largest = flat.topk(min(int(self.k) * len(features), len(flat)), sorted=False)
        return torch.zeros_like(flat).scatter(0, largest.indices, largest.values).view_as(features)

    def losses(self, x: Float[Tensor, "tokens d"], config: TrainingConfig, sparsity: float) -> Losses:
        """Return TopK's losses with the batch's largest features, and move the threshold after them."""
        losses = super().losses(x, config, sparsity)
        self._follow(losses.codes)
        return losses

    @torch.no_grad()
    def _follow(self, codes: Float[Tensor, "tokens F"]) -> None:
        if not bool((codes > 0).any()):
            return
        least = torch.where(codes > 0, codes, torch.inf).min().to(self.threshold.dtype)
        moved = self.threshold.lerp(least, THRESHOLD_RATE)  # θ ← (1 - rate)·θ + rate·least
        self.threshold.copy_(torch.where(self.threshold < 0, least, moved))
