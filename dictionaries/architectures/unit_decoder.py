"""What the sparse autoencoders share: decoder rows of norm 1, a start from tied weights, revived features."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from dictionaries.dictionary import Dictionary, remove_radial_gradient, revive_rows, unit_rows


class UnitDecoder(Dictionary):
    """A sparse autoencoder whose decoder rows have norm 1 after every step.

    Without that bound a penalty on codes, or a choice of the largest, could be met by scaling rows.
    """

    centred = False

    def pre_activations(self, x: Float[Tensor, "*tokens d"]) -> Float[Tensor, "*tokens F"]:
        """Return (x - b_dec) W_enc + b_enc, or x W_enc + b_enc where the architecture does not subtract b_dec."""
        # b_dec enters through b_dec W_enc, so that its gradient needs no product over all tokens.
        bias = self.b_enc - self.b_dec @ self.W_enc if self.subtract_decoder_bias else self.b_enc
        return nn.functional.linear(x, self.W_enc.T, bias)

    def reconstruction(
        self, x: Float[Tensor, "tokens d"], codes: Float[Tensor, "tokens F"]
    ) -> tuple[Float[Tensor, ""], Float[Tensor, "tokens d"]]:
        """Return (‖x - x̂‖², mean over tokens; x - x̂)."""
        error = x - (codes @ self.W_dec + self.b_dec)  # x - x̂, x̂ = f W_dec + b_dec
        return error.square().sum() / len(x), error

    def initialise(self, generator: torch.Generator, mean: Float[Tensor, "d"]) -> None:
        """Draw unit decoder rows; the encoder is their transpose, b_dec the mean, which the encoder takes off."""
        with torch.no_grad():
            self.W_dec.copy_(torch.randn(self.W_dec.shape, generator=generator))
            unit_rows(self.W_dec)
            self.W_enc.copy_(self.W_dec.T)
            self.b_dec.copy_(mean)
            if not self.subtract_decoder_bias:
                self.b_enc.copy_(-(self.b_dec @ self.W_enc))

    def before_step(self) -> None:
        """Keep the step of each decoder row tangent to the unit sphere."""
        remove_radial_gradient(self.W_dec)

    def after_step(self) -> None:
        """Bring decoder rows back to norm 1 exactly."""
        unit_rows(self.W_dec)

    def revive(
        self, dead: Bool[Tensor, "F"], x: Float[Tensor, "tokens d"], generator: torch.Generator
    ) -> None:
        """Revive by `revive_rows`."""
        revive_rows(self, dead, x, generator)
        if not self.subtract_decoder_bias:
            with torch.no_grad():
                self.b_enc[dead] = -(self.b_dec @ self.W_enc[:, dead])
