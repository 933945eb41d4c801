"""Gated sparse autoencoder (Rajamanoharan et al. 2024, arXiv 2404.16014)."""

from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from dictionaries.active import where_positive
from dictionaries.config import DictionaryConfig, TrainingConfig
from dictionaries.dictionary import Dictionary, Losses, remove_radial_gradient, revive_rows, unit_rows
from dictionaries.gated_loss import gated_loss, known_gradient


class JumpReLU(NamedTuple):
    """The same function in inference form: z = x_c W_enc + b_enc, f = z·1[z > threshold].

    Attributes:
        W_enc: (d, F).
        b_enc: (F).
        threshold: θ, (F), not negative.
    """

    W_enc: Float[Tensor, "d F"]
    b_enc: Float[Tensor, "F"]
    threshold: Float[Tensor, "F"]


class GatedSAE(Dictionary):
    """Which features fire and how strongly are decided apart, so that the penalty does not shrink strengths.

    With x_c = x - b_dec:
        π = x_c W_enc + b_enc,  gate = 1[π > 0]                     (b_enc is the paper's b_gate)
        f = gate · relu(x_c (W_enc · exp(r_mag)) + b_mag),  x̂ = f W_dec + b_dec
    The rows of `W_dec` have norm 1.
    """

    architecture = "gated"
    subtract_decoder_bias = True
    centred = False
    defaults: ClassVar[TrainingConfig] = TrainingConfig()

    b_mag: nn.Parameter
    r_mag: nn.Parameter

    def __init__(self, config: DictionaryConfig, *, input_scale: float = 1.0) -> None:
        super().__init__(config, input_scale=input_scale)
        self.b_mag = nn.Parameter(torch.zeros(config.features))
        self.r_mag = nn.Parameter(torch.zeros(config.features))

    def encode_scaled(self, x: Float[Tensor, "*tokens d"]) -> Float[Tensor, "*tokens F"]:
        """Features f of scaled activations."""
        pre = self._gate(x)
        ratio, offset = self._magnitude()
        return where_positive(pre, torch.addcmul(offset, pre, ratio).relu())

    def as_jumprelu(self) -> JumpReLU:
        """W' = W_enc·exp(r_mag), b' = b_mag, θ = max(0, b_mag - exp(r_mag)·b_gate), on scaled activations."""
        ratio = self.r_mag.exp()
        return JumpReLU(self.W_enc * ratio, self.b_mag, (self.b_mag - ratio * self.b_enc).clamp_min(0.0))

    def initialise(self, generator: torch.Generator, mean: Float[Tensor, "d"]) -> None:
        """Random unit decoder rows, the encoder their transpose, b_dec the mean."""
        initialise_tied(self, generator, mean)

    def losses(self, x: Float[Tensor, "tokens d"], config: TrainingConfig, sparsity: float) -> Losses:  # noqa: ARG002
        """‖x - x̂‖² + λ Σ relu(π) + ‖x - (relu(π) sg(W_dec) + sg(b_dec))‖², means over tokens.

        The auxiliary decode trains the gate alone: both decoder tensors are detached in it. The gradient is
        worked out with the value, see `dictionaries.gated_loss`.
        """
        loss = gated_loss(self, x, sparsity)
        terms = loss.terms
        total = terms["reconstruction"] + sparsity * terms["sparsity"] + terms["auxiliary"]
        parameters = dict(self.named_parameters())
        return Losses(known_gradient(total, parameters, loss.gradients), terms, loss.codes)

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

    def _gate(self, x: Tensor) -> Tensor:
        """π. b_dec enters through b_dec W_enc, so that its gradient needs no product over all tokens."""
        return nn.functional.linear(x, self.W_enc.T, self.b_enc - self.b_dec @ self.W_enc)

    def _magnitude(self) -> tuple[Tensor, Tensor]:
        """(exp(r), b_mag - exp(r)·b_gate): the magnitude before its relu is exp(r)·π plus the latter."""
        ratio = self.r_mag.exp()
        return ratio, self.b_mag - ratio * self.b_enc


def initialise_tied(dictionary: Dictionary, generator: torch.Generator, mean: Float[Tensor, "d"]) -> None:
    """Random unit decoder rows, the encoder their transpose, `b_dec` the mean of scaled activations."""
    with torch.no_grad():
        rows = torch.randn(dictionary.W_dec.shape, generator=generator)
        dictionary.W_dec.copy_(rows)
        unit_rows(dictionary.W_dec)
        dictionary.W_enc.copy_(dictionary.W_dec.T)
        dictionary.b_dec.copy_(mean)


def mean_square(x: Tensor, decoded: Tensor, bias: Tensor) -> Float[Tensor, ""]:
    """‖x - (decoded + bias)‖², mean over tokens."""
    error = x - decoded - bias
    return error.square().sum() / len(x)
