"""Gated sparse autoencoder (Rajamanoharan et al. 2024, arXiv 2404.16014)."""

from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dictionaries.architectures.active import where_positive
from dictionaries.architectures.gated_loss import gated_loss, known_gradient
from dictionaries.architectures.unit_decoder import UnitDecoder
from dictionaries.config import DictionaryConfig, TrainingConfig
from dictionaries.dictionary import Losses


class JumpReLU(NamedTuple):
    """A Gated autoencoder in inference form: z = x_c W_enc + b_enc, f = z·1[z > threshold].

    Attributes:
        W_enc: (d, F) encoder of z.
        b_enc: (F) bias of z.
        threshold: (F) θ, not negative.
    """

    W_enc: Float[Tensor, "d F"]
    b_enc: Float[Tensor, "F"]
    threshold: Float[Tensor, "F"]


class GatedSAE(UnitDecoder):
    """An autoencoder that decides apart which features fire and how strongly: the penalty shrinks no strengths.

    With x_c = x - b_dec:
        π = x_c W_enc + b_enc,  gate = 1[π > 0]                     (b_enc is the paper's b_gate)
        f = gate · relu(x_c (W_enc · exp(r_mag)) + b_mag),  x̂ = f W_dec + b_dec
    The rows of `W_dec` have norm 1.
    """

    architecture = "gated"
    subtract_decoder_bias = True
    defaults: ClassVar[TrainingConfig] = TrainingConfig()

    b_mag: nn.Parameter
    r_mag: nn.Parameter

    def __init__(self, config: DictionaryConfig, *, input_scale: float = 1.0) -> None:
        super().__init__(config, input_scale=input_scale)
        self.b_mag = nn.Parameter(torch.zeros(config.features))
        self.r_mag = nn.Parameter(torch.zeros(config.features))

    def encode_scaled(self, x: Float[Tensor, "*tokens d"]) -> Float[Tensor, "*tokens F"]:
        """Return the features f of scaled activations."""
        pre = self.pre_activations(x)  # π = x_c W_enc + b_enc
        ratio, offset = self._magnitude()
        # f = 1[π > 0] · relu(exp(r_mag)·π + offset), where x_c (W_enc · exp(r_mag)) + b_mag = exp(r_mag)·π + offset
        return where_positive(pre, torch.addcmul(offset, pre, ratio).relu())

    def as_jumprelu(self) -> JumpReLU:
        """Return W' = W_enc·exp(r_mag), b' = b_mag, θ = max(0, b_mag - exp(r_mag)·b_gate), on scaled activations."""
        ratio = self.r_mag.exp()  # exp(r_mag)
        return JumpReLU(self.W_enc * ratio, self.b_mag, (self.b_mag - ratio * self.b_enc).clamp_min(0.0))

    def losses(self, x: Float[Tensor, "tokens d"], config: TrainingConfig, sparsity: float) -> Losses:  # noqa: ARG002
        """Return ‖x - x̂‖² + λ Σ relu(π) + ‖x - (relu(π) sg(W_dec) + sg(b_dec))‖², means over tokens.

        The auxiliary decode trains the gate alone: both decoder tensors are detached in it. The gradient is
        worked out with the value, see `dictionaries.architectures.gated_loss`.
        """
        loss = gated_loss(self, x, sparsity)
        terms = loss.terms
        total = terms["reconstruction"] + sparsity * terms["sparsity"] + terms["auxiliary"]
        parameters = dict(self.named_parameters())
        return Losses(known_gradient(total, parameters, loss.gradients), terms, loss.codes)

    def _magnitude(self) -> tuple[Tensor, Tensor]:
        """Return (exp(r_mag), offset): the magnitude before its relu is exp(r_mag)·π + offset."""
        ratio = self.r_mag.exp()
        return ratio, self.b_mag - ratio * self.b_enc  # offset = b_mag - exp(r_mag)·b_gate
