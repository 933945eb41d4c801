"""Sparse autoencoder with ReLU features: the baseline of the Gated one (Bricken et al. 2023)."""

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from dictionaries.architectures.unit_decoder import UnitDecoder
from dictionaries.config import TrainingConfig
from dictionaries.dictionary import Losses


class ReluSAE(UnitDecoder):
    """The plain autoencoder: f = relu((x - b_dec) W_enc + b_enc), x̂ = f W_dec + b_dec, rows of `W_dec` of norm 1.

    Its penalty acts on the strengths themselves and shrinks them (γ below 1); that is what gating removes.
    """

    architecture = "relu"
    subtract_decoder_bias = True
    defaults: ClassVar[TrainingConfig] = TrainingConfig()

    def encode_scaled(self, x: Float[Tensor, "*tokens d"]) -> Float[Tensor, "*tokens F"]:
        """Return the features f of scaled activations."""
        return self.pre_activations(x).relu()  # f

    def losses(self, x: Float[Tensor, "tokens d"], config: TrainingConfig, sparsity: float) -> Losses:  # noqa: ARG002
        """Return ‖x - x̂‖² + λ Σ f, means over tokens."""
        codes = self.encode_scaled(x)
        reconstruction, _ = self.reconstruction(x, codes)
        penalty = codes.sum() / len(x)  # Σ f
        terms = {"reconstruction": reconstruction.detach(), "sparsity": penalty.detach()}
        return Losses(reconstruction + sparsity * penalty, terms, codes.detach())
