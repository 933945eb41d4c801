"""Sparse autoencoder with ReLU features: the baseline of the Gated one (Bricken et al. 2023)."""

from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from dictionaries.config import TrainingConfig
from dictionaries.dictionary import Dictionary, Losses, remove_radial_gradient, revive_rows, unit_rows
from dictionaries.gated import initialise_tied, mean_square


class ReluSAE(Dictionary):
    """f = relu((x - b_dec) W_enc + b_enc), x̂ = f W_dec + b_dec, rows of `W_dec` of norm 1.

    Its penalty acts on the strengths themselves and shrinks them (γ below 1); that is what gating removes.
    """

    architecture = "relu"
    subtract_decoder_bias = True
    centred = False
    defaults: ClassVar[TrainingConfig] = TrainingConfig()

    def encode_scaled(self, x: Float[Tensor, "*tokens d"]) -> Float[Tensor, "*tokens F"]:
        """Features f of scaled activations."""
        return nn.functional.linear(x, self.W_enc.T, self.b_enc - self.b_dec @ self.W_enc).relu()

    def initialise(self, generator: torch.Generator, mean: Float[Tensor, "d"]) -> None:
        """Random unit decoder rows, the encoder their transpose, b_dec the mean."""
        initialise_tied(self, generator, mean)

    def losses(self, x: Float[Tensor, "tokens d"], config: TrainingConfig, sparsity: float) -> Losses:  # noqa: ARG002
        """‖x - x̂‖² + λ Σ f, means over tokens."""
        codes = self.encode_scaled(x)
        reconstruction = mean_square(x, codes @ self.W_dec, self.b_dec)
        penalty = codes.sum() / len(x)
        terms = {"reconstruction": reconstruction.detach(), "sparsity": penalty.detach()}
        return Losses(reconstruction + sparsity * penalty, terms, codes.detach())

    def before_step(self) -> None:
        """Keep the step of each decoder row tangent to the unit sphere."""
        remove_radial_gradient(self.W_dec)

    def after_step(self) -> None:
        """Bring decoder rows back to norm 1 exactly."""
        unit_rows(self.W_dec)

    def revive(
        self, dead: Bool[Tensor, "F"], x: Float[Tensor, "tokens d"], generator: torch.Generator
    ) -> None:
        """See `revive_rows`."""
        revive_rows(self, dead, x, generator)
